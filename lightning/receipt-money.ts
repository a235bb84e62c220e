/** What a receipt says about money. Receipts state facts; adding them up without counting a payment twice takes these two rules. */
import { ZERO, add, ceilToSat, type Msat } from "./msat.ts";
import type { Backend } from "./payer.ts";
import type { Receipt } from "./receipt.ts";

/** A payer that sends whole satoshi only rounds up. The receipt names the backend, not the rounding. */
const GRANULARITY: Readonly<Record<Backend, "msat" | "sat">> = { "http-executor": "msat", "spark-wasm": "sat" };

export function granularityOf({ backend }: Receipt): "msat" | "sat" {
  return Object.hasOwn(GRANULARITY, backend) ? GRANULARITY[backend as Backend] : "msat";
}

/** Does this receipt say that money has left the wallet, for a purchase or a withdrawal? More than one receipt of a payment may. */
export function saysPaid({ kind, feeMsat }: Receipt): boolean {
  return kind === "paid" || kind === "withdrawn" || kind === "late_settlement" || (kind === "resolved" && feeMsat !== null);
}

/** What left the wallet, price and fee; null where this receipt says nothing of the kind. @throws RangeError past 2^53 msat */
export function paidMsat(receipt: Receipt): Msat | null {
  const { amountMsat, feeMsat } = receipt;
  if (!saysPaid(receipt) || amountMsat === null) return null;
  return add(granularityOf(receipt) === "sat" ? ceilToSat(amountMsat) : amountMsat, feeMsat ?? ZERO);
}

/**
 * As {@link paidMsat}, each payment once: what an operator resolved with proof has a `paid` or `withdrawn` receipt just before it.
 * @param previous the receipt before this one in the same export, or null
 */
export function newlyPaidMsat(receipt: Receipt, previous: Receipt | null): Msat | null {
  const told = receipt.kind === "resolved" && previous !== null && previous.purchaseId === receipt.purchaseId && saysPaid(previous);
  return told ? null : paidMsat(receipt);
}
