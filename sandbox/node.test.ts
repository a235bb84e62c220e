import { createHash } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { decodeBolt11, payeeOf } from "../lightning/bolt11.ts";
import { sats, type Msat } from "../lightning/msat.ts";
import { manualPorts, type ManualPorts } from "./manual-ports.ts";
import { SimulatedNode, type Invoice } from "./node.ts";

const MAX_FEE = sats(5);
const isProof = (preimage: string | null, paymentHash: string): boolean =>
  preimage !== null && createHash("sha256").update(preimage, "hex").digest("hex") === paymentHash;

describe("the simulated node", () => {
  let ports: ManualPorts;
  let node: SimulatedNode;
  let invoice: Invoice;
  const pay = (paid: Invoice = invoice, maxFeeMsat: Msat = MAX_FEE, waitMs = 100): ReturnType<SimulatedNode["pay"]> =>
    node.pay({ bolt11: paid.bolt11, paymentHash: paid.paymentHash, maxFeeMsat, waitMs });
  const make = (amount: Msat | null = sats(21), route?: string): Invoice =>
    node.createInvoice({ amountMsat: amount, description: "L402", expirySeconds: 600, ...(route === undefined ? {} : { route }) });

  beforeEach(() => {
    ports = manualPorts();
    node = new SimulatedNode(ports, {
      network: "regtest",
      balanceMsat: sats(1000),
      feeBaseMsat: 100 as Msat,
      feePpm: 1000,
      signInvoices: false,
    });
    invoice = make();
  });

  it("makes invoices that a strict decoder reads back", () => {
    const decoded = decodeBolt11(invoice.bolt11);
    expect(decoded).toMatchObject({
      ok: true,
      invoice: {
        network: "regtest",
        amountMsat: 21_000,
        paymentHash: invoice.paymentHash,
        description: "L402",
        expiresAt: ports.now() + 600_000,
      },
    });
  });

  it("signs its invoices with one key of its own, unless told not to", () => {
    const signing = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1) });
    const payees = [1, 2].map((amount) => payeeOf(signing.createInvoice({ amountMsat: sats(amount), description: "L402" }).bolt11));
    expect(payees[0]).toMatch(/^0[23][0-9a-f]{64}$/u);
    expect(payees[1]).toBe(payees[0]);
    expect(payeeOf(invoice.bolt11)).not.toBe(payees[0]);
  });

  it("pays an invoice, gives its preimage, and charges base fee and parts per million", async () => {
    const paid = await pay();
    expect(paid).toMatchObject({ kind: "settled", feeMsat: 121, settledAt: ports.now() });
    expect(paid.kind === "settled" && isProof(paid.preimage, invoice.paymentHash)).toBe(true);
    expect(await node.spendableMsat()).toBe(1_000_000 - 21_000 - 121);
    expect(node.ledger()).toMatchObject({
      attempts: 1,
      settled: 1,
      failed: 0,
      inFlight: 0,
      settledMsat: 21_000,
      feesMsat: 121,
      payments: [{ paymentHash: invoice.paymentHash, settlements: 1, repeats: 0, state: "settled" }],
    });
  });

  it("pays an invoice once: a second order finds the first payment", async () => {
    const first = await pay();
    expect(await pay()).toEqual(first);
    expect(node.ledger()).toMatchObject({ attempts: 1, settled: 1, settledMsat: 21_000, payments: [{ settlements: 1, repeats: 1 }] });
  });

  it("says never_initiated of a hash it was not asked to pay, even where it made the invoice itself", async () => {
    expect(await node.lookup(invoice.paymentHash)).toEqual({ kind: "never_initiated" });
    expect(node.ledger()).toMatchObject({ attempts: 0, payments: [] });
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ["an invoice that nobody here made", async () => pay({ bolt11: invoice.bolt11, paymentHash: "11".repeat(32) }), "no_route"],
    ["another invoice under this hash", async () => pay({ bolt11: make().bolt11, paymentHash: invoice.paymentHash }), "payment_failed"],
    ["an invoice without an amount", async () => pay(make(null)), "payment_failed"],
    [
      "an invoice of another network",
      async () => pay(node.createInvoice({ amountMsat: sats(1), description: "x", network: "mainnet" })),
      "payment_failed",
    ],
    ["more than there is, fee included", async () => pay(make(sats(1000)), sats(100)), "insufficient_funds"],
    ["a route that costs more than allowed", async () => pay(invoice, 120 as Msat), "no_route"],
  ])("refuses %s, and keeps the money", async (_what, act, code) => {
    expect(await act()).toEqual({ kind: "failed", code });
    expect(await node.spendableMsat()).toBe(1_000_000);
    expect(node.ledger()).toMatchObject({ attempts: 1, settled: 0, failed: 1, settledMsat: 0 });
  });

  it("refuses an invoice from the instant it expires", async () => {
    ports.advance(600_000);
    expect(await pay()).toEqual({ kind: "failed", code: "invoice_expired" });
  });

  it("tries an invoice again after a definite failure", async () => {
    node.faults.forHash(invoice.paymentHash, { kind: "no_route" });
    expect(await pay()).toEqual({ kind: "failed", code: "no_route" });
    expect(await pay()).toMatchObject({ kind: "settled" });
    expect(node.ledger()).toMatchObject({ attempts: 2, settled: 1, failed: 0, payments: [{ attempts: 2, settlements: 1 }] });
  });

  it("holds a hanging payment in flight, its money locked, until it is released", async () => {
    node.faults.forNext({ kind: "hang" });
    const waiting = pay();
    ports.advance(100);
    expect(await waiting).toEqual({ kind: "in_flight" });
    expect(await node.lookup(invoice.paymentHash)).toEqual({ kind: "in_flight" });
    expect(await node.spendableMsat()).toBe(1_000_000 - 21_121);
    const second = pay();
    expect(node.release(invoice.paymentHash)).toBe(1);
    expect(await second).toMatchObject({ kind: "settled" });
    expect(node.ledger()).toMatchObject({ settled: 1, inFlight: 0, spendableMsat: 1_000_000 - 21_121 });
    expect(ports.pending()).toBe(0);
  });

  it("gives the money back when a hanging payment is released as failed", async () => {
    node.faults.forNext({ kind: "hang" });
    const waiting = pay();
    node.release(null, "failed");
    expect(await waiting).toEqual({ kind: "failed", code: "payment_failed" });
    expect(await node.spendableMsat()).toBe(1_000_000);
  });

  it("settles late, after the time it was told", async () => {
    node.faults.forNext({ kind: "late_settlement", afterMs: 5000 });
    const waiting = pay();
    ports.advance(100);
    expect(await waiting).toEqual({ kind: "in_flight" });
    ports.advance(4900);
    expect(await node.lookup(invoice.paymentHash)).toMatchObject({ kind: "settled", settledAt: ports.now() });
  });

  it("fails late, and gives the money back", async () => {
    node.faults.forNext({ kind: "fail_late", afterMs: 5000 });
    const waiting = pay();
    ports.advance(100);
    expect(await waiting).toEqual({ kind: "in_flight" });
    ports.advance(4900);
    expect(await node.lookup(invoice.paymentHash)).toEqual({ kind: "failed", code: "payment_failed" });
    expect(await node.spendableMsat()).toBe(1_000_000);
  });

  it.each(["wrong_preimage", "no_preimage"] as const)("with %s the money is gone, and the proof comes only on release", async (kind) => {
    node.faults.forNext({ kind });
    const paid = await pay();
    expect(paid.kind === "settled" && isProof(paid.preimage, invoice.paymentHash)).toBe(false);
    expect(await node.lookup(invoice.paymentHash)).toEqual(paid);
    expect(node.ledger()).toMatchObject({ settled: 1, settledMsat: 21_000 });
    node.release(invoice.paymentHash);
    const proven = await node.lookup(invoice.paymentHash);
    expect(proven.kind === "settled" && isProof(proven.preimage, invoice.paymentHash)).toBe(true);
  });

  it("charges more than its order allowed where it is told to", async () => {
    node.faults.forNext({ kind: "fee_above_reserve" });
    expect(await pay()).toMatchObject({ kind: "settled", feeMsat: MAX_FEE + 1000 });
  });

  it("binds a fault to the next payment only, or to a route for as many payments as named", async () => {
    node.faults.forNext({ kind: "no_route" });
    expect(await pay()).toMatchObject({ kind: "failed" });
    expect(await pay(make())).toMatchObject({ kind: "settled" });
    node.faults.forRoute("joke", { kind: "no_route" }, 1);
    expect(await pay(make(sats(1), "report"))).toMatchObject({ kind: "settled" });
    expect(await pay(make(sats(1), "joke"))).toMatchObject({ kind: "failed" });
    expect(await pay(make(sats(1), "joke"))).toMatchObject({ kind: "settled" });
  });

  it("keeps preimages out of its ledger", async () => {
    const paid = await pay();
    expect(paid.kind === "settled" && paid.preimage !== null && JSON.stringify(node.ledger()).includes(paid.preimage)).toBe(false);
  });
});
