/** The sealed rows of all Spark tables in one order, for sealing them anew after a rotation of the record key. */
import type { Sql } from "../sql.ts";
import { SPARK_SEALED, sparkContext, type SparkTable } from "./schema.ts";

const TABLES = Object.entries(SPARK_SEALED) as readonly [SparkTable, readonly string[]][];

/** A place in that order: the table's, and the last row of it that was seen. */
export interface SparkPlace {
  readonly table: number;
  readonly after: number;
}

export interface SealedSparkRow {
  readonly id: number;
  readonly sealed: Uint8Array;
  /** What it is sealed in. */
  readonly context: string;
  /** Takes the bytes sealed anew, then the id. */
  readonly update: string;
}

/**
 * At most `limit` rows after `from`. A row written meanwhile may be missed, which is harmless: it is sealed with the current key.
 * @returns fewer than `limit` rows only at the end; `reached` is where to go on
 */
export function sealedSparkRows(
  sql: Sql,
  from: SparkPlace,
  limit: number,
): { readonly rows: readonly SealedSparkRow[]; readonly reached: SparkPlace } {
  const rows: SealedSparkRow[] = [];
  let reached = from;
  for (const [index, [table, key]] of TABLES.entries()) {
    if (index < from.table || rows.length === limit) continue;
    const found = sql.rows<{ at: number; sealed: Uint8Array } & { readonly [column: string]: string | number }>(
      `SELECT seq AS at, sealed, ${key.join(", ")} FROM ${table} WHERE seq > ? ORDER BY seq LIMIT ?`,
      index === from.table ? from.after : 0,
      limit - rows.length,
    );
    for (const row of found) {
      const context = sparkContext(table, ...key.map((column) => row[column] ?? ""));
      rows.push({ id: row.at, sealed: row.sealed, context, update: `UPDATE ${table} SET sealed = ? WHERE seq = ?` });
    }
    reached = { table: index, after: found.at(-1)?.at ?? (index === from.table ? from.after : 0) };
  }
  return { rows, reached };
}
