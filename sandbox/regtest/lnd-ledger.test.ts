import { expect, test } from "vitest";
import { msat } from "../../lightning/msat.ts";
import { ledgerOfLnd } from "./lnd-ledger.ts";

const payment = (status: string, more: object = {}) => ({
  payment_hash: "aa".repeat(32),
  value_msat: "21000",
  creation_date: "1700000000",
  status,
  fee_msat: "0",
  ...more,
});

test("settled, failed and open payments are counted apart, and only what settled is summed", () => {
  const ledger = ledgerOfLnd(
    {
      payments: [
        payment("SUCCEEDED", { fee_msat: "7", payment_preimage: "cd".repeat(32), creation_time_ns: "1700000000500000000" }),
        payment("FAILED", { failure_reason: "FAILURE_REASON_NO_ROUTE", payment_preimage: "0".repeat(64) }),
        payment("IN_FLIGHT"),
      ],
    },
    msat(5),
  );
  expect(ledger).toMatchObject({ attempts: 3, settled: 1, failed: 1, inFlight: 1, settledMsat: 21_000, feesMsat: 7, spendableMsat: 5 });
  expect(ledger.payments.map((row) => [row.state, row.settlements, row.failure])).toEqual([
    ["settled", 1, null],
    ["failed", 0, "no_route"],
    ["in_flight", 0, null],
  ]);
  expect(ledger.payments[0]).toMatchObject({ startedAt: 1_700_000_000_000, endedAt: 1_700_000_000_500 });
});

test("invariant 9: the ledger carries no preimage", () => {
  const text = JSON.stringify(
    ledgerOfLnd({ payments: [payment("SUCCEEDED", { payment_preimage: "cd".repeat(32), payment_request: "lnbcrt1" })] }, msat(0)),
  );
  expect(text).not.toContain("cd".repeat(32));
  expect(text).not.toContain("lnbcrt1");
});

test.each([[null], [{}], [{ payments: [{}] }], [{ payments: [payment("NEW_STATE")] }]])(
  "a list that cannot be read is an error, never an empty ledger: %j",
  (value) => {
    expect(() => ledgerOfLnd(value, msat(0))).toThrow(/cannot be read/u);
  },
);
