/**
 * The questions that two SQL back ends were found to answer differently, and some that they must answer alike. Both adapters of the Sql
 * port have to give the answers written here: `node:sqlite` in unit tests and simulation, and a Durable Object's storage in workerd.
 */
import { describe, expect, it } from "vitest";
import { migrate, type Bind, type Sql } from "../../durable-objects/sql.ts";

/** What an untyped caller could pass in spite of the port's types. */
const loose = (value: unknown): Bind => value as Bind;

const one = (sql: Sql, query: string, ...bind: Bind[]): unknown => sql.rows<{ v: unknown }>(query, ...bind)[0]?.v;

interface Probe {
  readonly ask: string;
  readonly run: (sql: Sql) => unknown;
  readonly answer: unknown;
}

const ANSWERS: readonly Probe[] = [
  {
    ask: "the largest safe integer comes back as it went in",
    run: (sql) => one(sql, "SELECT ? v", Number.MAX_SAFE_INTEGER),
    answer: Number.MAX_SAFE_INTEGER,
  },
  {
    ask: "an integer column keeps integers",
    run: (sql) => one(sql, "INSERT INTO t (id, n) VALUES (1, ?) RETURNING typeof(n) v", 5),
    answer: "integer",
  },
  {
    ask: "a bound number is real in an expression: arithmetic on money belongs in columns or outside SQL",
    run: (sql) => one(sql, "SELECT ? / ? v", 7, 2),
    answer: 3.5,
  },
  {
    ask: "a sum over an integer column is an integer",
    run: (sql) => (sql.rows("INSERT INTO t (id, n) VALUES (1, ?), (2, ?)", 5, 6), one(sql, "SELECT typeof(SUM(n)) v FROM t")),
    answer: "integer",
  },
  { ask: "null is null", run: (sql) => one(sql, "SELECT ? v", null), answer: null },
  { ask: "a blob comes back as a Uint8Array", run: (sql) => one(sql, "SELECT ? v", Uint8Array.of(1, 2)), answer: Uint8Array.of(1, 2) },
  {
    ask: "a part of a buffer is stored as that part alone",
    run: (sql) => one(sql, "SELECT ? v", Uint8Array.of(1, 2, 3, 4).subarray(1, 3)),
    answer: Uint8Array.of(2, 3),
  },
  { ask: "an empty blob is a blob", run: (sql) => one(sql, "SELECT typeof(?) v", new Uint8Array(0)), answer: "blob" },
  { ask: "text beyond ASCII comes back as it went in", run: (sql) => one(sql, "SELECT ? v", "⚡ ä 中"), answer: "⚡ ä 中" },
  { ask: "numbered parameters", run: (sql) => one(sql, "SELECT ?2 || ?1 v", "a", "b"), answer: "ba" },
  { ask: "a question mark in quotes is no parameter", run: (sql) => one(sql, "SELECT '?' || ? v -- ?", "a"), answer: "?a" },
  {
    ask: "a limit can be bound",
    run: (sql) => (sql.rows("INSERT INTO t (id) VALUES (1), (2)"), sql.rows("SELECT id FROM t ORDER BY id LIMIT ?", 1).length),
    answer: 1,
  },
  {
    ask: "an upsert returns its row",
    run: (sql) => (
      sql.rows("INSERT INTO t (id, n) VALUES (1, 1)"),
      one(sql, "INSERT INTO t (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1 RETURNING n v")
    ),
    answer: 2,
  },
  { ask: "a text of a million characters", run: (sql) => one(sql, "SELECT length(?) v", "x".repeat(1_000_000)), answer: 1_000_000 },
  { ask: "JSON can be read", run: (sql) => one(sql, "SELECT json_extract('{\"a\":[1,2]}', '$.a[1]') v"), answer: 2 },
  {
    ask: "the last of a script's statements has run too",
    run: (sql) => (sql.script("INSERT INTO t (id) VALUES (1); INSERT INTO t (id) VALUES (2);"), one(sql, "SELECT COUNT(*) v FROM t")),
    answer: 2,
  },
];

