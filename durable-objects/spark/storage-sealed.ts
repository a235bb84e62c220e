/**
 * Sealed parts of the Spark tables: one JSON each, bound to its row. JSON has no BigInt, and the SDK's amounts are of that kind: they are
 * kept as text by whoever writes them, so nothing here has to guess.
 */
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { Sql } from "../sql.ts";
import { sparkContext, type SparkTable } from "./schema.ts";
import type { SealedShapes } from "./storage-shapes.ts";

/** The wallet's database and its record key, as the Spark payer sees them. */
export interface SparkVault {
  readonly sql: Sql;
  /** With the current record key. Synchronous: a row and its sealed part are written in one block. */
  seal(context: string, plain: Uint8Array): Uint8Array;
  /** Null when it does not open: changed, another row's, or its key is not there. */
  open(context: string, sealed: Uint8Array): Uint8Array | null;
}

export type RowKey = readonly (string | number)[];

export function sealJson<K extends SparkTable>(vault: SparkVault, table: K, key: RowKey, value: SealedShapes[K]): Uint8Array {
  const plain = utf8ToBytes(JSON.stringify(value));
  const sealed = vault.seal(sparkContext(table, ...key), plain);
  plain.fill(0);
  return sealed;
}

/** Null when it does not open. That the JSON has the table's shape is vouched for by the seal: nobody else can have written it. */
export function openJson<K extends SparkTable>(vault: SparkVault, table: K, key: RowKey, sealed: Uint8Array): SealedShapes[K] | null {
  const plain = vault.open(sparkContext(table, ...key), sealed);
  if (plain === null) return null;
  const value = JSON.parse(new TextDecoder().decode(plain)) as SealedShapes[K];
  plain.fill(0);
  return value;
}

/** @throws Error when it does not open. What cannot be read is not overwritten: the row stays, and the SDK's call is refused. */
export function mustOpenJson<K extends SparkTable>(vault: SparkVault, table: K, key: RowKey, sealed: Uint8Array): SealedShapes[K] {
  const value = openJson(vault, table, key, sealed);
  if (value === null) throw new Error(`a row of ${table} does not open`);
  return value;
}

/** Hex sha256 of a text that must be found again and may not stand in the clear. */
export function digest(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

type Optional<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];

/** Leaves out what is null or undefined: the SDK reads an absent member as none. */
export function compact<T extends object>(value: Omit<T, Optional<T>> & { [K in Optional<T>]: T[K] | null | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member != null)) as T;
}
