import type { Payment } from "@breeztech/breez-sdk-spark/web";
import { expect, test } from "vitest";
import { messageOf, outcomeOf, refusalOf } from "./outcome.ts";

const htlcDetails = { paymentHash: "a".repeat(64), expiryTime: 1, status: "preimageShared" } as const;
const details = { type: "lightning", invoice: "lnbcrt1", destinationPubkey: "02", htlcDetails } as const;
const payment = (change: Partial<Payment>): Payment => ({
  id: "operation",
  paymentType: "send",
  status: "completed",
  amount: 3n,
  fees: 1n,
  timestamp: 1,
  method: "lightning",
  details,
  ...change,
});

test("invariant 5: what is completed is settled with the preimage it has, and without one it says so", () => {
  const proof = "b".repeat(64);
  const settled = outcomeOf(payment({ details: { ...details, htlcDetails: { ...htlcDetails, preimage: proof } } }), 1, 42);
  expect(settled).toEqual({ kind: "settled", preimage: proof, feeMsat: 1000, settledAt: 42, reference: "operation" });
  expect(outcomeOf(payment({}), 1, 42)).toMatchObject({ kind: "settled", preimage: null });
});

test("a fee the SSP reports above the one agreed to is not what left the wallet", () => {
  expect(outcomeOf(payment({ fees: 999n }), 1, 0)).toMatchObject({ feeMsat: 1000 });
  expect(outcomeOf(payment({ fees: 1n }), 5, 0)).toMatchObject({ feeMsat: 1000 });
  // Nothing is known of an agreement: it is booked as reported, and the wallet is paused if that is above its reserve.
  expect(outcomeOf(payment({ fees: 999n }), null, 0)).toMatchObject({ feeMsat: 999_000 });
});

test("invariant 4: failed is definite only once the leaves are back", () => {
  const failed = (status: "waitingForPreimage" | "returned" | "preimageShared") =>
    outcomeOf(payment({ status: "failed", details: { ...details, htlcDetails: { ...htlcDetails, status } } }), 1, 0);
  expect(failed("returned")).toEqual({ kind: "failed", code: "payment_failed", definite: true });
  expect(failed("waitingForPreimage")).toEqual({ kind: "pending" });
  expect(failed("preimageShared")).toEqual({ kind: "pending" });
});

test("leaves that are back are a failure, whatever the SSP says, and so is a transfer that ran out before it was asked", () => {
  const returned = { ...details, htlcDetails: { ...htlcDetails, status: "returned" } } as const;
  expect(outcomeOf(payment({ status: "pending", details: returned }), 1, 0)).toMatchObject({ kind: "failed", definite: true });
  const { details: _, ...bare } = payment({ status: "failed" });
  expect(outcomeOf(bare, 1, 0)).toMatchObject({ kind: "failed", definite: true });
});

test("a transfer that the SSP was never asked about can be resumed, and its amount is never read", () => {
  const { details: _, ...bare } = payment({ status: "pending", amount: 999n });
  expect(outcomeOf(bare, 1, 0)).toEqual({ kind: "pending", resumable: true });
  expect(outcomeOf(payment({ status: "pending" }), 1, 0)).toEqual({ kind: "pending" });
});

test("a payment of another kind under our id is nothing we can vouch for", () => {
  expect(outcomeOf(payment({ details: { type: "withdraw", txId: "t" } }), 1, 0)).toEqual({
    kind: "unknown",
    reason: "payment_of_another_kind",
  });
});

test.each([
  [new Error("SparkSdkError: Tree service error: insufficient funds"), "insufficient_funds"],
  [new Error("Fee exceeds maximum allowed fee 5 > 1"), "fee_over_cap"],
  [new Error("Invalid input: invoice has expired"), "invoice_expired"],
  ["SparkSdkError: Service error", "backend_unavailable"],
  [{ no: "error" }, "backend_unavailable"],
])("an error from before the gate has a code, and its text stays here: %s", (error, code) => {
  expect(refusalOf(error)).toBe(code);
});

test("errors are texts or Errors", () => {
  expect([messageOf("a"), messageOf(new Error("b")), messageOf(3)]).toEqual(["a", "b", ""]);
});
