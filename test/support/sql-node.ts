/**
 * The Sql port over `node:sqlite`, made as strict as a Durable Object's storage: what the object refuses is refused here, so that a
 * query which passes the unit tests and the simulation also runs in production. The one thing it is stricter about is silence: too few
 * bindings and a second statement, which `node:sqlite` would ignore, throw.
 * A simulator subclasses it: `onWrite` is called before the first effect of every write, and `control` opens and ends its own units.
 */
import { DatabaseSync, constants, type StatementSync } from "node:sqlite";
import { checkBindings, checkRead, refusePromise, type Bind, type Sql } from "../../durable-objects/sql.ts";

/** developers.cloudflare.com/durable-objects/platform/limits, and what the probes found. */
const LIMITS = {
  length: 2_000_000,
  sqlLength: 100_000,
  column: 100,
  variableNumber: 100,
  functionArg: 32,
  likePatternLength: 50,
  attach: 0,
};

const PRAGMAS = new Set([
  "case_sensitive_like",
  "data_version",
  "defer_foreign_keys",
  "foreign_key_check",
  "foreign_key_list",
  "foreign_keys",
  "ignore_check_constraints",
  "index_info",
  "index_list",
  "index_xinfo",
  "legacy_alter_table",
  "optimize",
  "quick_check",
  "recursive_triggers",
  "table_info",
  "table_list",
  "table_xinfo",
]);

interface Prepared {
  readonly statement: StatementSync;
  readonly parameters: number;
  readonly writes: boolean;
}

export class NodeSql implements Sql {
  readonly db: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();
  #depth = 0;
  /** Transactions are the port's business: only while this is set may SAVEPOINT and BEGIN pass. */
  #ours = false;
  #wrote = false;

  constructor(path = ":memory:") {
    this.db = new DatabaseSync(path, { limits: LIMITS, enableForeignKeyConstraints: true });
    this.db.setAuthorizer((action, first, second) => this.#authorize(action, first, second));
  }

  script(text: string): void {
    this.onWrite();
    this.db.exec(text);
  }

  rows<T>(query: string, ...bind: Bind[]): T[] {
    checkBindings(bind);
    const { statement, parameters, writes } = this.#prepare(query);
    if (bind.length !== parameters) throw new TypeError(`the statement has ${parameters} parameters, ${bind.length} were bound`);
    if (writes) this.onWrite();
    const rows = statement.all(...bind);
    for (const row of rows) for (const column in row) checkRead(row[column], column);
    return rows as T[];
  }

  transaction<T>(body: () => T): T {
    this.onWrite();
    const name = `unit_${this.#depth}`;
    this.control(`SAVEPOINT ${name}`);
    this.#depth += 1;
    try {
      const value = body();
      refusePromise(value);
      this.control(`RELEASE ${name}`);
      return value;
    } catch (error) {
      this.control(`ROLLBACK TO ${name}`);
      this.control(`RELEASE ${name}`);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  close(): void {
    this.#prepared.clear();
    this.db.close();
  }

  /** For a simulator: called before every write and before every transaction. */
  protected onWrite(): void {}

  /** For a simulator: BEGIN, COMMIT, ROLLBACK of the unit around everything, and our own savepoints. */
  protected control(text: string): void {
    this.#ours = true;
    try {
      this.#prepare(text).statement.run();
    } finally {
      this.#ours = false;
    }
  }

  #prepare(query: string): Prepared {
    const known = this.#prepared.get(query);
    if (known !== undefined) return known;
    this.#wrote = false;
    const statement = this.db.prepare(query);
    // SQLite compiles the first statement of a text and says where it ended; the object would run the rest, node:sqlite drops it.
    if (query.slice(statement.sourceSQL.length).trim() !== "") throw new TypeError("only one statement may be given to rows()");
    const prepared = { statement, parameters: countParameters(query), writes: this.#wrote };
    this.#prepared.set(query, prepared);
    return prepared;
  }

  #authorize(action: number, first: string | null, second: string | null): number {
    switch (action) {
      case constants.SQLITE_TRANSACTION:
      case constants.SQLITE_SAVEPOINT:
        return this.#ours ? constants.SQLITE_OK : constants.SQLITE_DENY;
      case constants.SQLITE_ATTACH:
      case constants.SQLITE_DETACH:
      case constants.SQLITE_CREATE_TEMP_INDEX:
      case constants.SQLITE_CREATE_TEMP_TABLE:
      case constants.SQLITE_CREATE_TEMP_TRIGGER:
      case constants.SQLITE_CREATE_TEMP_VIEW:
        return constants.SQLITE_DENY;
      case constants.SQLITE_PRAGMA:
        return first !== null && PRAGMAS.has(first) ? constants.SQLITE_OK : constants.SQLITE_DENY;
      case constants.SQLITE_FUNCTION:
        return second === "sqlite_version" ? constants.SQLITE_DENY : constants.SQLITE_OK;
      case constants.SQLITE_INSERT:
      case constants.SQLITE_UPDATE:
      case constants.SQLITE_DELETE:
        this.#wrote = true;
        return constants.SQLITE_OK;
      default:
        return constants.SQLITE_OK;
    }
  }
}

/** Parameters of one statement: `?` each, `?n` up to n; quoted text and comments do not count. */
function countParameters(query: string): number {
  let each = 0;
  let highest = 0;
  for (const [token, number] of query.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\?(\d*)/gu)) {
    if (!token.startsWith("?")) continue;
    if (number === undefined || number === "") each += 1;
    else highest = Math.max(highest, Number(number));
  }
  return Math.max(each, highest);
}
