/** Waiting for a flight: the caller's own payment, or another purchase's for the same origin and scope. Nobody who waits here pays. */
import type { Code } from "../../lightning/errors.ts";
import { isOpenPayment, isPaid } from "../../lightning/purchase.ts";
import type { PayAnswer } from "../../lightning/wallet-api.ts";
import type { Vault } from "./vault.ts";

export interface Follow {
  readonly kind: "follow";
  readonly purchaseId: string;
  readonly leaderId: string;
}

export async function follow(vault: Vault, { purchaseId, leaderId }: Follow, waitMs: number): Promise<PayAnswer> {
  const until = vault.ports.clock.now() + waitMs;
  for (;;) {
    const leader = vault.journal.purchase(leaderId);
    const left = until - vault.ports.clock.now();
    if (leader === null || !isOpenPayment(leader.state) || left <= 0) break;
    await vault.flights.wait(leaderId, left);
    // A notice may say no more than "asked, still unknown": waiting on would keep the caller in the dark for nothing.
    if (vault.journal.purchase(leaderId)?.state === "payment_unknown") break;
  }
  // Waiting may have been long enough for "disable now" to take the keys from memory.
  const notReady = await vault.ready();
  if (notReady !== null) return { kind: "refused", code: notReady, detail: "the record key cannot be opened", purchaseId, receiptId: null };
  return vault.transact(() => landed(vault, purchaseId, leaderId));
}

/** What the leader's state means for a purchase that followed it. */
export function landed(vault: Vault, purchaseId: string, leaderId: string): PayAnswer {
  const leader = vault.journal.purchase(leaderId);
  const row = vault.journal.purchase(purchaseId);
  if (leader === null || row === null)
    return { kind: "refused", code: "not_found", detail: "no such purchase", purchaseId, receiptId: null };
  if (isOpenPayment(leader.state))
    return { kind: "pending", code: leader.state === "payment_unknown" ? "payment_unknown" : "payment_pending", purchaseId, leaderId };
  if (isPaid(leader.state)) {
    const stored = vault.credentials.ofPurchase(leaderId);
    const credential = stored === null ? null : vault.hand(row, stored);
    // A withdrawal has nothing to redeem: it is done when it is paid.
    if (stored === null && vault.journal.payment(leaderId)?.kind === "withdrawal")
      return {
        kind: "refused",
        code: "already_exists",
        detail: "this withdrawal is done",
        purchaseId,
        receiptId: vault.receipts.of(leaderId).at(-1) ?? null,
      };
    if (credential !== null) return { kind: "credential", credential, limits: vault.limitsFor(row) };
    return vault.unredeemable(row, stored);
  }
  const code: Code = leader.code ?? "purchase_cancelled";
  if (row.id !== leader.id && row.state === "opened")
    return vault.refuse(row, "fail", code, "the purchase that was under way for this resource ended unpaid");
  return { kind: "refused", code, detail: code, purchaseId, receiptId: vault.receipts.of(row.id).at(-1) ?? null };
}