/** A refusal is an error of this kind, and its words begin so. SQLite's own errors have no class in common, only the text. */
const REFUSALS: readonly { readonly ask: string; readonly run: (sql: Sql) => unknown; readonly error: RegExp }[] = [
  { ask: "a boolean", run: (sql) => one(sql, "SELECT ? v", loose(true)), error: /^TypeError/u },
  { ask: "undefined", run: (sql) => one(sql, "SELECT ? v", loose(undefined)), error: /^TypeError/u },
  { ask: "a bigint", run: (sql) => one(sql, "SELECT ? v", loose(5n)), error: /^TypeError/u },
  { ask: "NaN", run: (sql) => one(sql, "SELECT ? v", NaN), error: /^TypeError/u },
  { ask: "infinity", run: (sql) => one(sql, "SELECT ? v", -Infinity), error: /^TypeError/u },
  { ask: "an unsafe integer", run: (sql) => one(sql, "SELECT ? v", Number.MAX_SAFE_INTEGER + 1), error: /^TypeError/u },
  { ask: "a date", run: (sql) => one(sql, "SELECT ? v", loose(new Date(0))), error: /^TypeError/u },
  { ask: "an object", run: (sql) => one(sql, "SELECT ? v", loose({ v: 1 })), error: /^TypeError/u },
  { ask: "a bare ArrayBuffer", run: (sql) => one(sql, "SELECT ? v", loose(new ArrayBuffer(2))), error: /^TypeError/u },
  { ask: "an integer read above 2^53", run: (sql) => one(sql, "SELECT 9007199254740993 v"), error: /^RangeError/u },
  { ask: "too few bindings", run: (sql) => one(sql, "SELECT ? v, ? w", 1), error: /./u },
  { ask: "too many bindings", run: (sql) => one(sql, "SELECT ? v", 1, 2), error: /./u },
  {
    ask: "a fraction in an integer column",
    run: (sql) => sql.rows("INSERT INTO t (id, n) VALUES (1, ?)", 1.5),
    error: /cannot store REAL value in INTEGER column t\.n/u,
  },
  {
    ask: "text in an integer column",
    run: (sql) => sql.rows("INSERT INTO t (id, n) VALUES (1, ?)", "abc"),
    error: /cannot store TEXT value in INTEGER column t\.n/u,
  },
  {
    ask: "a second row of one key",
    run: (sql) => sql.rows("INSERT INTO t (id) VALUES (1), (1)"),
    error: /UNIQUE constraint failed: t\.id/u,
  },
  {
    ask: "a value that a CHECK forbids",
    run: (sql) => sql.rows("INSERT INTO t (id, n) VALUES (1, -1)"),
    error: /CHECK constraint failed: n >= 0/u,
  },
  {
    ask: "a reference to nothing",
    run: (sql) => sql.rows("INSERT INTO child (id, t) VALUES (1, 9)"),
    error: /FOREIGN KEY constraint failed/u,
  },
  { ask: "BEGIN", run: (sql) => sql.script("BEGIN"), error: /./u },
  { ask: "SAVEPOINT", run: (sql) => sql.rows("SAVEPOINT a"), error: /./u },
  { ask: "ATTACH", run: (sql) => sql.script("ATTACH ':memory:' AS other"), error: /not authorized/u },
  { ask: "a temporary table", run: (sql) => sql.script("CREATE TEMP TABLE x (a)"), error: /not authorized/u },
  { ask: "sqlite_version()", run: (sql) => one(sql, "SELECT sqlite_version() v"), error: /not authorized/u },
  { ask: "PRAGMA user_version", run: (sql) => sql.rows("PRAGMA user_version"), error: /not authorized/u },
  {
    ask: "101 bindings",
    run: (sql) => sql.rows(`SELECT ${Array.from({ length: 101 }, () => "?").join(",")}`, ...Array.from({ length: 101 }, () => 1)),
    error: /./u,
  },
  {
    ask: "101 columns",
    run: (sql) => sql.script(`CREATE TABLE wide (${Array.from({ length: 101 }, (_, index) => `c${index}`).join(",")})`),
    error: /too many columns/u,
  },
  { ask: "a statement of 110 KB", run: (sql) => sql.rows(`SELECT 1 v /* ${"x".repeat(110_000)} */`), error: /./u },
  {
    ask: "a blob above 2 MB",
    run: (sql) => sql.rows("INSERT INTO t (id, b) VALUES (1, ?)", new Uint8Array(2_000_001)),
    error: /^RangeError.*too big/u,
  },
  {
    ask: "a text above 2 MB in UTF-8",
    run: (sql) => sql.rows("SELECT length(?) v", "\u00e4".repeat(1_000_001)),
    error: /^RangeError.*too big/u,
  },
];

