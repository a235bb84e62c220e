import { expect, test } from "vitest";
import { NodeSql } from "../../test/support/sql-node.ts";
import { Incoming } from "./incoming.ts";
import { SPARK_PAYER_SCHEMA } from "./payer-schema.ts";

test("an invoice is looked for often at first, rarely later, and no more once it is paid or long expired", () => {
  let now = 1_000_000;
  const sql = new NodeSql();
  sql.script(SPARK_PAYER_SCHEMA);
  const incoming = new Incoming(sql, () => now);
  expect([incoming.open(), incoming.nextLook()]).toEqual([0, null]);
  incoming.expect("a", 5, now + 3_600_000);
  expect(incoming.nextLook()).toBe(now + 5_000);
  now += 300_000;
  expect(incoming.nextLook()).toBe(now + 20_000);
  now += 1_800_000;
  expect(incoming.nextLook()).toBe(now + 120_000);
  incoming.expect("b", 5, now + 3_600_000);
  expect(incoming.nextLook()).toBe(now + 5_000);
  expect(incoming.received(["b", "never expected"])).toBe(1);
  expect(incoming.open()).toBe(1);
  now += 1_500_000 + 299_999;
  incoming.forgetExpired();
  expect(incoming.open()).toBe(1);
  now += 2;
  incoming.forgetExpired();
  expect([incoming.open(), incoming.nextLook()]).toEqual([0, null]);
});
