/** `lndNode` and the executor over it, against a real lnd: every outcome that a payer can have, each made on purpose and without a clock. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { msat, type Msat } from "../../lightning/msat.ts";
import { startExecutor } from "../../sandbox/executor-http.ts";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { lndNode } from "../../sandbox/regtest/lnd.ts";
import { connectLnd } from "../../sandbox/regtest/lnd-rest.ts";
import { addInvoice, cancelHold, held, holdInvoice, settleHold, type Invoice } from "../../sandbox/regtest/lnd-seller.ts";
import type { RegtestSandbox } from "../../sandbox/regtest/main.ts";
import { CHANNEL_SATS } from "../../sandbox/regtest/nodes.ts";

const WAIT_MS = 20_000;
const newHex = () => randomBytes(32).toString("hex");
const sha256 = (hex: string) => createHash("sha256").update(hex, "hex").digest("hex");
const order = ({ bolt11, paymentHash }: Invoice, waitMs = WAIT_MS) => ({ bolt11, paymentHash, maxFeeMsat: msat(1000), waitMs });

/** An invoice of a node that nobody knows; lnd reads it like any other. */
function strangersInvoice(timestamp: number): Invoice {
  const paymentHash = newHex();
  const secret = { paymentSecret: new Uint8Array(randomBytes(32)), nodeSecretKey: new Uint8Array(randomBytes(32)) };
  return {
    paymentHash,
    bolt11: mintBolt11({
      network: "regtest",
      amountMsat: msat(5000),
      paymentHash,
      description: "",
      timestamp,
      expirySeconds: 60,
      ...secret,
    }),
  };
}

