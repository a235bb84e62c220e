/**
 * lnd's list of payments in the shape of the simulated node's ledger. lnd keeps one row a payment hash: a failed payment tried again
 * replaces its row, and the fee limit and refused repeats are not kept, so these are 0 here.
 */
import { add, isMsat, ZERO, type Msat } from "../../lightning/msat.ts";
import type { Ledger, LedgerRow } from "../ledger.ts";
import { field, readPayment } from "./lnd-payment.ts";

/**
 * @param payments the answer of `/v1/payments?include_incomplete=true`
 * @throws Error when it cannot be read: a ledger with a row left out would prove what is not so
 */
export function ledgerOfLnd(payments: unknown, spendableMsat: Msat): Ledger {
  const list = field(payments, "payments");
  if (!Array.isArray(list)) throw new Error("lnd's list of payments cannot be read");
  const rows = list.map(rowOf);
  const settled = rows.filter((row) => row.state === "settled");
  return {
    attempts: rows.length,
    settled: settled.length,
    failed: rows.filter((row) => row.state === "failed").length,
    inFlight: rows.filter((row) => row.state === "in_flight").length,
    settledMsat: add(...settled.map((row) => row.amountMsat)),
    feesMsat: add(...settled.map((row) => row.feeMsat ?? ZERO)),
    spendableMsat,
    payments: rows,
  };
}

function rowOf(payment: unknown): LedgerRow {
  const outcome = readPayment(payment);
  const paymentHash = field(payment, "payment_hash");
  const amountMsat = Number(field(payment, "value_msat"));
  const startedAt = Number(field(payment, "creation_date")) * 1000;
  if (outcome === null || outcome.kind === "never_initiated" || typeof paymentHash !== "string" || !isMsat(amountMsat)) {
    throw new Error("a payment of lnd's cannot be read");
  }
  const row = { paymentHash, amountMsat, maxFeeMsat: ZERO, attempts: 1, repeats: 0, startedAt, route: null };
  switch (outcome.kind) {
    case "settled":
      return { ...row, state: "settled", feeMsat: outcome.feeMsat, failure: null, settlements: 1, endedAt: outcome.settledAt };
    case "failed":
      return { ...row, state: "failed", feeMsat: null, failure: outcome.code, settlements: 0, endedAt: null };
    case "in_flight":
      return { ...row, state: "in_flight", feeMsat: null, failure: null, settlements: 0, endedAt: null };
  }
}
