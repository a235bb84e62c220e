/**
 * The storage port of every core: synchronous SQL, as a Durable Object offers it. No await fits between a check and its write.
 * The two adapters (an object's own storage, and `node:sqlite` for tests and simulation) answer 48 of 103 probes differently when left
 * alone, some of them silently (a boolean is stored as "true", an integer above 2^53 is rounded): so both refuse the same things here.
 */
export type Bind = string | number | null | Uint8Array;

export interface Sql {
  /** Several statements, no bindings and no rows: schema. */
  script(text: string): void;
  /** One statement, every row at once: an open cursor would break the next transaction. Blobs are read as `Uint8Array`. */
  rows<T>(query: string, ...bind: Bind[]): T[];
  /** All or nothing; nests, and a throw undoes the innermost. A body that returns a promise is refused and undone. */
  transaction<T>(body: () => T): T;
}

export interface Migration {
  /** From 1, without gaps. Applied ones are never edited, only followed. */
  readonly version: number;
  readonly name: string;
  readonly script: string;
  /**
   * The lowest version whose code may go on in a database that has this one, so that a deployment can be taken back while payments are
   * open: tables and columns were only added, and nothing is lost where the older code does not know of them. Left out: its own.
   */
  readonly readableBy?: number;
}

interface Applied {
  readonly version: number;
  readonly name: string;
  /** Absent or null in a row that was written before there was the column. */
  readonly readable_by?: number | null;
}

/**
 * Brings a database to the last migration, each in a transaction of its own, and keeps the list in the table `migration`.
 * @param now epoch ms, recorded beside each
 * @returns the schema version afterwards: higher than the last of `migrations` where newer code has been here
 * @throws Error when the database has a version that this code does not know and may not write into, or knows by another name
 */
export function migrate(sql: Sql, migrations: readonly Migration[], now: number): number {
  sql.script(
    "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL, readable_by INTEGER) STRICT",
  );
  const applied = sql.rows<Applied>("SELECT * FROM migration ORDER BY version");
  for (const [index, { version, name, readable_by }] of applied.entries()) {
    const known = migrations[index];
    if (known === undefined && version === index + 1 && (readable_by ?? version) <= migrations.length) continue;
    if (known === undefined || known.version !== version)
      throw new Error(
        `the database has schema version ${version} ("${name}"), but this code knows only ${migrations.length}: deploy the newer code`,
      );
    if (known.name !== name) throw new Error(`schema version ${version} is "${name}" in the database and "${known.name}" in this code`);
  }
  if (applied.length < migrations.length) rememberReaders(sql);
  for (const [index, { version, name, script, readableBy }] of migrations.entries()) {
    if (version !== index + 1) throw new Error(`migration "${name}" should have version ${index + 1}`);
    if (index < applied.length) continue;
    sql.transaction(() => {
      sql.script(script);
      sql.rows(
        "INSERT INTO migration (version, name, applied_at, readable_by) VALUES (?, ?, ?, ?)",
        version,
        name,
        now,
        readableBy ?? version,
      );
    });
  }
  return Math.max(applied.length, migrations.length);
}

/** A database that was made before migrations said who may read them. */
function rememberReaders(sql: Sql): void {
  const [table] = sql.rows<{ sql: string }>("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'migration'");
  if (table?.sql.includes("readable_by") === false) sql.script("ALTER TABLE migration ADD COLUMN readable_by INTEGER");
}

/** A text or blob in a Durable Object: documented by Cloudflare, but enforced only there, so a local engine would hide it. */
const MAX_VALUE_BYTES = 2_000_000;

/** @throws TypeError for a value that some back end would store as something else, RangeError for one that is too large */
export function checkBindings(bind: readonly unknown[]): void {
  for (const value of bind) {
    switch (typeof value) {
      case "string":
        // A UTF-16 unit has at most three bytes in UTF-8: only long texts are measured.
        if (value.length * 3 > MAX_VALUE_BYTES && new TextEncoder().encode(value).length > MAX_VALUE_BYTES)
          throw new RangeError("a text bound to SQL is too big");
        continue;
      case "number":
        if (!Number.isFinite(value)) throw new TypeError("a number bound to SQL must be finite");
        if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new TypeError("an integer bound to SQL must be safe");
        continue;
      case "object":
        if (value === null) continue;
        if (value instanceof Uint8Array && value.length <= MAX_VALUE_BYTES) continue;
        if (value instanceof Uint8Array) throw new RangeError("a blob bound to SQL is too big");
        throw new TypeError("an object cannot be bound to SQL");
      default:
        throw new TypeError(`a ${typeof value} cannot be bound to SQL`);
    }
  }
}

/** @throws RangeError for a number that was, or may have been, rounded on its way out */
export function checkRead(value: unknown, column: string): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new RangeError(`column ${column} holds an integer above 2^53`);
}

/** Call inside the transaction, with what its body returned. @throws TypeError for a promise: its first part alone would be committed */
export function refusePromise(value: unknown): void {
  if (typeof value === "object" && value !== null && "then" in value && typeof value.then === "function")
    throw new TypeError("the body of a transaction must be synchronous");
}
