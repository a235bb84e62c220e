import { createHash } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { readOffers } from "../lightning/offers.ts";
import { decodeMacaroon } from "../lightning/macaroon.ts";
import { sats } from "../lightning/msat.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import type { PlainResponse } from "./http-server.ts";
import { manualPorts, type ManualPorts } from "./manual-ports.ts";
import { SimulatedNode } from "./node.ts";

interface Paid {
  readonly token: string;
  readonly preimage: string;
}

describe("the simulated gateway", () => {
  let ports: ManualPorts;
  let node: SimulatedNode;
  let gateway: Gateway;

  beforeEach(() => {
    ports = manualPorts();
    node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1_000_000), signInvoices: false });
    gateway = createGateway(node, ports);
  });

  async function ask(
    url: string,
    authorization: string | readonly string[] = [],
    method = "GET",
    extra: readonly (readonly [string, string])[] = [],
  ): Promise<PlainResponse> {
    const lines = (typeof authorization === "string" ? [authorization] : authorization).map((line) => ["authorization", line] as const);
    return gateway.handle({ method, url, headers: [...lines, ...extra], body: new Uint8Array(0), remoteAddress: "127.0.0.1" });
  }
  const challenges = (response: PlainResponse): string[] =>
    response.headers.filter(([name]) => name === "Www-Authenticate").map(([, value]) => value);
  const header = (response: PlainResponse, name: string): string | undefined => response.headers.find(([key]) => key === name)?.[1];
  const textOf = (response: PlainResponse): string =>
    response.body instanceof Uint8Array ? new TextDecoder().decode(response.body) : "a stream";

  async function buy(url: string): Promise<Paid> {
    const [, token, bolt11] =
      /L402 (?:version="0", )?(?:macaroon|token)="([^"]+)", invoice="([^"]+)"/u.exec(challenges(await ask(url)).at(-1) ?? "") ?? [];
    const offer = readOffers(`L402 macaroon="${token}", invoice="${bolt11}"`, { network: "regtest", now: ports.now() }).offers[0];
    const paid = await node.pay({ bolt11: bolt11 ?? "", paymentHash: offer?.paymentHash ?? "", maxFeeMsat: sats(5), waitMs: 0 });
    if (token === undefined || paid.kind !== "settled" || paid.preimage === null) throw new Error("could not buy");
    return { token, preimage: paid.preimage };
  }

  it("answers 402 with an LSAT line, then an L402 line, of one content, and Aperture's headers and body", async () => {
    const response = await ask("/joke");
    expect(response.status).toBe(402);
    const [lsat, l402, ...more] = challenges(response);
    expect(more).toEqual([]);
    expect(lsat).toMatch(/^LSAT macaroon="[A-Za-z0-9+/]+=*", invoice="lnbcrt210n1[a-z0-9]+"$/u);
    expect(l402).toBe(lsat?.replace("LSAT", "L402"));
    expect(textOf(response)).toBe("payment required\n");
    expect(header(response, "Content-Type")).toBe("text/plain; charset=utf-8");
    expect(header(response, "Cache-Control")).toBe("no-store");
    expect(header(response, "Access-Control-Allow-Origin")).toBe("*");
    expect(header(response, "Access-Control-Expose-Headers")).toBe("WWW-Authenticate, Payment-Receipt");
    const { offers, choice, error } = readOffers(challenges(response).join(", "), { network: "regtest", now: ports.now() });
    expect(error).toBeNull();
    expect(offers.length).toBeGreaterThan(0);
    expect(choice).toMatchObject({ amountMsat: 21_000, network: "regtest", binding: "verified", description: "L402", services: "joke:0" });
    expect(choice?.expiresAt).toBe(Math.floor(ports.now() / 1000) * 1000 + 86_400_000);
  });

  it("writes the caveats in Aperture's order, at location lsat", async () => {
    const { token } = await buy("/joke");
    expect(decodeMacaroon(token)).toMatchObject({
      ok: true,
      location: "lsat",
      caveats: [
        { condition: "services", value: "joke:0" },
        { condition: "joke_capabilities", value: "read,tell" },
        { condition: "joke_volume", value: "11" },
        { condition: "joke_valid_until", value: String(Math.floor(ports.now() / 1000) + 3600) },
      ],
    });
  });

  it("makes a new invoice for every 402", async () => {
    expect(challenges(await ask("/cheap"))).not.toEqual(challenges(await ask("/cheap")));
  });

  it.each<[string, (paid: Paid) => string | string[]]>([
    ["L402 and a colon", ({ token, preimage }) => `L402 ${token}:${preimage}`],
    ["LSAT and a colon", ({ token, preimage }) => `LSAT ${token}:${preimage}`],
    ["junk before", ({ token, preimage }) => `xx L402 ${token}:${preimage}`],
    ["junk after", ({ token, preimage }) => `L402 ${token}:${preimage}zz`],
    ["a list", ({ token, preimage }) => `Bearer a, L402 ${token}:${preimage}`],
    ["several lines, the credential last", ({ token, preimage }) => ["Bearer a", `L402 ${token}:${preimage}`]],
  ])("accepts a credential written as %s", async (_form, write) => {
    expect((await ask("/joke", write(await buy("/joke")))).status).toBe(200);
  });

  it.each<[string, (paid: Paid) => string | string[]]>([
    ["a lower-case scheme", ({ token, preimage }) => `l402 ${token}:${preimage}`],
    ["two spaces", ({ token, preimage }) => `L402  ${token}:${preimage}`],
    ["parameters", ({ token, preimage }) => `L402 macaroon="${token}", preimage="${preimage}"`],
    ["upper-case hex", ({ token, preimage }) => `L402 ${token}:${preimage.toUpperCase()}`],
    ["url-safe base64", ({ token, preimage }) => `L402 ${token.replaceAll("+", "-").replaceAll("/", "_")}:${preimage}`],
    ["missing padding", ({ token, preimage }) => `L402 ${token.replace(/=+$/u, "")}:${preimage}`],
    ["a wrong preimage", ({ token }) => `L402 ${token}:${"00".repeat(32)}`],
    ["several lines, the credential first", ({ token, preimage }) => [`L402 ${token}:${preimage}`, "Bearer a"]],
    ["no credential at all", () => "Bearer a"],
    ["a token that is no macaroon", ({ preimage }) => `L402 AAAA:${preimage}`],
  ])("refuses a credential with %s: 402 and a new invoice, never 401", async (form, write) => {
    const path = form === "missing padding" ? "/cheap" : "/joke";
    let paid = await buy(path);
    // This form differs only where the token has such characters; almost every token does.
    while (form === "url-safe base64" && !/[+/]/u.test(paid.token)) paid = await buy(path);
    expect((await ask(path, `L402 ${paid.token}:${paid.preimage}`)).status).toBe(200);
    expect(write(paid)).not.toBe(`L402 ${paid.token}:${paid.preimage}`);
    const before = gateway.seen();
    const response = await ask(path, write(paid));
    expect(response.status).toBe(402);
    expect(challenges(response)).toHaveLength(2);
    expect(gateway.seen()).toMatchObject({ challenges: before.challenges + 1, refused: before.refused + 1 });
  });

  it("refuses a token with a broken signature or a caveat widened by its holder", async () => {
    const { token, preimage } = await buy("/joke");
    const bytes = Buffer.from(token, "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect((await ask("/joke", `L402 ${bytes.toString("base64")}:${preimage}`)).status).toBe(402);
    const widened = Buffer.from(Buffer.from(token, "base64").toString("latin1").replace("services=joke:0", "services=slow:0"), "latin1");
    expect(decodeMacaroon(widened.toString("base64"))).toMatchObject({
      ok: true,
      caveats: [{ condition: "services", value: "slow:0" }, {}, {}, {}],
    });
    expect((await ask("/slow", `L402 ${widened.toString("base64")}:${preimage}`)).status).toBe(402);
  });

  it("honours a token on every path of its service, and on no other service", async () => {
    const { token, preimage } = await buy("/joke");
    expect((await ask("/joke/2?x=1", `L402 ${token}:${preimage}`)).status).toBe(200);
    expect((await ask("/cheap", `L402 ${token}:${preimage}`)).status).toBe(402);
  });

  it("lets a credential expire at its valid_until", async () => {
    const { token, preimage } = await buy("/short");
    const until = (Math.floor(ports.now() / 1000) + 5) * 1000;
    ports.advance(until - ports.now() - 1);
    expect((await ask("/short", `L402 ${token}:${preimage}`)).status).toBe(200);
    ports.advance(1);
    expect((await ask("/short", `L402 ${token}:${preimage}`)).status).toBe(402);
  });

  it.each(["macaroon", "grpc-metadata-macaroon"])(
    "reads the hex form in the %s header, where the holder adds the preimage as a caveat",
    async (name) => {
      const { token, preimage } = await buy("/joke");
      const send = (macaroon: Buffer): Promise<PlainResponse> => ask("/joke", [], "GET", [[name, macaroon.toString("hex")]]);
      const plain = Buffer.from(token, "base64");
      expect((await send(plain)).status).toBe(402);
      // A holder may narrow: one more caveat, and the signature carried on over it.
      const caveat = Buffer.from(`preimage=${preimage}`);
      const { createHmac } = await import("node:crypto");
      const signature = createHmac("sha256", plain.subarray(-32)).update(caveat).digest();
      const narrowed = Buffer.concat([
        plain.subarray(0, -35),
        Buffer.from([2, caveat.length]),
        caveat,
        Buffer.from([0, 0, 6, 32]),
        signature,
      ]);
      expect((await send(narrowed)).status).toBe(200);
    },
  );

  it("answers OPTIONS 200 for free, 404 elsewhere, and lets auth: off through without a challenge", async () => {
    const options = await ask("/joke", [], "OPTIONS");
    expect([options.status, textOf(options), challenges(options).length]).toEqual([200, "\n", 0]);
    expect((await ask("/nothing")).status).toBe(404);
    const free = await ask("/free");
    expect([free.status, header(free, "Access-Control-Allow-Origin")]).toEqual([200, "*"]);
    expect(node.ledger().attempts).toBe(0);
    expect(gateway.seen()).toMatchObject({ requests: 3, challenges: 0, byRoute: { unknown: 1, free: 1 } });
  });

  it("challenges HEAD and POST as it does GET, and gRPC with 200 and the truth in headers", async () => {
    expect((await ask("/joke", [], "HEAD")).status).toBe(402);
    expect((await ask("/report", [], "POST")).status).toBe(402);
    const grpc = await ask("/joke", [], "POST", [["content-type", "application/grpc+proto"]]);
    expect([grpc.status, header(grpc, "Grpc-Status"), header(grpc, "Grpc-Message"), challenges(grpc).length]).toEqual([
      200,
      "13",
      "payment required",
      2,
    ]);
  });

  it("counts only accepted requests against a rate limit, and says when to come back", async () => {
    const { token, preimage } = await buy("/limited");
    for (let n = 0; n < 6; n++) expect((await ask("/limited")).status).toBe(402);
    const statuses: number[] = [];
    for (let n = 0; n < 4; n++) statuses.push((await ask("/limited", `L402 ${token}:${preimage}`)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const limited = await ask("/limited", `L402 ${token}:${preimage}`);
    expect([header(limited, "Retry-After"), textOf(limited)]).toEqual(["4", "rate limit exceeded\n"]);
    ports.advance(4000);
    expect((await ask("/limited", `L402 ${token}:${preimage}`)).status).toBe(200);
  });

  it.each([
    ["/expired", "invoice_expired"],
    ["/mismatch", "payment_hash_mismatch"],
    ["/amountless", "invoice_amountless"],
    ["/broken", "challenge_malformed"],
    ["/mainnet", "invoice_network_mismatch"],
  ])("%s asks in a way that a buyer must refuse: %s", async (url, code) => {
    const response = await ask(url);
    expect(response.status).toBe(402);
    const read = readOffers(challenges(response).join(", "), { network: "regtest", now: ports.now() });
    expect([read.choice, read.error?.code]).toEqual([null, code]);
  });

  it("sells an opaque token that works once paid, and only with its own preimage", async () => {
    const response = await ask("/opaque");
    expect(readOffers(challenges(response).join(", "), { network: "regtest", now: ports.now() }).choice).toMatchObject({
      binding: "unverified",
    });
    const { token, preimage } = await buy("/opaque");
    expect((await ask("/opaque", `L402 ${token}:${preimage}`)).status).toBe(200);
    expect((await ask("/opaque", `L402 ${token}:${"11".repeat(32)}`)).status).toBe(402);
  });

  it("has sellers that take the money and then refuse, fail or redirect", async () => {
    for (const [url, status] of [
      ["/refuses", 402],
      ["/fails", 500],
      ["/moved", 302],
    ] as const) {
      const { token, preimage } = await buy(url);
      expect((await ask(url, `L402 ${token}:${preimage}`)).status).toBe(status);
    }
    const redirect = await ask("/redirect");
    expect([redirect.status, header(redirect, "location")]).toEqual([302, "/joke"]);
  });

  it("streams events over time", async () => {
    const { token, preimage } = await buy("/stream");
    const response = await ask("/stream?events=3&everyMs=100", `L402 ${token}:${preimage}`);
    expect(header(response, "content-type")).toBe("text/event-stream");
    if (response.body instanceof Uint8Array) throw new Error("not a stream");
    const events: string[] = [];
    const times: number[] = [];
    const iterator = response.body[Symbol.asyncIterator]();
    for (;;) {
      const next = iterator.next();
      await Promise.resolve();
      ports.advance(100);
      const { done, value } = await next;
      if (done === true) break;
      events.push(new TextDecoder().decode(value));
      times.push(ports.now());
    }
    expect(events.map((event) => /event: (\w+)/u.exec(event)?.[1])).toEqual(["tick", "tick", "tick", "done"]);
    expect(new Set(times).size).toBe(times.length);
  });

  it("gives the same bytes for the same seed", async () => {
    const digest = async (): Promise<string> => {
      const seeded = manualPorts(1_790_000_000_000, "one seed");
      const seller = createGateway(new SimulatedNode(seeded, { network: "regtest", balanceMsat: sats(1) }), seeded);
      const response = await seller.handle({ method: "GET", url: "/joke", headers: [], body: new Uint8Array(0), remoteAddress: "" });
      return createHash("sha256").update(JSON.stringify(response.headers)).digest("hex");
    };
    expect(await digest()).toBe(await digest());
  });
});
