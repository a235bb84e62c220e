/**
 * A transfer's life: the sender's leaves are locked and its refunds signed (key_tweak_pending), the operators take the tweaks over
 * (key_tweaked: from now on the sender's key is worthless), the receiver claims (completed). Before the tweak it can be given back
 * (returned, or expired by the clock); afterwards never.
 */
import { bytesToHex, hexToBytes, scalarToBytes } from "./field.ts";
import { eciesDecrypt, eciesEncrypt } from "./ecies.ts";
import { cosign } from "./cosign.ts";
import { leafMessage, makeTweak, openPackage, ownsLeaf, tweaked, type PackageTweak } from "./keyshares.ts";
import { identityOf, mintLeaf, type MintOptions } from "./leaves.ts";
import type { SigningJobMessage, StartTransferMessage, TransferPackageMessage } from "./messages.ts";
import {
  ALREADY_EXISTS,
  FAILED_PRECONDITION,
  given,
  INVALID_ARGUMENT,
  leafOf,
  need,
  PERMISSION_DENIED,
  pointOf,
  updateLeaf,
  updateTransfer,
  type Leaf,
  type Network,
  type TransferLeafRow,
  type TransferRow,
} from "./network.ts";
import { GrpcError, type TransferStatus, type TransferType } from "./operators-port.ts";
import { randomKeyPair, signEcdsa, verifyEcdsa } from "./points.ts";
import { blocks, nextHtlcSequences, nextSequences, type RefundSequences } from "./timelocks.ts";
import { htlcScript, payTo, spend, type Transaction } from "./transaction.ts";
import { fromTimestamp } from "./views.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const jobOf = (jobs: readonly SigningJobMessage[], leaf: Leaf): SigningJobMessage | undefined =>
  jobs.find(({ leafId }) => leafId === leaf.id);

/** What each kind of send signs for a leaf, beyond what all have in common. */
export type SignLeaf = (leaf: Leaf, signing: TransferPackageMessage) => Pick<TransferLeafRow, "intermediateRefund" | "receiverRefund">;

export interface SendKind {
  readonly type: TransferType;
  readonly paymentHash: string | null;
  readonly swap: TransferRow["swap"];
  readonly sign: SignLeaf;
}

/**
 * Checks a wallet's request to send and locks its leaves.
 * @param me hex identity of the session
 * @throws GrpcError 3, 5, 6 the id is taken, 7 not the caller's leaf, 9 leaf locked
 */
export function lockLeaves(network: Network, me: string, request: StartTransferMessage, kind: SendKind): TransferRow {
  const id = request.transferId;
  const now = network.ports.now();
  need(UUID.test(id), "transfer_id is no UUID");
  if (network.transfers.has(id)) throw new GrpcError(ALREADY_EXISTS, `transfer ${id} already exists`);
  if (bytesToHex(request.ownerIdentityPublicKey) !== me) throw new GrpcError(PERMISSION_DENIED, "the owner is not the session's identity");
  const receiver = identityOf(request.receiverIdentityPublicKey);
  const expiresAt = request.expiryTime === undefined ? null : fromTimestamp(request.expiryTime);
  need(expiresAt === null || expiresAt > now, "expiry time is in the past");

  const signing = given(request.transferPackage, "transfer_package");
  const leaves = signing.leavesToSend.map(({ leafId }) => leafOf(network, leafId));
  need(leaves.length > 0 && new Set(leaves).size === leaves.length, "no leaves, or one twice");
  for (const leaf of leaves) mustBeSpendable(leaf, me);
  const tweaks = openPackage(network, "transfer", id, signing, me);
  need(tweaks.size === leaves.length, "tweaks of other leaves than those sent");

  const rows = leaves.map((leaf): TransferLeafRow => {
    const tweak = given(tweaks.get(leaf.id), "a leaf's key tweak");
    checkLeafSignature(network, leaf.id, id, tweak, me);
    const { point, shares, cipher, signature } = tweak;
    return { leafId: leaf.id, sats: leaf.sats, cipher, signature, tweak: { point, shares }, ...kind.sign(leaf, signing) };
  });
  const transfer: TransferRow = {
    id,
    type: kind.type,
    status: "key_tweak_pending",
    sender: me,
    receiver,
    sats: leaves.reduce((sum, { sats }) => sum + sats, 0),
    leaves: rows,
    paymentHash: kind.paymentHash,
    sparkInvoice: request.sparkInvoice,
    expiresAt,
    createdAt: now,
    updatedAt: now,
    swap: kind.swap,
  };
  network.transfers.set(id, transfer);
  for (const leaf of leaves) updateLeaf(network, leaf, { status: "TRANSFER_LOCKED", lockedBy: id });
  return transfer;
}

