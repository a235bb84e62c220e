/**
 * Decides what happens next. Every promise that leaves a core is settled by an operation in this list and by nothing else;
 * one is chosen by the seed among those that are due, runs until the microtask queue is empty, and then the invariants are
 * looked at. If nothing is due, the clock moves.
 */
import { Choice } from "./choice.ts";

/** An invariant does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
}

interface Operation {
  readonly at: number;
  readonly label: string;
  readonly run: () => void;
  cancelled: boolean;
}

export interface Scheduled {
  cancel(): void;
}

/** A minute before the last hour of a day and a month: an hour turns over in most runs, a day with its month in those that last so long. */
export const EPOCH = Date.UTC(2027, 0, 31, 22, 59);

export class Scheduler {
  readonly choice: Choice;
  now = EPOCH;
  steps = 0;
  /** FNV-1a over every step's label and instant: the run's fingerprint. */
  digest = 0x811c9dc5;
  readonly trace: string[] | null;
  #operations: Operation[] = [];
  #failure: Error | null = null;

  constructor(seed: number, traced: boolean) {
    this.choice = new Choice(seed);
    this.trace = traced ? [] : null;
  }

  after(delay: number, label: string, run: () => void): Scheduled {
    const operation: Operation = { at: this.now + Math.max(0, delay), label, run, cancelled: false };
    this.#operations.push(operation);
    return {
      cancel: () => {
        operation.cancelled = true;
      },
    };
  }

  /** Ends the run at the next chance. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  note(label: string): void {
    let hash = this.digest;
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    this.digest = Math.imul(hash ^ (this.now & 0xffffff), 0x01000193) >>> 0;
    this.trace?.push(`${String(this.now - EPOCH).padStart(9)} ${label}`);
  }

  /** Runs until nothing is left to do. `check` runs after every step. @throws Violation when an invariant breaks, or when `until` comes */
  async run(until: number, check: () => void): Promise<void> {
    for (;;) {
      const operation = this.#take();
      if (operation === null) return;
      this.now = Math.max(this.now, operation.at);
      if (this.now > until) throw new Violation(`liveness: still ${operation.label} after ${Math.round((until - EPOCH) / 3_600_000)} h`);
      this.steps++;
      this.note(operation.label);
      operation.run();
      // Everything the step set off in microtasks is done before the next macrotask begins.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#failure !== null) throw this.#failure;
      check();
    }
  }

  #take(): Operation | null {
    if (this.#operations.some((operation) => operation.cancelled))
      this.#operations = this.#operations.filter((operation) => !operation.cancelled);
    const operations = this.#operations;
    if (operations.length === 0) return null;
    let earliest = Infinity;
    for (const { at } of operations) if (at < earliest) earliest = at;
    const limit = Math.max(this.now, earliest);
    let due = 0;
    for (const { at } of operations) if (at <= limit) due++;
    let chosen = this.choice.below(due);
    for (const [index, operation] of operations.entries()) {
      if (operation.at > limit || chosen-- > 0) continue;
      const last = operations.pop();
      if (last !== undefined && last !== operation) operations[index] = last;
      return operation;
    }
    return null;
  }
}
