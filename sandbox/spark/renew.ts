/**
 * renew_leaf: a leaf whose refund has used up its timelock gets new transactions, so that it can be sent again. Three cases, after what is
 * left of the node's own timelock: take 100 off the node, or put a new node under it (and the old one becomes an inner node), or, where the
 * node's is 0 already, the same without a direct refund. The wallet keeps its key; only transactions change.
 */
import type { Infer, Input } from "./protobuf.ts";
import type { RenewLeafRequest, RenewLeafResponse, SigningJobMessage } from "./messages.ts";
import { cosign } from "./cosign.ts";
import { FAILED_PRECONDITION, leafOf, need, updateLeaf, type Leaf, type Network } from "./network.ts";
import { GrpcError } from "./operators-port.ts";
import { blocks, initialSequences, nextSequences, zeroSequences, type RefundSequences } from "./timelocks.ts";
import { outputOf, payTo, spend, type Transaction } from "./transaction.ts";
import { mustBeSpendable } from "./transfers.ts";
import { nodeMessage } from "./views.ts";

/** The operators renew from here down (protocol); wallets ask at 100. */
const RENEWABLE_AT = 300;

type Job = SigningJobMessage | undefined;

/** @throws GrpcError 3, 5, 7, 9 the leaf is locked or not due */
export function renewLeaf(
  network: Network,
  me: string,
  request: Infer<typeof RenewLeafRequest>,
  operator: number,
): Input<typeof RenewLeafResponse> {
  const leaf = leafOf(network, request.leafId);
  mustBeSpendable(leaf, me);
  if (blocks(leaf.refundTx.input.sequence) > RENEWABLE_AT)
    throw new GrpcError(FAILED_PRECONDITION, "the refund's timelock is not due for renewal");
  const timelock = blocks(leaf.nodeTx.input.sequence);

  if (request.refund !== undefined) {
    if (timelock <= 100) throw new GrpcError(FAILED_PRECONDITION, "the node's timelock must be renewed too");
    return { refund: { node: nodeMessage(network, renewRefund(network, leaf, request.refund), operator) } };
  }
  if (request.node !== undefined) {
    if (timelock > RENEWABLE_AT || timelock === 0) throw new GrpcError(FAILED_PRECONDITION, "the node's timelock is not due for renewal");
    const renewed = renewNode(network, leaf, request.node);
    return { node: { splitNode: nodeMessage(network, renewed.split, operator), node: nodeMessage(network, renewed.leaf, operator) } };
  }
  need(request.zero !== undefined, "no signing jobs");
  if (timelock !== 0) throw new GrpcError(FAILED_PRECONDITION, "the node's timelock is not 0");
  const renewed = renewZero(network, leaf, request.zero);
  return { zero: { splitNode: nodeMessage(network, renewed.split, operator), node: nodeMessage(network, renewed.leaf, operator) } };
}

/** The node and its direct twin, cosigned. */
function cosignNodes(
  network: Network,
  leaf: Leaf,
  jobs: { readonly node: Job; readonly direct: Job },
  parentTx: Transaction,
  sequences: RefundSequences,
): { readonly nodeTx: Transaction; readonly directTx: Transaction } {
  const { script } = outputOf(parentTx);
  const nodeTx = spend(parentTx, sequences.anchored, script, "anchored");
  const directTx = spend(parentTx, sequences.direct, script, "direct");
  cosign(network, leaf, jobs.node, nodeTx, parentTx);
  cosign(network, leaf, jobs.direct, directTx, parentTx);
  return { nodeTx, directTx };
}

interface RefundJobs {
  readonly refund: Job;
  /** Absent where the node has a timelock of 0. */
  readonly refundDirect?: Job;
  readonly refundDirectFromCpfp: Job;
}

function renewed(
  network: Network,
  leaf: Leaf,
  jobs: RefundJobs,
  node: { readonly nodeTx: Transaction; readonly directTx: Transaction },
  parentId: string | null,
): Leaf {
  const script = payTo(leaf.userKey);
  const refundTx = spend(node.nodeTx, initialSequences.anchored, script, "anchored");
  const { signature } = cosign(network, leaf, jobs.refund, refundTx, node.nodeTx);
  if (blocks(node.nodeTx.input.sequence) !== 0) {
    cosign(network, leaf, jobs.refundDirect, spend(node.directTx, initialSequences.direct, script, "direct"), node.directTx);
  }
  cosign(network, leaf, jobs.refundDirectFromCpfp, spend(node.nodeTx, initialSequences.direct, script, "direct"), node.nodeTx);
  return updateLeaf(network, leaf, { ...node, refundTx, refundSignature: signature, parentId });
}

function parentTransaction(network: Network, leaf: Leaf): Transaction {
  if (leaf.parentId === null) throw new GrpcError(FAILED_PRECONDITION, "the leaf has no parent node");
  return leafOf(network, leaf.parentId).nodeTx;
}

function renewRefund(network: Network, leaf: Leaf, jobs: NonNullable<Infer<typeof RenewLeafRequest>["refund"]>): Leaf {
  const sequences = nextSequences(leaf.nodeTx.input.sequence);
  if (sequences === null) throw new GrpcError(FAILED_PRECONDITION, "the node's timelock is used up");
  const node = cosignNodes(network, leaf, { node: jobs.node, direct: jobs.nodeDirect }, parentTransaction(network, leaf), sequences);
  return renewed(network, leaf, jobs, node, leaf.parentId);
}

function renewNode(
  network: Network,
  leaf: Leaf,
  jobs: NonNullable<Infer<typeof RenewLeafRequest>["node"]>,
): { readonly leaf: Leaf; readonly split: Leaf } {
  const splitJobs = { node: jobs.splitNode, direct: jobs.splitNodeDirect };
  const splitTxs = cosignNodes(network, leaf, splitJobs, parentTransaction(network, leaf), zeroSequences);
  const split = innerNode(network, leaf, splitTxs);
  const node = cosignNodes(network, leaf, { node: jobs.node, direct: jobs.nodeDirect }, splitTxs.nodeTx, initialSequences);
  return { split, leaf: renewed(network, leaf, jobs, node, split.id) };
}

function renewZero(
  network: Network,
  leaf: Leaf,
  jobs: NonNullable<Infer<typeof RenewLeafRequest>["zero"]>,
): { readonly leaf: Leaf; readonly split: Leaf } {
  const split = innerNode(network, leaf, { nodeTx: leaf.nodeTx, directTx: leaf.directTx });
  const node = cosignNodes(network, leaf, { node: jobs.node, direct: jobs.nodeDirect }, leaf.nodeTx, zeroSequences);
  return { split, leaf: renewed(network, leaf, jobs, node, split.id) };
}

/** The node that now stands between the leaf and its former parent. */
function innerNode(network: Network, leaf: Leaf, node: { readonly nodeTx: Transaction; readonly directTx: Transaction }): Leaf {
  const inner: Leaf = { ...leaf, ...node, id: network.ports.uuid(), status: "SPLITTED", lockedBy: null, createdAt: network.ports.now() };
  network.leaves.set(inner.id, inner);
  return inner;
}
