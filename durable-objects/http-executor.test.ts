import { describe, expect, it } from "vitest";
import { msat } from "../lightning/msat.ts";
import type { PaymentOrder } from "../lightning/payer.ts";
import { httpExecutor, type HttpExecutorOptions } from "./http-executor.ts";

const TOKEN = "canary-token-9f8e";
const ORDER: PaymentOrder = {
  walletId: "w1",
  epoch: 2,
  operationId: "0b0d9c52-6d4e-4a53-9b0e-6f0c0d7a9f11",
  bolt11: "lnbcrt1canaryinvoice",
  paymentHash: "ab".repeat(32),
  amountMsat: msat(21_000),
  maxFeeMsat: msat(5_000),
  deadline: 1_790_000_000_000,
};
const { operationId } = ORDER;
const PREIMAGE = "cd".repeat(32);
const SETTLED = { kind: "settled", preimage: PREIMAGE, feeMsat: 7, settledAt: 1_790_000_000_001, reference: "ref-1", operationId };

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

function payer(
  answer: (sent: Sent) => Response | Promise<Response>,
  over: Partial<HttpExecutorOptions> = {},
): { payer: ReturnType<typeof httpExecutor>; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    sent.push({ url, init });
    return Promise.resolve(answer({ url, init }));
  };
  return { payer: httpExecutor({ baseUrl: "http://executor.invalid/base/", token: TOKEN, timeoutMs: 1000, fetch, ...over }), sent };
}
const json = (value: unknown, status = 200): Response =>
  new Response(typeof value === "string" ? value : JSON.stringify(value), { status });
const paid = (value: unknown, status = 200): Promise<unknown> => payer(() => json(value, status)).payer.pay(ORDER);

