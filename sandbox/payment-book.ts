/** The simulated node's record of payments: one entry per payment hash, for ever. An entry that has settled never changes state again. */
import { add, ZERO, type Msat } from "../lightning/msat.ts";
import type { Ledger, LedgerRow } from "./ledger.ts";
import type { NodePayment } from "./lightning-node.ts";

export type Failure = Extract<NodePayment, { kind: "failed" }>["code"];

export interface Payment {
  readonly paymentHash: string;
  readonly route: string | null;
  maxFeeMsat: Msat;
  amountMsat: Msat;
  feeMsat: Msat;
  state: "in_flight" | "settled" | "failed";
  failure: Failure | null;
  /** The proof, known once money is locked; null before, and after a failure. */
  preimage: string | null;
  /** What the node says the proof is. */
  shownPreimage: string | null;
  attempts: number;
  repeats: number;
  settlements: number;
  startedAt: number;
  endedAt: number | null;
  cancelTimer: () => void;
  /** Called when the payment ends. */
  readonly waiters: Set<() => void>;
}

export class PaymentBook {
  readonly #payments = new Map<string, Payment>();

  get(paymentHash: string): Payment | undefined {
    return this.#payments.get(paymentHash);
  }

  /** @param paymentHash null for all */
  select(paymentHash: string | null): Payment[] {
    if (paymentHash === null) return [...this.#payments.values()];
    const payment = this.#payments.get(paymentHash);
    return payment === undefined ? [] : [payment];
  }

  /** A new attempt at a hash that was never tried, or whose earlier attempts have failed. */
  begin(paymentHash: string, maxFeeMsat: Msat, route: string | null, now: number): Payment {
    const earlier = this.#payments.get(paymentHash);
    const payment: Payment = {
      paymentHash,
      route,
      maxFeeMsat,
      amountMsat: earlier?.amountMsat ?? ZERO,
      feeMsat: ZERO,
      state: "in_flight",
      failure: null,
      preimage: null,
      shownPreimage: null,
      attempts: (earlier?.attempts ?? 0) + 1,
      repeats: earlier?.repeats ?? 0,
      settlements: 0,
      startedAt: now,
      endedAt: null,
      cancelTimer: () => {},
      waiters: new Set(),
    };
    this.#payments.set(paymentHash, payment);
    return payment;
  }

  end(payment: Payment, state: "settled" | "failed", failure: Failure | null, now: number): void {
    payment.state = state;
    payment.failure = failure;
    payment.endedAt = now;
    if (state === "settled") payment.settlements += 1;
    for (const tell of payment.waiters) tell();
  }
}

export function ledgerOf(book: PaymentBook, spendableMsat: Msat): Ledger {
  let attempts = 0;
  const count = { in_flight: 0, settled: 0, failed: 0 };
  let settledMsat = ZERO;
  let feesMsat = ZERO;
  const payments: LedgerRow[] = [];
  for (const payment of book.select(null)) {
    attempts += payment.attempts;
    count[payment.state] += 1;
    if (payment.state === "settled") {
      settledMsat = add(settledMsat, payment.amountMsat);
      feesMsat = add(feesMsat, payment.feeMsat);
    }
    payments.push({
      paymentHash: payment.paymentHash,
      amountMsat: payment.amountMsat,
      feeMsat: payment.state === "settled" ? payment.feeMsat : null,
      maxFeeMsat: payment.maxFeeMsat,
      state: payment.state,
      failure: payment.failure,
      attempts: payment.attempts,
      repeats: payment.repeats,
      settlements: payment.settlements,
      startedAt: payment.startedAt,
      endedAt: payment.endedAt,
      route: payment.route,
    });
  }
  return {
    attempts,
    settled: count.settled,
    failed: count.failed,
    inFlight: count.in_flight,
    settledMsat,
    feesMsat,
    spendableMsat,
    payments,
  };
}
