/** The toll seller, against a Worker of which only the invoices are there: a simulated node makes them and pays them. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sats } from "../../lightning/msat.ts";
import { readOffers } from "../../lightning/offers.ts";
import { SimulatedNode } from "../../sandbox/node.ts";
import { realPorts } from "../../sandbox/ports.ts";
import { sellerElsewhere, tollSeller } from "./sellers.ts";
import type { Seller } from "./stage.ts";

const PRICE = 3;
let node: SimulatedNode;
let seller: Seller;
let tills = 0;
const asked: unknown[] = [];

beforeEach(async () => {
  tills = 0;
  asked.length = 0;
  node = new SimulatedNode(realPorts(), {
    network: "regtest",
    balanceMsat: sats(1000),
    feeBaseMsat: sats(0),
    feePpm: 0,
    latencyMs: 0,
    signInvoices: true,
  });
  seller = await tollSeller(PRICE, () => ({
    buyer: () => Promise.resolve({ walletId: `w_${++tills}`, key: "" }),
    operate: (method, path, body) => {
      asked.push([method, path, body]);
      const { bolt11, paymentHash } = node.createInvoice({ amountMsat: sats(PRICE), description: "", expirySeconds: 60, route: "toll" });
      return Promise.resolve({ bolt11, paymentHash });
    },
  }));
});
afterEach(() => seller.close());

async function pay(url: string): Promise<string> {
  const asked = await fetch(url);
  expect(asked.status).toBe(402);
  const { choice } = readOffers(asked.headers.get("www-authenticate"), { network: "regtest", now: Date.now() });
  if (choice === null) throw new Error("the seller offers nothing that we read");
  expect([choice.amountMsat, choice.binding]).toEqual([sats(PRICE), "verified"]);
  const outcome = await node.pay({
    bolt11: choice.invoice,
    paymentHash: choice.paymentHash,
    maxFeeMsat: sats(1),
    waitMs: 1000,
  });
  if (outcome.kind !== "settled") throw new Error("the invoice was not paid");
  return `${choice.scheme} ${choice.token}:${outcome.preimage ?? ""}`;
}
const show = async (url: string, authorization: string): Promise<number> => (await fetch(url, { headers: { authorization } })).status;

describe("a toll seller", () => {
  it("lets whoever paid through, and nobody else, at each toll by itself", async () => {
    const authorization = await pay(seller.resource(1));
    expect(await show(seller.resource(1), authorization)).toBe(200);
    expect(await show(seller.resource(2), authorization)).toBe(402);
    expect(await show(seller.resource(1), authorization.replace(/[0-9a-f]{64}$/u, "0".repeat(64)))).toBe(402);
  });

  it("has one till, and remembers what it handed out as canaries", async () => {
    await pay(seller.resource(1));
    await pay(seller.resource(2));
    expect(tills).toBe(1);
    const invoice = ["POST", "/v1/wallets/w_1/invoices", { amountSats: PRICE }];
    expect(asked).toEqual([invoice, invoice]);
    expect(seller.secrets().map(({ name }) => name)).toEqual(["macaroon", "invoice", "macaroon", "invoice"]);
  });

  it("answers anything else with 404", async () => {
    expect((await fetch(new URL("/", seller.resource(1)))).status).toBe(404);
  });
});

it("a seller elsewhere gives each number a resource of its own", () => {
  const { resource, host } = sellerElsewhere("https://seller.example:8443/many/{n}?x={n}");
  expect([resource(7), host]).toEqual(["https://seller.example:8443/many/7?x=7", "seller.example:8443"]);
});
