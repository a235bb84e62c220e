import { gcm } from "@noble/ciphers/aes.js";
import { base64 } from "@scure/base";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { describe, expect, it } from "vitest";
import { nodeCipher } from "../durable-objects/cipher.ts";
import { webCryptoKeks, webCryptoSpenderKek } from "../durable-objects/kek-webcrypto.ts";
import * as vectors from "../test/support/custody-vectors.ts";
import {
  isEnvelope,
  openEnvelope,
  reencryptEnvelope,
  rewrapEnvelope,
  sealEnvelope,
  unwrapRecordKey,
  wrapRecordKey,
  type Envelope,
} from "./envelope.ts";
import type { KeyRing } from "./kek.ts";
import type { Cipher } from "./seal.ts";

const nobleCipher: Cipher = {
  seal: (key, nonce, plain, aad) => Uint8Array.from(gcm(key, nonce, aad).encrypt(plain)),
  open: (key, nonce, sealed, aad) => {
    try {
      return Uint8Array.from(gcm(key, nonce, aad).decrypt(sealed));
    } catch {
      return null;
    }
  },
};

/** The vectors' nonce for wrapping is c0 c1 …; their data key and content nonce count up from 20. */
async function ring(env: Readonly<Record<string, string>> = { WALLET_KEK_V1: vectors.KEK_BASE64 }): Promise<KeyRing> {
  const keks = await webCryptoKeks(env, vectors.countingRandom(0xc0));
  if (!keks.ok) throw new Error(keks.detail);
  return keks.value;
}

const read = (mnemonic: Uint8Array): string => new TextDecoder().decode(mnemonic);

/** The same text with one bit of its decoded bytes flipped. */
function flip(text: string, index: number): string {
  const bytes = base64.decode(text);
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return base64.encode(bytes);
}

describe.each([
  { name: "node:crypto", cipher: nodeCipher },
  { name: "noble", cipher: nobleCipher },
])("an envelope sealed by $name under a WebCrypto key", ({ cipher }) => {
  it("is the fixed vector, byte for byte", async () => {
    const { current: kek } = await ring();
    const sealed = await sealEnvelope(
      { cipher, kek, random: vectors.countingRandom(0x20) },
      vectors.BINDING,
      utf8ToBytes(vectors.MNEMONIC),
      vectors.CREATED_AT,
    );
    expect(sealed).toEqual(vectors.ENVELOPE);
    expect(JSON.parse(JSON.stringify(sealed))).toEqual(sealed);
  });

  it("opens to the mnemonic, which is overwritten after its use", async () => {
    let kept: Uint8Array | null = null;
    const opened = await openEnvelope({ cipher, keks: await ring() }, vectors.ENVELOPE, vectors.BINDING, (mnemonic) => {
      kept = mnemonic;
      return read(mnemonic);
    });
    expect(opened).toEqual({ ok: true, value: vectors.MNEMONIC });
    expect(kept).toEqual(new Uint8Array(vectors.MNEMONIC.length));
  });
});

