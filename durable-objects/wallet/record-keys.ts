/**
 * A wallet's record keys as rows: the current one stands in the wallet's own row, former ones beside it until nothing is sealed with them.
 * Every sealed row names its key in its first bytes (lightning/seal.ts), so both are read while a rotation is under way.
 */
import type { Sql } from "../sql.ts";
import type { WalletRow } from "./config.ts";

export interface HeldKey {
  readonly id: number;
  readonly wrapped: Uint8Array;
  readonly kekVersion: string;
  readonly current: boolean;
}

/** How far the sealing anew has come; absent when nothing is sealed with a former key. */
export interface Progress {
  readonly payment_after: string;
  readonly credential_after: string;
  /** Place of the Spark table in SPARK_SEALED, and the last row of it that was looked at. */
  readonly spark_table: number;
  readonly spark_after: number;
  /** Rows of this pass that did not open. */
  readonly skipped: number;
  /** The same of the last whole pass. */
  readonly unreadable: number;
}

/** The current key first. */
export function heldKeys(sql: Sql, wallet: WalletRow): readonly HeldKey[] {
  const former = sql.rows<{ id: number; wrapped: Uint8Array; kek_version: string }>(
    "SELECT id, wrapped, kek_version FROM former_record_key ORDER BY id DESC",
  );
  return [
    { id: wallet.record_key_id, wrapped: wallet.record_key_wrapped, kekVersion: wallet.kek_version, current: true },
    ...former.map(({ id, wrapped, kek_version }) => ({ id, wrapped, kekVersion: kek_version, current: false })),
  ];
}

/** Wrapped by another key-encryption key, the key itself being the same. @returns false when it is no longer stored as it was read */
export function rewrapHeld(sql: Sql, held: HeldKey, next: { readonly wrapped: Uint8Array; readonly kekVersion: string }): boolean {
  const query = held.current
    ? "UPDATE wallet SET record_key_wrapped = ?, kek_version = ? WHERE only = 1 AND record_key_id = ? AND record_key_wrapped = ? RETURNING record_key_id"
    : "UPDATE former_record_key SET wrapped = ?, kek_version = ? WHERE id = ? AND wrapped = ? RETURNING id";
  return sql.rows(query, next.wrapped, next.kekVersion, held.id, held.wrapped).length === 1;
}

/** The current key becomes a former one, and every row is looked at again from the first. @returns false when another has become current meanwhile */
export function replaceKey(sql: Sql, before: HeldKey, next: Omit<HeldKey, "current">, now: number): boolean {
  sql.rows(
    "INSERT INTO former_record_key (id, wrapped, kek_version, since) SELECT record_key_id, record_key_wrapped, kek_version, ? FROM wallet WHERE record_key_id = ? AND record_key_wrapped = ?",
    now,
    before.id,
    before.wrapped,
  );
  const replaced = sql.rows(
    "UPDATE wallet SET record_key_id = ?, record_key_wrapped = ?, kek_version = ? WHERE only = 1 AND record_key_id = ? AND record_key_wrapped = ? RETURNING only",
    next.id,
    next.wrapped,
    next.kekVersion,
    before.id,
    before.wrapped,
  );
  if (replaced.length === 0) return false;
  restart(sql);
  return true;
}

export function progress(sql: Sql): Progress | null {
  return (
    sql.rows<Progress>(
      "SELECT payment_after, credential_after, spark_table, spark_after, skipped, unreadable FROM reseal WHERE only = 1",
    )[0] ?? null
  );
}

export function saveProgress(sql: Sql, next: Progress): void {
  sql.rows(
    "UPDATE reseal SET payment_after = ?, credential_after = ?, spark_table = ?, spark_after = ?, skipped = ?, unreadable = ? WHERE only = 1",
    next.payment_after,
    next.credential_after,
    next.spark_table,
    next.spark_after,
    next.skipped,
    next.unreadable,
  );
}

function restart(sql: Sql): void {
  sql.rows(
    "INSERT INTO reseal (only) VALUES (1) ON CONFLICT (only) DO UPDATE SET payment_after = '', credential_after = '', spark_table = 0, spark_after = 0, skipped = 0",
  );
}

/** Nothing is sealed with a former key any more. */
export function dropFormer(sql: Sql): void {
  sql.rows("DELETE FROM former_record_key");
  sql.rows("DELETE FROM reseal");
}
