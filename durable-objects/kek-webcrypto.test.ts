import { describe, expect, it } from "vitest";
import { KEK_BASE64 } from "../test/support/custody-vectors.ts";
import { webCryptoKeks, webCryptoSpenderKek } from "./kek-webcrypto.ts";

const aad = Uint8Array.of(1);
const plain = Uint8Array.from({ length: 32 }, (_, index) => index);

describe("the ring of key-encryption keys", () => {
  it("wraps with the highest version and unwraps with each, also when ten follows nine", async () => {
    const old = await webCryptoKeks({ WALLET_KEK_V9: KEK_BASE64 });
    const both = await webCryptoKeks({ WALLET_KEK_V10: Buffer.alloc(32, 7).toString("base64"), WALLET_KEK_V9: KEK_BASE64, OTHER: "x" });
    if (!old.ok || !both.ok) throw new Error("both rings are right");
    expect([old.value.current.version, both.value.current.version]).toEqual(["v9", "v10"]);
    const wrapped = await old.value.current.wrap(plain, aad);
    expect(await both.value.find("v9")?.unwrap(wrapped, aad)).toEqual(plain);
    expect(await both.value.current.unwrap(wrapped, aad)).toBeNull();
    expect(both.value.find("v1")).toBeNull();
  });

  it("never wraps the same key into the same bytes twice", async () => {
    const keks = await webCryptoKeks({ WALLET_KEK_V1: KEK_BASE64 });
    if (!keks.ok) throw new Error(keks.detail);
    expect(await keks.value.current.wrap(plain, aad)).not.toEqual(await keks.value.current.wrap(plain, aad));
  });

  it("reads a Secrets Store binding, which is asked for its text", async () => {
    expect(await webCryptoKeks({ WALLET_KEK_V1: { get: () => Promise.resolve(KEK_BASE64) } })).toMatchObject({ ok: true });
  });

  it.each([
    ["none at all", {}],
    ["one of 31 bytes", { WALLET_KEK_V1: Buffer.alloc(31, 1).toString("base64") }],
    ["one of 33 bytes", { WALLET_KEK_V1: Buffer.alloc(33, 1).toString("base64") }],
    ["an empty one", { WALLET_KEK_V1: "" }],
    ["one that is not base64", { WALLET_KEK_V1: "correct horse battery staple" }],
    ["one that is no text", { WALLET_KEK_V1: 7 }],
    ["a store that cannot be read", { WALLET_KEK_V1: { get: () => Promise.reject(new Error("secret value of the store")) } }],
    ["a right one beside a wrong newer one", { WALLET_KEK_V1: KEK_BASE64, WALLET_KEK_V2: "short" }],
  ])("invariant 10: refuses %s, and does not say what it read", async (_what, env) => {
    const keks = await webCryptoKeks(env);
    expect(keks).toMatchObject({ ok: false, code: "envelope_unopenable" });
    expect(JSON.stringify(keks)).not.toMatch(/horse|secret value/u);
  });
});

describe("another spender's key", () => {
  const other = Buffer.alloc(32, 7).toString("base64");

  it("is the highest version under that spender's name, and wraps only", async () => {
    const env = {
      SPENDER_KEK_EXECUTOR_V1: KEK_BASE64,
      SPENDER_KEK_EXECUTOR_V2: other,
      SPENDER_KEK_EXECUTOR_EU_V9: KEK_BASE64,
      WALLET_KEK_V1: KEK_BASE64,
    };
    const kek = await webCryptoSpenderKek(env, "executor");
    if (!kek.ok) throw new Error(kek.detail);
    expect([kek.value.version, Object.hasOwn(kek.value, "unwrap")]).toEqual(["executor/v2", false]);
    const own = await webCryptoKeks({ WALLET_KEK_V2: other });
    expect(own.ok && (await own.value.current.unwrap(await kek.value.wrap(plain, aad), aad))).toEqual(plain);
    expect(await webCryptoSpenderKek(env, "executor-eu")).toMatchObject({ ok: true, value: { version: "executor-eu/v9" } });
  });

  it("invariant 10: that is missing or no key refuses, and does not say what it read", async () => {
    expect(await webCryptoSpenderKek({}, "executor")).toMatchObject({
      ok: false,
      code: "not_found",
      detail: expect.stringContaining("SPENDER_KEK_EXECUTOR_V1") as unknown,
    });
    const bad = await webCryptoSpenderKek({ SPENDER_KEK_EXECUTOR_V1: KEK_BASE64, SPENDER_KEK_EXECUTOR_V2: "correct horse" }, "executor");
    expect(bad).toMatchObject({ ok: false, code: "envelope_unopenable" });
    expect(JSON.stringify(bad)).not.toContain("horse");
  });
});