describe("an envelope", () => {
  it("overwrites the mnemonic that it seals, even when the key cannot be used", async () => {
    const mnemonic = utf8ToBytes(vectors.MNEMONIC);
    const kek = { version: "v1", wrap: () => Promise.reject(new Error("no key")), unwrap: () => Promise.resolve(null) };
    const failure: unknown = await sealEnvelope(
      { cipher: nodeCipher, kek, random: vectors.countingRandom() },
      vectors.BINDING,
      mnemonic,
      0,
    ).catch((error: unknown) => error);
    expect(failure).toEqual(new Error("no key"));
    expect(mnemonic).toEqual(new Uint8Array(mnemonic.length));
  });

  it("overwrites the opened mnemonic when its use fails", async () => {
    let kept: Uint8Array | null = null;
    const use = (mnemonic: Uint8Array): never => {
      kept = mnemonic;
      throw new Error("the wallet would not start");
    };
    const failure: unknown = await openEnvelope({ cipher: nodeCipher, keks: await ring() }, vectors.ENVELOPE, vectors.BINDING, use).catch(
      (error: unknown) => error,
    );
    expect(failure).toEqual(new Error("the wallet would not start"));
    expect(kept).toEqual(new Uint8Array(vectors.MNEMONIC.length));
  });

  const changed: readonly (readonly [string, Envelope])[] = [
    ["a flipped bit in the ciphertext", { ...vectors.ENVELOPE, ciphertext: flip(vectors.ENVELOPE.ciphertext, 0) }],
    [
      "a flipped bit in the tag",
      { ...vectors.ENVELOPE, ciphertext: flip(vectors.ENVELOPE.ciphertext, base64.decode(vectors.ENVELOPE.ciphertext).length - 1) },
    ],
    ["a flipped bit in the nonce", { ...vectors.ENVELOPE, nonce: flip(vectors.ENVELOPE.nonce, 11) }],
    ["a nonce of another length", { ...vectors.ENVELOPE, nonce: base64.encode(new Uint8Array(3)) }],
    ["a flipped bit in the wrapped key", { ...vectors.ENVELOPE, wrappedDataKey: flip(vectors.ENVELOPE.wrappedDataKey, 20) }],
    ["a flipped bit in the wrapping nonce", { ...vectors.ENVELOPE, wrappedDataKey: flip(vectors.ENVELOPE.wrappedDataKey, 0) }],
    ["a wrapped key cut short", { ...vectors.ENVELOPE, wrappedDataKey: base64.encode(new Uint8Array(5)) }],
    ["ciphertext cut short", { ...vectors.ENVELOPE, ciphertext: base64.encode(new Uint8Array(15)) }],
    ["text that is not base64", { ...vectors.ENVELOPE, ciphertext: "@@@@" }],
    ["base64 with stray bits", { ...vectors.ENVELOPE, nonce: "QEFCQ0RFRkdISUpLQ1==" }],
    ["a key version that another key has", { ...vectors.ENVELOPE, kekVersion: "v2" }],
    ["a key version that is not configured", { ...vectors.ENVELOPE, kekVersion: "v3" }],
    ["another format", { ...vectors.ENVELOPE, version: 2 as 1 }],
    ["another purpose", { ...vectors.ENVELOPE, purpose: "record" as "mnemonic" }],
  ];
  it.each(changed)("invariant 10: with %s does not open", async (_what, envelope) => {
    // v2 is the same key under another name: only the binding of the version can tell them apart.
    const keks = await ring({ WALLET_KEK_V1: vectors.KEK_BASE64, WALLET_KEK_V2: vectors.KEK_BASE64 });
    const opened = await openEnvelope({ cipher: nodeCipher, keks }, envelope, vectors.BINDING, read);
    expect(opened).toMatchObject({ ok: false, code: "envelope_unopenable" });
    expect(JSON.stringify(opened)).not.toContain("abandon");
  });

  it.each([
    ["wallet", { ...vectors.BINDING, walletId: "wallet-2" }],
    ["owner", { ...vectors.BINDING, owner: "owner-2" }],
    ["network", { ...vectors.BINDING, network: "mainnet" as const }],
  ])("invariant 10: does not open for another %s, even when its own fields are changed to match", async (_what, binding) => {
    const keks = await ring();
    expect(await openEnvelope({ cipher: nodeCipher, keks }, vectors.ENVELOPE, binding, read)).toMatchObject({
      code: "envelope_unopenable",
    });
    expect(await openEnvelope({ cipher: nodeCipher, keks }, { ...vectors.ENVELOPE, ...binding }, binding, read)).toMatchObject({
      code: "envelope_unopenable",
    });
  });

  it("is recognised by its shape", () => {
    expect(isEnvelope(vectors.ENVELOPE)).toBe(true);
    for (const name of Object.keys(vectors.ENVELOPE)) expect(isEnvelope({ ...vectors.ENVELOPE, [name]: null }), name).toBe(false);
    for (const value of [null, undefined, "v1", 1, [], {}]) expect(isEnvelope(value)).toBe(false);
  });
});