export function mustBeSpendable(leaf: Leaf, me: string): void {
  if (leaf.owner !== me) throw new GrpcError(PERMISSION_DENIED, `leaf ${leaf.id} is not owned by the caller`);
  if (leaf.status !== "AVAILABLE") {
    throw new GrpcError(FAILED_PRECONDITION, `leaf ${leaf.id} is not available to transfer, status: ${leaf.status}`);
  }
}

function checkLeafSignature(network: Network, leafId: string, transferId: string, tweak: PackageTweak, sender: string): void {
  const signed = leafMessage(leafId, transferId, tweak.cipher);
  need(verifyEcdsa(tweak.signature, signed, hexToBytes(sender)), "a leaf's sealed key is not signed by its sender");
  network.checks.count("leaf_signatures");
}

function sequencesOrRefuse(leaf: Leaf, next: typeof nextSequences): RefundSequences {
  const sequences = next(leaf.refundTx.input.sequence);
  if (sequences === null) throw new GrpcError(FAILED_PRECONDITION, `leaf ${leaf.id} must be renewed before it is sent`);
  return sequences;
}

/** A node whose own timelock is used up has no refund from its direct transaction. */
export const hasDirectRefund = (leaf: Leaf): boolean => blocks(leaf.nodeTx.input.sequence) !== 0;

/**
 * Cosigns the three refunds of a leaf: from the node with an anchor, from the direct node without, and from the node without.
 * @returns the first, and its signature
 */
export function cosignRefunds(
  network: Network,
  leaf: Leaf,
  jobs: {
    readonly anchored: readonly SigningJobMessage[];
    readonly direct: readonly SigningJobMessage[];
    readonly directFromCpfp: readonly SigningJobMessage[];
  },
  sequences: RefundSequences,
  script: Uint8Array,
): { readonly transaction: Transaction; readonly signature: Uint8Array | null } {
  const transaction = spend(leaf.nodeTx, sequences.anchored, script, "anchored");
  const { signature } = cosign(network, leaf, jobOf(jobs.anchored, leaf), transaction, leaf.nodeTx);
  if (hasDirectRefund(leaf)) {
    cosign(network, leaf, jobOf(jobs.direct, leaf), spend(leaf.directTx, sequences.direct, script, "direct"), leaf.directTx);
  }
  cosign(network, leaf, jobOf(jobs.directFromCpfp, leaf), spend(leaf.nodeTx, sequences.direct, script, "direct"), leaf.nodeTx);
  return { transaction, signature };
}

const sendJobs = (signing: TransferPackageMessage): Parameters<typeof cosignRefunds>[2] => ({
  anchored: signing.leavesToSend,
  direct: signing.directLeavesToSend,
  directFromCpfp: signing.directFromCpfpLeavesToSend,
});

/** Refunds of a plain send: they pay the receiver's identity key. */
export function signPlain(network: Network, receiver: Uint8Array): SignLeaf {
  const script = payTo(pointOf(receiver, "the receiver"));
  return (leaf, signing) => {
    const refund = cosignRefunds(network, leaf, sendJobs(signing), sequencesOrRefuse(leaf, nextSequences), script);
    return { intermediateRefund: refund.transaction, receiverRefund: refund };
  };
}

/** Refunds of a send against a payment hash; `plain` are the jobs of the refund that holds once the preimage is known. */
export function signHtlc(
  network: Network,
  parties: { readonly paymentHash: Uint8Array; readonly receiver: Uint8Array; readonly sender: Uint8Array },
  plain: readonly SigningJobMessage[],
): SignLeaf {
  const receiver = pointOf(parties.receiver, "the receiver");
  const script = htlcScript(parties.paymentHash, receiver, pointOf(parties.sender, "the sender"));
  const receiverScript = payTo(receiver);
  return (leaf, signing) => {
    const locked = cosignRefunds(network, leaf, sendJobs(signing), sequencesOrRefuse(leaf, nextHtlcSequences), script);
    const transaction = spend(leaf.nodeTx, sequencesOrRefuse(leaf, nextSequences).anchored, receiverScript, "anchored");
    const { signature } = cosign(network, leaf, jobOf(plain, leaf), transaction, leaf.nodeTx);
    return { intermediateRefund: locked.transaction, receiverRefund: { transaction, signature } };
  };
}

/** start_transfer_v2: a send to a Spark address. The tweak is taken over at once, there is nothing to wait for. */
export function startTransfer(network: Network, me: string, request: StartTransferMessage): TransferRow {
  const sign = signPlain(network, request.receiverIdentityPublicKey);
  return takeOver(network, lockLeaves(network, me, request, { type: "transfer", paymentHash: null, swap: null, sign }));
}

