/**
 * The ECIES by which wallets, operators and SSP hand each other key material:
 * ephemeral key (65 bytes, uncompressed) || nonce (16) || tag (16) || AES-256-GCM ciphertext,
 * key = HKDF-SHA256 of ephemeral key || shared point, both uncompressed, no salt, no info.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "./field.ts";
import { multiply, parsePoint, randomKeyPair, type Point } from "./points.ts";

const EPHEMERAL = 65;
const NONCE = 16;
const TAG = 16;

const encryptionKey = (ephemeral: Uint8Array, shared: Point): Uint8Array =>
  hkdf(sha256, concatBytes(ephemeral, shared.toBytes(false)), undefined, undefined, 32);

/** @param random gives that many bytes */
export function eciesEncrypt(receiver: Point, message: Uint8Array, random: (length: number) => Uint8Array): Uint8Array {
  const ephemeral = randomKeyPair(random);
  const sent = ephemeral.point.toBytes(false);
  const nonce = random(NONCE);
  const sealed = gcm(encryptionKey(sent, multiply(receiver, ephemeral.secret)), nonce).encrypt(message);
  return concatBytes(sent, nonce, sealed.subarray(sealed.length - TAG), sealed.subarray(0, sealed.length - TAG));
}

/** @throws Error if it was sealed for another key or touched */
export function eciesDecrypt(secret: bigint, sealed: Uint8Array): Uint8Array {
  if (sealed.length < EPHEMERAL + NONCE + TAG) throw new Error("ciphertext too short");
  const ephemeral = sealed.subarray(0, EPHEMERAL);
  const nonce = sealed.subarray(EPHEMERAL, EPHEMERAL + NONCE);
  const tag = sealed.subarray(EPHEMERAL + NONCE, EPHEMERAL + NONCE + TAG);
  const key = encryptionKey(ephemeral, multiply(parsePoint(ephemeral), secret));
  return gcm(key, nonce).decrypt(concatBytes(sealed.subarray(EPHEMERAL + NONCE + TAG), tag));
}
