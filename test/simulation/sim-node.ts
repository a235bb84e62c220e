/**
 * The Lightning node behind the payer, with books of its own: what it has accepted is the truth that the wallet's journal is
 * held against. It keeps the contract of every payer (lightning/payer.ts): refuses an order after its deadline or under an old epoch,
 * pays an operation once, keeps a fence; resumes what it has in hand, and nothing else. Only `rogue` breaks it.
 */
import type { OperationRef, PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { Weather } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";

export interface Entry {
  readonly operationId: string;
  readonly paymentHash: string;
  readonly amountMsat: number;
  readonly maxFeeMsat: number;
  readonly epoch: number;
  readonly acceptedAt: number;
  feeMsat: number;
  state: "inflight" | "settled" | "failed";
  /** Nothing more happens to it unless it is resumed, or its time is over. */
  stuck: boolean;
  /** It can say that it has paid, and cannot prove it. */
  readonly mute: boolean;
  /** Denied once although it had been accepted (a payer that breaks its contract). */
  denied: boolean;
}

export class SimNode {
  readonly ledger: Entry[] = [];
  /** Entries that have changed since somebody last looked. */
  readonly changed = new Set<Entry>();
  readonly #byOperation = new Map<string, Entry>();
  readonly #byHash = new Map<string, Entry[]>();
  readonly #fenced = new Set<string>();
  readonly #scheduler: Scheduler;
  readonly #weather: Weather;
  readonly #preimages: ReadonlyMap<string, string>;
  /** Does this payer know fences at all? */
  readonly #fences: boolean;
  /** Some take seconds for every payment: then orders wait for one another's slot. */
  readonly #slow: boolean;
  /** Some live in the object: they must be made ready, may be resumed, and have housekeeping to do. */
  readonly within: boolean;
  #epoch = 0;
  /** Looked at after every acceptance. */
  onAccept: (entry: Entry, order: PaymentOrder) => void = () => {};

  constructor(scheduler: Scheduler, weather: Weather, preimages: ReadonlyMap<string, string>) {
    this.#scheduler = scheduler;
    this.#weather = weather;
    this.#preimages = preimages;
    this.#fences = scheduler.choice.oneIn(2);
    this.#slow = scheduler.choice.oneIn(3);
    this.within = scheduler.choice.oneIn(2);
  }

  /** Another spender has paid under this epoch: a lower one is refused from now on. */
  seen(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  pay(order: PaymentOrder, reply: (outcome: PaymentOutcome) => void): void {
    const { choice, now } = this.#scheduler;
    const known = this.#byOperation.get(order.operationId);
    if (known !== undefined) return reply(this.#outcome(known));
    if (order.epoch < this.#epoch) return reply({ kind: "failed", code: "spender_superseded", definite: true });
    if (now > order.deadline || this.#fenced.has(order.operationId))
      return reply({ kind: "failed", code: "payment_failed", definite: true });
    this.seen(order.epoch);
    const entry: Entry = {
      operationId: order.operationId,
      paymentHash: order.paymentHash,
      amountMsat: order.amountMsat,
      maxFeeMsat: order.maxFeeMsat,
      epoch: order.epoch,
      acceptedAt: now,
      feeMsat: 0,
      state: "inflight",
      stuck: false,
      mute: this.#weather.strikes("noPreimage", 20),
      denied: false,
    };
    this.ledger.push(entry);
    this.#byOperation.set(entry.operationId, entry);
    this.#byHash.set(entry.paymentHash, [...this.withHash(entry.paymentHash), entry]);
    this.changed.add(entry);
    this.onAccept(entry, order);
    if (this.within && this.#weather.strikes("stuck", 6)) {
      entry.stuck = true;
      // What nobody resumes comes back by itself one day, as a contract that has expired does.
      this.#scheduler.after(600_000 + choice.below(6_600_000), "what is stuck comes back", () => {
        if (!entry.stuck) return;
        entry.stuck = false;
        entry.state = "failed";
        this.changed.add(entry);
      });
      if (!this.#weather.strikes("hang", 3)) reply(this.#outcome(entry));
      return;
    }
    this.#proceed(entry, reply);
  }

  /** The same operation again: it goes on where it is stuck, and else this is only a question. */
  resume(order: PaymentOrder, reply: (outcome: PaymentOutcome) => void): void {
    const entry = this.#byOperation.get(order.operationId);
    if (entry === undefined) return reply({ kind: "never_seen", asOf: this.#scheduler.now });
    // Too late, or too old a spender: nothing is done, and what is in hand is no failure.
    const refused = order.epoch < this.#epoch || this.#scheduler.now > order.deadline;
    if (refused || !entry.stuck) return reply(this.#outcome(entry));
    entry.stuck = false;
    this.#proceed(entry, reply);
  }

  #proceed(entry: Entry, reply: (outcome: PaymentOutcome) => void): void {
    const { choice } = this.#scheduler;
    let answered = false;
    if (this.#weather.strikes("pending", 10)) {
      answered = true;
      reply({ kind: "pending" });
    }
    const silent = this.#weather.strikes("hang", 12);
    const fails = this.#weather.strikes("fail", 7);
    const dear = this.#weather.strikes("dearFee", 80);
    const delay = this.#weather.strikes("late", 10) ? choice.delay(7_200_000) : this.#slow ? choice.below(8000) : choice.delay(2000);
    this.#scheduler.after(delay, "node settles", () => {
      entry.state = fails ? "failed" : "settled";
      if (!fails) entry.feeMsat = dear ? entry.maxFeeMsat + 1 + choice.below(1000) : choice.below(entry.maxFeeMsat + 1);
      this.changed.add(entry);
      if (!answered && !silent) reply(this.#outcome(entry));
    });
  }

  lookup(operation: OperationRef, reply: (outcome: PaymentOutcome) => void): void {
    const entry = this.#byOperation.get(operation.operationId);
    if (entry === undefined) return reply({ kind: "never_seen", asOf: this.#scheduler.now });
    if (entry.state !== "failed" && this.#weather.strikes("rogue", 2)) {
      entry.denied = true;
      return reply({ kind: "never_seen", asOf: this.#scheduler.now });
    }
    reply(this.#outcome(entry));
  }

  /** Kept for good: neither a restart of the object nor a late order undoes it. */
  cancel(operation: OperationRef): "fenced" | "cannot_fence" {
    if (!this.#fences || operation.epoch < this.#epoch || this.#byOperation.has(operation.operationId)) return "cannot_fence";
    this.#fenced.add(operation.operationId);
    return "fenced";
  }

  of(operationId: string): Entry | undefined {
    return this.#byOperation.get(operationId);
  }

  withHash(paymentHash: string): readonly Entry[] {
    return this.#byHash.get(paymentHash) ?? [];
  }

  preimageOf(entry: Entry): string | null {
    return entry.mute ? null : (this.#preimages.get(entry.paymentHash) ?? null);
  }

  #outcome(entry: Entry): PaymentOutcome {
    switch (entry.state) {
      case "inflight":
        return entry.stuck ? { kind: "pending", resumable: true } : { kind: "pending" };
      case "failed":
        return { kind: "failed", code: "no_route", definite: true };
      case "settled": {
        // Now and then an answer carries a wrong proof; the next one is right.
        const wrong = this.#weather.strikes("wrongPreimage", 25);
        const preimage = wrong && !entry.mute ? "ab".repeat(32) : this.preimageOf(entry);
        return { kind: "settled", preimage, feeMsat: entry.feeMsat as Msat, settledAt: this.#scheduler.now, reference: entry.operationId };
      }
    }
  }
}
