/**
 * What lnd's JSON says about a payment, in our terms. Pure. Two rules carry the weight: only SUCCEEDED has a proof (every other status
 * carries 64 zeros as its preimage), and only the track error "payment isn't initiated" means that nothing was ever sent.
 * Seen on lnd 0.20; 64-bit integers come as strings.
 */
import { isMsat } from "../../lightning/msat.ts";
import type { NodePayment } from "../lightning-node.ts";

/** gRPC status codes that the router answers with (grpc/status, `codes`). */
export const NOT_FOUND = 5;
export const ALREADY_EXISTS = 6;

/** One line of lnd's answer: a result, or the error of the gRPC gateway. */
export type LndReply =
  | { readonly kind: "ok"; readonly value: unknown }
  | { readonly kind: "refused"; readonly code: number; readonly message: string };

/** @returns the payment, or null for a JSON that is not lnd's `Payment`: the caller must not guess. */
export function readPayment(value: unknown): NodePayment | null {
  const status = field(value, "status");
  switch (status) {
    case "SUCCEEDED": {
      const feeMsat = Number(field(value, "fee_msat") ?? Number.NaN);
      if (!isMsat(feeMsat)) return null;
      const preimage = field(value, "payment_preimage");
      const proof = typeof preimage === "string" && /^[0-9a-f]{64}$/.test(preimage) && !/^0+$/.test(preimage) ? preimage : null;
      return { kind: "settled", preimage: proof, feeMsat, settledAt: settledAt(value) };
    }
    case "FAILED":
      return { kind: "failed", code: failureCode(field(value, "failure_reason")) };
    case "IN_FLIGHT":
    case "INITIATED":
      return { kind: "in_flight" };
    default:
      return null;
  }
}

/** An error instead of a payment. `ask`: the error does not say whether something was sent, so the payment has to be looked up. */
export function readRefusal(code: number, message: string): NodePayment | { readonly kind: "ask" } {
  if (code === NOT_FOUND && message.includes("payment isn't initiated")) return { kind: "never_initiated" };
  // Text and not a code (lnd gives 2, unknown); it is checked before the payment is written, so nothing was sent.
  if (code !== ALREADY_EXISTS && message.startsWith("invoice expired")) return { kind: "failed", code: "invoice_expired" };
  return { kind: "ask" };
}

function failureCode(reason: unknown): "no_route" | "insufficient_funds" | "payment_failed" {
  if (reason === "FAILURE_REASON_NO_ROUTE") return "no_route";
  if (reason === "FAILURE_REASON_INSUFFICIENT_BALANCE") return "insufficient_funds";
  // TIMEOUT, ERROR, INCORRECT_PAYMENT_DETAILS (the payee refused it), CANCELED, and what lnd may add.
  return "payment_failed";
}

/** Milliseconds: when the last part settled, else when the payment was made. */
function settledAt(value: unknown): number {
  const htlcs = field(value, "htlcs");
  const parts = Array.isArray(htlcs) ? htlcs.filter((htlc: unknown) => field(htlc, "status") === "SUCCEEDED") : [];
  const times = parts.map((htlc: unknown) => nanosToMs(field(htlc, "resolve_time_ns")));
  return Math.max(nanosToMs(field(value, "creation_time_ns")), ...times);
}

function nanosToMs(nanos: unknown): number {
  return typeof nanos === "string" && /^\d{1,19}$/.test(nanos) ? Number(BigInt(nanos) / 1_000_000n) : 0;
}

/** A property of a JSON object, or undefined when there is no such thing. */
export function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
