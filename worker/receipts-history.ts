/**
 * A wallet's whole chain of receipts. It keeps its own for 90 days after the control plane has them; before that the control plane's copy
 * goes on, so that an export is whole and `receipts verify` can begin at number 1 (invariant 14).
 */
import type { ControlPlane } from "../lightning/control-plane.ts";
import type { ReadPage } from "./receipts-answer.ts";

/** @param own the wallet's own pages, of all its budgets @returns pages in which no number is left out, as far as anybody has them */
export function wholeHistory(own: ReadPage, control: Pick<ControlPlane, "receipts">, walletId: string): ReadPage {
  return async ({ after, limit }) => {
    const kept = await own({ after, limit });
    const first = kept.ok ? kept.value.receipts[0]?.receipt.sequence : undefined;
    if (first === undefined || first <= after + 1) return kept;
    const older = await control.receipts(walletId, { after, limit: Math.min(limit, first - 1 - after) });
    const last = older.at(-1)?.receipt.sequence;
    return last === undefined ? kept : { ok: true, value: { receipts: older, next: last } };
  };
}
