/**
 * What the operators know of Lightning sends, in the shape of a payer's ledger: the wallet's own view of a payment is the HTLC it locked for the
 * SSP, and the SSP's fee, whatever the SSP's node paid on its way. An HTLC that went back is an attempt that failed.
 */
import { add, sats, ZERO } from "../../lightning/msat.ts";
import type { Ledger, LedgerRow } from "../ledger.ts";
import type { HtlcView, SparkLedger } from "../spark/operators-port.ts";

/** One row a payment hash: what was locked for it more than once shows as `attempts`, what was taken more than once as `settlements`. */
export function ledgerOfSpark(spark: SparkLedger): Ledger {
  const started = new Map(spark.transfers.map((transfer) => [transfer.id, transfer]));
  const hashes = Map.groupBy(
    // A receive whose preimage the wallet keeps is an HTLC as well, of the SSP's.
    spark.htlcs.filter(({ sender }) => !isSsp(spark, sender)),
    ({ paymentHash }) => paymentHash,
  );
  const rows = [...hashes].map(([paymentHash, htlcs]): LedgerRow => {
    const taken = htlcs.filter(({ state }) => state === "shared");
    const shown = taken[0] ?? htlcs.find(({ state }) => state === "waiting") ?? htlcs.at(-1);
    if (shown === undefined) throw new Error("a group without a member");
    const transfer = started.get(shown.transferId);
    const row = { paymentHash, amountMsat: sats(shown.amountSats), maxFeeMsat: ZERO, attempts: htlcs.length, repeats: 0, route: null };
    const ended = { startedAt: transfer?.createdAt ?? 0, endedAt: transfer?.updatedAt ?? null, settlements: taken.length };
    switch (shown.state) {
      case "shared":
        return { ...row, ...ended, state: "settled", feeMsat: sats(shown.totalSats - shown.amountSats), failure: null };
      case "returned":
        return { ...row, ...ended, state: "failed", feeMsat: null, failure: "payment_failed" };
      case "waiting":
        return { ...row, ...ended, state: "in_flight", feeMsat: null, failure: null, endedAt: null };
    }
  });
  const settled = rows.filter(({ state }) => state === "settled");
  return {
    attempts: rows.reduce((sum, { attempts }) => sum + attempts, 0),
    settled: settled.length,
    failed: rows.filter(({ state }) => state === "failed").length,
    inFlight: rows.filter(({ state }) => state === "in_flight").length,
    settledMsat: add(...settled.map(({ amountMsat }) => amountMsat)),
    feesMsat: add(...settled.map(({ feeMsat }) => feeMsat ?? ZERO)),
    spendableMsat: add(...spark.owners.filter(({ ssp }) => !ssp).map(({ availableSats }) => sats(availableSats))),
    payments: rows,
  };
}

/** What one payment hash cost wallets in all, sats: the fee included. */
export const takenSats = (htlcs: readonly HtlcView[]): number =>
  htlcs.filter(({ state }) => state === "shared").reduce((sum, { totalSats }) => sum + totalSats, 0);

const isSsp = (spark: SparkLedger, identity: string): boolean => spark.owners.some((owner) => owner.ssp && owner.identity === identity);