describe("a record key", () => {
  it("is wrapped as the fixed vector says, and unwraps", async () => {
    const keks = await ring();
    const { kekVersion, wrapped } = await wrapRecordKey(keks.current, "wallet-1", vectors.RECORD_KEY.bytes);
    expect([kekVersion, base64.encode(wrapped)]).toEqual(["v1", vectors.WRAPPED_RECORD_KEY]);
    expect(await unwrapRecordKey(keks, "wallet-1", kekVersion, wrapped)).toEqual(vectors.RECORD_KEY.bytes);
  });

  it("invariant 10: unwraps for no other wallet and no other version", async () => {
    const keks = await ring({ WALLET_KEK_V1: vectors.KEK_BASE64, WALLET_KEK_V2: vectors.KEK_BASE64 });
    const wrapped = base64.decode(vectors.WRAPPED_RECORD_KEY);
    expect(await unwrapRecordKey(keks, "wallet-2", "v1", wrapped)).toBeNull();
    expect(await unwrapRecordKey(keks, "wallet-1", "v2", wrapped)).toBeNull();
    expect(await unwrapRecordKey(keks, "wallet-1", "v9", wrapped)).toBeNull();
    expect(await unwrapRecordKey(keks, "wallet-1", "v1", base64.decode(vectors.ENVELOPE.wrappedDataKey))).toBeNull();
  });
});

