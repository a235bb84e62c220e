/**
 * claim_transfer: the receiver brings a tweak of its own (from the key it was sent to one only it knows) and signs refunds to that key. Only
 * then is the leaf its own.
 */
import { openPackage, sameKey, tweaked } from "./keyshares.ts";
import type { ClaimTransferRequest } from "./messages.ts";
import {
  ALREADY_EXISTS,
  FAILED_PRECONDITION,
  given,
  leafOf,
  need,
  PERMISSION_DENIED,
  transferOf,
  updateLeaf,
  type Network,
  type TransferRow,
} from "./network.ts";
import { GrpcError } from "./operators-port.ts";
import type { Infer } from "./protobuf.ts";
import { claimSequences } from "./timelocks.ts";
import { payTo } from "./transaction.ts";
import { complete, cosignRefunds, jobOf } from "./transfers.ts";

/** @throws GrpcError 3, 5, 6 claimed before, 7 not the receiver, 9 not claimable */
export function claimTransfer(network: Network, me: string, request: Infer<typeof ClaimTransferRequest>): TransferRow {
  const transfer = transferOf(network, request.transferId);
  if (transfer.receiver !== me) throw new GrpcError(PERMISSION_DENIED, "not the receiver of this transfer");
  if (transfer.status === "completed") throw new GrpcError(ALREADY_EXISTS, "the transfer is claimed already");
  if (transfer.status !== "key_tweaked")
    throw new GrpcError(FAILED_PRECONDITION, `the transfer is ${transfer.status}, it cannot be claimed`);

  const claim = given(request.claimPackage, "claim_package");
  const tweaks = openPackage(network, "claim", transfer.id, claim, me);
  need(tweaks.size === transfer.leaves.length, "tweaks of other leaves than the transfer's");
  const jobs = { anchored: claim.leavesToClaim, direct: claim.directLeavesToClaim, directFromCpfp: claim.directFromCpfpLeavesToClaim };
  for (const { leafId, intermediateRefund } of transfer.leaves) {
    const leaf = leafOf(network, leafId);
    const claimed = { ...leaf, ...tweaked(leaf, given(tweaks.get(leafId), "a leaf's key tweak")) };
    const job = given(jobOf(jobs.anchored, leaf), "a signing job");
    need(sameKey(claimed.userKey, job.signingPublicKey), "the new key does not match its tweak");
    const sequences = claimSequences(intermediateRefund.input.sequence);
    const refund = cosignRefunds(network, claimed, jobs, sequences, payTo(claimed.userKey));
    network.sspKeys.delete(leafId);
    updateLeaf(network, claimed, {
      refundTx: refund.transaction,
      refundSignature: refund.signature,
      owner: me,
      status: "AVAILABLE",
      lockedBy: null,
    });
  }
  return complete(network, transfer);
}
