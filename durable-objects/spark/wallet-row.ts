/** What the payer knows of its wallet across evictions: whose key it is, the highest epoch it was ordered under, when it last paid. */
import type { Sql } from "../sql.ts";

/** Sends. With three leaves of each size (sdk-config.ts) most of as many find theirs without a swap. */
const CHANGE_LASTS = 6;

/** Longer than a swap takes to expire, ms. */
export const SWAP_RETURNS = 1_800_000;

interface Row {
  readonly network: string;
  readonly identity: string;
  readonly epoch: number;
  readonly last_payment_at: number | null;
  readonly sends_since_optimised: number;
  readonly swapping_since: number | null;
}

export class SparkWallet {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  stored(): { readonly network: string; readonly identity: string } | null {
    return this.#row();
  }

  /** @param identity compressed public key, hex */
  store(network: string, identity: string, epoch: number): void {
    this.#sql.rows("INSERT INTO spark_wallet (only, network, identity, epoch) VALUES (1, ?, ?, ?)", network, identity, epoch);
  }

  /** @returns false for an epoch below the highest seen (invariant 13) */
  raiseEpoch(epoch: number): boolean {
    const row = this.#row();
    if (row === null) return true;
    if (epoch < row.epoch) return false;
    if (epoch > row.epoch) this.#sql.rows("UPDATE spark_wallet SET epoch = ?", epoch);
    return true;
  }

  lastPaymentAt(): number | null {
    return this.#row()?.last_payment_at ?? null;
  }

  /** So many sends have used up what {@link changeMade} had left, or something new has come in whole. */
  wantsChange(): boolean {
    return (this.#row()?.sends_since_optimised ?? 0) >= CHANGE_LASTS;
  }

  spoilChange(): void {
    this.#sql.rows("UPDATE spark_wallet SET sends_since_optimised = ?", CHANGE_LASTS);
  }

  /** @param now epoch ms; null: it has ended */
  swapping(now: number | null): void {
    this.#sql.rows("UPDATE spark_wallet SET swapping_since = ?", now);
  }

  /** Change is being made, or that was broken off lately (an eviction in the middle): leaves of ours may be with the SSP until the swap expires. */
  mayBeSwapping(now: number): boolean {
    const since = this.#row()?.swapping_since ?? null;
    return since !== null && now - since < SWAP_RETURNS;
  }

  changeMade(): void {
    this.#sql.rows("UPDATE spark_wallet SET sends_since_optimised = 0");
  }

  #row(): Row | null {
    return this.#sql.rows<Row>("SELECT * FROM spark_wallet")[0] ?? null;
  }
}
