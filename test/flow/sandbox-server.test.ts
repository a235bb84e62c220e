/** The sandbox over real sockets: seller, executor and admin door, and the wallet's own executor client against all that can go wrong. */
import { createHash, randomUUID } from "node:crypto";
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { httpExecutor } from "../../durable-objects/http-executor.ts";
import { readOffers, type Offer } from "../../lightning/offers.ts";
import { sats } from "../../lightning/msat.ts";
import type { Payer, PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import { startSandbox, type Sandbox } from "../../sandbox/server.ts";

const ANSWER_WITHIN_MS = 200;

describe("the sandbox over HTTP", () => {
  let sandbox: Sandbox;
  let payer: Payer;

  beforeEach(async () => {
    sandbox = await startSandbox({ network: "regtest", answerWithinMs: ANSWER_WITHIN_MS });
    payer = httpExecutor({ baseUrl: sandbox.executorUrl, token: sandbox.executorToken, timeoutMs: 5000, fetch, network: "regtest" });
  });
  afterEach(() => sandbox.close());

  async function quote(path: string): Promise<Offer> {
    const response = await fetch(`${sandbox.sellerUrl}${path}`, { method: path === "/report" ? "POST" : "GET" });
    await response.text();
    expect(response.status).toBe(402);
    const { choice } = readOffers(response.headers.get("www-authenticate") ?? "", { network: "regtest", now: Date.now() });
    if (choice === null) throw new Error("nothing payable was offered");
    return choice;
  }
  function orderFor(offer: Offer): PaymentOrder {
    return {
      walletId: "w1",
      epoch: 1,
      operationId: randomUUID(),
      bolt11: offer.invoice,
      paymentHash: offer.paymentHash,
      amountMsat: offer.amountMsat,
      maxFeeMsat: sats(5),
      deadline: Date.now() + 60_000,
    };
  }
  const order = async (path = "/joke"): Promise<PaymentOrder> => orderFor(await quote(path));
  function proofOf(outcome: PaymentOutcome, paymentHash: string): string {
    const preimage = outcome.kind === "settled" ? (outcome.preimage ?? "") : "";
    expect(createHash("sha256").update(preimage, "hex").digest("hex")).toBe(paymentHash);
    return preimage;
  }
  const admin = async (method: string, path: string, body?: unknown): Promise<unknown> =>
    (await fetch(`${sandbox.adminUrl}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).json();

  it("sells: 402, payment through the executor, the resource; the credential serves again without a payment", async () => {
    const offer = await quote("/joke");
    const preimage = proofOf(await payer.pay(orderFor(offer)), offer.paymentHash);
    const headers = { authorization: `L402 ${offer.token}:${preimage}` };
    for (let n = 0; n < 2; n++) {
      const served = await fetch(`${sandbox.sellerUrl}/joke`, { headers });
      expect([served.status, served.headers.get("content-type")]).toEqual([200, "application/json"]);
      expect(await served.json()).toMatchObject({ path: "/joke" });
    }
    expect(await sandbox.ledger()).toMatchObject({ attempts: 1, settled: 1, settledMsat: 21_000, feesMsat: 110 });
    expect(await admin("GET", "/ledger")).toMatchObject({
      node: { settled: 1 },
      seller: { challenges: 1, accepted: 2, byRoute: { joke: 3 } },
    });
  });

  it("echoes a POST body and streams events", async () => {
    const report = await quote("/report");
    const proof = proofOf(await payer.pay(orderFor(report)), report.paymentHash);
    const echoed = await fetch(`${sandbox.sellerUrl}/report`, {
      method: "POST",
      headers: { authorization: `L402 ${report.token}:${proof}` },
      body: '{"q":1}',
    });
    expect(await echoed.json()).toEqual({ report: "received", bytes: 7, body: { q: 1 } });
    const stream = await quote("/stream");
    const streamProof = proofOf(await payer.pay(orderFor(stream)), stream.paymentHash);
    const events = await fetch(`${sandbox.sellerUrl}/stream?events=2&everyMs=5`, {
      headers: { authorization: `LSAT ${stream.token}:${streamProof}` },
    });
    expect(await events.text()).toBe(
      'id: 1\nevent: tick\ndata: {"n":1,"of":2}\n\nid: 2\nevent: tick\ndata: {"n":2,"of":2}\n\nevent: done\ndata: {}\n\n',
    );
  });

  it("survives a caller that leaves in the middle of a large answer", async () => {
    const offer = await quote("/huge");
    const proof = proofOf(await payer.pay(orderFor(offer)), offer.paymentHash);
    const headers = { authorization: `L402 ${offer.token}:${proof}` };
    const huge = await fetch(`${sandbox.sellerUrl}/huge`, { headers });
    const reader = huge.body?.getReader();
    expect((await reader?.read())?.value?.byteLength).toBeGreaterThan(0);
    await reader?.cancel();
    expect((await (await fetch(`${sandbox.sellerUrl}/huge?bytes=100000`, { headers })).arrayBuffer()).byteLength).toBe(100_000);
  });

  it("an answer lost after paying is unknown, and a lookup finds the payment: paid once", async () => {
    await admin("POST", "/faults", { kind: "answer_lost", next: true });
    const lost = await order();
    expect(await payer.pay(lost)).toEqual({ kind: "unknown", reason: "connection" });
    proofOf(await payer.lookup(lost), lost.paymentHash);
    proofOf(await payer.pay(lost), lost.paymentHash);
    expect(await sandbox.ledger()).toMatchObject({ attempts: 1, settled: 1, payments: [{ settlements: 1 }] });
  });

  it("an answer sent twice is not taken for the answer to another order", async () => {
    const doubled = await order();
    const next = await order("/cheap");
    sandbox.node.faults.forHash(doubled.paymentHash, { kind: "duplicate_answer" });
    proofOf(await payer.pay(doubled), doubled.paymentHash);
    const after = await payer.pay(next);
    if (after.kind === "unknown") proofOf(await payer.lookup(next), next.paymentHash);
    else proofOf(after, next.paymentHash);
    expect(await sandbox.ledger()).toMatchObject({ attempts: 2, settled: 2 });
  });

  it("an order that arrives late: never seen, then paid; and refused where it was fenced meanwhile", async () => {
    sandbox.node.faults.forRoute("joke", { kind: "never_seen_then_paid" });
    const late = await order();
    expect(await payer.pay(late)).toEqual({ kind: "unknown", reason: "connection" });
    const before = Date.now();
    const unseen = await payer.lookup(late);
    expect(unseen).toEqual({ kind: "never_seen", asOf: expect.any(Number) });
    // Its own clock, which on one machine is ours.
    const { asOf } = unseen as { readonly asOf: number };
    expect([asOf >= before, asOf <= Date.now()]).toEqual([true, true]);
    expect((await sandbox.ledger()).attempts).toBe(0);
    expect(sandbox.release(late.paymentHash)).toBe(1);
    proofOf(await payer.lookup(late), late.paymentHash);
    const fenced = await order();
    expect(await payer.pay(fenced)).toEqual({ kind: "unknown", reason: "connection" });
    expect(await payer.cancel(fenced)).toBe("fenced");
    expect(await admin("POST", "/release", {})).toEqual({ released: 1 });
    expect(await payer.lookup(fenced)).toEqual({ kind: "failed", code: "payment_failed", definite: true });
    expect(await sandbox.ledger()).toMatchObject({ attempts: 1, settled: 1 });
  });

  it("a hanging payment is answered pending in time, and settles or fails when released", async () => {
    sandbox.node.faults.forRoute("joke", { kind: "hang" });
    const [settles, fails] = [await order(), await order()];
    expect(await payer.pay(settles)).toEqual({ kind: "pending" });
    expect(await payer.pay(fails)).toEqual({ kind: "pending" });
    expect(await payer.lookup(settles)).toEqual({ kind: "pending" });
    await admin("POST", "/release", { paymentHash: settles.paymentHash });
    await admin("POST", "/release", { paymentHash: fails.paymentHash, as: "failed" });
    proofOf(await payer.lookup(settles), settles.paymentHash);
    expect(await payer.lookup(fails)).toEqual({ kind: "failed", code: "payment_failed", definite: true });
  });

  it("insufficient funds fail definitely, and the balance is reported as it is", async () => {
    await admin("POST", "/balance", { balanceMsat: 20_000 });
    expect(await payer.status()).toMatchObject({ online: true, spendableMsat: 20_000, network: "regtest", version: "sandbox" });
    expect(await payer.pay(await order())).toEqual({ kind: "failed", code: "insufficient_funds", definite: true });
  });

  it("moves the seller's clock: a credential ages, an invoice does not", async () => {
    const offer = await quote("/short");
    const preimage = proofOf(await payer.pay(orderFor(offer)), offer.paymentHash);
    const get = async (): Promise<number> =>
      (await fetch(`${sandbox.sellerUrl}/short`, { headers: { authorization: `L402 ${offer.token}:${preimage}` } })).status;
    await admin("POST", "/advance", { ms: 6000 });
    expect(await get()).toBe(402);
    proofOf(await payer.pay(await order("/short")), (await sandbox.ledger()).payments[1]?.paymentHash ?? "");
  });

  it.each<[string, string, RequestInit, number, string]>([
    ["no token", "/v1/status", { headers: {} }, 401, "unauthorized"],
    ["a wrong token", "/v1/pay", { method: "POST", headers: { authorization: "Bearer x" }, body: "{}" }, 401, "unauthorized"],
    ["an unknown route", "/v2/pay", { method: "POST" }, 404, "not_found"],
    ["a wrong method", "/v1/pay", { method: "GET" }, 405, "method_not_allowed"],
    ["no JSON", "/v1/pay", { method: "POST", body: "{" }, 400, "invalid_request"],
    ["a list", "/v1/lookup", { method: "POST", body: "[]" }, 400, "invalid_request"],
    ["missing fields", "/v1/cancel", { method: "POST", body: '{"walletId":"w1"}' }, 400, "invalid_request"],
    ["bytes that are no UTF-8", "/v1/pay", { method: "POST", body: new Uint8Array([0x7b, 0xff]) }, 400, "invalid_request"],
    ["a body over the cap", "/v1/pay", { method: "POST", body: "x".repeat(70_000) }, 413, "request_too_large"],
  ])("the executor answers %s with a stable code, and nothing changes", async (_what, path, init, status, code) => {
    const headers = init.headers ?? { authorization: `Bearer ${sandbox.executorToken}` };
    const response = await fetch(`${sandbox.executorUrl}${path}`, { ...init, headers });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
    expect((await sandbox.ledger()).attempts).toBe(0);
  });

  it("invariant 9: names the wrong field of an order and never repeats its value", async () => {
    const good = await order();
    for (const [field, value] of Object.entries({
      walletId: "a b",
      epoch: -1,
      operationId: "op",
      bolt11: "canary!",
      paymentHash: "AB".repeat(32),
      amountMsat: 0,
      maxFeeMsat: 1.5,
      deadline: "now",
    })) {
      const response = await fetch(`${sandbox.executorUrl}/v1/pay`, {
        method: "POST",
        headers: { authorization: `Bearer ${sandbox.executorToken}` },
        body: JSON.stringify({ ...good, [field]: value }),
      });
      expect([response.status, await response.json()]).toEqual([
        400,
        { code: "invalid_request", detail: `field ${field} is missing or malformed` },
      ]);
    }
    expect((await sandbox.ledger()).attempts).toBe(0);
  });

  it("a client with a wrong token gets unknown, never failed", async () => {
    const stranger = httpExecutor({ baseUrl: sandbox.executorUrl, token: "x", timeoutMs: 5000, fetch });
    expect(await stranger.pay(await order())).toEqual({ kind: "unknown", reason: "unauthorized" });
    expect(await stranger.status()).toMatchObject({ online: false });
    expect((await sandbox.ledger()).attempts).toBe(0);
  });

  it("the admin door opens only under a loopback name, and refuses what it does not know", async () => {
    const port = Number(new URL(sandbox.adminUrl).port);
    const status = await new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path: "/ledger", headers: { host: "evil.example" } }, (response) =>
        resolve(response.resume().statusCode),
      )
        .on("error", reject)
        .end();
    });
    expect(status).toBe(403);
    for (const body of [
      { kind: "nonsense", next: true },
      { kind: "hang" },
      { kind: "hang", next: true, afterMs: -1 },
      { kind: "hang", route: "joke", times: "x" },
    ]) {
      expect(await admin("POST", "/faults", body)).toMatchObject({ code: "invalid_request" });
    }
    expect(await admin("POST", "/balance", { balanceMsat: -1 })).toMatchObject({ code: "invalid_request" });
    expect(await admin("POST", "/release", { as: "lost" })).toMatchObject({ code: "invalid_request" });
    expect(await admin("GET", "/nothing")).toMatchObject({ code: "not_found" });
    await admin("POST", "/faults", { kind: "no_route", route: "joke" });
    await admin("DELETE", "/faults");
    expect(await payer.pay(await order())).toMatchObject({ kind: "settled" });
  });

  it("says which port is in use, and leaves nothing open behind it", async () => {
    const port = Number(new URL(sandbox.adminUrl).port);
    await expect(startSandbox({ adminPort: port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
