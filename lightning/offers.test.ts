import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mintBolt11, type InvoicePlan } from "../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../sandbox/mint-macaroon.ts";
import type { Network } from "./bolt11.ts";
import type { Caveat } from "./macaroon.ts";
import { readOffers, type Offers } from "./offers.ts";

/** Any code units, lone surrogates too; fast-check's own `binary` unit costs seconds to set up. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x17f }), fc.integer({ min: 0, max: 0xffff })), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));
const SECONDS = 1_700_000_000;
const NOW = SECONDS * 1000;
const hash = "ab".repeat(32);
const other = "cd".repeat(32);

const invoice = (change: Partial<InvoicePlan> = {}): string =>
  mintBolt11({
    network: "regtest",
    amountMsat: 10_000,
    paymentHash: hash,
    paymentSecret: new Uint8Array(32),
    description: "L402",
    timestamp: SECONDS,
    expirySeconds: 600,
    nodeSecretKey: new Uint8Array(32),
    sign: false,
    ...change,
  });
const macaroon = (paymentHash = hash, caveats: readonly Caveat[] = [{ condition: "services", value: "joke:0" }]): string =>
  mintMacaroon({ rootKey: new Uint8Array(32), paymentHash, tokenId: "01".repeat(32), caveats });
const offer = (token: string, bolt11: string, scheme = "L402", name = "macaroon"): string =>
  `${scheme} ${name}="${token}", invoice="${bolt11}"`;
const read = (header: string | null, network: Network | null = "regtest", now = NOW): Offers => readOffers(header, { network, now });
const codeOf = (header: string | null, network?: Network, now?: number): string | null => {
  const { choice, error } = read(header, network, now);
  expect(choice === null).toBe(error !== null);
  return error?.code ?? null;
};

describe("one offer", () => {
  it("invariant 7: its price, network and expiry are the invoice's, whatever the attributes say", () => {
    const header = `L402 version="0", macaroon="${macaroon()}", invoice="${invoice()}", amount="1", amount_msats="1", expires="2099-01-01"`;
    const { offers, others, choice, error } = read(header);
    expect(error).toBeNull();
    expect(others).toEqual([]);
    expect(offers).toEqual([choice]);
    expect(choice).toEqual({
      scheme: "L402",
      token: macaroon(),
      invoice: invoice(),
      amountMsat: 10_000,
      paymentHash: hash,
      network: "regtest",
      expiresAt: NOW + 600_000,
      caveats: [{ condition: "services", value: "joke:0" }],
      validUntil: null,
      services: "joke:0",
      binding: "verified",
      description: "L402",
    });
  });

  it.each(["L402", "l402", "LSAT", "Lsat"])("under the scheme %s, with macaroon= or token=", (scheme) => {
    for (const name of ["macaroon", "token", "Token"]) {
      expect(read(offer(macaroon(), invoice(), scheme, name)).choice).toMatchObject({ scheme: scheme.toUpperCase(), binding: "verified" });
    }
  });

  it("in capitals is read, and kept as received", () => {
    expect(read(offer(macaroon(), invoice().toUpperCase())).choice).toMatchObject({ invoice: invoice().toUpperCase(), amountMsat: 10_000 });
  });

  it("invariant 8: with an opaque token is offered as unverified", () => {
    expect(read(offer("b3BhcXVl", invoice())).choice).toMatchObject({
      binding: "unverified",
      caveats: [],
      services: null,
      validUntil: null,
    });
  });

  it("invariant 8: whose macaroon is bound to another payment is refused", () => {
    expect(read(offer(macaroon(other), invoice()))).toMatchObject({ offers: [], choice: null, error: { code: "payment_hash_mismatch" } });
  });

  it("carries the earliest end of its token, and is not payable from then on", () => {
    const ends = [SECONDS + 20, SECONDS + 10].map((at) => ({ condition: "joke_valid_until", value: String(at) }));
    const header = offer(macaroon(hash, ends), invoice());
    expect(read(header).choice?.validUntil).toBe(NOW + 10_000);
    expect(codeOf(header, "regtest", NOW + 9_999)).toBeNull();
    expect(codeOf(header, "regtest", NOW + 10_000)).toBe("invoice_expired");
  });
});

describe("an offer that may not be paid", () => {
  it.each([
    ["no header", null, "challenge_missing"],
    ["an empty header", "", "challenge_missing"],
    ["other schemes only", 'Payment id="x", Basic realm="y"', "challenge_unsupported"],
    ["an unknown version", `L402 version="9", token="${macaroon()}", invoice="${invoice()}"`, "challenge_unsupported"],
    ["a torn header", 'L402 macaroon="x', "challenge_malformed"],
    ["no invoice", `L402 macaroon="${macaroon()}"`, "challenge_malformed"],
    ["no token", `L402 invoice="${invoice()}"`, "challenge_malformed"],
    ["no parameters", "L402", "challenge_malformed"],
    ["token68", `L402 ${macaroon()}`, "challenge_malformed"],
    ["a list of macaroons", offer("AAAA,BBBB", invoice()), "challenge_malformed"],
    ["a token that is no base64", offer("a b", invoice()), "challenge_malformed"],
    ["a token with a line end", offer("a\r\nX-Y: z", invoice()), "challenge_malformed"],
    ["a token with an escaped quote", offer('a\\"b', invoice()), "challenge_malformed"],
    ["two invoices in one challenge", `L402 token="${macaroon()}", invoice="${invoice()}", invoice="${invoice()}"`, "challenge_conflict"],
    ["a header over 64 KiB", `${offer(macaroon(), invoice())}, X a="${"b".repeat(65_536)}"`, "challenge_too_large"],
    ["an invoice that is none", offer(macaroon(), "lnbcrt1nonsense"), "invoice_malformed"],
    ["an invoice of any amount", offer(macaroon(), invoice({ amountMsat: null })), "invoice_amountless"],
    ["an invoice over 0", offer(macaroon(), invoice({ amountMsat: 0 })), "invoice_amountless"],
    ["an expired invoice", offer(macaroon(), invoice({ timestamp: SECONDS - 600 })), "invoice_expired"],
    ["another network's invoice", offer(macaroon(), invoice({ network: "mainnet" })), "invoice_network_mismatch"],
  ])("invariant 7: %s", (_, header, code) => {
    expect(codeOf(header)).toBe(code);
  });

  it("expires on the millisecond", () => {
    expect(codeOf(offer(macaroon(), invoice()), "regtest", NOW + 599_999)).toBeNull();
    expect(codeOf(offer(macaroon(), invoice()), "regtest", NOW + 600_000)).toBe("invoice_expired");
  });

  it("is still listed when only the clock or the wallet's network stands against it", () => {
    for (const change of [{ timestamp: SECONDS - 600 }, { network: "mainnet" as const }])
      expect(read(offer(macaroon(), invoice(change))).offers).toHaveLength(1);
    expect(read(offer(macaroon(), invoice({ network: "mainnet" })), null).error).toBeNull();
  });
});

describe("several offers", () => {
  it("Aperture's LSAT and L402 lines are one choice, under L402", () => {
    const [token, bolt11] = [macaroon(), invoice()];
    const header = `${offer(token, bolt11, "LSAT")}, ${offer(token, bolt11)}, Payment id="x", method="lightning"`;
    const result = read(header);
    expect(result.offers.map(({ scheme }) => scheme)).toEqual(["LSAT", "L402"]);
    expect(result).toMatchObject({ others: ["Payment"], choice: { scheme: "L402", token, invoice: bolt11 }, error: null });
  });

  it("the cheapest that can be paid is chosen, wherever it stands", () => {
    const dear = offer(macaroon(), invoice());
    const cheap = offer(macaroon(other), invoice({ paymentHash: other, amountMsat: 9_999 }));
    for (const header of [`${dear}, ${cheap}`, `${cheap}, ${dear}`])
      expect(read(header)).toMatchObject({ choice: { amountMsat: 9_999 }, error: null, offers: [{}, {}] });
    expect(
      read(`${dear}, ${offer(macaroon(other), invoice({ paymentHash: other, amountMsat: 1, timestamp: SECONDS - 600 }))}`),
    ).toMatchObject({ choice: { amountMsat: 10_000 }, error: null });
  });

  it("at one price a bound token goes before an opaque one", () => {
    const opaque = offer("b3BhcXVl", invoice({ paymentHash: other }));
    expect(read(`${opaque}, ${offer(macaroon(), invoice(), "LSAT")}`).choice).toMatchObject({ binding: "verified", scheme: "LSAT" });
  });

  it("one that is faulty does not spoil another, and without another the first fault is told", () => {
    const faulty = offer(macaroon(other), invoice());
    const good = offer(macaroon(hash, []), invoice());
    expect(read(`${faulty}, ${good}`)).toMatchObject({ offers: [{}], choice: { services: null }, error: null });
    expect(read(`${good}, L402 token="x"`)).toMatchObject({ error: null });
    expect(read(`${faulty}, ${offer("eA", "nonsense")}`).error?.code).toBe("payment_hash_mismatch");
    expect(read(`${offer("eA", "nonsense")}, ${faulty}, Basic`)).toMatchObject({ others: ["Basic"], error: { code: "invoice_malformed" } });
  });

  it.each([
    ["one token with two invoices", `${offer(macaroon(), invoice(), "LSAT")}, ${offer(macaroon(), invoice({ amountMsat: 11_000 }))}`],
    ["one token with two invoices, one unreadable", `${offer(macaroon(), invoice(), "LSAT")}, ${offer(macaroon(), "nonsense")}`],
    ["one opaque token with two invoices", `${offer("b3BhcXVl", invoice())}, ${offer("b3BhcXVl", invoice({ paymentHash: other }))}`],
    ["one payment hash with two amounts", `${offer(macaroon(), invoice())}, ${offer(macaroon(hash, []), invoice({ amountMsat: 9_000 }))}`],
    [
      "one payment hash with and without an amount",
      `${offer(macaroon(), invoice())}, ${offer(macaroon(hash, []), invoice({ amountMsat: null }))}`,
    ],
    ["a macaroon beside another token", `L402 macaroon="${macaroon()}", token="${macaroon(hash, [])}", invoice="${invoice()}"`],
  ])("invariant 7: %s is a contradiction, and nothing is paid", (_, header) => {
    expect(codeOf(header)).toBe("challenge_conflict");
  });
});

describe("any header", () => {
  it("never throws, chooses or says why not, and invariant 9: no fault quotes a token or an invoice", () => {
    const secrets = [macaroon(), macaroon(other), "b3BhcXVl", invoice(), "lnbcrt"];
    const pieces = fc.constantFrom(
      offer(macaroon(), invoice()),
      offer(macaroon(other), invoice(), "LSAT"),
      offer("b3BhcXVl", invoice({ paymentHash: other })),
      "Payment a=b",
      "L402",
      'L402 invoice="lnbcrt1x"',
      '"',
      ",",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.array(pieces, { maxLength: 5 }).map((parts) => parts.join(", ")),
        ),
        (header) => {
          const { offers, choice, error } = read(header);
          expect(choice === null).toBe(error !== null);
          if (choice !== null) expect(offers).toContain(choice);
          for (const secret of secrets) expect(error?.detail ?? "").not.toContain(secret);
        },
      ),
    );
  });
});
