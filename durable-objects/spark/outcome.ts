/**
 * From what the SDK says to what the Wallet may believe. The SDK's errors are plain texts: they are matched, never passed on. Its `failed`
 * is the SSP's word; money is released only once the operators have given the leaves back (`returned`).
 */
import type { Payment } from "@breeztech/breez-sdk-spark/web";
import { isMsat, type Msat } from "../../lightning/msat.ts";
import type { FailureCode, PaymentOutcome } from "../../lightning/payer.ts";

const FAILED: PaymentOutcome = { kind: "failed", code: "payment_failed", definite: true };
const UNKNOWN = (reason: string): PaymentOutcome => ({ kind: "unknown", reason });

/** @param agreedFeeSats the fee that was agreed before sending; the leaves that left cannot cost more, whatever the SSP reports */
export function outcomeOf(payment: Payment, agreedFeeSats: number | null, settledAt: number): PaymentOutcome {
  // A transfer whose SSP request is unknown has no details: neither amount nor fee of it means anything yet. Its status is the operators' own:
  // failed, it has run out or was returned.
  if (payment.details === undefined) return payment.status === "failed" ? FAILED : { kind: "pending", resumable: true };
  if (payment.details.type !== "lightning") return UNKNOWN("payment_of_another_kind");
  const { htlcDetails } = payment.details;
  switch (payment.status) {
    case "completed": {
      const reported = Number(payment.fees);
      const feeMsat = (agreedFeeSats === null ? reported : Math.min(reported, agreedFeeSats)) * 1000;
      if (!isMsat(feeMsat)) return UNKNOWN("fee_unreadable");
      return { kind: "settled", preimage: htlcDetails.preimage ?? null, feeMsat: feeMsat as Msat, settledAt, reference: payment.id };
    }
    // With the leaves back nothing can be taken any more, whatever the SSP still says; without them nothing is over.
    case "failed":
    case "pending":
      return htlcDetails.status === "returned" ? FAILED : { kind: "pending" };
  }
}

/** Why nothing was sent: only for errors from before the second gate, where nothing has left. */
export function refusalOf(error: unknown): FailureCode {
  const text = messageOf(error);
  if (/insufficient funds/iu.test(text)) return "insufficient_funds";
  if (/fee exceeds maximum/iu.test(text)) return "fee_over_cap";
  if (/invoice.*expired|expired.*invoice/iu.test(text)) return "invoice_expired";
  return "backend_unavailable";
}

/** Builders reject with plain strings, everything else with an Error. For matching only. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : typeof error === "string" ? error : "");