describe("rotation", () => {
  const two = { WALLET_KEK_V1: vectors.KEK_BASE64, WALLET_KEK_V2: vectors.KEK_2_BASE64 };
  const ports = async (env: Readonly<Record<string, string>> = two) => ({
    cipher: nodeCipher,
    keks: await ring(env),
    random: vectors.countingRandom(0x60),
  });
  const open = async (env: Readonly<Record<string, string>>, envelope: Envelope, cipher: Cipher = nodeCipher) =>
    openEnvelope({ cipher, keks: await ring(env) }, envelope, vectors.BINDING, read);

  it("of the key-encryption key wraps the same data key anew, as the fixed vector says, and leaves the ciphertext", async () => {
    const { keks } = await ports();
    expect(await rewrapEnvelope(keks, keks.current, vectors.ENVELOPE, vectors.BINDING)).toEqual({ ok: true, value: vectors.REWRAPPED });
    for (const cipher of [nodeCipher, nobleCipher])
      expect(await open({ WALLET_KEK_V2: vectors.KEK_2_BASE64 }, vectors.REWRAPPED, cipher)).toEqual({ ok: true, value: vectors.MNEMONIC });
    expect(await open({ WALLET_KEK_V1: vectors.KEK_BASE64 }, vectors.REWRAPPED)).toMatchObject({ code: "envelope_unopenable" });
    expect(await open(two, vectors.ENVELOPE)).toEqual({ ok: true, value: vectors.MNEMONIC });
  });

  it("of the key-encryption key gives out nothing that it could not open again", async () => {
    const { keks } = await ports();
    for (const wrap of [
      async () => new Uint8Array(60),
      (_key: Uint8Array, aad: Uint8Array) => keks.current.wrap(new Uint8Array(32), aad),
      (key: Uint8Array) => keks.current.wrap(key, new Uint8Array()),
    ])
      expect(await rewrapEnvelope(keks, { version: "v2", wrap }, vectors.ENVELOPE, vectors.BINDING)).toMatchObject({
        ok: false,
        code: "envelope_unopenable",
      });
  });

  it("of the data key encrypts the words anew, as the fixed vector says, and keeps what is known of the backup", async () => {
    expect(await reencryptEnvelope(await ports(), vectors.ENVELOPE, vectors.BINDING)).toEqual({ ok: true, value: vectors.REENCRYPTED });
    for (const cipher of [nodeCipher, nobleCipher])
      expect(await open(two, vectors.REENCRYPTED, cipher)).toEqual({ ok: true, value: vectors.MNEMONIC });
    const kept = await reencryptEnvelope(await ports(), { ...vectors.ENVELOPE, backedUpAt: 5 }, vectors.BINDING);
    expect(kept.ok && kept.value.backedUpAt).toBe(5);
  });

  it("invariant 10: parts of the envelope before and after do not open together", async () => {
    const { REENCRYPTED, ENVELOPE } = vectors;
    const mixed: readonly Envelope[] = [
      { ...REENCRYPTED, wrappedDataKey: ENVELOPE.wrappedDataKey, kekVersion: ENVELOPE.kekVersion },
      { ...ENVELOPE, wrappedDataKey: REENCRYPTED.wrappedDataKey, kekVersion: REENCRYPTED.kekVersion },
      { ...REENCRYPTED, nonce: ENVELOPE.nonce },
      { ...REENCRYPTED, kekVersion: "v1" },
      { ...vectors.REWRAPPED, kekVersion: "v1" },
    ];
    for (const envelope of mixed) expect(await open(two, envelope)).toMatchObject({ code: "envelope_unopenable" });
  });

  it("invariant 10: of a tampered or another wallet's envelope makes nothing", async () => {
    const all = await ports();
    const { keks } = all;
    const tampered = { ...vectors.ENVELOPE, wrappedDataKey: flip(vectors.ENVELOPE.wrappedDataKey, 20) };
    const swapped = { ...vectors.BINDING, walletId: "wallet-2" };
    expect(await rewrapEnvelope(keks, keks.current, tampered, vectors.BINDING)).toMatchObject({ ok: false });
    expect(await rewrapEnvelope(keks, keks.current, vectors.ENVELOPE, swapped)).toMatchObject({ ok: false });
    expect(await reencryptEnvelope(all, tampered, vectors.BINDING)).toMatchObject({ ok: false });
    expect(
      await reencryptEnvelope(all, { ...vectors.ENVELOPE, ciphertext: flip(vectors.ENVELOPE.ciphertext, 3) }, vectors.BINDING),
    ).toMatchObject({ ok: false });
    expect(await reencryptEnvelope(all, { ...vectors.ENVELOPE, walletId: "wallet-2" }, swapped)).toMatchObject({ ok: false });
  });

  it("of the data key gives out nothing that it could not open again", async () => {
    const broken: Cipher = {
      ...nodeCipher,
      seal: (key, nonce, _plain, aad) => nodeCipher.seal(key, nonce, utf8ToBytes("other words"), aad),
    };
    expect(await reencryptEnvelope({ ...(await ports()), cipher: broken }, vectors.ENVELOPE, vectors.BINDING)).toMatchObject({
      ok: false,
      code: "envelope_unopenable",
    });
  });

  it("invariant 13: wrapped for another spender, an envelope opens for that spender alone", async () => {
    const spender = await webCryptoSpenderKek({ SPENDER_KEK_EXECUTOR_V3: vectors.KEK_2_BASE64 }, "executor", vectors.countingRandom());
    if (!spender.ok) throw new Error(spender.detail);
    const moved = await rewrapEnvelope(await ring(), spender.value, vectors.ENVELOPE, vectors.BINDING);
    if (!moved.ok) throw new Error(moved.detail);
    expect(moved.value.kekVersion).toBe("executor/v3");
    // Not even the same key under a name of our own.
    for (const env of [two, { WALLET_KEK_V3: vectors.KEK_2_BASE64 }]) expect(await open(env, moved.value)).toMatchObject({ ok: false });
    const theirs = await ring({ WALLET_KEK_V3: vectors.KEK_2_BASE64 });
    const kek = { ...theirs.current, version: "executor/v3" };
    expect(
      await openEnvelope(
        { cipher: nodeCipher, keks: { current: kek, versions: [kek.version], find: () => kek } },
        moved.value,
        vectors.BINDING,
        read,
      ),
    ).toEqual({ ok: true, value: vectors.MNEMONIC });
  });
});
