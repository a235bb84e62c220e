/** The order that a journal row stands for, and whether it may leave now: asked in every block that sends something (invariants 1, 11 and 13). */
import { checkSwitches } from "../../lightning/decide.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOrder } from "../../lightning/payer.ts";
import type { WalletRow } from "./config.ts";
import type { PaymentRow, PurchaseRow } from "./journal.ts";
import type { Vault } from "./vault.ts";

/** Why this payment must not leave now, or null. */
export function stop(vault: Vault, wallet: WalletRow, row: PurchaseRow, payment: PaymentRow): { readonly code: Code } | null {
  if (!isOurs(vault, wallet)) return { code: "backend_unavailable" };
  const switches = vault.switches(wallet, vault.config.budgetRow(row.budget));
  // A withdrawal is under no budget; every other switch holds for it too.
  return checkSwitches(switches !== null && payment.kind === "withdrawal" ? { ...switches, budgetDisabled: false } : switches);
}

/**
 * Is this deployment's payer the one that pays for this wallet (invariant 13)? Another one has other money, and of what the right one was
 * asked it has never seen anything: its word about an open row would release what may still be paid.
 */
export function isOurs(vault: Vault, wallet: WalletRow): boolean {
  return wallet.backend === vault.ports.payer.backend;
}

/** What the payer is to make itself ready for; null where block two would refuse the row as it stands. */
export function draft(vault: Vault, purchaseId: string, bolt11: string): Omit<PaymentOrder, "deadline"> | null {
  const row = vault.journal.purchase(purchaseId);
  const payment = vault.journal.payment(purchaseId);
  const wallet = vault.wallet();
  if (row === null || payment === null || wallet === null || row.state !== "reserved") return null;
  if (stop(vault, wallet, row, payment) !== null || payment.expires_at <= vault.clock.now()) return null;
  return order(wallet, payment, bolt11);
}

export function order(wallet: WalletRow, payment: PaymentRow, bolt11: string): Omit<PaymentOrder, "deadline"> {
  return {
    walletId: wallet.wallet_id,
    epoch: wallet.epoch,
    operationId: payment.operation_id,
    bolt11,
    paymentHash: payment.payment_hash,
    amountMsat: payment.amount_msat as Msat,
    maxFeeMsat: payment.reserve_msat as Msat,
  };
}
