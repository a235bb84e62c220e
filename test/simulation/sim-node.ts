/**
 * The Lightning node behind the payer, with books of its own: what it has accepted is the truth that the wallet's journal is
 * held against. It keeps the contract of every payer (lightning/payer.ts): refuses an order after its deadline, pays an operation once.
 */
import type { OperationRef, PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { Scheduler } from "./scheduler.ts";

export interface Entry {
  readonly operationId: string;
  readonly paymentHash: string;
  readonly amountMsat: number;
  readonly maxFeeMsat: number;
  readonly acceptedAt: number;
  feeMsat: number;
  state: "inflight" | "settled" | "failed";
  /** Orders for this operation that arrived; above one, somebody sent it again. */
  orders: number;
}

export interface NodeFaults {
  readonly fail: boolean;
  readonly late: boolean;
  readonly hang: boolean;
  readonly pending: boolean;
  readonly wrongPreimage: boolean;
  readonly dearFee: boolean;
}

export class SimNode {
  readonly ledger: Entry[] = [];
  readonly #byOperation = new Map<string, Entry>();
  readonly #scheduler: Scheduler;
  readonly #faults: NodeFaults;
  readonly #preimages: ReadonlyMap<string, string>;
  /** Looked at after every acceptance. */
  onAccept: (entry: Entry, order: PaymentOrder) => void = () => {};
  dirty = false;

  constructor(scheduler: Scheduler, faults: NodeFaults, preimages: ReadonlyMap<string, string>) {
    this.#scheduler = scheduler;
    this.#faults = faults;
    this.#preimages = preimages;
  }

  pay(order: PaymentOrder, reply: (outcome: PaymentOutcome) => void): void {
    const { choice, now } = this.#scheduler;
    const known = this.#byOperation.get(order.operationId);
    if (known !== undefined) {
      known.orders++;
      reply(this.#outcome(known));
      return;
    }
    if (now > order.deadline) return reply({ kind: "failed", code: "payment_failed", definite: true });
    const entry: Entry = { operationId: order.operationId, paymentHash: order.paymentHash, amountMsat: order.amountMsat, maxFeeMsat: order.maxFeeMsat, acceptedAt: now, feeMsat: 0, state: "inflight", orders: 1 };
    this.ledger.push(entry);
    this.#byOperation.set(entry.operationId, entry);
    this.dirty = true;
    this.onAccept(entry, order);
    let answered = false;
    if (this.#faults.pending && choice.oneIn(10)) {
      answered = true;
      reply({ kind: "pending" });
    }
    const silent = this.#faults.hang && choice.oneIn(12);
    const delay = this.#faults.late && choice.oneIn(10) ? choice.delay(7_200_000) : choice.delay(2000);
    this.#scheduler.after(delay, "node settles", () => {
      if (this.#faults.fail && choice.oneIn(7)) entry.state = "failed";
      else {
        entry.state = "settled";
        entry.feeMsat = this.#faults.dearFee && choice.oneIn(150) ? entry.maxFeeMsat + 1 + choice.below(1000) : choice.below(entry.maxFeeMsat + 1);
      }
      this.dirty = true;
      if (!answered && !silent) reply(this.#outcome(entry));
    });
  }

  lookup(operation: OperationRef, reply: (outcome: PaymentOutcome) => void): void {
    const entry = this.#byOperation.get(operation.operationId);
    reply(entry === undefined ? { kind: "never_seen" } : this.#outcome(entry));
  }

  of(operationId: string): Entry | undefined {
    return this.#byOperation.get(operationId);
  }

  #outcome(entry: Entry): PaymentOutcome {
    switch (entry.state) {
      case "inflight":
        return { kind: "pending" };
      case "failed":
        return { kind: "failed", code: "no_route", definite: true };
      case "settled": {
        const right = this.#preimages.get(entry.paymentHash) ?? null;
        // Now and then the first answer carries a wrong proof; the next one is right.
        const preimage = this.#faults.wrongPreimage && this.#scheduler.choice.oneIn(25) ? "ab".repeat(32) : right;
        return { kind: "settled", preimage, feeMsat: entry.feeMsat as Msat, settledAt: this.#scheduler.now, reference: entry.operationId };
      }
    }
  }
}
