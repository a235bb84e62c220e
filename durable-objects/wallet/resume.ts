/**
 * A payment that its payer has in hand, and that goes no further by itself: the same operation once more, where the payer's own idempotency
 * covers it. It is no second payment, but it moves money, so it passes block two's checks again; the money is still set aside, and no cap is
 * asked anew. Where a check forbids it, nothing is lost: the row stays visible, and the alarm asks again, later and later.
 */
import type { PaymentOrder } from "../../lightning/payer.ts";
import { order as orderOf, stop } from "./order.ts";
import { openSecret } from "./payment-secret.ts";
import { hear, inHand } from "./send.ts";
import type { Vault } from "./vault.ts";

/** Called by the alarm, which does not wait for it: a payer may take as long for this as for a payment. Never throws. */
export async function resume(vault: Vault, purchaseId: string): Promise<void> {
  const { payer } = vault.ports;
  // Taken up already, and perhaps waiting for a slot.
  if (payer.resume === undefined || vault.flights.isSending(purchaseId)) return;
  await inHand(vault, purchaseId, async () => {
    await vault.security.refresh(vault.wallet()?.wallet_id ?? "");
    if ((await vault.ready()) !== null) return;
    const order = vault.transact(() => resumeBlock(vault, purchaseId));
    if (order === null || payer.resume === undefined) return;
    await hear(vault, purchaseId, order, payer.resume(order));
  });
}

/** Block two once more. @returns the order to send in this very turn, or null: the row waits for its due time */
function resumeBlock(vault: Vault, purchaseId: string): PaymentOrder | null {
  const { journal } = vault;
  const row = journal.purchase(purchaseId);
  const payment = journal.payment(purchaseId);
  const wallet = vault.wallet();
  if (row === null || payment === null || wallet === null) return null;
  if ((row.state !== "paying" && row.state !== "payment_unknown") || vault.flights.isCalling(purchaseId)) return null;
  const now = vault.clock.now();
  if (stop(vault, wallet, row, payment) !== null || payment.expires_at <= now) return null;
  const secret = openSecret(vault, payment);
  if (secret === null) return null;
  // "Never seen" is reckoned from the last order that may be on its way.
  const deadline = now + vault.timing.payDeadline;
  journal.postpone(row, deadline + vault.timing.grace);
  journal.setDeadline(purchaseId, deadline);
  return { ...orderOf(wallet, payment, secret.invoice), deadline };
}
