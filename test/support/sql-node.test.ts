import { expect, it } from "vitest";
import { sqlContract } from "./sql-contract.ts";
import { NodeSql } from "./sql-node.ts";

sqlContract("node:sqlite", async (body) => {
  const sql = new NodeSql();
  try {
    body(sql);
  } finally {
    sql.close();
  }
});

it("a second statement given to rows(), which node:sqlite would drop without a word, is refused", () => {
  const sql = new NodeSql();
  expect(() => sql.rows("SELECT 1; SELECT 2")).toThrow(TypeError);
  expect(sql.rows("SELECT 1 v;\n")).toEqual([{ v: 1 }]);
});

it("a simulator's hook is called before every write and transaction and before no read, and can hold them in a unit of its own", () => {
  class Counting extends NodeSql {
    writes = 0;
    open = false;
    protected override onWrite(): void {
      this.writes += 1;
      if (!this.open) this.control("BEGIN");
      this.open = true;
    }
    crash(): void {
      this.control("ROLLBACK");
      this.open = false;
    }
  }
  const sql = new Counting();
  sql.script("CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT");
  sql.rows("WITH n (id) AS (VALUES (1)) INSERT INTO t SELECT id FROM n");
  sql.transaction(() => sql.rows("SELECT * FROM t"));
  expect([sql.writes, sql.rows("SELECT id FROM t")]).toEqual([3, [{ id: 1 }]]);
  sql.crash();
  expect(sql.rows("SELECT COUNT(*) n FROM sqlite_master WHERE name = 't'")).toEqual([{ n: 0 }]);
});
