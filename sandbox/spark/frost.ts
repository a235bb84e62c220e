/**
 * Nested FROST for secp256k1 with taproot (as lightsparkdev/frost does it): the leaf's key is the operators' key plus the wallet's key. Nonces
 * and the challenge are shared by all signers; Lagrange's coefficients are taken among the operators only, the wallet's share counts whole.
 * The result is a BIP340 signature, or, with an adaptor point, one that verifies once the adaptor's secret is added.
 */
import { expand_message_xmd } from "@noble/curves/abstract/hash-to-curve.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, bytesToScalar, concatBytes, equalBytes, hexToBytes, modulo, randomScalar, scalarToBytes, utf8 } from "./field.ts";
import {
  encodePoint,
  evenY,
  GENERATOR,
  hasOddY,
  multiply,
  parsePoint,
  taggedHash,
  verifySchnorr,
  xOnly,
  ZERO,
  type Point,
} from "./points.ts";
import { lagrange } from "./shamir.ts";
import type { TaprootKey } from "./transaction.ts";

const CONTEXT = "FROST-secp256k1-SHA256-TR-v1";

/** Public halves of a signer's two nonces, 33 bytes each. */
export interface Commitment {
  readonly hiding: Uint8Array;
  readonly binding: Uint8Array;
}
export interface Nonce {
  readonly hiding: bigint;
  readonly binding: bigint;
}

const hashToScalar = (message: Uint8Array, purpose: string): bigint =>
  bytesToScalar(expand_message_xmd(message, utf8(CONTEXT + purpose), 48, sha256));
const hash = (message: Uint8Array, purpose: string): Uint8Array => sha256(concatBytes(utf8(CONTEXT + purpose), message));

/** The wallet's identifier among the signers; operators are their number as 64 hex digits. */
export const USER: string = bytesToHex(scalarToBytes(hashToScalar(utf8("user"), "id")));

export function newNonce(random: (length: number) => Uint8Array): { readonly nonce: Nonce; readonly commitment: Commitment } {
  const nonce = { hiding: randomScalar(random), binding: randomScalar(random) };
  const commitment = {
    hiding: encodePoint(multiply(GENERATOR, nonce.hiding)),
    binding: encodePoint(multiply(GENERATOR, nonce.binding)),
  };
  return { nonce, commitment };
}

/** A leaf's key as signatures need it. `verifying` is the sum of both parties' keys, `taproot` its BIP341 tweak. */
export interface SigningKey {
  readonly verifying: Point;
  readonly taproot: TaprootKey;
}

/** What every signer derives from the message and all commitments. */
export interface Round {
  readonly message: Uint8Array;
  /** Tweaked key with even y: what the signature verifies under. */
  readonly outputKey: Point;
  readonly tweak: bigint;
  /** By identifier: the signer's nonce point, and the factor that binds its second nonce to this round. */
  readonly signers: ReadonlyMap<string, { readonly noncePoint: Point; readonly bindingFactor: bigint }>;
  readonly nonceX: Uint8Array;
  readonly challenge: bigint;
  /** 1 or -1: BIP340 wants even y of the nonce, the internal and the output key. */
  readonly nonceSign: bigint;
  readonly keySign: bigint;
  readonly outputSign: bigint;
}

const sign = (point: Point): bigint => (hasOddY(point) ? -1n : 1n);

/**
 * @param commitments of all signers by identifier, {@link USER} among them
 * @param adaptor added to the nonce, so that the signature lacks the adaptor's secret
 * @throws Error if a commitment is no point
 */
