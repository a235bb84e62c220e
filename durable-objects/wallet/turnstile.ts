/**
 * Lets what arrives together through together. A commit is a write to disk however little is in it, and everything that is written in one
 * turn shares one (facts/wallet-core.md, section 2). So the first passes at once, and whoever comes before the event loop's next turn
 * waits for it and goes with the others in one turn. Each still has its own transaction; one who comes alone never waits.
 */
export class Turnstile {
  readonly #turn: (() => Promise<void>) | undefined;
  /** Null: nobody has just passed. */
  #waiting: (() => void)[] | null = null;

  /** @param turn resolves in a later turn of the event loop; without it everybody passes at once */
  constructor(turn: (() => Promise<void>) | undefined) {
    this.#turn = turn;
  }

  async pass(): Promise<void> {
    const turn = this.#turn;
    if (turn === undefined) return;
    if (this.#waiting !== null) return new Promise((go) => this.#waiting?.push(go));
    this.#waiting = [];
    void this.#turns(turn);
  }

  /** One group a turn, until one in which nobody has come. */
  async #turns(turn: () => Promise<void>): Promise<void> {
    for (;;) {
      await turn();
      const group = this.#waiting ?? [];
      this.#waiting = group.length === 0 ? null : [];
      if (group.length === 0) return;
      for (const go of group) go();
    }
  }
}
