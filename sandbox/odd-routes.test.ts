/** The sellers that count, hurry, dawdle and change their minds: each does what odd-routes.ts says of it. The rest is in gateway.test.ts. */
import { beforeEach, describe, expect, it } from "vitest";
import { decodeBolt11 } from "../lightning/bolt11.ts";
import { sats } from "../lightning/msat.ts";
import { readOffers, type Offer } from "../lightning/offers.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import type { PlainResponse } from "./http-server.ts";
import type { NodePayment } from "./lightning-node.ts";
import { manualPorts, type ManualPorts } from "./manual-ports.ts";
import { SimulatedNode } from "./node.ts";
import { BRIEF_SECONDS, ODD_ROUTES } from "./odd-routes.ts";

describe("a seller with a way of its own", () => {
  let ports: ManualPorts;
  let node: SimulatedNode;
  let gateway: Gateway;

  beforeEach(() => {
    ports = manualPorts();
    node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1_000_000), signInvoices: false });
    gateway = createGateway(node, ports);
  });

  async function ask(url: string, authorization: string | null = null): Promise<PlainResponse> {
    const headers = authorization === null ? [] : [["authorization", authorization] as const];
    return gateway.handle({ method: "GET", url, headers, body: new Uint8Array(0), remoteAddress: "127.0.0.1" });
  }
  function offerOf(response: PlainResponse): Offer {
    const challenge = response.headers
      .filter(([name]) => name === "Www-Authenticate")
      .map(([, value]) => value)
      .join(", ");
    const { choice } = readOffers(challenge, { network: "regtest", now: ports.now() });
    if (choice === null) throw new Error("nothing payable was offered");
    return choice;
  }
  const pay = (offer: Offer): Promise<NodePayment> =>
    node.pay({ bolt11: offer.invoice, paymentHash: offer.paymentHash, maxFeeMsat: sats(5), waitMs: 0 });
  async function buy(url: string): Promise<string> {
    const offer = offerOf(await ask(url));
    const paid = await pay(offer);
    if (paid.kind !== "settled" || paid.preimage === null) throw new Error("could not buy");
    return `L402 ${offer.token}:${paid.preimage}`;
  }
  async function statuses(url: string, authorization: string, times: number): Promise<number[]> {
    const seen: number[] = [];
    for (let n = 0; n < times; n++) seen.push((await ask(url, authorization)).status);
    return seen;
  }

  it("has routes with names and paths of their own", () => {
    expect(new Set(ODD_ROUTES.map(({ name }) => name)).size).toBe(ODD_ROUTES.length);
    for (const { path, pathRegexp } of ODD_ROUTES)
      expect(ODD_ROUTES.filter((other) => new RegExp(other.pathRegexp, "u").test(path)).map((other) => other.pathRegexp)).toEqual([
        pathRegexp,
      ]);
  });

  it("/once takes a token one time, on whichever of its paths, and then asks for money again", async () => {
    const credential = await buy("/once/a");
    expect(await statuses("/once/b", credential, 1)).toEqual([200]);
    expect(await statuses("/once/a", credential, 2)).toEqual([402, 402]);
    expect(await statuses("/once/a", await buy("/once/a"), 1)).toEqual([200]);
    expect(offerOf(await ask("/once/a", credential)).amountMsat).toBe(sats(9));
  });

  it("/thrice takes a token three times, and another buyer's three times as well", async () => {
    const [mine, yours] = [await buy("/thrice"), await buy("/thrice")];
    expect(await statuses("/thrice", mine, 5)).toEqual([200, 200, 200, 402, 402]);
    expect(await statuses("/thrice", yours, 4)).toEqual([200, 200, 200, 402]);
  });

  it("/brief makes invoices that die in seconds: the node pays in time, and refuses afterwards", async () => {
    const inTime = offerOf(await ask("/brief"));
    expect(decodeBolt11(inTime.invoice)).toMatchObject({
      ok: true,
      invoice: { expiresAt: Math.floor(ports.now() / 1000) * 1000 + BRIEF_SECONDS * 1000 },
    });
    const late = offerOf(await ask("/brief"));
    expect(await pay(inTime)).toMatchObject({ kind: "settled" });
    ports.advance(BRIEF_SECONDS * 1000);
    expect(await pay(late)).toEqual({ kind: "failed", code: "invoice_expired" });
  });

  it("/sluggish takes its time for every answer, the 402 too; /slow only for what was paid for", async () => {
    const first = ask("/sluggish?ms=2000");
    let answered = false;
    void first.then(() => (answered = true));
    ports.advance(1999);
    await Promise.resolve();
    expect([answered, ports.pending()]).toEqual([false, 1]);
    ports.advance(1);
    const offer = offerOf(await first);
    const paid = await pay(offer);
    const second = ask("/sluggish?ms=7", `L402 ${offer.token}:${paid.kind === "settled" ? paid.preimage : ""}`);
    ports.advance(7);
    expect((await second).status).toBe(200);
    expect((await ask("/slow?ms=2000")).status).toBe(402);
    expect(ports.pending()).toBe(0);
  });

  it("/moody refuses what was paid for four times, and then accepts it for good", async () => {
    expect(await statuses("/moody", await buy("/moody"), 8)).toEqual([402, 402, 402, 402, 200, 200, 200, 200]);
  });

  it("a token that is not good in the first place is not counted", async () => {
    const credential = await buy("/once");
    expect(await statuses("/once", credential.replace(/[0-9a-f]{64}$/u, "0".repeat(64)), 3)).toEqual([402, 402, 402]);
    expect(await statuses("/once", credential, 2)).toEqual([200, 402]);
  });
});
