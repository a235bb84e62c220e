/**
 * Swaps with the SSP, for change: the wallet sends leaves whose refunds to the SSP lack an adaptor's secret (primary transfer), the SSP sends
 * leaves of the wanted values (counter transfer). Here the SSP's acceptance is one commit: it verifies every adaptor signature, sends, and takes.
 */
import { bytesToHex, hexToBytes } from "./field.ts";
import { cosign } from "./cosign.ts";
import * as frost from "./frost.ts";
import type { InitiateSwapPrimaryRequest, LeafSigningResult } from "./messages.ts";
import {
  FAILED_PRECONDITION,
  given,
  leafOf,
  need,
  pointOf,
  transferOf,
  updateTransfer,
  type Network,
  type TransferRow,
} from "./network.ts";
import { GrpcError, type SwapLeaf } from "./operators-port.ts";
import { encodePoint } from "./points.ts";
import type { Infer, Input } from "./protobuf.ts";
import { nextSequences } from "./timelocks.ts";
import { outputOf, payTo, serialize, sighash, spend } from "./transaction.ts";
import { giveBack, jobOf, lockLeaves, sendFromSsp, takeOver } from "./transfers.ts";

/** initiate_swap_primary_transfer: locks the leaves and gives the wallet the operators' shares of its refunds. */
export function initiateSwap(
  network: Network,
  me: string,
  request: Infer<typeof InitiateSwapPrimaryRequest>,
): { readonly transfer: TransferRow; readonly signingResults: readonly Input<typeof LeafSigningResult>[] } {
  const start = given(request.transfer, "transfer");
  const adaptor = pointOf(given(request.adaptorPublicKeys, "adaptor_public_keys").adaptorPublicKey, "the adaptor");
  need(bytesToHex(start.receiverIdentityPublicKey) === network.ssp.identity, "a swap is with the SSP");
  need(start.expiryTime !== undefined, "a swap must expire");
  const script = payTo(network.ssp.point);
  const signingResults: Input<typeof LeafSigningResult>[] = [];
  const transfer = lockLeaves(network, me, start, {
    type: "primary_swap",
    paymentHash: null,
    swap: { adaptor, counterTransferId: null },
    sign(leaf, signing) {
      const sequences = nextSequences(leaf.refundTx.input.sequence);
      if (sequences === null) throw new GrpcError(FAILED_PRECONDITION, `leaf ${leaf.id} must be renewed before it is sent`);
      const transaction = spend(leaf.nodeTx, sequences.anchored, script, "anchored");
      const { result } = cosign(network, leaf, jobOf(signing.leavesToSend, leaf), transaction, leaf.nodeTx, adaptor);
      signingResults.push({ leafId: leaf.id, refundTxSigningResult: result(), verifyingKey: encodePoint(leaf.verifyingKey) });
      return { intermediateRefund: transaction, receiverRefund: { transaction, signature: null } };
    },
  });
  return { transfer, signingResults };
}

/**
 * The SSP's side of a swap. A second call gives the first one's answer.
 * @throws GrpcError 3 wrong signature, leaf or total, 9 returned or expired
 */
export function acceptSwap(
  network: Network,
  primaryTransferId: string,
  leaves: readonly SwapLeaf[],
  values: readonly number[],
): { readonly counterTransferId: string } {
  const primary = transferOf(network, primaryTransferId);
  const { swap } = primary;
  if (swap === null) throw new GrpcError(FAILED_PRECONDITION, "the transfer is no swap");
  if (swap.counterTransferId !== null) return { counterTransferId: swap.counterTransferId };
  if (primary.status !== "key_tweak_pending") throw new GrpcError(FAILED_PRECONDITION, `the swap is ${primary.status}`);
  need(values.reduce((sum, sats) => sum + sats, 0) === primary.sats, "the SSP would give another sum than it gets");
  need(leaves.length === primary.leaves.length, "signatures for other leaves than the transfer's");

  for (const row of primary.leaves) {
    const leaf = leafOf(network, row.leafId);
    const signed = given(
      leaves.find(({ leafId }) => leafId === row.leafId),
      "a leaf's signature",
    );
    need(signed.rawUnsignedRefundTransaction === bytesToHex(serialize(row.intermediateRefund)), "another refund than was signed");
    const message = sighash(row.intermediateRefund, outputOf(leaf.nodeTx));
    const key = { verifying: leaf.verifyingKey, taproot: leaf.taproot };
    if (network.checks.dear("adaptor_signatures")) {
      const good = frost.verifyAdaptor(key, message, hexToBytes(signed.adaptorAddedSignature), swap.adaptor);
      need(good, `the adaptor signature for leaf ${leaf.id} does not verify`);
      network.checks.count("adaptor_signatures");
    }
  }
  const order = { receiver: primary.sender, values, type: "counter_swap", expiresAt: null, paymentHash: null } as const;
  const counter = sendFromSsp(network, order);
  const taken = takeOver(network, primary);
  updateTransfer(network, taken, { swap: { ...swap, counterTransferId: counter.id } });
  return { counterTransferId: counter.id };
}

/** The SSP declines, or the swap expired: the leaves are the wallet's again. Repeating it is fine. */
export function returnSwap(network: Network, primaryTransferId: string, status: "returned" | "expired"): void {
  const primary = transferOf(network, primaryTransferId);
  if (primary.status === "returned" || primary.status === "expired") return;
  giveBack(network, primary, status);
}
