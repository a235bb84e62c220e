/** Invoices that pay into this wallet and may still be paid: while there is one, the alarm looks for its payment (a claim needs a sync). */
import type { Sql } from "../sql.ts";

/** Looked for this long after expiry too, ms: a payment may have been held at the last instant. */
const GRACE = 300_000;

export class Incoming {
  readonly #sql: Sql;
  readonly #now: () => number;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  /** @param expiresAt epoch ms */
  expect(paymentHash: string, amountSats: number, expiresAt: number): void {
    this.#sql.rows(
      "INSERT OR IGNORE INTO spark_incoming (payment_hash, amount_sats, made_at, expires_at) VALUES (?, ?, ?, ?)",
      paymentHash,
      amountSats,
      this.#now(),
      expiresAt,
    );
  }

  open(): number {
    return this.#sql.rows<{ n: number }>("SELECT count(*) AS n FROM spark_incoming")[0]?.n ?? 0;
  }

  /** When to look again, epoch ms; null when nothing is awaited. Often while somebody may be watching, rarely later: a look costs ten requests. */
  nextLook(): number | null {
    const youngest = this.#sql.rows<{ made_at: number | null }>("SELECT max(made_at) AS made_at FROM spark_incoming")[0]?.made_at ?? null;
    if (youngest === null) return null;
    const age = this.#now() - youngest;
    return this.#now() + (age < 120_000 ? 5_000 : age < 600_000 ? 20_000 : 120_000);
  }

  /** @returns how many of them were awaited */
  received(paymentHashes: readonly string[]): number {
    const before = this.open();
    for (const hash of paymentHashes) this.#sql.rows("DELETE FROM spark_incoming WHERE payment_hash = ?", hash);
    return before - this.open();
  }

  forgetExpired(): void {
    this.#sql.rows("DELETE FROM spark_incoming WHERE expires_at < ?", this.#now() - GRACE);
  }
}