describe("the HTTP executor client", () => {
  it("sends the order to the protocol's route with its bearer token, and follows no redirect", async () => {
    const { payer: client, sent } = payer(() => json(SETTLED));
    const excess = { ...ORDER, secret: "not for the wire" };
    await client.pay(excess);
    await client.lookup(excess);
    await client.cancel(excess);
    await client.status();
    expect(sent.map(({ url, init }) => [init.method, url, init.redirect])).toEqual([
      ["POST", "http://executor.invalid/base/v1/pay", "manual"],
      ["POST", "http://executor.invalid/base/v1/lookup", "manual"],
      ["POST", "http://executor.invalid/base/v1/cancel", "manual"],
      ["GET", "http://executor.invalid/base/v1/status", "manual"],
    ]);
    expect(new Headers(sent[0]?.init.headers).get("authorization")).toBe(`Bearer ${TOKEN}`);
    expect(JSON.parse(String(sent[0]?.init.body))).toEqual(ORDER);
    expect(JSON.parse(String(sent[1]?.init.body))).toEqual({ walletId: "w1", epoch: 2, operationId, paymentHash: ORDER.paymentHash });
  });

  it.each<[string, unknown, unknown]>([
    ["settled", SETTLED, { kind: "settled", preimage: PREIMAGE, feeMsat: 7, settledAt: 1_790_000_000_001, reference: "ref-1" }],
    [
      "settled without a preimage",
      { ...SETTLED, preimage: null },
      { kind: "settled", preimage: null, feeMsat: 7, settledAt: 1_790_000_000_001, reference: "ref-1" },
    ],
    [
      "settled with an upper-case preimage",
      { ...SETTLED, preimage: PREIMAGE.toUpperCase() },
      { kind: "settled", preimage: PREIMAGE, feeMsat: 7, settledAt: 1_790_000_000_001, reference: "ref-1" },
    ],
    ["failed", { kind: "failed", code: "no_route", definite: true, operationId }, { kind: "failed", code: "no_route", definite: true }],
    [
      "failed with a code of its own",
      { kind: "failed", code: "toString", definite: true, operationId },
      { kind: "failed", code: "payment_failed", definite: true },
    ],
    ["pending", { kind: "pending", operationId }, { kind: "pending" }],
    ["never seen", { kind: "never_seen", operationId }, { kind: "never_seen" }],
    ["unknown", { kind: "unknown", reason: "node_unreachable", operationId }, { kind: "unknown", reason: "node_unreachable" }],
  ])("reads %s", async (_what, answer, outcome) => {
    expect(await paid(answer)).toEqual(outcome);
    expect(await payer(() => json(answer)).payer.lookup(ORDER)).toEqual(outcome);
  });

  it.each<[string, unknown, string]>([
    ["nothing", "", "answer_malformed"],
    ["no JSON", "<html>Bad gateway</html>", "answer_malformed"],
    ["JSON cut short", JSON.stringify(SETTLED).slice(0, 60), "answer_malformed"],
    ["the answer twice", JSON.stringify(SETTLED).repeat(2), "answer_malformed"],
    ["a list", [SETTLED], "answer_malformed"],
    ["null", "null", "answer_malformed"],
    ["an unheard-of kind", { kind: "refunded", operationId }, "answer_malformed"],
    ["an inherited kind", { kind: "constructor", operationId }, "answer_malformed"],
    ["a failure that is not definite", { kind: "failed", code: "no_route", operationId }, "answer_malformed"],
    ["a failure that is definite in words", { kind: "failed", code: "no_route", definite: "true", operationId }, "answer_malformed"],
    ["a failure without a code", { kind: "failed", definite: true, operationId }, "answer_malformed"],
    ["a preimage that is too short", { ...SETTLED, preimage: "cd" }, "answer_malformed"],
    ["a preimage that is a number", { ...SETTLED, preimage: 5 }, "answer_malformed"],
    ["no preimage field", { ...SETTLED, preimage: undefined }, "answer_malformed"],
    ["a negative fee", { ...SETTLED, feeMsat: -1 }, "answer_malformed"],
    ["a fractional fee", { ...SETTLED, feeMsat: 0.5 }, "answer_malformed"],
    ["a fee in words", { ...SETTLED, feeMsat: "7" }, "answer_malformed"],
    ["a fee above 2^53", JSON.stringify(SETTLED).replace('"feeMsat":7', '"feeMsat":9007199254740993'), "answer_malformed"],
    ["no time of settlement", { ...SETTLED, settledAt: null }, "answer_malformed"],
    ["another operation's settlement", { ...SETTLED, operationId: "11111111-1111-4111-8111-111111111111" }, "answer_for_another_operation"],
    ["another operation's failure", { kind: "failed", code: "no_route", definite: true }, "answer_for_another_operation"],
    ["100 KiB", `"${"x".repeat(100 * 1024)}"`, "answer_too_large"],
    ["a reason that could be a secret", { kind: "unknown", reason: `Bearer ${TOKEN}`, operationId }, "unknown"],
  ])("invariant 4: an answer with %s is unknown", async (_what, answer, reason) => {
    expect(await paid(answer)).toEqual({ kind: "unknown", reason });
  });

  it.each([
    [401, "unauthorized"],
    [403, "unauthorized"],
    [302, "http_302"],
    [400, "http_400"],
    [404, "http_404"],
    [409, "http_409"],
    [429, "http_429"],
    [500, "http_500"],
    [503, "http_503"],
  ])("invariant 4: status %i is unknown, even where its body says failed", async (status, reason) => {
    expect(await paid({ kind: "failed", code: "no_route", definite: true, operationId }, status)).toEqual({ kind: "unknown", reason });
  });

  it("invariant 9: an error of fetch becomes one word, whatever secret its text quotes", async () => {
    const { payer: client } = payer(() => {
      throw new TypeError(`fetch failed: Bearer ${TOKEN} ${ORDER.bolt11}`);
    });
    expect(await client.pay(ORDER)).toEqual({ kind: "unknown", reason: "connection" });
    expect(await client.lookup(ORDER)).toEqual({ kind: "unknown", reason: "connection" });
    expect(await client.cancel(ORDER)).toBe("cannot_fence");
  });

  it.each([[PREIMAGE], [PREIMAGE.toUpperCase()], [`x${PREIMAGE}`], ["two words"], [undefined], ["x".repeat(200)]])(
    "invariant 9: a reference that is the proof in disguise, or no plain word, is replaced",
    async (reference) => {
      expect(await paid({ ...SETTLED, reference })).toMatchObject({ kind: "settled", reference: operationId });
    },
  );

  it.each<[string, unknown, string]>([
    ["fenced", { kind: "fenced", operationId }, "fenced"],
    ["cannot_fence", { kind: "cannot_fence", operationId }, "cannot_fence"],
    ["a fence around another operation", { kind: "fenced", operationId: "x" }, "cannot_fence"],
    ["anything else", { kind: true, operationId }, "cannot_fence"],
  ])("takes only a plain fence for one: %s", async (_what, answer, result) => {
    expect(await payer(() => json(answer)).payer.cancel(ORDER)).toBe(result);
  });

  it("reads a status, and calls a payer on another network or out of reach offline", async () => {
    const status = {
      backend: "http-executor",
      online: true,
      spendableMsat: 5000,
      network: "regtest",
      lastPaymentAt: 1,
      version: "sandbox",
    };
    expect(await payer(() => json(status)).payer.status()).toEqual(status);
    expect(await payer(() => json(status), { network: "regtest" }).payer.status()).toEqual(status);
    expect(await payer(() => json(status), { network: "mainnet" }).payer.status()).toMatchObject({
      online: false,
      spendableMsat: null,
      network: "regtest",
    });
    expect(await payer(() => json({ ...status, spendableMsat: -1, lastPaymentAt: "x", version: "a b" })).payer.status()).toEqual({
      ...status,
      spendableMsat: null,
      lastPaymentAt: null,
      version: null,
    });
    expect(await payer(() => json({}, 503), { network: "regtest" }).payer.status()).toEqual({
      backend: "http-executor",
      online: false,
      spendableMsat: null,
      network: "regtest",
      lastPaymentAt: null,
      version: null,
    });
    expect(await payer(() => Promise.reject(new Error("down"))).payer.status()).toMatchObject({ online: false });
  });

  it("asks for an invoice in its wallet's name, and takes only the text of one for an answer", async () => {
    const asked = (answer: unknown, status = 200) => payer(() => json(answer, status), { walletId: "w1" });
    const { payer: client, sent } = asked({ bolt11: "lnbcrt1funding" });
    expect(await client.receive?.(msat(5000), "Lightning Worker w1")).toEqual({ bolt11: "lnbcrt1funding" });
    expect(sent.map(({ url }) => url)).toEqual(["http://executor.invalid/base/v1/invoice"]);
    expect(JSON.parse(String(sent[0]?.init.body))).toEqual({ walletId: "w1", amountMsat: 5000, description: "Lightning Worker w1" });
    for (const wrong of [
      {},
      { bolt11: 5 },
      { bolt11: "" },
      { bolt11: "lnbcrt1 x" },
      { bolt11: `ln${"a".repeat(9000)}` },
      { bolt11: "https://elsewhere.example" },
    ]) {
      expect(await asked(wrong).payer.receive?.(msat(5000), "x")).toBeNull();
    }
    expect(await asked({ bolt11: "lnbcrt1funding" }, 503).payer.receive?.(msat(5000), "x")).toBeNull();
    expect(payer(() => json({})).payer.receive).toBeUndefined();
  });

  it("refuses a base URL that is not http", () => {
    expect(() => httpExecutor({ baseUrl: "file:///etc", token: "", timeoutMs: 1, fetch })).toThrow(TypeError);
  });
});
