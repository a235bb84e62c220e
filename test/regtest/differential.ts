/** The same requests to the real Aperture and to the sandbox's gateway: one answer, up to what no two sellers share. */
import { Agent } from "node:http";
import { beforeAll, expect, test } from "vitest";
import { decodeMacaroon } from "../../lightning/macaroon.ts";
import { sats } from "../../lightning/msat.ts";
import type { LightningNode } from "../../sandbox/lightning-node.ts";
import { lndNode } from "../../sandbox/regtest/lnd.ts";
import { field } from "../../sandbox/regtest/lnd-payment.ts";
import { expectOk } from "../../sandbox/regtest/lnd-rest.ts";
import type { RegtestSandbox } from "../../sandbox/regtest/main.ts";
import type { Sandbox } from "../../sandbox/server.ts";
import { challenges, shapeOf } from "./challenge-shape.ts";
import { BOUGHT, CASES, type Bought, type Paid } from "./credential-forms.ts";
import { send, type RawRequest } from "./raw-http.ts";

interface Seller {
  readonly url: string;
  readonly bought: Bought;
}

const get = (path: string, headers: RawRequest["headers"] = []): RawRequest => ({ method: "GET", path, headers, body: null });

/** A purchase by hand: 402, pay, proof. */
async function buy(url: string, path: string, node: LightningNode): Promise<Paid> {
  const [offer] = challenges(await send(url, get(path)));
  const macaroon = decodeMacaroon(offer?.token ?? "");
  if (offer === undefined || !macaroon.ok) throw new Error(`no offer for ${path}`);
  const paid = await node.pay({ bolt11: offer.invoice, paymentHash: macaroon.paymentHash, maxFeeMsat: sats(1000), waitMs: 20_000 });
  if (paid.kind !== "settled" || paid.preimage === null) throw new Error(`${path} was not paid: ${paid.kind}`);
  return { token: offer.token, preimage: paid.preimage };
}

async function customerOf(url: string, node: LightningNode): Promise<Seller> {
  const bought = await Promise.all(BOUGHT.map(async (path) => [path, await buy(url, path, node)] as const));
  return { url, bought: Object.fromEntries(bought) as Bought };
}

export function differentialTests(world: () => { readonly regtest: RegtestSandbox; readonly sandbox: Sandbox }): void {
  let aperture: Seller;
  let simulated: Seller;

  beforeAll(async () => {
    const { regtest, sandbox } = world();
    const lnd = lndNode(regtest.network.payerConnection);
    [aperture, simulated] = await Promise.all([customerOf(regtest.sellerUrl, lnd), customerOf(sandbox.sellerUrl, sandbox.node)]);
    lnd.close();
  });

  test.each(CASES)("$status $name", async ({ status, request }) => {
    const [real, ours] = await Promise.all(
      [aperture, simulated].map(async (seller) => shapeOf(await send(seller.url, request(seller.bought)), Date.now())),
    );
    expect(real).toMatchObject({ status });
    expect(ours).toEqual(real);
  });

  test("every refusal makes a new invoice and a new token", async () => {
    for (const { url, bought } of [aperture, simulated]) {
      const bad = get("/joke", [["Authorization", `L402 ${bought["/joke"].token}:${"00".repeat(32)}`]]);
      const offers = [
        ...challenges(await send(url, get("/joke"))),
        ...challenges(await send(url, bad)),
        ...challenges(await send(url, bad)),
      ];
      expect(new Set(offers.map((offer) => offer.invoice)).size).toBe(3);
      expect(new Set(offers.map((offer) => offer.token)).size).toBe(3);
      expect(offers.map((offer) => offer.invoice)).not.toContain(bought["/joke"].token);
    }
  });

  test("a rate limit counts what is let through, by token, and says when to come again", async () => {
    const lnd = lndNode(world().regtest.network.payerConnection);
    const answers = [];
    for (const [url, node] of [
      [aperture.url, lnd],
      [simulated.url, world().sandbox.node],
    ] as const) {
      const { token, preimage } = await buy(url, "/limited", node);
      const paid = get("/limited", [["Authorization", `L402 ${token}:${preimage}`]]);
      const seen = [];
      for (const request of [get("/limited"), paid, paid, get("/limited"), paid, paid, get("/limited")])
        seen.push(shapeOf(await send(url, request), Date.now()));
      answers.push(seen);
    }
    lnd.close();
    expect(answers[0]?.map((answer) => field(answer, "status"))).toEqual([402, 200, 200, 402, 200, 429, 402]);
    expect(answers[1]).toEqual(answers[0]);
  });

  test("Aperture's requests are counted, so that a test can say that none came", async () => {
    const { sellerUrl, sellerRequests } = world().regtest;
    const before = await sellerRequests();
    // A request is logged when it is done, and one connection takes them one by one: when the third is answered two are in the log.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const path of ["/free", "/nothing", "/joke"]) await send(sellerUrl, get(path), agent);
    agent.destroy();
    expect((await sellerRequests()) - before).toBeGreaterThanOrEqual(2);
  });

  test("a real lnd reads what both ask for in the same way: last hop, hints and every feature that a payer must know", async () => {
    const { payer } = world().regtest.network;
    const read = await Promise.all(
      [aperture, simulated].map(async ({ url }) => {
        const [offer] = challenges(await send(url, get("/joke")));
        const decoded = await expectOk(payer.call(`/v1/payreq/${offer?.invoice}`));
        const plain = ["num_msat", "expiry", "description", "cltv_expiry", "route_hints", "fallback_addr"].map((key) => [
          key,
          field(decoded, key),
        ]);
        // Optional ones say what else this node could do (lnd: blinded routes), not what is asked for.
        const features = Object.entries(field(decoded, "features") ?? {}).filter(
          ([, feature]: [string, unknown]) => field(feature, "is_required") === true,
        );
        return Object.fromEntries([...plain, ["required", features.map(([bit]) => bit)]]) as object;
      }),
    );
    expect(read[0]).toMatchObject({ num_msat: "21000", required: ["8", "14"] });
    expect(read[1]).toEqual(read[0]);
  });
}
