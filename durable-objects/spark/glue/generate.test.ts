import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createBreez, type BreezHost } from "../generated/breez.js";
import { generate } from "./generate.mjs";

const WORTHLESS = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
// workerd's types know no way to compile from bytes, and it has none; Node does.
const Module = WebAssembly.Module as unknown as new (bytes: Uint8Array) => WebAssembly.Module;
const module = new Module(readFileSync(join(import.meta.dirname, "../generated/breez.wasm")));
const unreachable: BreezHost = { fetch: () => Promise.reject(new TypeError("nothing is out there")) };

it("has nothing to do where npm install has run", () => {
  expect(generate()).toBe("unchanged");
});

it("makes instances that share no memory", () => {
  const [one, other] = [createBreez(module, unreachable), createBreez(module, unreachable)];
  const before = other.memory.buffer.byteLength;
  one.memory.grow(16);
  expect([one.memory === other.memory, other.memory.buffer.byteLength]).toEqual([false, before]);
  expect(one.defaultServerConfig("regtest")).toEqual(other.defaultServerConfig("regtest"));
});

it("asks its own host for every request and every timer", async () => {
  const asked: string[] = [];
  const timers: string[] = [];
  const breez = createBreez(module, {
    fetch: (request) => {
      asked.push(new URL(request.url).hostname);
      return Promise.reject(new TypeError("nothing is out there"));
    },
    timers: {
      setTimeout: (_callback, ms) => timers.push(`set ${ms}`),
      clearTimeout: () => timers.push("clear"),
      setInterval: () => timers.push("interval"),
      clearInterval: () => timers.push("clear interval"),
    },
  });
  await expect(breez.getSparkStatus()).rejects.toThrow("error sending request");
  expect(asked).toEqual(["spark.money"]);
  expect(timers).toEqual(["set 60000", "clear"]);
});

it("tells its host alone when Rust throws", () => {
  const heard: string[] = [];
  const breez = createBreez(module, { ...unreachable, console: { error: (text) => heard.push(text) } });
  const freed = breez.postgresStorage(breez.defaultPostgresStorageConfig("worthless"));
  freed.free();
  const builder = breez.SdkBuilder.new(breez.defaultServerConfig("regtest"), { type: "mnemonic", mnemonic: WORTHLESS });
  expect(() => builder.withStorageBackend(freed)).toThrow("null pointer passed to rust");
  expect(heard).toEqual(["null pointer passed to rust"]);
});
