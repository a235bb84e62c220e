/** What a node did, as JSON: the witness of the tests that say "no attempt was made" and "paid once". No secret in it. */
import type { Msat } from "../lightning/msat.ts";

export interface LedgerRow {
  readonly paymentHash: string;
  /** 0 where the node never knew the invoice. */
  readonly amountMsat: Msat;
  /** null until it has settled. */
  readonly feeMsat: Msat | null;
  readonly maxFeeMsat: Msat;
  readonly state: "in_flight" | "settled" | "failed";
  readonly failure: string | null;
  /** Times the node was told to pay this hash and had not already paid it or begun to. */
  readonly attempts: number;
  /** Times it was told to pay what it had already paid or begun to pay. */
  readonly repeats: number;
  /** Times money left for this hash: never above 1. */
  readonly settlements: number;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Name of the seller's route, where the sandbox's own seller made the invoice. */
  readonly route: string | null;
}

export interface Ledger {
  readonly attempts: number;
  readonly settled: number;
  readonly failed: number;
  readonly inFlight: number;
  /** Sums over settled payments. */
  readonly settledMsat: Msat;
  readonly feesMsat: Msat;
  readonly spendableMsat: Msat;
  readonly payments: readonly LedgerRow[];
}