export function lndNodeTests(world: () => RegtestSandbox): void {
  let node: ReturnType<typeof lndNode>;
  beforeAll(() => {
    node = lndNode(world().network.payerConnection);
  });
  afterAll(() => node?.close());

  test("invariant 5: a payment is settled with the preimage of its hash, and its time and fee are known", async () => {
    const before = Date.now();
    const invoice = await addInvoice(world().network.seller, 1500);
    const paid = await node.pay(order(invoice));
    if (paid.kind !== "settled") throw new Error(`the payment is ${paid.kind}`);
    expect(sha256(paid.preimage ?? "")).toBe(invoice.paymentHash);
    expect(paid.feeMsat).toBe(0);
    expect(paid.settledAt).toBeGreaterThan(before - 2000);
    expect(paid.settledAt).toBeLessThanOrEqual(Date.now() + 2000);
  });

  test("invariant 2: an invoice paid again yields the same payment, and lnd's ledger has it once", async () => {
    const invoice = await addInvoice(world().network.seller, 2000);
    const balance = await node.spendableMsat();
    const first = await node.pay(order(invoice));
    expect(await node.pay(order(invoice))).toEqual(first);
    expect(await node.lookup(invoice.paymentHash)).toEqual(first);
    expect(await node.spendableMsat()).toBe(balance - 2000);
    const rows = (await world().ledger()).payments.filter((row) => row.paymentHash === invoice.paymentHash);
    expect(rows).toMatchObject([{ state: "settled", amountMsat: 2000, settlements: 1 }]);
  });

  test("invariant 2: ten orders for one invoice at the same time move its amount once", async () => {
    const invoice = await addInvoice(world().network.seller, 3000);
    const balance = await node.spendableMsat();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => node.pay(order(invoice))));
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
    expect(outcomes[0]?.kind).toBe("settled");
    expect(await node.spendableMsat()).toBe(balance - 3000);
  });

  test("an expired invoice is refused and nothing is sent", async () => {
    const invoice = strangersInvoice(Math.floor(Date.now() / 1000) - 3600);
    expect(await node.pay(order(invoice))).toEqual({ kind: "failed", code: "invoice_expired" });
    expect(await node.lookup(invoice.paymentHash)).toEqual({ kind: "never_initiated" });
  });

  test("more than the channel holds is insufficient funds, with no proof", async () => {
    const invoice = await addInvoice(world().network.seller, (CHANNEL_SATS + 1) * 1000);
    const failed = { kind: "failed", code: "insufficient_funds" };
    expect(await node.pay(order(invoice))).toEqual(failed);
    expect(await node.lookup(invoice.paymentHash)).toEqual(failed);
  });

  test("a payee that nobody knows has no route", async () => {
    expect(await node.pay(order(strangersInvoice(Math.floor(Date.now() / 1000))))).toEqual({ kind: "failed", code: "no_route" });
  });

  test("what lnd cannot read as an invoice is a definite failure, since lnd never took it up", async () => {
    expect(await node.pay(order({ bolt11: "lnbcrt1garbage", paymentHash: newHex() }))).toEqual({ kind: "failed", code: "payment_failed" });
  });

  test("a hash that was never paid was never initiated", async () => {
    expect(await node.lookup(newHex())).toEqual({ kind: "never_initiated" });
  });

  test("invariant 4: a payment that is held is in flight to everyone who asks, and settles for those who wait", async () => {
    const { seller } = world().network;
    const preimage = newHex();
    const invoice = await holdInvoice(seller, 4000, preimage);
    const waiting = node.pay(order(invoice));
    await held(seller, invoice.paymentHash);
    expect(await node.lookup(invoice.paymentHash)).toEqual({ kind: "in_flight" });
    expect(await node.pay(order(invoice, 1))).toEqual({ kind: "in_flight" });
    const alsoWaiting = node.pay(order(invoice));
    await settleHold(seller, preimage);
    const settled = await waiting;
    expect(settled).toMatchObject({ kind: "settled", preimage, feeMsat: 0 });
    expect(await alsoWaiting).toEqual(settled);
    expect(await node.lookup(invoice.paymentHash)).toEqual(settled);
  });

  test("a held payment that is sent back has failed", async () => {
    const { seller } = world().network;
    const balance = await node.spendableMsat();
    const invoice = await holdInvoice(seller, 4000, newHex());
    const waiting = node.pay(order(invoice));
    await held(seller, invoice.paymentHash);
    await cancelHold(seller, invoice.paymentHash);
    expect(await waiting).toEqual({ kind: "failed", code: "payment_failed" });
    expect(await node.spendableMsat()).toBe(balance);
  });

  test("an invoice to fund the payer is for the amount that was asked", async () => {
    const { bolt11 } = await node.receive({ amountMsat: msat(2_000), description: "Lightning Worker w1" });
    expect(decodeBolt11(bolt11)).toMatchObject({
      ok: true,
      invoice: { network: "regtest", amountMsat: 2_000, description: "Lightning Worker w1" },
    });
  });

  test("the payer's macaroon pays, looks up and makes an invoice, and does nothing else", async () => {
    const { payerConnection } = world().network;
    const lnd = connectLnd(payerConnection);
    const refused = { kind: "refused", message: "permission denied" };
    expect(await lnd.call("/v1/invoices")).toMatchObject(refused);
    expect(await lnd.call("/v1/payments")).toMatchObject(refused);
    expect(await lnd.call("/v1/getinfo")).toMatchObject(refused);
    expect(await lnd.call("/v1/newaddress")).toMatchObject(refused);
    lnd.close();
  });

  test("invariant 4: a node that cannot be reached, or is another than its certificate says, is an error and not a failure", async () => {
    const { payerConnection, seller } = world().network;
    const invoice = await addInvoice(seller, 1000);
    const impostor = lndNode({ ...payerConnection, tlsCertPath: seller.connection.tlsCertPath });
    const nobody = lndNode({ ...payerConnection, restPort: 1 });
    for (const broken of [impostor, nobody]) {
      const error = await broken.pay(order(invoice)).catch((cause: unknown) => cause);
      expect(error).toMatchObject({ name: "LndUnreachable" });
      expect(String(error)).not.toContain(invoice.bolt11);
      await expect(broken.lookup(invoice.paymentHash)).rejects.toMatchObject({ name: "LndUnreachable" });
      broken.close();
    }
    expect(await node.lookup(invoice.paymentHash)).toEqual({ kind: "never_initiated" });
  });

  test("real lnd reads a simulated invoice as we do: amount, hash, expiry, description and a valid signature", async () => {
    const invoice = strangersInvoice(Math.floor(Date.now() / 1000));
    const ours = decodeBolt11(invoice.bolt11);
    const theirs = await world().network.payer.call(`/v1/payreq/${invoice.bolt11}`);
    if (!ours.ok) throw new Error(ours.detail);
    expect(theirs).toMatchObject({
      kind: "ok",
      value: {
        payment_hash: ours.invoice.paymentHash,
        num_msat: String(ours.invoice.amountMsat),
        expiry: "60",
        timestamp: String(ours.invoice.timestamp),
      },
    });
  });

  const executorOrder = ({ bolt11, paymentHash }: Invoice, amountMsat: Msat) => ({
    walletId: "wallet",
    epoch: 1,
    operationId: randomUUID(),
    bolt11,
    paymentHash,
    amountMsat,
    maxFeeMsat: msat(1000),
    deadline: Date.now() + 60_000,
  });

  test("invariant 4: an answer lost after paying is found again by lookup, and the order sent again does not pay again", async () => {
    const faults = [{ kind: "answer_lost" as const }];
    const executor = await startExecutor({ node, takeFault: () => faults.shift() ?? null });
    const post = (path: string, body: unknown) =>
      fetch(`${executor.url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${executor.token}` },
        body: JSON.stringify(body),
      });
    try {
      const invoice = await addInvoice(world().network.seller, 6000);
      const balance = await node.spendableMsat();
      const body = executorOrder(invoice, msat(6000));
      await expect(post("/v1/pay", body)).rejects.toThrow();
      const found: unknown = await (await post("/v1/lookup", body)).json();
      expect(found).toMatchObject({ kind: "settled", feeMsat: 0, reference: invoice.paymentHash });
      expect(await (await post("/v1/pay", body)).json()).toEqual(found);
      expect(await node.spendableMsat()).toBe(balance - 6000);
    } finally {
      await executor.close();
    }
  });

  test("invariant 4: an executor that forgot everything finds a payment by its hash, and does not pay it again", async () => {
    const invoice = await addInvoice(world().network.seller, 7000);
    const balance = await node.spendableMsat();
    const body = executorOrder(invoice, msat(7000));
    for (const path of ["/v1/pay", "/v1/lookup", "/v1/pay"]) {
      const executor = await startExecutor({ node });
      const answer = await fetch(`${executor.url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${executor.token}` },
        body: JSON.stringify(body),
      });
      expect(await answer.json()).toMatchObject({ kind: "settled", reference: invoice.paymentHash });
      await executor.close();
    }
    expect(await node.spendableMsat()).toBe(balance - 7000);
  });
}
