/**
 * Who waits for which purchase, and which payer calls are running: in memory only. A flight itself is a row; losing this
 * (a restart) loses waiters, never money. A caller may go; the flight goes on.
 */
import type { WalletPorts } from "./ports.ts";

export class Flights {
  readonly #clock: WalletPorts["clock"];
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #sending = new Set<string>();
  readonly #calling = new Set<string>();
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(clock: WalletPorts["clock"], slots: number) {
    this.#clock = clock;
    this.#free = slots;
  }

  /** Resolves when something happened to the purchase, or after `ms`. */
  async wait(purchaseId: string, ms: number): Promise<void> {
    if (ms <= 0) return;
    const timer = this.#clock.timer(ms);
    const waiters = this.#waiters.get(purchaseId) ?? new Set();
    this.#waiters.set(purchaseId, waiters);
    let wake = (): void => {};
    try {
      await Promise.race([
        timer.done,
        new Promise<void>((resolve) => {
          wake = resolve;
          waiters.add(resolve);
        }),
      ]);
    } finally {
      timer.cancel();
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiters.get(purchaseId) === waiters) this.#waiters.delete(purchaseId);
    }
  }

  notify(purchaseId: string): void {
    const waiters = this.#waiters.get(purchaseId);
    this.#waiters.delete(purchaseId);
    for (const wake of waiters ?? []) wake();
  }

  /** This instance has taken the purchase in hand and will send it, or has sent it. */
  isSending(purchaseId: string): boolean {
    return this.#sending.has(purchaseId);
  }

  /** A `pay` call for it is running: the alarm leaves the row alone until the deadline. */
  isCalling(purchaseId: string): boolean {
    return this.#calling.has(purchaseId);
  }

  calling(purchaseId: string): void {
    this.#calling.add(purchaseId);
  }

  called(purchaseId: string): void {
    this.#calling.delete(purchaseId);
  }

  /** Runs `work` in one of the payer slots; the rest wait their turn. */
  async inSlot(purchaseId: string, work: () => Promise<void>): Promise<void> {
    this.#sending.add(purchaseId);
    try {
      if (this.#free > 0) this.#free--;
      else await new Promise<void>((resolve) => this.#queue.push(resolve));
      try {
        await work();
      } finally {
        const nextInLine = this.#queue.shift();
        if (nextInLine === undefined) this.#free++;
        else nextInLine();
      }
    } finally {
      this.#sending.delete(purchaseId);
    }
  }
}
