/**
 * One transaction, signed by wallet and operators together. The operators build the transaction they expect and take the wallet's signature
 * only over that one; what they have signed they verify, so that a refund that could not be broadcast is found here and not on chain.
 */
import { sighash, serialize, outputOf, type Transaction } from "./transaction.ts";
import { bytesToHex, bytesToScalar, equalBytes, modulo, scalarToBytes } from "./field.ts";
import * as frost from "./frost.ts";
import type { Infer, Input } from "./protobuf.ts";
import type { GetSigningCommitmentsRequest, GetSigningCommitmentsResponse, SigningJobMessage, SigningResult } from "./messages.ts";
import { given, need, type Leaf, type Network, type Operator } from "./network.ts";
import { encodePoint, GENERATOR, multiply, type Point } from "./points.ts";

const nonceKey = (operator: Operator, hiding: Uint8Array): string => `${operator.number}:${bytesToHex(hiding)}`;

/** get_signing_commitments: nonces of a threshold of operators, drawn anew, for `count` transactions of each leaf. */
export function giveCommitments(
  network: Network,
  request: Infer<typeof GetSigningCommitmentsRequest>,
): Input<typeof GetSigningCommitmentsResponse> {
  const leaves = request.nodeIds.length || request.nodeIdCount;
  need(leaves > 0 && request.count > 0 && leaves * request.count <= 10_000, "count of commitments out of range");
  const signers = drawSigners(network);
  const draw = (): readonly (readonly [string, frost.Commitment])[] =>
    signers.map((operator) => {
      const { nonce, commitment } = frost.newNonce((length) => network.ports.random(length));
      network.nonces.set(nonceKey(operator, commitment.hiding), nonce);
      return [operator.identifier, commitment];
    });
  return {
    signingCommitments: Array.from({ length: leaves * request.count }, () => ({ signingNonceCommitments: new Map(draw()) })),
  };
}

/** A random threshold of the operators, so that over a test every combination signs. */
function drawSigners(network: Network): readonly Operator[] {
  const left = [...network.operators];
  return Array.from({ length: network.threshold }, () => {
    const at = (network.ports.random(1)[0] ?? 0) % left.length;
    return left.splice(at, 1)[0] as Operator;
  });
}

export interface Cosigned {
  /** 64 bytes; null in light mode. With an adaptor it lacks the adaptor's secret. */
  readonly signature: Uint8Array | null;
  /** The operators' shares, for a wallet that aggregates itself. */
  readonly result: () => Input<typeof SigningResult>;
}

/**
 * @param job the wallet's share and the commitments it used
 * @param parent whose output 0 is spent
 * @throws GrpcError 3 if the transaction, the share or a nonce is not the expected one
 */
export function cosign(
  network: Network,
  leaf: Leaf,
  job: SigningJobMessage | undefined,
  expected: Transaction,
  parent: Transaction,
  adaptor?: Point,
): Cosigned {
  need(job !== undefined && job.leafId === leaf.id, `no signing job for leaf ${leaf.id}`);
  need(equalBytes(job.rawTx, serialize(expected)), `unexpected transaction for leaf ${leaf.id}`);
  network.checks.count("transactions");
  const commitments = given(job.signingCommitments, "signing_commitments").signingCommitments;
  // An adaptor signature is the wallet's to aggregate: it needs the operators' shares even in light mode.
  const check = network.checks.dear("user_shares");
  if (!check && adaptor === undefined) {
    for (const operator of network.operators) {
      const unused = commitments.get(operator.identifier);
      if (unused !== undefined) network.nonces.delete(nonceKey(operator, unused.hiding));
    }
    return { signature: null, result: () => ({}) };
  }
  const signers = [...commitments.keys()].sort();
  need(signers.length === network.threshold, "the number of signers is not the threshold");
  const own = given(job.signingNonceCommitment, "signing_nonce_commitment");
  const key = { verifying: leaf.verifyingKey, taproot: leaf.taproot };
  const round = roundOf(key, sighash(expected, outputOf(parent)), new Map([...commitments, [frost.USER, own]]), adaptor);

  const userShare = bytesToScalar(job.userSignature);
  if (check) {
    need(frost.verifyUserShare(round, userShare, leaf.userKey), `invalid signature share for leaf ${leaf.id}`);
    network.checks.count("user_shares");
  }
  const shares = new Map(
    signers.map((id) => {
      const operator = given(
        network.operators.find(({ identifier }) => identifier === id),
        "a known operator",
      );
      return [id, operatorShare(network, operator, leaf, round, signers, given(commitments.get(id), "a commitment"))];
    }),
  );
  const signature = frost.aggregate(round, [...shares.values(), userShare]);
  if (check && adaptor === undefined) {
    need(frost.verifyAggregate(round, signature), `the aggregated signature for leaf ${leaf.id} does not verify`);
    network.checks.count("aggregated_signatures");
  }
  return {
    signature,
    result: () => ({
      publicKeys: new Map(signers.map((id) => [id, encodePoint(multiply(GENERATOR, leaf.shares[Number(BigInt(`0x${id}`)) - 1] ?? 0n))])),
      signingNonceCommitments: commitments,
      signatureShares: new Map([...shares].map(([id, share]) => [id, scalarToBytes(lied(network, share))])),
    }),
  };
}

function roundOf(...of: Parameters<typeof frost.round>): frost.Round {
  try {
    return frost.round(...of);
  } catch {
    need(false, "a nonce commitment is no point");
  }
}

const lied = (network: Network, share: bigint): bigint => (network.lies.has("signature_share") ? modulo(share + 1n) : share);

function operatorShare(
  network: Network,
  operator: Operator,
  leaf: Leaf,
  round: frost.Round,
  signers: readonly string[],
  commitment: frost.Commitment,
): bigint {
  const place = nonceKey(operator, commitment.hiding);
  const nonce = network.nonces.get(place);
  // A nonce that signs twice gives the operator's share away: it is forgotten with its first use.
  need(nonce !== undefined, "a nonce commitment is unknown or was used before");
  network.nonces.delete(place);
  return frost.operatorShare(round, operator.identifier, signers, nonce, leaf.shares[operator.index] ?? 0n);
}
