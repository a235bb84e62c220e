/** The Spark SDK's wasm under the test plugin too, which resolves modules by vite and not by our own bundler. */
import { expect, test } from "vitest";
import { createBreez } from "../../durable-objects/spark/generated/breez.js";
import wasm from "../../durable-objects/spark/generated/breez.wasm";

test("a compiled module gives instances that do not share a heap", () => {
  const host = { fetch: () => Promise.reject(new Error("no network here")) };
  const [one, other] = [createBreez(wasm, host), createBreez(wasm, host)];
  expect(one.memory).not.toBe(other.memory);
  expect(one.defaultServerConfig("regtest").network).toBe("regtest");
});
