/** The SSP's Lightning leg over real nodes: payments routed by a third, and hold invoices that are held, settled, sent back, and found again. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { msat } from "../../lightning/msat.ts";
import { lndNode } from "../../sandbox/regtest/lnd.ts";
import { field } from "../../sandbox/regtest/lnd-payment.ts";
import { connectLnd, expectOk } from "../../sandbox/regtest/lnd-rest.ts";
import { addInvoice, cancelHold, held, holdInvoice } from "../../sandbox/regtest/lnd-seller.ts";
import { CHANNEL_SATS } from "../../sandbox/regtest/nodes.ts";
import type { Regtest } from "../../sandbox/regtest/network.ts";
import type { IncomingPayment } from "../../sandbox/spark/lightning-leg.ts";
import { legConnection, lndLeg, type LndLeg } from "../../sandbox/spark/lnd-leg.ts";

const newHex = () => randomBytes(32).toString("hex");
const sha256 = (hex: string) => createHash("sha256").update(hex, "hex").digest("hex");
/** lnd's default, for whoever forwards. */
const ROUTER_FEE_MSAT = 1000;

export function lndLegTests(world: () => Regtest & { readonly router: NonNullable<Regtest["router"]> }): void {
  let leg: LndLeg;
  let outsider: ReturnType<typeof lndNode>;
  beforeAll(async () => {
    leg = lndLeg(await legConnection(world().payer));
    outsider = lndNode(world().router.connection);
  });
  afterAll(() => {
    leg?.close();
    outsider?.close();
  });

  const order = ({ bolt11, paymentHash }: { readonly bolt11: string; readonly paymentHash: string }, maxFeeMsat = 5000) => ({
    bolt11,
    paymentHash,
    maxFeeMsat: msat(maxFeeMsat),
    waitMs: 20_000,
  });
  const invoiceFor = async (preimage: string, amountSats = 1234) => {
    const paymentHash = sha256(preimage);
    return { paymentHash, ...(await leg.holdInvoice({ paymentHash, amountSats, description: "to a wallet", expirySeconds: 600 })) };
  };
  /** The next payment that this leg tells of. */
  const nextHeld = (of: LndLeg): Promise<IncomingPayment> =>
    new Promise((resolve) => {
      const end = of.onHeld((payment) => {
        end();
        resolve(payment);
      });
    });

  const stateAtNode = async (paymentHash: string) => {
    const invoice = await expectOk(world().payer.call(`/v1/invoice/${paymentHash}`));
    return { state: field(invoice, "state"), amt_paid_sat: field(invoice, "amt_paid_sat") };
  };

  test("invariant 5: a payment goes over the router, which takes its fee, and yields the preimage of its hash", async () => {
    const invoice = await addInvoice(world().seller, 21_000);
    const before = await leg.spendableMsat();
    const paid = await leg.pay(order(invoice));
    if (paid.kind !== "settled") throw new Error(`the payment is ${paid.kind}`);
    expect(sha256(paid.preimage ?? "")).toBe(invoice.paymentHash);
    expect(paid.feeMsat).toBe(ROUTER_FEE_MSAT);
    expect(await leg.spendableMsat()).toBe(before - 21_000 - ROUTER_FEE_MSAT);
    expect(await leg.lookup(invoice.paymentHash)).toEqual(paid);
  });

  test("a route that costs more than it may fails, and no money moves", async () => {
    const invoice = await addInvoice(world().seller, 21_000);
    const before = await leg.spendableMsat();
    expect(await leg.pay(order(invoice, ROUTER_FEE_MSAT - 1))).toEqual({ kind: "failed", code: "no_route" });
    expect(await leg.spendableMsat()).toBe(before);
  });

  test("more than the channel holds is insufficient funds", async () => {
    const invoice = await addInvoice(world().seller, CHANNEL_SATS * 1000);
    expect(await leg.pay(order(invoice))).toEqual({ kind: "failed", code: "insufficient_funds" });
  });

  test("a payment that the payee sends back has failed", async () => {
    const invoice = await holdInvoice(world().seller, 4000, newHex());
    const waiting = leg.pay(order(invoice));
    await held(world().seller, invoice.paymentHash);
    expect(await leg.lookup(invoice.paymentHash)).toEqual({ kind: "in_flight" });
    await cancelHold(world().seller, invoice.paymentHash);
    expect(await waiting).toEqual({ kind: "failed", code: "payment_failed" });
  });

  test("what was never paid was never initiated", async () => {
    expect(await leg.lookup(newHex())).toEqual({ kind: "never_initiated" });
  });

  test("a hold invoice is for the hash and the amount that were asked, and asked again it is the same", async () => {
    const preimage = newHex();
    const invoice = await invoiceFor(preimage, 777);
    expect(decodeBolt11(invoice.bolt11)).toMatchObject({
      ok: true,
      invoice: { network: "regtest", paymentHash: sha256(preimage), amountMsat: 777_000, description: "to a wallet", expirySeconds: 600 },
    });
    expect(await invoiceFor(preimage, 777)).toEqual(invoice);
    await expect(invoiceFor(preimage, 778)).rejects.toMatchObject({ name: "LndUnreachable" });
  });

  test("a payment into the leg is held, told, and settles for its sender when the preimage is given, also twice", async () => {
    const preimage = newHex();
    const told = nextHeld(leg);
    const invoice = await invoiceFor(preimage);
    const sent = outsider.pay(order(invoice));
    expect(await told).toEqual({ paymentHash: invoice.paymentHash, amountSats: 1234 });
    expect(await outsider.lookup(invoice.paymentHash)).toEqual({ kind: "in_flight" });
    await leg.settle(preimage);
    await leg.settle(preimage);
    expect(await sent).toMatchObject({ kind: "settled", preimage, feeMsat: 0 });
    expect(await stateAtNode(invoice.paymentHash)).toEqual({ state: "SETTLED", amt_paid_sat: "1234" });
    await expect(leg.cancel(invoice.paymentHash)).rejects.toMatchObject({ name: "LndUnreachable" });
  });

  test("a held payment that is cancelled goes back to its sender, and cannot be settled any more", async () => {
    const preimage = newHex();
    const told = nextHeld(leg);
    const invoice = await invoiceFor(preimage);
    const sent = outsider.pay(order(invoice));
    await told;
    await leg.cancel(invoice.paymentHash);
    await leg.cancel(invoice.paymentHash);
    expect(await sent).toMatchObject({ kind: "failed" });
    expect(await stateAtNode(invoice.paymentHash)).toMatchObject({ state: "CANCELED" });
    await expect(leg.settle(preimage)).rejects.toMatchObject({ name: "LndUnreachable" });
  });

  test("what is held while no leg listens is told to the next one, whether it was made by it or not", async () => {
    const preimage = newHex();
    const first = lndLeg(leg.connection);
    const { bolt11 } = await first.holdInvoice({ paymentHash: sha256(preimage), amountSats: 55, description: "", expirySeconds: 600 });
    first.close();
    const sent = outsider.pay(order({ bolt11, paymentHash: sha256(preimage) }));
    await held(world().payer, sha256(preimage));
    const second = lndLeg(leg.connection);
    expect(await nextHeld(second)).toEqual({ paymentHash: sha256(preimage), amountSats: 55 });
    // At least once: until it is settled, whoever listens anew is told again.
    expect(await nextHeld(second)).toEqual({ paymentHash: sha256(preimage), amountSats: 55 });
    await second.settle(preimage);
    expect(await sent).toMatchObject({ kind: "settled", preimage });
    second.close();
  });

  test("a wallet of the SSP pays another one of it: out over the router and back in, held and settled as any other", async () => {
    const preimage = newHex();
    const told = nextHeld(leg);
    const sent = leg.pay(order(await invoiceFor(preimage, 99)));
    expect(await told).toEqual({ paymentHash: sha256(preimage), amountSats: 99 });
    await leg.settle(preimage);
    expect(await sent).toMatchObject({ kind: "settled", preimage, feeMsat: ROUTER_FEE_MSAT });
  });

  test("an SSP's macaroon sees no payments, opens no channel and makes no address", async () => {
    const lnd = connectLnd(leg.connection);
    for (const path of ["/v1/payments", "/v1/channels", "/v1/newaddress", "/v1/getinfo"])
      expect(await lnd.call(path)).toMatchObject({ kind: "refused", message: "permission denied" });
    lnd.close();
  });
}
