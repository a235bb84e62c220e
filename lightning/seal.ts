/**
 * Sealing of small records (token, invoice, preimage) under a wallet's record key, in the very block that writes their row: so the
 * cipher is synchronous, and WebCrypto, which is not, has no part in it.
 *
 * A sealed record: format (1 byte, 1) ‖ key id (2 bytes, big endian) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag. The first three bytes are
 * authenticated too. Nonces are random: one key is good for 2^32 records (NIST SP 800-38D, 8.3), then it must be rotated.
 */
import { utf8ToBytes } from "@noble/hashes/utils.js";

/** AES-256-GCM with a 12-byte nonce and a 16-byte tag behind the ciphertext. `open` answers null to anything that does not authenticate. */
export interface Cipher {
  seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer>;
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer> | null;
}

/** A record key that is open in memory: 32 bytes, and the number that the rows sealed with it carry. */
export interface RecordKey {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export const KEY_LENGTH = 32;
export const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
const FORMAT = 1;
const HEADER_LENGTH = 3;
/** Rows have two bytes for the name of their key. */
export const MAX_KEY_ID = 0xffff;

/**
 * @param nonce 12 fresh random bytes
 * @param context what the record is and whose (`payment/<purchase id>`): a blob moved to another row or column does not open there
 * @throws RangeError for a key, key id or nonce of the wrong size: a bug, never input
 */
export function sealRecord(cipher: Cipher, key: RecordKey, nonce: Uint8Array, context: string, plain: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(key.id) || key.id < 1 || key.id > MAX_KEY_ID) throw new RangeError("a record key's id is 1 to 65535");
  if (key.bytes.length !== KEY_LENGTH || nonce.length !== NONCE_LENGTH) throw new RangeError("a record key has 32 bytes, a nonce 12");
  const header = Uint8Array.of(FORMAT, key.id >> 8, key.id & 0xff);
  return concat(header, nonce, cipher.seal(key.bytes, nonce, plain, concat(header, utf8ToBytes(context))));
}

/** Null when it was changed, belongs elsewhere, or was sealed with another key than the one given. */
export function openRecord(cipher: Cipher, key: RecordKey, context: string, sealed: Uint8Array): Uint8Array<ArrayBuffer> | null {
  if (sealedKeyId(sealed) !== key.id) return null;
  const header = sealed.subarray(0, HEADER_LENGTH);
  const nonce = sealed.subarray(HEADER_LENGTH, HEADER_LENGTH + NONCE_LENGTH);
  return cipher.open(key.bytes, nonce, sealed.subarray(HEADER_LENGTH + NONCE_LENGTH), concat(header, utf8ToBytes(context)));
}

/** Which record key opens this? Null when it is no sealed record of a format that we know. */
export function sealedKeyId(sealed: Uint8Array): number | null {
  if (sealed.length < HEADER_LENGTH + NONCE_LENGTH + TAG_LENGTH || sealed[0] !== FORMAT) return null;
  return ((sealed[1] ?? 0) << 8) | (sealed[2] ?? 0);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
