/** Shamir's secret sharing with Feldman's proofs. Share number i (from 1) is the polynomial at i; a proof is a coefficient times the generator. */
import { invert, modulo, randomScalar } from "./field.ts";
import { GENERATOR, multiply, ZERO, type Point } from "./points.ts";

/** @returns `count` shares, of which any `threshold` give the secret */
export function split(secret: bigint, threshold: number, count: number, random: (length: number) => Uint8Array): bigint[] {
  const coefficients = [modulo(secret), ...Array.from({ length: threshold - 1 }, () => randomScalar(random))];
  return Array.from({ length: count }, (_, index) =>
    coefficients.reduceRight((sum, coefficient) => modulo(sum * BigInt(index + 1) + coefficient), 0n),
  );
}

/** Lagrange's coefficient of `at`, a member of `members`, for the polynomial's value at 0. */
export function lagrange(at: bigint, members: readonly bigint[]): bigint {
  let product = 1n;
  for (const other of members) if (other !== at) product = modulo(product * other * invert(other - at));
  return product;
}

/** @param shares by number; exactly as many as the threshold */
export function combine(shares: ReadonlyMap<number, bigint>): bigint {
  const members = [...shares.keys()].map(BigInt);
  let sum = 0n;
  for (const [number, share] of shares) sum = modulo(sum + share * lagrange(BigInt(number), members));
  return sum;
}

/** Feldman's equation: share times G is the sum of the proofs times the share's number to the power of their place. */
export function shareMatchesProofs(share: bigint, number: number, proofs: readonly Point[]): boolean {
  // Horner's rule over points: numbers are tiny, so each step is a few additions.
  const expected = proofs.reduceRight((sum, proof) => multiply(sum, BigInt(number)).add(proof), ZERO);
  return multiply(GENERATOR, share).equals(expected);
}
