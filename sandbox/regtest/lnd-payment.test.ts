import { expect, test } from "vitest";
import { atLeast } from "./build.ts";
import { readPayment, readRefusal } from "./lnd-payment.ts";

const preimage = "ab".repeat(32);
const succeeded = {
  status: "SUCCEEDED",
  payment_preimage: preimage,
  fee_msat: "1003",
  creation_time_ns: "1700000000000000000",
  htlcs: [
    { status: "FAILED", resolve_time_ns: "1700000009000000000" },
    { status: "SUCCEEDED", resolve_time_ns: "1700000001234567890" },
  ],
};

test("a succeeded payment has its proof, its fee to the millisatoshi and the time its last part settled", () => {
  expect(readPayment(succeeded)).toEqual({ kind: "settled", preimage, feeMsat: 1003, settledAt: 1700000001234 });
});

test("invariant 5: 64 zeros are no proof, whatever the status says", () => {
  expect(readPayment({ ...succeeded, payment_preimage: "0".repeat(64) })).toMatchObject({ kind: "settled", preimage: null });
});

test("a failed payment never carries a proof", () => {
  const failed = { ...succeeded, status: "FAILED", failure_reason: "FAILURE_REASON_NO_ROUTE", payment_preimage: "0".repeat(64) };
  expect(readPayment(failed)).toEqual({ kind: "failed", code: "no_route" });
});

test.each([
  ["FAILURE_REASON_INSUFFICIENT_BALANCE", "insufficient_funds"],
  ["FAILURE_REASON_TIMEOUT", "payment_failed"],
  ["FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", "payment_failed"],
  ["FAILURE_REASON_OF_A_LATER_LND", "payment_failed"],
])("the failure reason %s is %s", (failure_reason, code) => {
  expect(readPayment({ status: "FAILED", failure_reason })).toEqual({ kind: "failed", code });
});

test.each(["IN_FLIGHT", "INITIATED"])("%s is in flight", (status) => {
  expect(readPayment({ status })).toEqual({ kind: "in_flight" });
});

test.each([
  [null],
  [{}],
  [[]],
  ["SUCCEEDED"],
  [{ status: "UNKNOWN" }],
  [{ ...succeeded, fee_msat: "-1" }],
  [{ ...succeeded, fee_msat: "9007199254740993" }],
  [{ ...succeeded, fee_msat: undefined }],
])("what is not a payment is not guessed at: %j", (value) => {
  expect(readPayment(value)).toBeNull();
});

test("invariant 4: only `payment isn't initiated` means that nothing was sent; every other error has to be asked about", () => {
  expect(readRefusal(5, "payment isn't initiated")).toEqual({ kind: "never_initiated" });
  for (const [code, message] of [
    [5, "not found"],
    [6, "invoice is already paid"],
    [6, "payment is in transition"],
    [2, "payment isn't initiated"],
    [14, "unavailable"],
  ] as const) {
    expect(readRefusal(code, message)).toEqual({ kind: "ask" });
  }
});

test("an expired invoice is refused by lnd before anything is sent", () => {
  expect(readRefusal(2, "invoice expired. Valid until 2026-01-01")).toEqual({ kind: "failed", code: "invoice_expired" });
});

test("Go versions are compared number by number", () => {
  expect([
    atLeast("1.26.8", "1.26.0"),
    atLeast("1.9", "1.26.0"),
    atLeast("1.26", "1.26.0"),
    atLeast("2.0", "1.26.0"),
    atLeast("1.25.9", "1.26.0"),
  ]).toEqual([true, false, true, true, false]);
});
