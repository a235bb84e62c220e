/** What the facts say about the SDK's storage, one case each; and what our sealing adds to it. */
import { afterEach, expect, it } from "vitest";
import type { Payment, PaymentDetails } from "@breeztech/breez-sdk-spark/web";
import { sparkSessionStore } from "../../durable-objects/spark/session-store.ts";
import { SPARK_SCHEMA } from "../../durable-objects/spark/schema.ts";
import { sparkStorage } from "../../durable-objects/spark/storage.ts";
import { NodeSql } from "../support/sql-node.ts";
import { asAny, vaultOver } from "./storage-ask.ts";
import { METHODS, paymentId } from "./storage-calls.ts";
import { reference } from "./storage-pair.ts";

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

const NOW = 1_800_000_000_000;
function make(sql = new NodeSql()) {
  if (sql.rows("SELECT 1 FROM sqlite_master WHERE name = 'spark_cache'").length === 0) {
    sql.script(SPARK_SCHEMA);
    opened.push(sql);
  }
  const vault = vaultOver(sql);
  return { sql, vault, storage: sparkStorage(vault, () => NOW) };
}

const HASH = "ab".repeat(32);
const lightning = (htlc: Partial<(PaymentDetails & { type: "lightning" })["htlcDetails"]> = {}): PaymentDetails => ({
  type: "lightning",
  invoice: "lnbcrt1secret",
  destinationPubkey: "02secret",
  htlcDetails: { paymentHash: HASH, expiryTime: 5, status: "waitingForPreimage", ...htlc },
});
const payment = (change: Partial<Payment> = {}): Payment => ({
  id: paymentId(1),
  paymentType: "send",
  status: "pending",
  amount: 1000n,
  fees: 3n,
  timestamp: 100,
  method: "lightning",
  ...change,
});

it("has the 30 methods, each returning a native promise: anything else panics the wasm", async () => {
  const storage = asAny(make().storage);
  expect(Object.keys(storage).sort()).toEqual([...METHODS].sort());
  for (const method of METHODS) {
    // Without arguments most of them fail: then too by a rejected promise, never by a throw.
    const answer = storage[method]?.();
    expect(answer, method).toBeInstanceOf(Promise);
    await answer?.catch(() => null);
  }
});

it("keeps amounts of 128 bits exactly, and gives them back as BigInt", async () => {
  const { storage } = make();
  const amount = 2n ** 127n + 1n;
  await storage.applyPaymentUpdate(payment({ amount, fees: 0n }));
  const read = await storage.getPaymentById(paymentId(1));
  expect([read.amount, read.fees]).toEqual([amount, 0n]);
});

it("says true for a new payment and for a change of status, false for the same status and against a terminal one", async () => {
  const { storage } = make();
  const told: unknown[] = [];
  for (const status of ["pending", "pending", "completed", "failed", "pending", "completed"] as const)
    told.push(await storage.applyPaymentUpdate(payment({ status })));
  expect(told).toEqual([true, false, true, false, false, false]);
  expect((await storage.getPaymentById(paymentId(1))).status).toBe("completed");
});

it("never loses a preimage, an HTLC's details or a token's invoice to a later update without them", async () => {
  const { storage } = make();
  await storage.applyPaymentUpdate(payment({ details: lightning({ preimage: "cd".repeat(32), status: "preimageShared" }) }));
  await storage.applyPaymentUpdate(payment({ details: lightning({ status: "preimageShared" }) }));
  await storage.applyPaymentUpdate(payment());
  expect((await storage.getPaymentById(paymentId(1))).details).toMatchObject({
    type: "lightning",
    htlcDetails: { preimage: "cd".repeat(32), status: "preimageShared" },
  });
});

it("takes metadata before its payment, and never nulls what it knows", async () => {
  const { storage } = make();
  await storage.insertPaymentMetadata(paymentId(1), { lnurlDescription: "a tea" });
  await storage.insertPaymentMetadata(paymentId(1), { lnurlPayInfo: { lnAddress: "a@b.example" } });
  await storage.applyPaymentUpdate(payment({ details: lightning() }));
  expect((await storage.getPaymentById(paymentId(1))).details).toMatchObject({
    description: "a tea",
    lnurlPayInfo: { lnAddress: "a@b.example" },
  });
});

it("rejects for a payment that is absent, and answers null for an invoice that is", async () => {
  const { storage } = make();
  await expect(storage.getPaymentById(paymentId(1))).rejects.toThrow("no such payment");
  expect(await storage.getPaymentByInvoice("lnbcrt1secret")).toBeNull();
  await storage.applyPaymentUpdate(payment({ details: lightning() }));
  expect(await storage.getPaymentByInvoice("lnbcrt1secret")).toMatchObject({ id: paymentId(1) });
});

