/** The fixed vectors again, inside workerd: what Node's crypto has sealed opens there, and the other way round. */
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { base64 } from "@scure/base";
import { expect, it } from "vitest";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { webCryptoKeks } from "../../durable-objects/kek-webcrypto.ts";
import { openEnvelope, reencryptEnvelope, rewrapEnvelope, sealEnvelope, wrapRecordKey } from "../../lightning/envelope.ts";
import type { KeyRing } from "../../lightning/kek.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import * as vectors from "../support/custody-vectors.ts";

async function ring(): Promise<KeyRing> {
  const keks = await webCryptoKeks({ WALLET_KEK_V1: vectors.KEK_BASE64 }, vectors.countingRandom(0xc0));
  if (!keks.ok) throw new Error(keks.detail);
  return keks.value;
}

it("workerd's node:crypto seals and opens a record synchronously, to the same bytes as Node and noble", () => {
  const { RECORD_KEY, RECORD_NONCE, RECORD_CONTEXT, RECORD_PLAIN, SEALED_RECORD } = vectors;
  expect(bytesToHex(sealRecord(nodeCipher, RECORD_KEY, RECORD_NONCE, RECORD_CONTEXT, RECORD_PLAIN))).toBe(SEALED_RECORD);
  const sealed = hexToBytes(SEALED_RECORD);
  expect(openRecord(nodeCipher, RECORD_KEY, RECORD_CONTEXT, sealed)).toEqual(RECORD_PLAIN);
  for (const index of [0, 2, 3, 15, sealed.length - 1]) {
    const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte));
    expect(openRecord(nodeCipher, RECORD_KEY, RECORD_CONTEXT, changed), `byte ${index}`).toBeNull();
  }
});

it("workerd's WebCrypto wraps and unwraps to the same bytes, and refuses another wallet's", async () => {
  const { current: kek } = await ring();
  const sealed = await sealEnvelope(
    { cipher: nodeCipher, kek, random: vectors.countingRandom(0x20) },
    vectors.BINDING,
    utf8ToBytes(vectors.MNEMONIC),
    vectors.CREATED_AT,
  );
  expect(sealed).toEqual(vectors.ENVELOPE);
  expect(base64.encode((await wrapRecordKey((await ring()).current, "wallet-1", vectors.RECORD_KEY.bytes)).wrapped)).toBe(
    vectors.WRAPPED_RECORD_KEY,
  );
  const ports = { cipher: nodeCipher, keks: await ring() };
  const read = (mnemonic: Uint8Array): string => new TextDecoder().decode(mnemonic);
  expect(await openEnvelope(ports, vectors.ENVELOPE, vectors.BINDING, read)).toEqual({ ok: true, value: vectors.MNEMONIC });
  expect(await openEnvelope(ports, vectors.ENVELOPE, { ...vectors.BINDING, owner: "owner-2" }, read)).toMatchObject({
    ok: false,
    code: "envelope_unopenable",
  });
});

it("workerd rotates to the same bytes: the key-encryption key and the data key", async () => {
  const both = async (): Promise<KeyRing> => {
    const keks = await webCryptoKeks(
      { WALLET_KEK_V1: vectors.KEK_BASE64, WALLET_KEK_V2: vectors.KEK_2_BASE64 },
      vectors.countingRandom(0xc0),
    );
    if (!keks.ok) throw new Error(keks.detail);
    return keks.value;
  };
  const keks = await both();
  expect(await rewrapEnvelope(keks, keks.current, vectors.ENVELOPE, vectors.BINDING)).toEqual({ ok: true, value: vectors.REWRAPPED });
  const again = { cipher: nodeCipher, keks: await both(), random: vectors.countingRandom(0x60) };
  expect(await reencryptEnvelope(again, vectors.ENVELOPE, vectors.BINDING)).toEqual({ ok: true, value: vectors.REENCRYPTED });
});
