/**
 * Writes an age file (age-encryption.org/v1, the specification at c2sp.org/age) for one X25519 recipient: how a wallet's backup leaves the
 * house, once. Written here because the library, with all its kinds of recipients, costs the Worker 48 KB gzip, and this costs 7; the library
 * reads it back in our tests and in `npm run restore`. A backup is one short payload, so STREAM has exactly one chunk.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { base64, base64nopad, bech32 } from "@scure/base";
import { concat } from "./seal.ts";

export interface AgePorts {
  /** Cryptographically strong. */
  readonly random: (length: number) => Uint8Array;
  /** X25519 with a fresh key of our own: its public half and the shared secret, or null for a point that no key should have. */
  readonly agree: (recipient: Uint8Array) => Promise<{ readonly share: Uint8Array; readonly secret: Uint8Array } | null>;
}

/** STREAM cuts its payload at this length; a longer one would need more than the one chunk written here. */
const CHUNK = 64 * 1024;
const KEY_LENGTH = 32;
/** `age1` and 58 characters: 32 bytes and a checksum, BIP-173. Other kinds (`age1pq1…`, plugins) are longer or named otherwise. */
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/u;
const INTRO = "age-encryption.org/v1\n";

/** The public key in an `age1…` recipient; null for anything else, one mistyped character included. */
export function readRecipient(text: string): Uint8Array | null {
  if (!RECIPIENT.test(text)) return null;
  try {
    const { prefix, bytes } = bech32.decodeToBytes(text);
    return prefix === "age" && bytes.length === KEY_LENGTH ? bytes : null;
  } catch {
    return null;
  }
}

/**
 * @param recipient from {@link readRecipient}
 * @param plain at most 64 KiB; still the caller's to overwrite
 * @returns the armored file, or null for a recipient that agrees on no secret
 * @throws RangeError for a longer text: a bug, never input
 */
export async function sealToRecipient(ports: AgePorts, recipient: Uint8Array, plain: Uint8Array): Promise<string | null> {
  if (plain.length > CHUNK) throw new RangeError("a backup has one chunk");
  const agreed = await ports.agree(recipient);
  // RFC 7748, 6.1: an all-zero secret comes of a point of low order, and would be everybody's.
  if (agreed === null || agreed.secret.every((byte) => byte === 0)) return null;
  const fileKey = ports.random(16);
  const wrapKey = hkdf(sha256, agreed.secret, concat(agreed.share, recipient), utf8ToBytes(`${INTRO.trimEnd()}/X25519`), KEY_LENGTH);
  const body = chacha20poly1305(wrapKey, new Uint8Array(12)).encrypt(fileKey);
  const header = `${INTRO}-> X25519 ${base64nopad.encode(agreed.share)}\n${base64nopad.encode(body)}\n---`;
  const macKey = hkdf(sha256, fileKey, undefined, utf8ToBytes("header"), KEY_LENGTH);
  const mac = hmac(sha256, macKey, utf8ToBytes(header));
  const nonce = ports.random(16);
  const streamKey = hkdf(sha256, fileKey, nonce, utf8ToBytes("payload"), KEY_LENGTH);
  // STREAM's nonce: an 11-byte counter, then 1 for the last chunk.
  const payload = chacha20poly1305(streamKey, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)).encrypt(plain);
  for (const key of [agreed.secret, fileKey, wrapKey, macKey, streamKey]) key.fill(0);
  return armor(concat(utf8ToBytes(`${header} ${base64nopad.encode(mac)}\n`), nonce, payload));
}

/** RFC 7468 in its strict form: 64 columns. */
function armor(file: Uint8Array): string {
  const lines = base64.encode(file).match(/.{1,64}/gu) ?? [];
  return `-----BEGIN AGE ENCRYPTED FILE-----\n${lines.join("\n")}\n-----END AGE ENCRYPTED FILE-----\n`;
}
