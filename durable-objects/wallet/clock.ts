/** The journal's clock (invariant 3): never earlier than the last instant the journal has seen, whatever the host's clock does. */
import type { Sql } from "../sql.ts";

export class JournalClock {
  readonly #now: () => number;
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Call once the tables exist: instants are journalled with purchases and receipts. */
  load(sql: Sql): void {
    const row = sql.rows<{ at: number | null }>(
      `SELECT MAX(at) AS at FROM (SELECT opened_at AS at FROM purchase WHERE seq = (SELECT MAX(seq) FROM purchase)
       UNION ALL SELECT at FROM receipt WHERE sequence = (SELECT MAX(sequence) FROM receipt) UNION ALL SELECT MAX(reserved_at) FROM payment)`,
    )[0];
    this.#last = Math.max(this.#last, row?.at ?? 0);
  }

  /** Epoch ms. */
  now(): number {
    this.#last = Math.max(this.#last, this.#now());
    return this.#last;
  }
}
