/** The control plane's tables, for its two kinds of object. Who writes and who reads each stands in ../storage-schema.md. Instants are epoch ms. */
import type { Migration } from "../sql.ts";

const FLAG = (column: string): string => `${column} INTEGER NOT NULL CHECK (${column} IN (0,1))`;
const SWITCH_CHANGE = `
CREATE TABLE switch_change (
  seq INTEGER PRIMARY KEY, switch TEXT NOT NULL CHECK (switch IN ('global_pause','owner_kill_switch')),
  ${FLAG("active")}, by TEXT NOT NULL CHECK (by <> ''), at INTEGER NOT NULL
) STRICT;`;

/** The one object named `global`. */
export const GLOBAL_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "the pause of a whole deployment",
    script: `
CREATE TABLE pause (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL CHECK (version >= 0), ${FLAG("active")}) STRICT;
INSERT INTO pause (only, version, active) VALUES (1, 0, 0);
${SWITCH_CHANGE}`,
  },
  {
    version: 2,
    name: "owners who have wallets",
    script: `
CREATE TABLE owner (name TEXT PRIMARY KEY CHECK (name <> ''), known_since INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  },
];

/** One object per owner. */
export const OWNER_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "an owner's switches, wallets, receipts and keys",
    script: `
CREATE TABLE security (
  only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL CHECK (version >= 0), ${FLAG("kill_switch")},
  seen_global_version INTEGER NOT NULL CHECK (seen_global_version >= 0), ${FLAG("seen_global_pause")}
) STRICT;
INSERT INTO security (only, version, kill_switch, seen_global_version, seen_global_pause) VALUES (1, 0, 0, 0, 0);
${SWITCH_CHANGE}
CREATE TABLE wallet (
  wallet_id TEXT PRIMARY KEY CHECK (wallet_id <> ''), label TEXT NOT NULL,
  network TEXT NOT NULL CHECK (network IN ('mainnet','testnet','signet','regtest')),
  backend TEXT NOT NULL, epoch INTEGER NOT NULL CHECK (epoch >= 1),
  wallet_source TEXT NOT NULL CHECK (wallet_source IN ('embedded_envelope','convex_envelope','legacy_env')), created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE envelope (
  wallet_id TEXT PRIMARY KEY REFERENCES wallet(wallet_id), kek_version TEXT NOT NULL, document TEXT NOT NULL CHECK (json_valid(document))
) STRICT, WITHOUT ROWID;
CREATE INDEX envelope_kek ON envelope (kek_version);
CREATE TABLE receipt (
  wallet_id TEXT NOT NULL REFERENCES wallet(wallet_id), sequence INTEGER NOT NULL CHECK (sequence >= 1),
  receipt_id TEXT NOT NULL UNIQUE, chain TEXT NOT NULL CHECK (length(chain) = 64), facts TEXT NOT NULL CHECK (json_valid(facts)),
  PRIMARY KEY (wallet_id, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot (
  wallet_id TEXT PRIMARY KEY REFERENCES wallet(wallet_id), at INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (json_valid(status)), open_rows INTEGER NOT NULL CHECK (open_rows >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_open ON snapshot (wallet_id) WHERE open_rows > 0;
CREATE TABLE operator_key (
  key_id TEXT PRIMARY KEY CHECK (key_id <> ''), hash TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'),
  label TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER
) STRICT, WITHOUT ROWID;`,
  },
  {
    version: 2,
    name: "approvers' keys, wallets asked for twice, what a payer last said",
    script: `
ALTER TABLE operator_key ADD COLUMN role TEXT NOT NULL DEFAULT 'operator' CHECK (role IN ('operator','approver'));
ALTER TABLE wallet ADD COLUMN request_key TEXT;
ALTER TABLE wallet ADD COLUMN request_hash TEXT CHECK ((request_hash IS NULL) = (request_key IS NULL));
CREATE UNIQUE INDEX wallet_request ON wallet (request_key) WHERE request_key IS NOT NULL;
ALTER TABLE wallet ADD COLUMN known_at INTEGER;
ALTER TABLE wallet ADD COLUMN known_status TEXT CHECK (known_status IS NULL OR json_valid(known_status));`,
  },
];
