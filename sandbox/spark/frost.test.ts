import { schnorr } from "@noble/curves/secp256k1.js";
import { expect, test } from "vitest";
import { bytesToScalar, concatBytes, modulo, scalarToBytes } from "./field.ts";
import * as frost from "./frost.ts";
import { encodePoint, evenY, GENERATOR, hasOddY, multiply, parsePoint, randomKeyPair, xOnly, type Point } from "./points.ts";
import { combine, shareMatchesProofs, split } from "./shamir.ts";
import { taproot } from "./transaction.ts";
import { seededRandom } from "../ports.ts";

const random = seededRandom("frost");
const id = (number: number): string => number.toString(16).padStart(64, "0");
const PAIRS = [
  [1, 2],
  [1, 3],
  [2, 3],
] as const;

/** One leaf, its parties and a round in which this pair of operators signs. */
function setting(pair: readonly [number, number], adaptor?: Point) {
  const user = randomKeyPair(random);
  const operators = randomKeyPair(random);
  const shares = split(operators.secret, 2, 3, random);
  const verifying = operators.point.add(user.point);
  const key = { verifying, taproot: taproot(verifying) };
  const message = random(32);
  const signers = pair.map((number) => ({ number, identifier: id(number), ...frost.newNonce(random) }));
  const own = frost.newNonce(random);
  const commitments = new Map([
    ...signers.map((each) => [each.identifier, each.commitment] as const),
    [frost.USER, own.commitment] as const,
  ]);
  const round = frost.round(key, message, commitments, adaptor);
  const ids = signers.map(({ identifier }) => identifier);
  const parts = signers.map(({ identifier, nonce, number }) => frost.operatorShare(round, identifier, ids, nonce, shares[number - 1]!));
  return { user, key, message, round, parts, userPart: frost.userShare(round, own.nonce, user.secret) };
}

test("the wallet's identifier is the one that lightsparkdev/frost derives", () => {
  expect(frost.USER).toMatch(/^687da64d[0-9a-f]{52}ac77$/);
});

test("any two operators and the wallet make a signature that verifies as BIP340 under the tweaked key", () => {
  for (const pair of PAIRS) {
    // Odd and even points take different branches: often enough to meet all eight.
    for (let times = 0; times < 12; times++) {
      const { user, key, message, round, parts, userPart } = setting(pair);
      expect(frost.verifyUserShare(round, userPart, user.point)).toBe(true);
      const signature = frost.aggregate(round, [...parts, userPart]);
      expect(schnorr.verify(signature, message, xOnly(evenY(key.taproot.outputKey)))).toBe(true);
      expect(frost.verifyAggregate(round, signature)).toBe(true);
    }
  }
});

test("a share that is off, of another key or for another message is refused", () => {
  const { user, round, parts, userPart } = setting([1, 3]);
  const other = setting([1, 3]);
  expect(frost.verifyUserShare(round, userPart + 1n, user.point)).toBe(false);
  expect(frost.verifyUserShare(round, userPart, other.user.point)).toBe(false);
  expect(frost.verifyUserShare(round, other.userPart, user.point)).toBe(false);
  expect(frost.verifyAggregate(round, frost.aggregate(round, [...parts, userPart + 1n]))).toBe(false);
  expect(frost.verifyAggregate(round, frost.aggregate(round, [parts[0]!, userPart]))).toBe(false);
});

test("with an adaptor the signature is not valid until the adaptor's secret is added, and is checked as such before", () => {
  for (let times = 0; times < 12; times++) {
    const adaptor = randomKeyPair(random);
    const { key, message, round, parts, userPart } = setting([2, 3], adaptor.point);
    const signature = frost.aggregate(round, [...parts, userPart]);
    expect(frost.verifyAdaptor(key, message, signature, adaptor.point)).toBe(true);
    expect(frost.verifyAggregate(round, signature)).toBe(false);
    const completed = concatBytes(
      signature.subarray(0, 32),
      scalarToBytes(bytesToScalar(signature.subarray(32)) + round.nonceSign * adaptor.secret),
    );
    expect(frost.verifyAggregate(round, completed)).toBe(true);

    const wrong = signature.slice();
    wrong[63]! ^= 1;
    expect(frost.verifyAdaptor(key, message, wrong, adaptor.point)).toBe(false);
    expect(frost.verifyAdaptor(key, message, signature, multiply(adaptor.point, 2n))).toBe(false);
    expect(frost.verifyAdaptor(key, random(32), signature, adaptor.point)).toBe(false);
    expect(frost.verifyAdaptor(key, message, signature.subarray(1), adaptor.point)).toBe(false);
  }
});

test("shares give the secret at the threshold, and Feldman's equation tells a wrong one", () => {
  const secret = bytesToScalar(random(32));
  const shares = split(secret, 2, 3, random);
  const proofs = [secret, modulo(shares[1]! - shares[0]!)].map((coefficient) => parsePoint(encodePoint(multiply(GENERATOR, coefficient))));
  for (const [a, b] of PAIRS) {
    expect(
      combine(
        new Map([
          [a, shares[a - 1]!],
          [b, shares[b - 1]!],
        ]),
      ),
    ).toBe(secret);
  }
  expect(combine(new Map([[1, shares[0]!]]))).not.toBe(secret);
  for (const [at, share] of shares.entries()) {
    expect(shareMatchesProofs(share, at + 1, proofs)).toBe(true);
    expect(shareMatchesProofs(share + 1n, at + 1, proofs)).toBe(false);
    expect(shareMatchesProofs(share, at + 2, proofs)).toBe(false);
  }
});

test("both signs of a key occur above", () => {
  const signs = new Set(Array.from({ length: 40 }, () => hasOddY(randomKeyPair(random).point)));
  expect(signs).toEqual(new Set([true, false]));
});