/** @param use runs the body with an empty database; an error of the body rejects */
export function sqlContract(name: string, use: (body: (sql: Sql) => void) => Promise<void>): void {
  const withTables = (body: (sql: Sql) => void): Promise<void> =>
    use((sql) => {
      sql.script(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n >= 0), b BLOB) STRICT;
        CREATE TABLE child (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t(id)) STRICT`);
      body(sql);
    });
  const outcome = (run: () => unknown): string => {
    try {
      run();
      return "accepted";
    } catch (error) {
      return String(error);
    }
  };
  const ids = (sql: Sql): readonly number[] => sql.rows<{ id: number }>("SELECT id FROM t ORDER BY id").map(({ id }) => id);
  const add = (sql: Sql, id: number): unknown => sql.rows("INSERT INTO t (id) VALUES (?)", id);

  describe(`the Sql port: ${name}`, () => {
    it.each(ANSWERS)("answers: $ask", ({ run, answer }) => withTables((sql) => expect(run(sql)).toEqual(answer)));

    it.each(REFUSALS)("refuses $ask", ({ run, error }) =>
      withTables((sql) => {
        const said = outcome(() => run(sql));
        expect(said).not.toBe("accepted");
        expect(said).toMatch(error);
        expect(ids(sql)).toEqual([]);
      }),
    );

    it("undoes the innermost transaction that throws, and only that", () =>
      withTables((sql) => {
        sql.transaction(() => {
          add(sql, 1);
          expect(outcome(() => sql.transaction(() => (add(sql, 2), add(sql, 1))))).toMatch(/UNIQUE/u);
          sql.transaction(() => add(sql, 3));
        });
        expect(outcome(() => sql.transaction(() => (sql.transaction(() => add(sql, 4)), add(sql, 1))))).toMatch(/UNIQUE/u);
        expect(ids(sql)).toEqual([1, 3]);
      }));

    it("goes on after a statement that failed inside a transaction, and gives back what the body returned", () =>
      withTables((sql) => {
        const returned = sql.transaction(() => {
          add(sql, 1);
          outcome(() => add(sql, 1));
          add(sql, 2);
          return "done";
        });
        expect([returned, ids(sql)]).toEqual(["done", [1, 2]]);
      }));

    it("refuses an async transaction body, and undoes the part of it that ran", () =>
      withTables((sql) => {
        expect(outcome(() => sql.transaction(async () => add(sql, 1)))).toMatch(/^TypeError.*synchronous/u);
        expect(ids(sql)).toEqual([]);
      }));

    it("brings a database to the last migration once, each whole or not at all", () =>
      use((sql) => {
        const first = { version: 1, name: "first", script: "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)" };
        const second = { version: 2, name: "second", script: "ALTER TABLE a ADD COLUMN y TEXT; INSERT INTO a VALUES (2, 'z')" };
        const broken = { version: 3, name: "broken", script: "INSERT INTO a VALUES (3, 'z'); INSERT INTO nowhere VALUES (1)" };
        expect([migrate(sql, [first], 10), migrate(sql, [first], 20), migrate(sql, [first, second], 30)]).toEqual([1, 1, 2]);
        expect(outcome(() => migrate(sql, [first, second, broken], 40))).toMatch(/nowhere/u);
        expect(sql.rows("SELECT x FROM a ORDER BY x")).toEqual([{ x: 1 }, { x: 2 }]);
        expect(sql.rows("SELECT version, name, applied_at FROM migration ORDER BY version")).toEqual([
          { version: 1, name: "first", applied_at: 10 },
          { version: 2, name: "second", applied_at: 30 },
        ]);
        expect(outcome(() => migrate(sql, [first], 50))).toMatch(/schema version 2 \("second"\).*newer code/u);
        expect(outcome(() => migrate(sql, [first, { ...second, name: "other" }], 50))).toMatch(
          /"second" in the database and "other" in this code/u,
        );
        expect(outcome(() => migrate(sql, [second], 50))).not.toBe("accepted");
      }));

    it("lets code one deploy back go on where the newer schema has only added, and nowhere else", () =>
      use((sql) => {
        const first = { version: 1, name: "first", script: "CREATE TABLE a (x INTEGER) STRICT" };
        const adds = { version: 2, name: "adds", script: "ALTER TABLE a ADD COLUMN y TEXT", readableBy: 1 };
        const changes = { version: 3, name: "changes", script: "ALTER TABLE a RENAME COLUMN y TO z" };
        expect([migrate(sql, [first, adds], 10), migrate(sql, [first], 20), migrate(sql, [first, adds], 30)]).toEqual([2, 2, 2]);
        expect(migrate(sql, [first, adds, changes], 40)).toBe(3);
        expect(outcome(() => migrate(sql, [first, adds], 50))).toMatch(/schema version 3.*newer code/u);
        expect(outcome(() => migrate(sql, [first], 60))).toMatch(/newer code/u);
      }));

    it("a list of migrations from before they said who may read them is taken over", () =>
      use((sql) => {
        sql.script("CREATE TABLE migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT");
        sql.script("CREATE TABLE a (x INTEGER) STRICT; INSERT INTO migration VALUES (1, 'first', 5)");
        const first = { version: 1, name: "first", script: "CREATE TABLE a (x INTEGER) STRICT" };
        const adds = { version: 2, name: "adds", script: "ALTER TABLE a ADD COLUMN y TEXT", readableBy: 1 };
        expect(outcome(() => migrate(sql, [], 10))).toMatch(/newer code/u);
        expect([migrate(sql, [first], 10), migrate(sql, [first, adds], 20), migrate(sql, [first], 30)]).toEqual([1, 2, 2]);
      }));
  });
}
