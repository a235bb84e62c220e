/**
 * The Spark SDK's tables in the wallet's database. Plain is what a filter or a join asks for and no more; everything else of a row, also its
 * amounts, is one sealed JSON (invariant 9). A payment is one row where the SDK's own storage has five: what it merges column by column is
 * merged inside the sealed part, so a row is opened and sealed once.
 * Every table has `seq`, so that sealing anew after a rotation of the record key can go through all of them in one way.
 */
export const SPARK_SCHEMA = `
CREATE TABLE spark_cache (seq INTEGER PRIMARY KEY, key_sha256 TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL) STRICT;
CREATE TABLE spark_session (seq INTEGER PRIMARY KEY, service TEXT NOT NULL UNIQUE, expires_at INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE spark_payment (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL CHECK (type IN ('send','receive')),
  status TEXT NOT NULL CHECK (status IN ('completed','pending','failed')),
  timestamp INTEGER NOT NULL,
  is_spark INTEGER NOT NULL CHECK (is_spark IN (0,1)),
  payment_hash TEXT, invoice_sha256 TEXT, htlc_status TEXT, spark_htlc_status TEXT,
  token_id TEXT, token_tx_hash TEXT, token_tx_type TEXT,
  sealed BLOB NOT NULL
) STRICT;
CREATE INDEX spark_payment_timestamp ON spark_payment (timestamp DESC);
CREATE INDEX spark_payment_invoice ON spark_payment (invoice_sha256) WHERE invoice_sha256 IS NOT NULL;
CREATE TABLE spark_payment_metadata (
  seq INTEGER PRIMARY KEY, payment_id TEXT NOT NULL UNIQUE,
  parent_id TEXT, conversion_type TEXT, conversion_state TEXT, sealed BLOB NOT NULL
) STRICT;
CREATE INDEX spark_payment_metadata_parent ON spark_payment_metadata (parent_id) WHERE parent_id IS NOT NULL;
CREATE TABLE spark_lnurl_receive (seq INTEGER PRIMARY KEY, payment_hash TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL) STRICT;
CREATE TABLE spark_deposit (
  seq INTEGER PRIMARY KEY, txid TEXT NOT NULL, vout INTEGER NOT NULL, is_mature INTEGER NOT NULL CHECK (is_mature IN (0,1)), sealed BLOB NOT NULL,
  UNIQUE (txid, vout)
) STRICT;
CREATE TABLE spark_contact (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL) STRICT;
CREATE TABLE spark_cross_chain_swap (
  seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, id TEXT NOT NULL,
  is_terminal INTEGER NOT NULL CHECK (is_terminal IN (0,1)), updated_at INTEGER NOT NULL, sealed BLOB NOT NULL,
  UNIQUE (provider, id)
) STRICT;
CREATE TABLE spark_sync_revision (only INTEGER PRIMARY KEY CHECK (only = 1), revision INTEGER NOT NULL) STRICT;
CREATE TABLE spark_sync_outgoing (
  seq INTEGER PRIMARY KEY, record_type TEXT NOT NULL, data_id TEXT NOT NULL, schema_version TEXT NOT NULL, changed_at INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT;
CREATE TABLE spark_sync_state (
  seq INTEGER PRIMARY KEY, record_type TEXT NOT NULL, data_id TEXT NOT NULL, schema_version TEXT NOT NULL, changed_at INTEGER NOT NULL,
  revision INTEGER NOT NULL, sealed BLOB NOT NULL,
  UNIQUE (record_type, data_id)
) STRICT;
CREATE TABLE spark_sync_incoming (
  seq INTEGER PRIMARY KEY, record_type TEXT NOT NULL, data_id TEXT NOT NULL, schema_version TEXT NOT NULL, changed_at INTEGER NOT NULL,
  revision INTEGER NOT NULL, sealed BLOB NOT NULL,
  UNIQUE (record_type, data_id, revision)
) STRICT;
`;

/**
 * Every table with a sealed column, and the key columns that make the context its rows are sealed in. One place: who writes a row and who
 * seals it anew must say the same.
 */
export const SPARK_SEALED = {
  spark_cache: ["key_sha256"],
  spark_session: ["service"],
  spark_payment: ["id"],
  spark_payment_metadata: ["payment_id"],
  spark_lnurl_receive: ["payment_hash"],
  spark_deposit: ["txid", "vout"],
  spark_contact: ["id"],
  spark_cross_chain_swap: ["provider", "id"],
  spark_sync_outgoing: ["record_type", "data_id", "seq"],
  spark_sync_state: ["record_type", "data_id"],
  spark_sync_incoming: ["record_type", "data_id", "revision"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type SparkTable = keyof typeof SPARK_SEALED;

/** What a sealed part is bound to: its table and its key, so that it opens in no other row. */
export function sparkContext(table: SparkTable, ...key: readonly (string | number)[]): string {
  return [table, ...key].join(":");
}
