/** How rows look on the wire. The lies an operator can tell (operators-port.ts) are told here, and in the two places named there. */
import { hexToBytes } from "./field.ts";
import type { Input } from "./protobuf.ts";
import type { PreimageRequest, Timestamp, Transfer, TransferLeaf, TreeNode } from "./messages.ts";
import { leafOf, type HtlcRow, type Leaf, type Network, type TransferLeafRow, type TransferRow } from "./network.ts";
import type { HtlcView, TransferStatus, TransferType, TransferView } from "./operators-port.ts";
import { encodePoint, GENERATOR } from "./points.ts";
import { serialize } from "./transaction.ts";

/** NETWORK_REGTEST of the protocol. */
const REGTEST = 2;

export const TRANSFER_STATUS: Readonly<Record<TransferStatus, number>> = {
  key_tweak_pending: 1,
  key_tweaked: 2,
  completed: 5,
  expired: 6,
  returned: 7,
};
export const TRANSFER_TYPE: Readonly<Record<TransferType, number>> = { preimage_swap: 0, transfer: 2, primary_swap: 4, counter_swap: 5 };
export const NODE_STATUS: Readonly<Record<Leaf["status"], number>> = { AVAILABLE: 1, TRANSFER_LOCKED: 3, SPLITTED: 5 };
export const HTLC_STATUS: Readonly<Record<HtlcRow["state"], number>> = { waiting: 0, shared: 1, returned: 2 };

export const toTimestamp = (epochMs: number): Input<typeof Timestamp> => ({
  seconds: Math.floor(epochMs / 1000),
  nanos: (epochMs % 1000) * 1_000_000,
});
export const fromTimestamp = ({ seconds, nanos }: { readonly seconds: number; readonly nanos: number }): number =>
  seconds * 1000 + Math.floor(nanos / 1_000_000);

/** @param operator 0 to 2, who is asked */
export function nodeMessage(network: Network, leaf: Leaf, operator: number): Input<typeof TreeNode> {
  const { lies } = network;
  const disagrees = lies.has("refund_disagrees") && operator === 2;
  const refund = disagrees ? { ...leaf.refundTx, locktime: leaf.refundTx.locktime + 1 } : leaf.refundTx;
  return {
    id: leaf.id,
    treeId: leaf.treeId,
    value: lies.has("value") ? leaf.sats * 10 : leaf.sats,
    parentNodeId: leaf.parentId ?? "",
    nodeTx: serialize(leaf.nodeTx),
    refundTx: serialize(refund, leaf.refundSignature),
    vout: 0,
    verifyingPublicKey: encodePoint(lies.has("verifying_key") ? leaf.verifyingKey.add(GENERATOR) : leaf.verifyingKey),
    ownerIdentityPublicKey: hexToBytes(lies.has("owner") ? network.ssp.identity : leaf.owner),
    signingKeyshare: {
      ownerIdentifiers: network.operators.map(({ identifier }) => identifier),
      threshold: network.threshold,
      publicKey: encodePoint(leaf.operatorKey),
    },
    status: leaf.status,
    network: REGTEST,
    createdTime: toTimestamp(leaf.createdAt),
    updatedTime: toTimestamp(leaf.updatedAt),
    ownerSigningPublicKey: encodePoint(leaf.userKey),
    directTx: serialize(leaf.directTx),
    treeNodeStatus: NODE_STATUS[leaf.status],
  };
}

export function transferMessage(network: Network, transfer: TransferRow, operator: number): Input<typeof Transfer> {
  const expires = transfer.expiresAt !== null && !network.lies.has("htlc_without_expiry");
  return {
    id: transfer.id,
    senderIdentityPublicKey: hexToBytes(transfer.sender),
    receiverIdentityPublicKey: hexToBytes(transfer.receiver),
    status: TRANSFER_STATUS[transfer.status],
    totalValue: transfer.sats,
    expiryTime: expires && transfer.expiresAt !== null ? toTimestamp(transfer.expiresAt) : undefined,
    leaves: transfer.leaves.map((leaf) => transferLeafMessage(network, leaf, operator)),
    createdTime: toTimestamp(transfer.createdAt),
    updatedTime: toTimestamp(transfer.updatedAt),
    type: TRANSFER_TYPE[transfer.type],
    sparkInvoice: transfer.sparkInvoice,
    network: REGTEST,
  };
}

function transferLeafMessage(network: Network, row: TransferLeafRow, operator: number): Input<typeof TransferLeaf> {
  return {
    leaf: nodeMessage(network, leafOf(network, row.leafId), operator),
    secretCipher: row.cipher,
    signature: row.signature,
    intermediateRefundTx: serialize(row.intermediateRefund),
  };
}

export function htlcMessage(network: Network, htlc: HtlcRow, transfer: TransferRow, operator: number): Input<typeof PreimageRequest> {
  return {
    paymentHash: hexToBytes(htlc.paymentHash),
    receiverIdentityPublicKey: hexToBytes(transfer.receiver),
    status: HTLC_STATUS[htlc.state],
    createdTime: toTimestamp(htlc.createdAt),
    transfer: transferMessage(network, transfer, operator),
    preimage: htlc.preimage === null ? undefined : hexToBytes(htlc.preimage),
    senderIdentityPublicKey: hexToBytes(transfer.sender),
  };
}

/** A transfer without its keys, for the SSP, the ledger and tests. */
export function transferView(transfer: TransferRow): TransferView {
  const { id, type, status, sender, receiver, sats, leaves, paymentHash, expiresAt, createdAt, updatedAt } = transfer;
  return {
    id,
    type,
    status,
    sender,
    receiver,
    totalSats: sats,
    leafIds: leaves.map(({ leafId }) => leafId),
    paymentHash,
    expiresAt,
    createdAt,
    updatedAt,
  };
}

export function htlcView(htlc: HtlcRow, transfer: TransferRow): HtlcView {
  return {
    transferId: htlc.transferId,
    paymentHash: htlc.paymentHash,
    bolt11: htlc.bolt11,
    amountSats: htlc.amountSats,
    totalSats: transfer.sats,
    sender: transfer.sender,
    receiver: transfer.receiver,
    state: htlc.state,
    expiresAt: transfer.expiresAt ?? 0,
  };
}
