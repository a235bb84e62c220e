import { gcm } from "@noble/ciphers/aes.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeCipher } from "../durable-objects/cipher.ts";
import * as vectors from "../test/support/custody-vectors.ts";
import { concat, openRecord, sealRecord, sealedKeyId } from "./seal.ts";

const { RECORD_KEY: key, RECORD_NONCE: nonce, RECORD_CONTEXT: context, RECORD_PLAIN: plain } = vectors;
const sealed = hexToBytes(vectors.SEALED_RECORD);

describe("a sealed record", () => {
  it("is the fixed vector, byte for byte, and opens", () => {
    expect(bytesToHex(sealRecord(nodeCipher, key, nonce, context, plain))).toBe(vectors.SEALED_RECORD);
    expect(openRecord(nodeCipher, key, context, sealed)).toEqual(plain);
  });

  it("is what noble and WebCrypto make of the same parts", async () => {
    const header = sealed.subarray(0, 3);
    const aad = concat(header, utf8ToBytes(context));
    expect(concat(header, nonce, gcm(key.bytes, nonce, aad).encrypt(plain))).toEqual(sealed);
    const imported = await crypto.subtle.importKey("raw", key.bytes, "AES-GCM", false, ["encrypt"]);
    const ciphertext = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: aad }, imported, plain);
    expect(concat(header, nonce, new Uint8Array(ciphertext))).toEqual(sealed);
  });

  it("names its key, so that a rotation can find what is left", () => {
    expect(sealedKeyId(sealed)).toBe(258);
    expect(sealedKeyId(sealed.subarray(0, 30))).toBeNull();
    expect(sealedKeyId(Uint8Array.from(sealed, (byte, index) => (index === 0 ? 2 : byte)))).toBeNull();
  });

  it("does not open in another place, nor with another key, nor under another key's name", () => {
    expect(openRecord(nodeCipher, key, "payment/00000000-0000-4000-8000-000000000001", sealed)).toBeNull();
    expect(openRecord(nodeCipher, { id: key.id, bytes: new Uint8Array(32) }, context, sealed)).toBeNull();
    expect(openRecord(nodeCipher, { id: 259, bytes: key.bytes }, context, sealed)).toBeNull();
    const renamed = Uint8Array.from(sealed, (byte, index) => (index === 2 ? 3 : byte));
    expect(openRecord(nodeCipher, { id: 259, bytes: key.bytes }, context, renamed)).toBeNull();
  });

  it("does not open with any one bit changed or any byte missing", () => {
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Uint8Array.from(sealed, (byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(openRecord(nodeCipher, key, context, changed), `bit ${bit}`).toBeNull();
    }
    for (let length = 0; length < sealed.length; length += 1)
      expect(openRecord(nodeCipher, key, context, sealed.subarray(0, length))).toBeNull();
  });

  it("gives back whatever was sealed, in any context", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.string({ unit: "grapheme" }),
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        (bytes, place, once) => {
          expect(openRecord(nodeCipher, key, place, sealRecord(nodeCipher, key, once, place, bytes))).toEqual(Uint8Array.from(bytes));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("refuses a key, key id or nonce that cannot be right", () => {
    expect(() => sealRecord(nodeCipher, { ...key, id: 0 }, nonce, context, plain)).toThrow(RangeError);
    expect(() => sealRecord(nodeCipher, { ...key, id: 65_536 }, nonce, context, plain)).toThrow(RangeError);
    expect(() => sealRecord(nodeCipher, { ...key, bytes: new Uint8Array(16) }, nonce, context, plain)).toThrow(RangeError);
    expect(() => sealRecord(nodeCipher, key, new Uint8Array(11), context, plain)).toThrow(RangeError);
  });
});