export function round(key: SigningKey, message: Uint8Array, commitments: ReadonlyMap<string, Commitment>, adaptor?: Point): Round {
  const outputKey = evenY(key.taproot.outputKey);
  const ordered = [...commitments].sort(([a], [b]) => (a < b ? -1 : 1));
  const list = concatBytes(...ordered.map(([id, { hiding, binding }]) => concatBytes(hexToBytes(id), hiding, binding)));
  const prefix = concatBytes(encodePoint(outputKey), hash(message, "msg"), hash(list, "com"));
  const signers = new Map<string, { readonly noncePoint: Point; readonly bindingFactor: bigint }>();
  let nonce = adaptor ?? ZERO;
  for (const [id, { hiding, binding }] of ordered) {
    const bindingFactor = hashToScalar(concatBytes(prefix, hexToBytes(id)), "rho");
    const noncePoint = parsePoint(hiding).add(multiply(parsePoint(binding), bindingFactor));
    signers.set(id, { noncePoint, bindingFactor });
    nonce = nonce.add(noncePoint);
  }
  const nonceX = xOnly(nonce);
  return {
    message,
    outputKey,
    tweak: key.taproot.tweak,
    signers,
    nonceX,
    challenge: bytesToScalar(taggedHash("BIP0340/challenge", nonceX, xOnly(outputKey), message)),
    nonceSign: sign(nonce),
    keySign: sign(key.verifying),
    outputSign: sign(key.taproot.outputKey),
  };
}

function signerOf(round: Round, id: string): { readonly noncePoint: Point; readonly bindingFactor: bigint } {
  const signer = round.signers.get(id);
  if (signer === undefined) throw new Error("not a signer of this round");
  return signer;
}

/** @param signers identifiers of the operators that sign, in hex; the taproot tweak is shared among them, as each one's part counts by its coefficient */
export function operatorShare(round: Round, id: string, signers: readonly string[], nonce: Nonce, keyShare: bigint): bigint {
  const members = signers.map((signer) => BigInt(`0x${signer}`));
  const coefficient = lagrange(BigInt(`0x${id}`), members);
  const nonces = round.nonceSign * (nonce.hiding + signerOf(round, id).bindingFactor * nonce.binding);
  const key = round.outputSign * (round.keySign * keyShare + round.tweak);
  return modulo(nonces + round.challenge * coefficient * key);
}

/** The wallet's share; used by the SSP and tests, a wallet makes its own. */
export function userShare(round: Round, nonce: Nonce, secret: bigint): bigint {
  const nonces = round.nonceSign * (nonce.hiding + signerOf(round, USER).bindingFactor * nonce.binding);
  return modulo(nonces + round.challenge * round.outputSign * round.keySign * secret);
}

/** Whether the wallet signed this very message with the key that the operators know as its half of the leaf's. */
export function verifyUserShare(round: Round, share: bigint, userKey: Point): boolean {
  const nonce = signerOf(round, USER).noncePoint;
  const expected = multiply(nonce, round.nonceSign).add(multiply(userKey, round.challenge * round.outputSign * round.keySign));
  return multiply(GENERATOR, share).equals(expected);
}

/** @returns the signature, 64 bytes; with an adaptor it is not yet valid */
export function aggregate(round: Round, shares: readonly bigint[]): Uint8Array {
  return concatBytes(round.nonceX, scalarToBytes(shares.reduce((sum, share) => sum + share, 0n)));
}

export function verifyAggregate(round: Round, signature: Uint8Array): boolean {
  return verifySchnorr(signature, round.message, xOnly(round.outputKey));
}

/**
 * Whether a signature lacks exactly the adaptor's secret: s*G - c*Q is the nonce without the adaptor, up to the sign BIP340 chose.
 * @param signature 64 bytes; its first half names the nonce with the adaptor
 */
export function verifyAdaptor(key: SigningKey, message: Uint8Array, signature: Uint8Array, adaptor: Point): boolean {
  if (signature.length !== 64) return false;
  const outputKey = evenY(key.taproot.outputKey);
  const nonceX = signature.subarray(0, 32);
  const challenge = bytesToScalar(taggedHash("BIP0340/challenge", nonceX, xOnly(outputKey), message));
  const bare = multiply(GENERATOR, bytesToScalar(signature.subarray(32))).subtract(multiply(outputKey, challenge));
  const even = bare.add(adaptor);
  const odd = bare.negate().add(adaptor);
  return (
    (!even.equals(ZERO) && !hasOddY(even) && equalBytes(xOnly(even), nonceX)) ||
    (!odd.equals(ZERO) && hasOddY(odd) && equalBytes(xOnly(odd), nonceX))
  );
}
