/**
 * What may go wrong, and whether it does at this instant. A draw is made even where a fault is off, so that taking one fault out of a
 * run reshuffles as little as possible of the rest: that is what lets a failing run shrink.
 */
import { Choice } from "./choice.ts";
import type { Scheduler } from "./scheduler.ts";

export const FAULTS = [
  // the object
  "crash",
  "superseded",
  "alarms",
  "clockJumps",
  "deploys",
  "rotations",
  "kek",
  "unreadable",
  // the lines
  "lostCall",
  "lostReply",
  "lateAnswer",
  "leaving",
  "workerDies",
  // the payer
  "hang",
  "late",
  "pending",
  "fail",
  "wrongPreimage",
  "noPreimage",
  "dearFee",
  "payerError",
  "unready",
  "stuck",
  // the seller
  "badInvoices",
  "refuse",
  "errors",
  "oneShot",
  // the control plane and those who run the house
  "switches",
  "staleControl",
  "newSpender",
  "backends",
] as const;

/**
 * `rogue` is a payer that breaks its contract: it says "never seen" of an order that it has taken and will settle. No design keeps the
 * strict invariants against that, so it is in no run by default; its runs expect `late_settlement` and a paused wallet instead.
 */
export type Fault = (typeof FAULTS)[number] | "rogue";

export const isFault = (name: string): name is Fault => name === "rogue" || FAULTS.some((fault) => fault === name);

/** Each run has about three quarters of all faults: where everything always goes wrong, what follows a good day is never seen. */
export function swarm(seed: number): ReadonlySet<Fault> {
  const choice = new Choice(seed ^ 0x5eed);
  return new Set(FAULTS.filter(() => !choice.oneIn(4)));
}

/** In a third of all runs an instance lives ten times as long: where each dies within seconds, nobody is served twice. */
export function lifetime(seed: number): number {
  return new Choice(seed ^ 0x11fe).oneIn(3) ? 10 : 1;
}

export class Weather {
  /** Nothing goes wrong by itself any more. */
  quiet = false;
  readonly #scheduler: Scheduler;
  readonly #faults: ReadonlySet<Fault>;

  constructor(scheduler: Scheduler, faults: ReadonlySet<Fault>) {
    this.#scheduler = scheduler;
    this.#faults = faults;
  }

  on(fault: Fault): boolean {
    return this.#faults.has(fault);
  }

  /** True once in `oneIn`, while this fault is about. */
  strikes(fault: Fault, oneIn: number): boolean {
    return this.#scheduler.choice.oneIn(oneIn) && !this.quiet && this.on(fault);
  }

  /** A message's way over the network, ms. */
  travel(): number {
    const { choice } = this.#scheduler;
    return this.strikes("lateAnswer", 20) ? choice.delay(45_000) : choice.delay(30);
  }
}
