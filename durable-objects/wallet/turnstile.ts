/**
 * Lets what arrives together through together. A commit is a write to disk however little is in it, and everything that is written in one
 * turn shares one (facts/wallet-core.md, section 2). So the first passes at once, and whoever comes before the event loop's next turn
 * waits for it and goes with the others in one turn. Each still has its own transaction; one who comes alone never waits.
 */
import type { WalletPorts } from "./ports.ts";

export class Turnstile {
  readonly #clock: WalletPorts["clock"];
  /** Null: nobody has just passed. */
  #waiting: (() => void)[] | null = null;

  constructor(clock: WalletPorts["clock"]) {
    this.#clock = clock;
  }

  async pass(): Promise<void> {
    if (this.#waiting !== null) return new Promise((go) => this.#waiting?.push(go));
    this.#waiting = [];
    void this.#turns();
  }

  /** One group a turn, until one in which nobody has come. */
  async #turns(): Promise<void> {
    for (;;) {
      await this.#clock.timer(0).done;
      const group = this.#waiting ?? [];
      this.#waiting = group.length === 0 ? null : [];
      if (group.length === 0) return;
      for (const go of group) go();
    }
  }
}
