/** The payer's own tables, beside the SDK's storage. No secret rests here: an operation's invoice and proof are the journal's, sealed. */
export const SPARK_PAYER_SCHEMA = `
CREATE TABLE spark_wallet (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  network TEXT NOT NULL,
  identity TEXT NOT NULL CHECK (length(identity) = 66),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  last_payment_at INTEGER,
  sends_since_optimised INTEGER NOT NULL DEFAULT 0,
  swapping_since INTEGER
) STRICT;
CREATE TABLE spark_operation (
  operation_id TEXT PRIMARY KEY,
  payment_hash TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('asked', 'gated', 'fenced', 'settled', 'failed')),
  deadline INTEGER NOT NULL,
  fee_sats INTEGER,
  place INTEGER,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX spark_operation_ended ON spark_operation (changed_at) WHERE state IN ('fenced', 'settled', 'failed');
CREATE TABLE spark_incoming (
  payment_hash TEXT PRIMARY KEY,
  amount_sats INTEGER NOT NULL CHECK (amount_sats > 0),
  made_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
`;
