/** Scalars of secp256k1 (integers modulo the group's order) and bytes. A scalar on the wire is 32 bytes, big-endian. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js";

export { bytesToHex, concatBytes, hexToBytes };

const Fn = secp256k1.Point.Fn;
export const ORDER: bigint = Fn.ORDER;

/** @returns the representative in 0..ORDER-1, also of a negative number */
export const modulo = (value: bigint): bigint => Fn.create(value);
export const invert = (value: bigint): bigint => Fn.inv(modulo(value));

export function bytesToNumber(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytesToHex(bytes)}`);
}

export function scalarToBytes(scalar: bigint): Uint8Array {
  return hexToBytes(modulo(scalar).toString(16).padStart(64, "0"));
}

export function bytesToScalar(bytes: Uint8Array): bigint {
  return modulo(bytesToNumber(bytes));
}

/** A scalar other than 0. `random` gives that many bytes. Forty bytes, so that the reduction's bias is below 2^-64. */
export function randomScalar(random: (length: number) => Uint8Array): bigint {
  return bytesToScalar(random(40)) || 1n;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
