/**
 * An operator takes money out of a Spark wallet, through the API: to the invoice of a node outside, which is the seller's here. What the
 * answer says must be what the journal on disk, the receipt, the operators' ledger and the paying node's ledger say.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApiAnswer } from "../../ops/api.ts";
import { FlowContext, withoutPaying, type Agent } from "../../ops/demo-flows/context.ts";
import { startLocal, type LocalSystem } from "../../ops/setup.ts";
import { ledgerOfSpark } from "../../sandbox/regtest/spark-ledger.ts";
import { differences, readBooks, type PaymentOnDisk } from "../kill/books.ts";

const PRICE_SATS = 42;
const FEE_SATS = 1;

let system: LocalSystem;
let agent: Agent;
beforeAll(async () => {
  system = await startLocal({ kind: "simulated", payer: "spark", stateDir: null, port: 0 });
  agent = await new FlowContext(system).agent();
});
afterAll(() => system.close());

/** What the seller's node asks for a report; nobody here buys one. */
async function outsideInvoice(path = "/report"): Promise<string> {
  const { headers } = await fetch(new URL(path, system.sellerUrl), { method: path === "/report" ? "POST" : "GET" });
  const bolt11 = /invoice="([^"]+)"/u.exec(headers.get("www-authenticate") ?? "")?.[1];
  if (bolt11 === undefined) throw new Error("the seller asked for nothing");
  return bolt11;
}

function withdraw(bolt11: string, maxFeeSats = 5, withdrawalId: string = randomUUID()): Promise<ApiAnswer> {
  return system.api.call("POST", `/v1/wallets/${agent.walletId}/withdrawals`, {
    key: system.operatorKey,
    headers: { "lightning-wait-ms": "20000" },
    body: { withdrawalId, bolt11, maxFeeSats },
  });
}

test("a withdrawal pays an invoice of an outside node once, and leaves a receipt", async () => {
  const [bolt11, withdrawalId] = [await outsideInvoice(), randomUUID()];
  const before = await system.ledger();
  const first = await withdraw(bolt11, 5, withdrawalId);
  expect(first, first.text).toMatchObject({ status: 201, json: { purchaseId: withdrawalId, state: "fulfilled" } });
  expect(first.text).not.toContain(bolt11);
  const after = await system.ledger();
  expect([after.settled - before.settled, after.settledMsat - before.settledMsat]).toEqual([1, PRICE_SATS * 1000]);
  const { receipts } = await new FlowContext(system).operate("GET", `/v1/wallets/${agent.walletId}/receipts`);
  expect((receipts as readonly { readonly receipt: object }[]).map(({ receipt }) => receipt)).toContainEqual(
    expect.objectContaining({
      kind: "withdrawn",
      purchaseId: withdrawalId,
      amountMsat: PRICE_SATS * 1000,
      feeMsat: FEE_SATS * 1000,
      backend: "spark-wasm",
    }),
  );

  // Invariant 2: sent again it is the same withdrawal; under another id the invoice is known.
  expect(await withdraw(bolt11, 5, withdrawalId)).toMatchObject({ json: { purchaseId: withdrawalId, state: "fulfilled" } });
  expect(await withdraw(bolt11)).toMatchObject({ code: "payment_hash_reused" });
  expect((await system.ledger()).attempts).toBe(after.attempts);
});

test("a fee above the operator's limit, and more than the wallet has, are refused before anything is sent", async () => {
  await withoutPaying(system, async () => {
    const dear = await withdraw(await outsideInvoice("/stream"), 0);
    expect(dear.json, dear.text).toMatchObject({ state: "cancelled", code: "fee_over_cap" });
    const much = await withdraw(await outsideInvoice("/expensive"));
    expect(much.json, much.text).toMatchObject({ state: "cancelled", code: "insufficient_funds" });
  });
  const { htlcs } = system.spark!.sandbox.ledger();
  expect(htlcs.filter(({ state }) => state !== "shared")).toEqual([]);
});

test("a withdrawal whose SSP fails gives the money back, and may be made again with a new invoice", async () => {
  const { faults } = system.spark!.sandbox;
  faults.payMode = "fail";
  const failed = await withdraw(await outsideInvoice("/cheap")).finally(() => (faults.payMode = "ok"));
  expect(failed.json, failed.text).toMatchObject({ state: "failed", code: "payment_failed" });
  expect((await withdraw(await outsideInvoice("/cheap"))).json).toMatchObject({ state: "fulfilled" });
});

test("journal, receipts, operators and the node that paid tell one story", async () => {
  expect(await agent.fetch("/joke")).toMatchObject({ lightning: { status: "paid" } });
  const { sandbox } = system.spark!;
  const [node, owner] = [await system.ledger(), sandbox.ledger().owners.find(({ ssp }) => !ssp)];
  await system.worker.close();
  const books = readBooks(join(system.worker.stateDir, "lightning-worker-Wallet"));
  const spark = ledgerOfSpark(sandbox.ledger());
  expect(sandbox.check()).toEqual([]);
  const [book] = books;
  const paid = book?.payments.filter(({ state }) => state === "settled") ?? [];
  // A withdrawal is in no budget's books and buys no credential: those are compared without it, and it by itself.
  const withdrawn = book?.receipts.flatMap(({ receipt }) => (receipt.kind === "withdrawn" ? [receipt] : [])) ?? [];
  const isOut = (hash: string): boolean => withdrawn.some(({ paymentHash }) => paymentHash === hash);
  expect([paid.length, withdrawn.length]).toEqual([3, 2]);
  const purchases = books.map((each) => ({
    ...each,
    payments: each.payments.filter(({ payment_hash }) => !isOut(payment_hash)),
    purchases: each.purchases.filter(({ id }) => !withdrawn.some(({ purchaseId }) => purchaseId === id)),
  }));
  const bought = spark.payments.filter(({ paymentHash, state }) => !isOut(paymentHash) && state === "settled");
  expect(differences(purchases, { ...spark, payments: bought })).toEqual([]);
  for (const { paymentHash, amountMsat, feeMsat } of withdrawn)
    for (const row of [
      spark.payments.find((each) => each.paymentHash === paymentHash),
      paid.map(asRow).find((each) => each.paymentHash === paymentHash),
    ])
      expect(row).toMatchObject({ state: "settled", amountMsat, feeMsat });
  // The node outside was paid the same hashes, and what the SSP could not pay went back.
  const settled = node.payments.filter(({ state }) => state === "settled");
  expect(new Set(settled.map(({ paymentHash }) => paymentHash))).toEqual(new Set(paid.map(({ payment_hash }) => payment_hash)));
  expect(spark.payments.filter(({ state }) => state !== "settled").map(({ state }) => state)).toEqual(["failed"]);
  const left = paid.reduce((sum, { charge_msat, fee_msat }) => sum + charge_msat + (fee_msat ?? 0), 0);
  expect([owner?.availableSats, owner?.lockedSats]).toEqual([1000 - left / 1000, 0]);
});

const asRow = ({ payment_hash, state, amount_msat, fee_msat }: PaymentOnDisk) => ({
  paymentHash: payment_hash,
  state,
  amountMsat: amount_msat,
  feeMsat: fee_msat,
});
