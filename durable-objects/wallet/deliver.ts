/** How a purchase ends at the seller: served, free, refused, or paid and not delivered. Records only; no money moves here. */
import { isPaid } from "../../lightning/purchase.ts";
import type { Auth, Conclusion, Delivery, Pending, Refusal } from "../../lightning/wallet-api.ts";
import type { Principal } from "./config.ts";
import type { PurchaseRow } from "./journal.ts";
import { refusal } from "./open.ts";
import type { Vault } from "./vault.ts";

/**
 * The seller has answered 401 or 402 to a credential. Null: it was evicted, or never belonged to this path, and the request
 * may buy; otherwise what to tell the caller. One that never served is not bought again (invariant 6).
 */
export function refused(vault: Vault, row: PurchaseRow, credentialId: string): Refusal | Pending | null {
  const { journal, credentials } = vault;
  const credential = credentials.get(credentialId);
  if (credential === null) return refusal(row.id, "invalid_request", "this purchase was not given that credential");
  if (credential.state === "fresh" || credential.state === "refused") {
    const buyer = journal.purchase(credential.purchase_id);
    // Its buyer is at the seller with it this very moment, and perhaps it serves only once: that is his to find out, not ours to judge.
    if (buyer !== null && buyer.state === "paid" && buyer.id !== row.id)
      return { kind: "pending", code: "payment_pending", purchaseId: row.id, leaderId: buyer.id };
    credentials.refuse(credentialId);
    if (buyer !== null && buyer.state === "paid") unfulfilled(vault, buyer, "credential_refused");
    const detail = "the seller refuses a credential that was paid for and has never served";
    if (row.state === "opened") return vault.refuse(row, "fail", "paid_unfulfilled", detail);
    return { ...refusal(row.id, "paid_unfulfilled", detail), receiptId: vault.receipts.of(row.id).at(-1) ?? null };
  }
  if (row.state !== "opened") return { ...refusal(row.id, "credential_refused"), receiptId: vault.receipts.of(row.id).at(-1) ?? null };
  if (row.request_key !== null && journal.requestKey(row.budget, row.request_key)?.payer_id === credential.purchase_id) {
    return vault.refuse(row, "fail", "credential_refused", "this request has paid already, and the seller refuses what it bought");
  }
  if (row.resume_of !== null) return vault.refuse(row, "fail", "credential_refused", "the seller refuses what this purchase bought");
  // On a path it has never served, a 402 is a new quote: the credential is still good where it came from.
  if (credential.state === "served" && credentials.hasServed(credentialId, row.origin, row.path)) {
    credentials.evict(credentialId);
    vault.sellers.refused(credential, vault.clock.now());
  }
  return null;
}

export async function conclude(
  vault: Vault,
  auth: Auth,
  purchaseId: string,
  conclusion: Conclusion,
): Promise<{ readonly receiptId: string | null }> {
  if ((await vault.ready()) !== null) return { receiptId: null };
  return vault.transact(() => {
    const caller = vault.config.authenticate(auth);
    const row = caller.ok ? own(vault, caller.principal, purchaseId) : null;
    if (row === null) return { receiptId: null };
    switch (conclusion.kind) {
      case "free": {
        if (row.state !== "opened") break;
        return { receiptId: vault.receipt("free", vault.journal.move(row, "serve_free", null), null) };
      }
      case "failed": {
        if (row.state !== "opened") break;
        return { receiptId: vault.refuse(row, "fail", conclusion.code, conclusion.code).receiptId };
      }
      case "unfulfilled": {
        const credential = vault.credentials.get(conclusion.credentialId);
        if (credential === null || row.credential_id !== credential.id) break;
        const wasRefused = conclusion.status === 401 || conclusion.status === 402;
        if (credential.purchase_id !== row.id) {
          if (row.state !== "opened") break;
          // Served by nothing that is stored here, and nothing was paid for it: the caller hears the same (flow.ts).
          if (wasRefused) return { receiptId: vault.refuse(row, "fail", "paid_unfulfilled", "paid_unfulfilled").receiptId };
          // A stored credential that brought an error page was delivered all the same.
          vault.journal.move(row, "serve_cached", null);
          break;
        }
        if (wasRefused) vault.credentials.refuse(credential.id);
        if (row.state === "paid") return { receiptId: unfulfilled(vault, row, "paid_unfulfilled") };
        break;
      }
    }
    return { receiptId: vault.receipts.of(row.id).at(-1) ?? null };
  });
}

/** @returns the receipt's id */
export function unfulfilled(vault: Vault, row: PurchaseRow, code: "paid_unfulfilled" | "credential_refused"): string {
  const moved = vault.journal.move(row, "unfulfil", null, code);
  return vault.receipt("unfulfilled", moved, code, {
    payment: vault.journal.payment(row.id),
    credential: vault.credentials.ofPurchase(row.id),
  });
}

/** Step 5, in batches. A record that does not fit its purchase is dropped: nothing depends on it. */
export async function delivered(vault: Vault, auth: Auth, deliveries: readonly Delivery[]): Promise<void> {
  if ((await vault.ready()) !== null) return;
  vault.transact(() => {
    const caller = vault.config.authenticate(auth);
    if (!caller.ok) return;
    for (const delivery of deliveries) {
      const row = own(vault, caller.principal, delivery.purchaseId);
      if (row !== null) record(vault, row, delivery);
    }
  });
}

function record(vault: Vault, row: PurchaseRow, { credentialId, status, bytes, sha256, complete }: Delivery): void {
  const { journal, credentials } = vault;
  journal.answered(row.id, status, bytes, sha256, complete);
  if (credentialId === null || credentialId !== row.credential_id) return;
  const credential = credentials.get(credentialId);
  if (credential === null) return;
  const good = status >= 200 && status < 300;
  // A long stream is recorded twice, at its beginning and its end: that is one use.
  if (good && credential.state !== "evicted" && row.answer_status === null) credentials.served(credentialId, row.origin, row.path);
  if (good && vault.sellers.takesOnce(vault.policiesOf(row), row, credential.scope)) credentials.evict(credentialId);
  if (row.state === "opened") journal.move(row, "serve_cached", null);
  if (!good) return;
  // Whoever used it: what was bought has now been delivered.
  const buyer = credential.purchase_id === row.id ? row : journal.purchase(credential.purchase_id);
  if (buyer === null || !isPaid(buyer.state) || buyer.state === "fulfilled") return;
  const done = journal.move(buyer, "fulfil", null);
  // A receipt has said otherwise, and a later truth is a new receipt (invariant 14).
  if (buyer.state !== "paid") vault.receipt("fulfilled", done, null, { payment: journal.payment(done.id), credential });
}

function own(vault: Vault, { budget, caller }: Principal, purchaseId: string): PurchaseRow | null {
  const row = vault.journal.purchase(purchaseId);
  return row !== null && row.budget === budget && row.caller === caller ? row : null;
}
