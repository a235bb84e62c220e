import { bytesToHex } from "@noble/hashes/utils.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { msat, sats } from "../../lightning/msat.ts";
import { manualPorts } from "../manual-ports.ts";
import { SimulatedNode } from "../node.ts";
import type { IncomingPayment } from "./lightning-leg.ts";
import { SimulatedLeg } from "./simulated-leg.ts";

const preimage = new Uint8Array(32).fill(7);
const paymentHash = bytesToHex(sha256(preimage));
const order = { paymentHash, amountSats: 250, description: "fund", expirySeconds: 600 };

function rig() {
  const ports = manualPorts();
  const node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1000), signInvoices: false });
  const leg = new SimulatedLeg(node, ports);
  const held: IncomingPayment[] = [];
  leg.onHeld((payment) => held.push(payment));
  return { ports, node, leg, held };
}

describe("the SSP's simulated Lightning leg", () => {
  it("makes a hold invoice for the hash, amount and network it was asked for", async () => {
    const { leg } = rig();
    const decoded = decodeBolt11((await leg.holdInvoice(order)).bolt11);
    expect(decoded).toMatchObject({ ok: true, invoice: { paymentHash, amountMsat: sats(250), network: "regtest", expirySeconds: 600 } });
    await expect(leg.holdInvoice(order)).rejects.toThrow("there is an invoice");
  });

  it("holds a stranger's payment until the preimage, and then has the money", async () => {
    const { leg, node, held } = rig();
    const { bolt11 } = await leg.holdInvoice(order);
    const paying = leg.payInvoice(bolt11);
    expect(held).toEqual([{ paymentHash, amountSats: 250 }]);
    expect(node.spendable()).toBe(sats(1000));
    await expect(leg.settle("00".repeat(32))).rejects.toThrow("no held payment");
    await leg.settle(bytesToHex(preimage));
    await leg.settle(bytesToHex(preimage));
    expect(await paying).toMatchObject({ kind: "settled", preimage: bytesToHex(preimage) });
    expect(node.spendable()).toBe(sats(1250));
  });

  it("gives a cancelled payment back, and refuses what is unknown, expired or paid already", async () => {
    const { leg, node, ports } = rig();
    const { bolt11 } = await leg.holdInvoice(order);
    const paying = leg.payInvoice(bolt11);
    expect(await leg.payInvoice(bolt11)).toEqual({ kind: "refused", code: "already_paid" });
    await leg.cancel(paymentHash);
    expect(await paying).toEqual({ kind: "cancelled" });
    expect(node.spendable()).toBe(sats(1000));
    expect(await leg.payInvoice("lnbcrt1unknown")).toEqual({ kind: "refused", code: "unknown_invoice" });
    const late = await leg.holdInvoice({ ...order, paymentHash: "22".repeat(32) });
    ports.advance(600_000);
    expect(await leg.payInvoice(late.bolt11)).toEqual({ kind: "refused", code: "expired" });
  });

  it("tells a listener that comes late what is held already", async () => {
    const { leg } = rig();
    void leg.payInvoice((await leg.holdInvoice(order)).bolt11);
    const late: IncomingPayment[] = [];
    const stop = leg.onHeld((payment) => late.push(payment));
    expect(late).toEqual([{ paymentHash, amountSats: 250 }]);
    stop();
    void leg.payInvoice((await leg.holdInvoice({ ...order, paymentHash: "33".repeat(32) })).bolt11);
    expect(late).toHaveLength(1);
  });

  it("lets one wallet of the SSP pay another's invoice, and not a stranger's payment count as its own", async () => {
    const { leg } = rig();
    const { bolt11 } = await leg.holdInvoice(order);
    const pay = { bolt11, paymentHash, maxFeeMsat: msat(0), waitMs: 0 };
    expect(await leg.lookup(paymentHash)).toEqual({ kind: "never_initiated" });
    expect(await leg.pay(pay)).toEqual({ kind: "in_flight" });
    await leg.settle(bytesToHex(preimage));
    expect(await leg.pay(pay)).toMatchObject({ kind: "settled", preimage: bytesToHex(preimage), feeMsat: 0 });
    const strangers = await leg.holdInvoice({ ...order, paymentHash: "44".repeat(32) });
    void leg.payInvoice(strangers.bolt11);
    expect(await leg.pay({ ...pay, bolt11: strangers.bolt11, paymentHash: "44".repeat(32) })).toEqual({
      kind: "failed",
      code: "payment_failed",
    });
  });

  it("pays a seller's invoice through the node, so that its ledger shows it", async () => {
    const { leg, node } = rig();
    const invoice = node.createInvoice({ amountMsat: sats(10), description: "", route: "/joke" });
    expect(await leg.pay({ ...invoice, maxFeeMsat: msat(0), waitMs: 0 })).toMatchObject({ kind: "settled" });
    expect(node.ledger().payments).toMatchObject([{ paymentHash: invoice.paymentHash, route: "/joke", settlements: 1 }]);
  });
});
