import { beforeEach, expect, test } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOrder } from "../../lightning/payer.ts";
import { NodeSql } from "../../test/support/sql-node.ts";
import { Operations } from "./operations.ts";
import { SPARK_PAYER_SCHEMA } from "./payer-schema.ts";
import { SPARK_SCHEMA } from "./schema.ts";
import { SparkWallet } from "./wallet-row.ts";

let now = 0;
let sql: NodeSql;
let operations: Operations;
const order = (operationId: string, deadline = 100): PaymentOrder => ({
  walletId: "w",
  epoch: 1,
  operationId,
  bolt11: "lnbcrt1",
  paymentHash: "a".repeat(64),
  amountMsat: 1000 as Msat,
  maxFeeMsat: 1000 as Msat,
  deadline,
});

beforeEach(() => {
  now = 10;
  sql = new NodeSql();
  sql.script(`${SPARK_SCHEMA}${SPARK_PAYER_SCHEMA}`);
  operations = new Operations(sql, () => now);
});

test("nothing passes the gate that was not asked for", () => {
  expect(operations.pass("unknown")).toBe(false);
  operations.ask(order("op"));
  expect(operations.pass("op")).toBe(true);
  expect(operations.row("op")?.state).toBe("gated");
});

test("a fence holds where nothing has passed, also for an order that is still to come", () => {
  operations.ask(order("asked"));
  expect(operations.fence(order("asked"))).toBe(true);
  expect(operations.fence(order("to come"))).toBe(true);
  expect(operations.ask(order("to come")).state).toBe("fenced");
  expect([operations.pass("asked"), operations.pass("to come")]).toEqual([false, false]);
  // Asked again, the answer is the same.
  expect(operations.fence(order("asked"))).toBe(true);
});

test("what has passed the gate cannot be fenced, however it ended", () => {
  operations.ask(order("op"));
  operations.pass("op");
  expect(operations.fence(order("op"))).toBe(false);
  operations.end("op", "failed");
  expect(operations.fence(order("op"))).toBe(false);
  expect(operations.pass("op")).toBe(false);
});

test("an order that comes after its deadline does not pass, and a resumed one has a new deadline", () => {
  operations.ask(order("op", 20));
  now = 20;
  expect(operations.pass("op")).toBe(false);
  operations.ask(order("op", 50));
  expect(operations.pass("op")).toBe(true);
  // An older order, delivered late, does not shorten it.
  expect(operations.ask(order("op", 15)).deadline).toBe(50);
});

test("invariant 13: an epoch below the highest is refused, also after a restart", () => {
  const wallet = new SparkWallet(sql);
  expect(wallet.raiseEpoch(7)).toBe(true);
  wallet.store("regtest", `02${"1".repeat(64)}`, 2);
  expect([wallet.raiseEpoch(2), wallet.raiseEpoch(5), wallet.raiseEpoch(4)]).toEqual([true, true, false]);
  expect(new SparkWallet(sql).raiseEpoch(4)).toBe(false);
});

test("ended operations are forgotten when no HTLC of theirs can be left, open ones never", () => {
  for (const id of ["settled", "failed", "gated"]) {
    operations.ask(order(id));
    operations.pass(id);
  }
  operations.end("settled", "settled");
  operations.end("failed", "failed");
  for (const [id, status] of [
    ["settled", "completed"],
    ["gated", "pending"],
  ] as const)
    sql.rows("INSERT INTO spark_payment (id, type, status, timestamp, is_spark, sealed) VALUES (?, 'send', ?, 0, 0, x'00')", id, status);
  const kept = (): unknown[] => sql.rows<{ id: string }>("SELECT id FROM spark_payment ORDER BY id").map(({ id }) => id);
  now += 39 * 86_400_000;
  operations.forgetOld();
  expect([operations.row("settled")?.state, kept()]).toEqual(["settled", ["gated", "settled"]]);
  now += 2 * 86_400_000;
  operations.forgetOld();
  expect([operations.row("settled"), operations.row("failed"), operations.row("gated")?.state, kept()]).toEqual([
    null,
    null,
    "gated",
    ["gated"],
  ]);
});

test("of two sends under one id the higher fee holds, and the earlier place in the list", () => {
  operations.ask(order("one"));
  expect(operations.row("one")).toMatchObject({ fee_sats: null, place: null });
  operations.agree("one", 3, 20);
  operations.agree("one", 2, 40);
  expect(operations.row("one")).toMatchObject({ fee_sats: 3, place: 20 });
});

test("a send that was broken off before the gate may have leaves on their way back, for half an hour", () => {
  operations.ask(order("only asked"));
  expect(operations.brokenOff()).toBe(false);
  operations.agree("only asked", 1, 0);
  expect(operations.brokenOff()).toBe(true);
  operations.fence(order("only asked"));
  now += 1_799_999;
  expect(operations.brokenOff()).toBe(true);
  now += 1;
  expect(operations.brokenOff()).toBe(false);
  operations.ask(order("sent", now + 100));
  operations.agree("sent", 1, 0);
  operations.pass("sent");
  expect(operations.brokenOff()).toBe(false);
});

test("change that was being made when the object went may be on its way back, for half an hour, also after a restart", () => {
  const wallet = new SparkWallet(sql);
  expect(wallet.mayBeSwapping(now)).toBe(false);
  wallet.store("regtest", `02${"1".repeat(64)}`, 1);
  wallet.swapping(now);
  expect([new SparkWallet(sql).mayBeSwapping(now + 1_799_999), new SparkWallet(sql).mayBeSwapping(now + 1_800_000)]).toEqual([true, false]);
  wallet.swapping(null);
  expect(wallet.mayBeSwapping(now)).toBe(false);
});
