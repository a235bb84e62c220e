/**
 * How a leaf's key changes hands: the sender makes a new key, and the difference between old and new ("tweak") is shared among the operators,
 * each share sealed for its operator and provable by Feldman's equation. Old key + operators' key = new key + (operators' key + tweak).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { eciesDecrypt } from "./ecies.ts";
import { bytesToHex, bytesToNumber, bytesToScalar, concatBytes, equalBytes, hexToBytes, modulo, utf8 } from "./field.ts";
import { KeyTweaks, type KeyTweakMessage } from "./messages.ts";
import { given, need, pointOf, type Leaf, type Network, type Tweak } from "./network.ts";
import { encodePoint, GENERATOR, multiply, verifyEcdsa, type Point } from "./points.ts";
import { shareMatchesProofs, split } from "./shamir.ts";

export interface PackageTweak extends Tweak {
  readonly cipher: Uint8Array;
  readonly signature: Uint8Array;
}

const lengthPrefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length));
  return bytes;
};
const prefixed = (bytes: Uint8Array): Uint8Array => concatBytes(lengthPrefix(bytes.length), bytes);

/**
 * What a wallet signs over a package (hash variant 2): the tag's hash twice, transfer id, number of operators, and for each operator in order
 * of its identifier the identifier and its ciphertext. Every part has its length in 8 bytes before it.
 */
export function packageMessage(kind: "transfer" | "claim", transferId: string, sealed: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const tag = sha256(concatBytes(...["spark", kind, "signing payload"].map((part) => prefixed(utf8(part)))));
  const entries = [...sealed].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([id, cipher]) => [prefixed(utf8(id)), prefixed(cipher)]);
  const id = hexToBytes(transferId.replaceAll("-", ""));
  return concatBytes(tag, tag, prefixed(id), prefixed(lengthPrefix(sealed.size)), ...entries);
}

/** What the sender signs over each leaf's sealed key, and the receiver checks. */
export function leafMessage(leafId: string, transferId: string, cipher: Uint8Array): Uint8Array {
  return concatBytes(utf8(leafId), utf8(transferId), cipher);
}

/**
 * Opens a package of tweaks: each operator decrypts its own and checks its share against the proofs, and all see the same proofs.
 * @param identity hex, who signed it
 * @returns by leaf id
 * @throws GrpcError 3
 */
export function openPackage(
  network: Network,
  kind: "transfer" | "claim",
  transferId: string,
  sealed: { readonly keyTweakPackage: ReadonlyMap<string, Uint8Array>; readonly userSignature: Uint8Array },
  identity: string,
): ReadonlyMap<string, PackageTweak> {
  const signed = packageMessage(kind, transferId, sealed.keyTweakPackage);
  need(verifyEcdsa(sealed.userSignature, signed, hexToBytes(identity)), `the ${kind} package is not signed by its wallet`);
  network.checks.count("packages");

  const opened = new Map<string, { proof: Uint8Array; shares: bigint[]; cipher: Uint8Array; signature: Uint8Array }>();
  for (const operator of network.operators) {
    const cipher = given(sealed.keyTweakPackage.get(operator.identifier), "an operator's key tweaks");
    for (const tweak of decryptTweaks(operator.key.secret, cipher)) {
      const { secretShare, proofs } = given(tweak.secretShareTweak, "secret_share_tweak");
      const share = bytesToScalar(secretShare);
      const [proof] = proofs;
      need(proof !== undefined && proofs.length === network.threshold, "the number of proofs is not the threshold");
      if (network.checks.dear("feldman_shares")) {
        need(
          shareMatchesProofs(
            share,
            operator.number,
            proofs.map((each) => pointOf(each, "a proof")),
          ),
          "a key tweak's share does not match its proofs",
        );
        const published = given(tweak.publicSharesTweak.get(operator.identifier), "a public share");
        need(equalBytes(published, encodePoint(multiply(GENERATOR, share))), "a public share does not match the secret one");
        network.checks.count("feldman_shares");
      }
      const leaf = opened.get(tweak.leafId) ?? { proof, shares: [], cipher: tweak.secretCipher, signature: tweak.signature };
      need(equalBytes(leaf.proof, proof), "operators were given different tweaks");
      need(leaf.shares.length === operator.index, "a leaf is tweaked twice, or not for every operator");
      leaf.shares.push(share);
      opened.set(tweak.leafId, leaf);
    }
  }
  return new Map(
    [...opened].map(([leafId, { proof, shares, cipher, signature }]) => {
      need(shares.length === network.operators.length, "a leaf is not tweaked for every operator");
      return [leafId, { point: pointOf(proof, "a proof"), shares, cipher, signature }];
    }),
  );
}

function decryptTweaks(secret: bigint, cipher: Uint8Array): readonly KeyTweakMessage[] {
  try {
    return KeyTweaks.decode(eciesDecrypt(secret, cipher)).leaves;
  } catch {
    need(false, "an operator cannot open its key tweaks");
  }
}

/** The tweak of a transfer the SSP makes itself. */
export function makeTweak(network: Network, oldSecret: bigint, newSecret: bigint): Tweak {
  const difference = modulo(oldSecret - newSecret);
  const shares = split(difference, network.threshold, network.operators.length, (length) => network.ports.random(length));
  return { point: multiply(GENERATOR, difference), shares };
}

/** The leaf's key material after the tweak; its sum, the verifying key, is unchanged. */
export function tweaked(leaf: Leaf, tweak: Tweak): Pick<Leaf, "shares" | "operatorKey" | "userKey"> {
  return {
    shares: leaf.shares.map((share, index) => modulo(share + (tweak.shares[index] ?? 0n))),
    operatorKey: leaf.operatorKey.add(tweak.point),
    userKey: leaf.userKey.subtract(tweak.point),
  };
}

/** Whether a decrypted key is the wallet's half of the leaf's key. */
export function ownsLeaf(leaf: Leaf, secret: Uint8Array): boolean {
  if (bytesToNumber(secret) === 0n) return false;
  return multiply(GENERATOR, bytesToScalar(secret)).equals(leaf.userKey);
}

export const sameKey = (point: Point, bytes: Uint8Array): boolean => bytesToHex(encodePoint(point)) === bytesToHex(bytes);