/** The operators add their shares of the tweaks: the sender's keys are worthless from here on. The SSP claims what is its own at once. */
export function takeOver(network: Network, transfer: TransferRow): TransferRow {
  for (const row of transfer.leaves) {
    const leaf = leafOf(network, row.leafId);
    const refund = row.receiverRefund;
    updateLeaf(network, leaf, {
      ...tweaked(leaf, row.tweak),
      ...(refund === null ? {} : { refundTx: refund.transaction, refundSignature: refund.signature }),
    });
  }
  const taken = updateTransfer(network, transfer, { status: "key_tweaked" });
  return transfer.receiver === network.ssp.identity ? claimBySsp(network, taken) : taken;
}

function claimBySsp(network: Network, transfer: TransferRow): TransferRow {
  for (const row of transfer.leaves) {
    const leaf = leafOf(network, row.leafId);
    const secret = unseal(network.ssp.secret, row.cipher);
    need(ownsLeaf(leaf, secret), `the SSP was not sent the key of leaf ${leaf.id}`);
    network.checks.count("leaf_keys");
    network.sspKeys.set(leaf.id, BigInt(`0x${bytesToHex(secret)}`));
    updateLeaf(network, leaf, { owner: network.ssp.identity, status: "AVAILABLE", lockedBy: null });
  }
  return complete(network, transfer);
}

function unseal(secret: bigint, cipher: Uint8Array): Uint8Array {
  try {
    return eciesDecrypt(secret, cipher);
  } catch {
    throw new GrpcError(INVALID_ARGUMENT, "the receiver cannot open a leaf's key");
  }
}

/** Ends a transfer whose leaves are the receiver's already, and books it. */
export function complete(network: Network, transfer: TransferRow): TransferRow {
  const { id, sender, receiver, sats } = transfer;
  network.movements.set(id, { from: sender, to: receiver, sats, transferId: id });
  return updateTransfer(network, transfer, { status: "completed" });
}

/** Gives the leaves back to their sender. @throws GrpcError 9 after the tweak */
export function giveBack(network: Network, transfer: TransferRow, status: Extract<TransferStatus, "returned" | "expired">): TransferRow {
  if (transfer.status !== "key_tweak_pending") throw new GrpcError(FAILED_PRECONDITION, `transfer is ${transfer.status}`);
  for (const { leafId } of transfer.leaves) updateLeaf(network, leafOf(network, leafId), { status: "AVAILABLE", lockedBy: null });
  return updateTransfer(network, transfer, { status });
}

export interface SspSend extends MintOptions {
  readonly receiver: string;
  /** Sats of each new leaf. */
  readonly values: readonly number[];
  readonly type: TransferType;
  readonly expiresAt: number | null;
  readonly paymentHash: string | null;
  /** The tweak waits for the preimage. */
  readonly held?: boolean;
}

/** The SSP mints leaves and sends them. */
export function sendFromSsp(network: Network, order: SspSend): TransferRow {
  const { ports, ssp, lies } = network;
  need(
    order.values.length > 0 && order.values.every((sats) => Number.isSafeInteger(sats) && sats > 0),
    "values must be whole sats above 0",
  );
  const random = (length: number): Uint8Array => ports.random(length);
  const id = ports.uuid();
  const receiverKey = hexToBytes(order.receiver);
  const receiver = pointOf(receiverKey, "the receiver");
  const leaves = order.values.map((sats): TransferLeafRow => {
    const { leaf, key } = mintLeaf(network, sats, order);
    const next = randomKeyPair(random);
    const sealedKey = lies.has("secret_cipher") ? randomKeyPair(random).secret : next.secret;
    const cipher = eciesEncrypt(receiver, scalarToBytes(sealedKey), random);
    const signer = lies.has("leaf_signature") ? next.secret : ssp.secret;
    const htlc = order.paymentHash === null ? null : htlcScript(hexToBytes(order.paymentHash), receiver, ssp.point);
    const sequences = sequencesOrRefuse(leaf, htlc === null ? nextSequences : nextHtlcSequences);
    updateLeaf(network, leaf, { status: "TRANSFER_LOCKED", lockedBy: id });
    return {
      leafId: leaf.id,
      sats,
      cipher,
      signature: signEcdsa(leafMessage(leaf.id, id, cipher), signer),
      tweak: makeTweak(network, key.secret, next.secret),
      intermediateRefund: spend(leaf.nodeTx, sequences.anchored, htlc ?? payTo(receiver), "anchored"),
      receiverRefund: null,
    };
  });
  const now = ports.now();
  const transfer: TransferRow = {
    id,
    type: order.type,
    status: "key_tweak_pending",
    sender: ssp.identity,
    receiver: order.receiver,
    sats: order.values.reduce((sum, sats) => sum + sats, 0),
    leaves,
    paymentHash: order.paymentHash,
    sparkInvoice: "",
    expiresAt: order.expiresAt,
    createdAt: now,
    updatedAt: now,
    swap: null,
  };
  network.transfers.set(id, transfer);
  return order.held === true ? transfer : takeOver(network, transfer);
}
