/**
 * Points of secp256k1. Multiplications are the variable-time ones: the keys here guard play money in a test's memory, and a send costs
 * dozens of them.
 */
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, modulo, randomScalar, scalarToBytes, utf8 } from "./field.ts";

export type Point = InstanceType<typeof secp256k1.Point>;
export const GENERATOR: Point = secp256k1.Point.BASE;
export const ZERO: Point = secp256k1.Point.ZERO;

export interface KeyPair {
  readonly secret: bigint;
  readonly point: Point;
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array;
}

export function multiply(point: Point, scalar: bigint): Point {
  const reduced = modulo(scalar);
  return reduced === 0n ? ZERO : point.multiplyUnsafe(reduced);
}

/** @throws Error if the bytes are no point of the curve (33 or 65 bytes) */
export const parsePoint = (bytes: Uint8Array): Point => secp256k1.Point.fromBytes(bytes);
export const encodePoint = (point: Point): Uint8Array => point.toBytes(true);
export const hasOddY = (point: Point): boolean => (point.toAffine().y & 1n) === 1n;
export const evenY = (point: Point): Point => (hasOddY(point) ? point.negate() : point);
export const xOnly = (point: Point): Uint8Array => point.toBytes(true).subarray(1);

export function keyPair(secret: bigint): KeyPair {
  const point = multiply(GENERATOR, secret);
  return { secret, point, publicKey: encodePoint(point) };
}

export function randomKeyPair(random: (length: number) => Uint8Array): KeyPair {
  return keyPair(randomScalar(random));
}

/** Hash of BIP340: sha256(sha256(tag) || sha256(tag) || data). */
export function taggedHash(tag: string, ...data: readonly Uint8Array[]): Uint8Array {
  const prefix = sha256(utf8(tag));
  return sha256(concatBytes(prefix, prefix, ...data));
}

/** ECDSA over sha256 of the message; the SDK sends DER in some fields and 64 bytes in others. */
export function verifyEcdsa(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return secp256k1.verify(signature, message, publicKey, { format: signature.length === 64 ? "compact" : "der", lowS: false });
  } catch {
    return false;
  }
}

/** @returns 64 bytes, over sha256 of the message */
export function signEcdsa(message: Uint8Array, secret: bigint): Uint8Array {
  return secp256k1.sign(message, scalarToBytes(secret));
}

export function verifySchnorr(signature: Uint8Array, message: Uint8Array, publicKeyX: Uint8Array): boolean {
  return schnorr.verify(signature, message, publicKeyX);
}
