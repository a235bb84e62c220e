/** The stored state of a stopped system: which file is which object's, what is in it, and changes made to it as a thief or a bad disk would. */
import { DatabaseSync } from "node:sqlite";
import { equalBytes, type Envelope } from "../../lightning/envelope.ts";
import { filesBelow } from "./dev-worker.ts";

export interface TableFacts {
  readonly name: string;
  readonly rows: number;
}

/** Databases below a folder that have this table. */
function databasesWith(stateDir: string, table: string): readonly string[] {
  return filesBelow(stateDir).filter((file) => {
    if (!file.endsWith(".sqlite")) return false;
    return withDatabase(file, (db) => db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined);
  });
}

/** The Wallet object's own file, or null. */
export function walletFile(stateDir: string, walletId: string): string | null {
  const holds = (file: string): boolean =>
    withDatabase(file, (db) => {
      const columns = db.prepare("PRAGMA table_info(wallet)").all() as { readonly name: string }[];
      return (
        columns.some(({ name }) => name === "record_key_wrapped") &&
        db.prepare("SELECT 1 FROM wallet WHERE wallet_id = ?").get(walletId) !== undefined
      );
    });
  return databasesWith(stateDir, "wallet").find(holds) ?? null;
}

/** Tables of the SDK's storage in this file, and how many rows each has. */
export function sparkTables(file: string): readonly TableFacts[] {
  return withDatabase(file, (db) => {
    const names = db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'spark\\_%' ESCAPE '\\' ORDER BY name")
      .all();
    return names.map((row) => {
      const name = String((row as { readonly name: unknown }).name);
      const counted = db.prepare(`SELECT count(*) AS n FROM "${name}"`).get() as { readonly n: number };
      return { name, rows: counted.n };
    });
  });
}

/** The wallet's public key in the Spark network, hex; null before it was ever built. */
export function sparkIdentity(file: string): string | null {
  return withDatabase(file, (db) => {
    const row = db.prepare("SELECT identity FROM spark_wallet").get() as { readonly identity: string } | undefined;
    return row?.identity ?? null;
  });
}

export interface StoredEnvelope {
  readonly file: string;
  readonly envelope: Envelope;
}

/** Of every wallet of the deployment, by wallet id. */
export function storedEnvelopes(stateDir: string): ReadonlyMap<string, StoredEnvelope> {
  const found = new Map<string, StoredEnvelope>();
  for (const file of databasesWith(stateDir, "envelope")) {
    withDatabase(file, (db) => {
      for (const row of db.prepare("SELECT wallet_id, document FROM envelope").all() as { wallet_id: string; document: string }[])
        found.set(row.wallet_id, { file, envelope: JSON.parse(row.document) as Envelope });
    });
  }
  return found;
}

/** @throws Error when the row is not there */
export function replaceEnvelope(file: string, walletId: string, envelope: Envelope): void {
  withDatabase(file, (db) => {
    const { changes } = db
      .prepare("UPDATE envelope SET document = ?, kek_version = ? WHERE wallet_id = ?")
      .run(JSON.stringify(envelope), envelope.kekVersion, walletId);
    if (changes !== 1) throw new Error("there is no such envelope to replace");
  });
}

/** One byte of the ciphertext is another one. */
export function flipped(envelope: Envelope): Envelope {
  const bytes = Buffer.from(envelope.ciphertext, "base64");
  const changed = Buffer.from(bytes);
  changed[0] = (changed[0] ?? 0) ^ 1;
  if (equalBytes(bytes, changed)) throw new Error("nothing was changed");
  return { ...envelope, ciphertext: changed.toString("base64") };
}

/** Opened for as long as the work takes: workerd holds no lock between its lives. */
function withDatabase<T>(file: string, work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(file);
  try {
    return work(db);
  } finally {
    db.close();
  }
}
