/** The reading RPCs. Pages are by offset over rows in the order of their making, which never changes: the SDK stores an offset. */
import { bytesToHex } from "./field.ts";
import type { Infer, Input } from "./protobuf.ts";
import type {
  QueryHtlcRequest,
  QueryHtlcResponse,
  QueryNodesRequest,
  QueryNodesResponse,
  QueryTransfersResponse,
  TransferFilter,
} from "./messages.ts";
import { need, PERMISSION_DENIED, transferOf, type Leaf, type Network, type TransferRow } from "./network.ts";
import { GrpcError } from "./operators-port.ts";
import {
  fromTimestamp,
  HTLC_STATUS,
  htlcMessage,
  NODE_STATUS,
  nodeMessage,
  TRANSFER_STATUS,
  TRANSFER_TYPE,
  transferMessage,
} from "./views.ts";

const PAGE = 100;

function page<T>(
  rows: readonly T[],
  request: { readonly offset: number; readonly limit: number },
): { readonly rows: readonly T[]; readonly offset: number } {
  need(request.offset >= 0, "negative offset");
  const end = request.offset + (request.limit > 0 ? request.limit : PAGE);
  return { rows: rows.slice(request.offset, end), offset: end < rows.length ? end : -1 };
}

/** query_nodes. Any operator answers; all say the same, unless one lies. */
export function queryNodes(network: Network, request: Infer<typeof QueryNodesRequest>, operator: number): Input<typeof QueryNodesResponse> {
  const found =
    request.nodeIds === undefined ? ownedBy(network, request) : request.nodeIds.nodeIds.flatMap((id) => network.leaves.get(id) ?? []);
  const { rows, offset } = page(found, request);
  const all = request.includeParents ? [...new Set(rows.flatMap((leaf) => lineage(network, leaf)))] : rows;
  return { nodes: new Map(all.map((leaf) => [leaf.id, nodeMessage(network, leaf, operator)])), offset };
}

function ownedBy(network: Network, request: Infer<typeof QueryNodesRequest>): readonly Leaf[] {
  const owner = bytesToHex(request.ownerIdentityPublicKey);
  const { statuses } = request;
  return [...network.leaves.values()].filter(
    (leaf) => leaf.owner === owner && (statuses.length === 0 || statuses.includes(NODE_STATUS[leaf.status])),
  );
}

function lineage(network: Network, leaf: Leaf): readonly Leaf[] {
  const parent = leaf.parentId === null ? undefined : network.leaves.get(leaf.parentId);
  return parent === undefined ? [leaf] : [leaf, ...lineage(network, parent)];
}

/** query_all_transfers, and query_pending_transfers: what the receiver may claim, and what the sender still waits for. */
export function queryTransfers(
  network: Network,
  me: string,
  request: Infer<typeof TransferFilter>,
  operator: number,
  which: "all" | "pending",
): Input<typeof QueryTransfersResponse> {
  const participant = [request.receiver, request.sender, request.senderOrReceiver].find(({ length }) => length > 0);
  if (participant !== undefined && bytesToHex(participant) !== me)
    throw new GrpcError(PERMISSION_DENIED, "not a participant of these transfers");
  const found = [...network.transfers.values()].filter(
    (transfer) => takesPart(transfer, me, request) && (which === "all" || isPending(transfer, me)) && matches(transfer, request),
  );
  // ORDER_ASCENDING; otherwise the newest come first.
  if (request.order !== 1) found.reverse();
  const { rows, offset } = page(found, request);
  return { transfers: rows.map((transfer) => transferMessage(network, transfer, operator)), offset };
}

function takesPart(transfer: TransferRow, me: string, request: Infer<typeof TransferFilter>): boolean {
  if (request.receiver.length > 0) return transfer.receiver === me;
  if (request.sender.length > 0) return transfer.sender === me;
  return transfer.sender === me || transfer.receiver === me;
}

function isPending(transfer: TransferRow, me: string): boolean {
  return transfer.status === "key_tweaked" ? transfer.receiver === me : transfer.status === "key_tweak_pending" && transfer.sender === me;
}

function matches(
  transfer: TransferRow,
  { transferIds, types, statuses, createdAfter, createdBefore }: Infer<typeof TransferFilter>,
): boolean {
  if (transferIds.length > 0 && !transferIds.includes(transfer.id)) return false;
  if (types.length > 0 && !types.includes(TRANSFER_TYPE[transfer.type])) return false;
  if (statuses.length > 0 && !statuses.includes(TRANSFER_STATUS[transfer.status])) return false;
  if (createdAfter !== undefined && transfer.createdAt <= fromTimestamp(createdAfter)) return false;
  return createdBefore === undefined || transfer.createdAt < fromTimestamp(createdBefore);
}

/** PREIMAGE_REQUEST_ROLE: 0 receiver, 1 sender, 2 both. */
function hasRole(transfer: TransferRow, me: string, role: number): boolean {
  return (role !== 1 && transfer.receiver === me) || (role !== 0 && transfer.sender === me);
}

/** query_htlc. The preimage is for both parties once it is shared. */
export function queryHtlc(
  network: Network,
  me: string,
  request: Infer<typeof QueryHtlcRequest>,
  operator: number,
): Input<typeof QueryHtlcResponse> {
  if (bytesToHex(request.identityPublicKey) !== me) throw new GrpcError(PERMISSION_DENIED, "not the session's identity");
  const hashes = request.paymentHashes.map(bytesToHex);
  const found = [...network.htlcs.values()]
    .map((htlc) => ({ htlc, transfer: transferOf(network, htlc.transferId) }))
    .filter(({ htlc, transfer }) => {
      if (!hasRole(transfer, me, request.matchRole)) return false;
      if (hashes.length > 0 && !hashes.includes(htlc.paymentHash)) return false;
      if (request.transferIds.length > 0 && !request.transferIds.includes(transfer.id)) return false;
      return request.status === undefined || request.status === HTLC_STATUS[htlc.state];
    });
  const { rows, offset } = page(found, request);
  return { preimageRequests: rows.map(({ htlc, transfer }) => htlcMessage(network, htlc, transfer, operator)), offset };
}
