/** A clock that moves only when a test says so, and fires the timers on its way, one at a time. */
import type { Timer } from "../../durable-objects/wallet/ports.ts";

interface Timed {
  readonly at: number;
  readonly fire: () => void;
}

/** Until every microtask has run. No time passes. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class HandClock {
  /** Epoch ms. */
  now: number;
  #timers: Timed[] = [];

  constructor(start: number) {
    this.now = start;
  }

  timer(ms: number): Timer {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timed: Timed = { at: this.now + ms, fire: resolve };
    this.#timers.push(timed);
    return {
      done: promise,
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timed);
      },
    };
  }

  async advance(ms: number): Promise<void> {
    // What was set off before happens before time passes.
    await quiet();
    const until = this.now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      next.fire();
      await quiet();
    }
    this.now = Math.max(this.now, until);
    await quiet();
  }
}
