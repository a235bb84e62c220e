/** How a purchase ended, for a check and for a line in the ADR. */
import type { ApiAnswer } from "../../ops/api.ts";

/** The seller's 200, under this outcome. */
export function isDone(answer: ApiAnswer, status: "paid" | "cached"): boolean {
  return answer.status === 200 && answer.lightning.status === status && (status === "paid" || answer.lightning.spentMsat === 0);
}

export function purchaseOutcome(answer: ApiAnswer): string {
  return `${answer.lightning.status ?? "no outcome"}${answer.code === null ? "" : ` (${answer.code})`}, ${answer.status}`;
}