it("asks for more parents, and filters by more values, than an object's storage takes parameters", async () => {
  const { storage } = make();
  await storage.applyPaymentUpdate(payment({ id: paymentId(149) }));
  await storage.insertPaymentMetadata(paymentId(149), { parentPaymentId: paymentId(148) });
  const parents = Array.from({ length: 150 }, (_, n) => paymentId(n));
  expect(Object.keys(await storage.getPaymentsByParentIds(parents))).toEqual([paymentId(148)]);
  const many = Array.from({ length: 150 }, () => "send" as const);
  expect(await storage.listPayments({ typeFilter: many })).toEqual([]);
});

it("pages through payments of one second without repeating or missing one", async () => {
  const { storage } = make();
  for (let n = 0; n < 7; n++) await storage.applyPaymentUpdate(payment({ id: paymentId(n) }));
  for (const sortAscending of [true, false]) {
    const pages = await Promise.all([0, 3, 6].map((offset) => storage.listPayments({ offset, limit: 3, sortAscending })));
    expect(new Set(pages.flat().map(({ id }) => id)).size).toBe(7);
  }
});

it("keeps the fields of a sync record, which the SDK's Node storage loses: it writes a Map as {}", async () => {
  const change = { id: { type: "t", dataId: "d" }, schemaVersion: "1.0.0", updatedFields: new Map([["a", "1"]]) };
  const theirs = reference();
  opened.push(theirs);
  const { storage } = make();
  const fields: unknown[] = [];
  for (const each of [asAny(storage), theirs.storage]) {
    expect(await each["syncAddOutgoingChange"]?.(change)).toBe(1n);
    const latest = (await each["syncGetLatestOutgoingChange"]?.()) as { change: { updatedFields: unknown } } | undefined;
    fields.push(latest?.change.updatedFields);
  }
  expect(fields).toEqual([new Map([["a", "1"]]), {}]);
});

it("a payment that does not open is an error that says nothing of it, is not overwritten, and is none of those that are absent", async () => {
  const before = make();
  await before.storage.applyPaymentUpdate(payment({ details: lightning() }));
  const [stored] = before.sql.rows("SELECT * FROM spark_payment");
  // The same database under another record key.
  const { storage, sql } = make(before.sql);
  const calls = [
    () => storage.getPaymentById(paymentId(1)),
    () => storage.getPaymentByInvoice("lnbcrt1secret"),
    () => storage.listPayments({}),
    () => storage.applyPaymentUpdate(payment({ status: "completed" })),
  ];
  for (const each of calls) await expect(each()).rejects.toThrow(/^a row of spark_payment does not open$/u);
  expect(sql.rows("SELECT * FROM spark_payment")).toEqual([stored]);
});

it("a sealed part opens only in its own row", async () => {
  const { storage, sql } = make();
  await storage.applyPaymentUpdate(payment());
  await storage.applyPaymentUpdate(payment({ id: paymentId(2), amount: 5n }));
  sql.rows("UPDATE spark_payment SET sealed = (SELECT sealed FROM spark_payment WHERE id = ?) WHERE id = ?", paymentId(1), paymentId(2));
  await expect(storage.getPaymentById(paymentId(2))).rejects.toThrow("does not open");
  expect((await storage.getPaymentById(paymentId(1))).amount).toBe(1000n);
});

it("a cached item that does not open is absent, and is written again", async () => {
  const before = make();
  await before.storage.setCachedItem("sync_offset", "old");
  const { storage } = make(before.sql);
  expect(await storage.getCachedItem("sync_offset")).toBeNull();
  await storage.setCachedItem("sync_offset", "new");
  expect(await storage.getCachedItem("sync_offset")).toBe("new");
});

it("sessions live until shortly before their end, sealed", async () => {
  const { vault, sql } = make();
  let now = NOW;
  const sessions = sparkSessionStore(vault, () => now);
  await expect(sessions.getSession("02ab")).rejects.toThrow("not found");
  await sessions.setSession("02ab", { token: "bearer-1", expiration: NOW / 1000 + 60 });
  await sessions.setSession("02ab", { token: "bearer-2", expiration: BigInt(NOW / 1000 + 100) });
  expect(await sessions.getSession("02ab")).toEqual({ token: "bearer-2", expiration: NOW / 1000 + 100 });
  expect([sessions.token("02ab"), sessions.token("02cd")]).toEqual(["bearer-2", null]);
  const [row] = sql.rows<{ sealed: Uint8Array }>("SELECT sealed FROM spark_session");
  expect(Buffer.from(row?.sealed ?? []).toString("latin1")).not.toContain("bearer");
  now = NOW + 70_000;
  expect(sessions.token("02ab")).toBeNull();
  await expect(sessions.getSession("02ab")).rejects.toThrow("not found");
  now = NOW;
  expect(sessions.token("02ab")).toBe("bearer-2");
});
