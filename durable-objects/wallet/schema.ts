/** The Wallet's tables. Who writes and who reads each stands in ../storage-schema.md. Amounts are msat, instants epoch ms. */
import { STATES } from "../../lightning/purchase.ts";
import type { Migration } from "../sql.ts";
import { SPARK_PAYER_SCHEMA } from "../spark/payer-schema.ts";
import { SPARK_SCHEMA } from "../spark/schema.ts";

const MSAT = (column: string): string => `CHECK (${column} >= 0 AND ${column} <= 9007199254740991)`;
const states = STATES.map((state) => `'${state}'`).join(",");

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "a wallet, its budgets and its journal",
    script: `
CREATE TABLE wallet (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  wallet_id TEXT NOT NULL, owner TEXT NOT NULL, network TEXT NOT NULL, backend TEXT NOT NULL,
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  state TEXT NOT NULL CHECK (state IN ('active','disabled','paused')), paused_because TEXT,
  policy TEXT NOT NULL, policy_version INTEGER NOT NULL,
  record_key_id INTEGER NOT NULL, record_key_wrapped BLOB NOT NULL, kek_version TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE budget (
  name TEXT PRIMARY KEY, policy TEXT NOT NULL, policy_version INTEGER NOT NULL,
  disabled INTEGER NOT NULL CHECK (disabled IN (0,1)), created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE agent_key (
  key_id TEXT PRIMARY KEY, budget TEXT NOT NULL REFERENCES budget(name),
  hash TEXT NOT NULL CHECK (length(hash) = 64), label TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE purchase (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN (${states})), code TEXT,
  budget TEXT NOT NULL, caller TEXT NOT NULL, subject TEXT,
  method TEXT NOT NULL, origin TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL, path TEXT NOT NULL,
  request_hash TEXT NOT NULL, request_key TEXT, max_msat INTEGER ${MSAT("max_msat")},
  credential_id TEXT, opened_at INTEGER NOT NULL, due_at INTEGER, tries INTEGER NOT NULL DEFAULT 0,
  answer_status INTEGER, answer_bytes INTEGER, answer_sha256 TEXT, answer_complete INTEGER,
  CHECK ((state IN ('opened','quoted','awaiting_approval','reserved','paying','payment_unknown','paid')) = (due_at IS NOT NULL))
) STRICT;
CREATE INDEX purchase_due ON purchase (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE payment (
  purchase_id TEXT PRIMARY KEY REFERENCES purchase(id),
  operation_id TEXT NOT NULL UNIQUE,
  payment_hash TEXT NOT NULL UNIQUE CHECK (length(payment_hash) = 64),
  state TEXT NOT NULL CHECK (state IN ('open','settled','released')),
  budget TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL, origin TEXT NOT NULL, scope TEXT NOT NULL,
  amount_msat INTEGER NOT NULL CHECK (amount_msat > 0 AND amount_msat <= 9007199254740991),
  charge_msat INTEGER NOT NULL ${MSAT("charge_msat")},
  reserve_msat INTEGER NOT NULL ${MSAT("reserve_msat")},
  fee_msat INTEGER ${MSAT("fee_msat")},
  reserved_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, deadline INTEGER,
  binding TEXT NOT NULL CHECK (binding IN ('verified','unverified')), valid_until INTEGER,
  sealed BLOB NOT NULL,
  CHECK ((state = 'settled') = (fee_msat IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_open ON payment (state) WHERE state = 'open';
CREATE INDEX payment_reserved ON payment (reserved_at);
CREATE TABLE flight (
  origin TEXT NOT NULL, scope TEXT NOT NULL, purchase_id TEXT NOT NULL UNIQUE REFERENCES purchase(id),
  PRIMARY KEY (origin, scope)
) STRICT, WITHOUT ROWID;
CREATE TABLE request_key (
  budget TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL, payer_id TEXT REFERENCES purchase(id),
  PRIMARY KEY (budget, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE spent (
  holder TEXT NOT NULL, hour INTEGER NOT NULL, settled_msat INTEGER NOT NULL ${MSAT("settled_msat")},
  PRIMARY KEY (holder, hour)
) STRICT, WITHOUT ROWID;
CREATE TABLE credential (
  id TEXT PRIMARY KEY, purchase_id TEXT NOT NULL UNIQUE REFERENCES purchase(id),
  origin TEXT NOT NULL, scope TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('fresh','served','refused','evicted')),
  payment_hash TEXT NOT NULL, usable_until INTEGER, created_at INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_scope ON credential (origin, scope) WHERE state <> 'evicted';
CREATE TABLE learned (
  origin TEXT NOT NULL, path TEXT NOT NULL, credential_id TEXT NOT NULL REFERENCES credential(id), served INTEGER NOT NULL CHECK (served IN (0,1)),
  PRIMARY KEY (origin, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE receipt (
  sequence INTEGER PRIMARY KEY, purchase_id TEXT NOT NULL, budget TEXT NOT NULL, receipt_id TEXT NOT NULL, chain TEXT NOT NULL, at INTEGER NOT NULL, facts TEXT NOT NULL
) STRICT;
CREATE INDEX receipt_purchase ON receipt (purchase_id);
CREATE TABLE outbox (
  only INTEGER PRIMARY KEY CHECK (only = 1), acknowledged INTEGER NOT NULL
) STRICT;
CREATE TABLE due (job TEXT PRIMARY KEY, at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
`,
  },
  {
    version: 2,
    name: "approvals, subjects, sellers that take a token once, withdrawals",
    script: `
ALTER TABLE purchase ADD COLUMN resume_of TEXT;
ALTER TABLE payment ADD COLUMN subject TEXT;
ALTER TABLE payment ADD COLUMN kind TEXT NOT NULL DEFAULT 'purchase' CHECK (kind IN ('purchase','withdrawal'));
ALTER TABLE credential ADD COLUMN times_served INTEGER NOT NULL DEFAULT 0;
CREATE TABLE approval (
  id TEXT PRIMARY KEY, purchase_id TEXT NOT NULL UNIQUE REFERENCES purchase(id),
  state TEXT NOT NULL CHECK (state IN ('pending','granted','rejected','used','expired')),
  budget TEXT NOT NULL, request_hash TEXT NOT NULL, because TEXT NOT NULL CHECK (because IN ('amount','host')),
  amount_msat INTEGER NOT NULL ${MSAT("amount_msat")}, max_msat INTEGER NOT NULL ${MSAT("max_msat")},
  description TEXT, asked_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  decided_at INTEGER, decided_by TEXT, used_by TEXT REFERENCES purchase(id),
  CHECK (state = 'expired' OR (state = 'pending') = (decided_at IS NULL)), CHECK ((state = 'used') = (used_by IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX purchase_key ON purchase (budget, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX approval_live ON approval (budget, request_hash) WHERE state IN ('pending','granted');
CREATE TABLE seller (
  origin TEXT NOT NULL, scope TEXT NOT NULL, refused_after_one INTEGER NOT NULL CHECK (refused_after_one >= 0), once INTEGER NOT NULL CHECK (once IN (0,1)), learned_at INTEGER NOT NULL,
  PRIMARY KEY (origin, scope)
) STRICT, WITHOUT ROWID;
`,
  },
  {
    version: 3,
    name: "former record keys",
    script: `
CREATE TABLE former_record_key (id INTEGER PRIMARY KEY, wrapped BLOB NOT NULL, kek_version TEXT NOT NULL, since INTEGER NOT NULL) STRICT;
CREATE TABLE reseal (
  only INTEGER PRIMARY KEY CHECK (only = 1), payment_after TEXT NOT NULL DEFAULT '', credential_after TEXT NOT NULL DEFAULT '',
  skipped INTEGER NOT NULL DEFAULT 0, unreadable INTEGER NOT NULL DEFAULT 0
) STRICT;
`,
  },
  {
    version: 4,
    name: "spark",
    script: `${SPARK_SCHEMA}${SPARK_PAYER_SCHEMA}
ALTER TABLE reseal ADD COLUMN spark_table INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reseal ADD COLUMN spark_after INTEGER NOT NULL DEFAULT 0;
`,
  },
  {
    version: 5,
    name: "what is owed, by origin; a change of the spender on its way",
    // An index, and a mark that older code does without, as it did before.
    readableBy: 4,
    script: `
CREATE INDEX purchase_owed ON purchase (origin) WHERE state = 'paid_unfulfilled';
ALTER TABLE wallet ADD COLUMN moving INTEGER NOT NULL DEFAULT 0 CHECK (moving IN (0,1));
`,
  },
];
