/** An operator's last word on what nobody else can end: a payment whose outcome no payer can tell, a seller who will not deliver. */
import type { Msat } from "../../lightning/msat.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import type { PurchaseView } from "../../lightning/wallet-api.ts";
import { purchase } from "./admin.ts";
import { openSecret } from "./payment-secret.ts";
import { isProof, release, settleBlock } from "./send.ts";
import type { Vault } from "./vault.ts";

const no = (code: "not_found" | "invalid_request" | "envelope_unopenable" | "already_exists", detail: string): Result<never> => ({
  ok: false,
  code,
  detail,
});

/**
 * `failed` releases the money; should it settle after all, that is booked as late and pauses the wallet. `paid` with the preimage
 * stores the credential; without one the money counts as gone, reserve and all, and nothing can be redeemed.
 */
export async function resolve(
  vault: Vault,
  purchaseId: string,
  verdict: "paid" | "failed",
  evidence: string,
  preimage: string | null,
): Promise<Result<PurchaseView>> {
  const notReady = await vault.ready();
  if (notReady !== null)
    return no(notReady === "not_found" ? "not_found" : "envelope_unopenable", "no such wallet, or its keys cannot be opened");
  const fault = evidenceFault(evidence);
  if (fault !== null) return no("invalid_request", fault);
  const done = vault.transact((): Result<null> => {
    const row = vault.journal.purchase(purchaseId);
    const payment = vault.journal.payment(purchaseId);
    if (row === null || payment === null) return no("not_found", "no such payment");
    if (row.state !== "payment_unknown") return no("already_exists", `only a payment_unknown can be resolved; this one is ${row.state}`);
    if (verdict === "failed") {
      release(vault, row, "fail", "payment_failed", evidence);
      return { ok: true, value: null };
    }
    if (preimage !== null) {
      const proof = preimage.toLowerCase();
      // An operator's slip is nobody's proof and nobody's lie: it leaves no trace.
      if (!isProof(proof, payment.payment_hash)) return no("invalid_request", "preimage: it does not hash to this payment's hash");
      if (payment.kind === "purchase" && openSecret(vault, payment) === null)
        return no("envelope_unopenable", "this payment's token cannot be opened: without it only `failed`, or `paid` without the preimage");
      settleBlock(
        vault,
        purchaseId,
        {
          kind: "settled",
          preimage: proof,
          feeMsat: payment.reserve_msat as Msat,
          settledAt: vault.clock.now(),
          reference: "operator",
        },
        vault.clock.now(),
      );
    } else settleWithoutProof(vault, purchaseId);
    const after = vault.journal.purchase(purchaseId);
    if (after !== null)
      vault.receipt("resolved", after, after.code, {
        payment: vault.journal.payment(purchaseId),
        credential: vault.credentials.ofPurchase(purchaseId),
        evidence,
      });
    return { ok: true, value: null };
  });
  vault.flights.notify(purchaseId);
  return done.ok ? purchase(vault, purchaseId, null) : done;
}

/** Booked with its whole reserve, since the fee is not known either: a budget must not gain by not knowing. */
function settleWithoutProof(vault: Vault, purchaseId: string): void {
  const row = vault.journal.purchase(purchaseId);
  const payment = vault.journal.payment(purchaseId);
  if (row === null || payment === null) return;
  const paid = vault.journal.move(row, "settle", vault.clock.now());
  vault.journal.settle(paid, payment.reserve_msat);
  if (payment.kind === "purchase") {
    vault.ledger.book({
      budget: payment.budget,
      subject: payment.subject,
      host: payment.host,
      port: payment.port,
      reservedAt: payment.reserved_at,
      totalMsat: (payment.charge_msat + payment.reserve_msat) as Msat,
    });
  }
  vault.journal.move(
    paid,
    payment.kind === "withdrawal" ? "fulfil" : "unfulfil",
    null,
    payment.kind === "withdrawal" ? null : "preimage_unavailable",
  );
}

/** Nothing more is expected of this seller: its credential is dropped, and the origin and scope may be bought again. */
export function writeOff(vault: Vault, purchaseId: string): Result<PurchaseView> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const done = vault.transact((): Result<null> => {
    const row = vault.journal.purchase(purchaseId);
    if (row === null) return no("not_found", "no such purchase");
    if (row.state !== "paid_unfulfilled")
      return no("already_exists", `only a paid_unfulfilled can be written off; this one is ${row.state}`);
    const credential = vault.credentials.ofPurchase(purchaseId);
    const moved = vault.journal.move(row, "write_off", null, row.code);
    if (credential !== null) vault.credentials.evict(credential.id);
    vault.receipt("written_off", moved, moved.code, { payment: vault.journal.payment(purchaseId), credential });
    return { ok: true, value: null };
  });
  return done.ok ? purchase(vault, purchaseId, null) : done;
}

/** It goes into a receipt that is shown and exported. */
function evidenceFault(evidence: string): string | null {
  if (evidence.trim() === "" || evidence.length > 500) return "evidence: say in 1 to 500 characters how this is known";
  if (/[0-9a-f]{64}/iu.test(evidence) || /ln(?:bc|tb|bcrt)[0-9a-z]{20}/iu.test(evidence))
    return "evidence: it is public; leave out preimages and invoices";
  return evidence.isWellFormed() ? null : "evidence: not well-formed text";
}
