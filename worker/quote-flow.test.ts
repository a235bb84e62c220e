import { describe, expect, test } from "vitest";
import { msat } from "../lightning/msat.ts";
import type { Quote } from "../lightning/wallet-api.ts";
import { CALL, CHALLENGE, credential, DEMAND, FETCH, world, type Script, type World } from "./flow-fakes.ts";
import type { FetchCall, QuoteFlowAnswer } from "./flow-types.ts";
import { quoteFlow } from "./flow.ts";

const QUOTE: Quote = {
  origin: "https://seller.example",
  amountMsat: msat(21_000),
  maxFeeMsat: msat(5000),
  expiresAt: 1,
  scope: "joke",
  binding: "verified",
  description: "L402",
  allowed: true,
  code: null,
};

async function ask(script: Script, call: Partial<FetchCall> = {}): Promise<World & { readonly answer: QuoteFlowAnswer }> {
  const w = world(script);
  return { ...w, answer: await w.clock.drive(quoteFlow(w.ports, { ...CALL, ...call })) };
}

describe("a quote", () => {
  test("asks the seller and the object, pays nothing and binds no idempotency key", async () => {
    const { answer, opens, quotes, pays } = await ask(
      { seller: () => DEMAND(), quote: [{ kind: "quote", purchaseId: "p-1", quote: QUOTE }] },
      { idempotencyKey: "k" },
    );
    expect(answer).toEqual({ kind: "quote", purchaseId: "p-1", quote: QUOTE });
    expect(quotes).toMatchObject([{ purchaseId: "p-1", challenge: CHALLENGE, refusedCredentialId: null }]);
    expect([opens[0]?.idempotencyKey, pays]).toEqual([null, []]);
  });

  test("of a free resource says so and leaves a receipt", async () => {
    const { answer, conclusions } = await ask({ seller: () => new Response("x") });
    expect(answer).toEqual({ kind: "no_payment_needed", purchaseId: "p-1", because: "free" });
    expect(conclusions).toMatchObject([{ conclusion: { kind: "free", status: 200 } }]);
  });

  test("with a stored credential visits nobody and leaves no open purchase", async () => {
    const { answer, visits, conclusions } = await ask({ open: [FETCH(credential("c", "cached"))] });
    expect(answer).toEqual({ kind: "no_payment_needed", purchaseId: "p-1", because: "cached" });
    expect([visits, conclusions]).toMatchObject([[], [{ conclusion: { kind: "failed", code: "purchase_cancelled" } }]]);
  });

  test("follows a redirect as a purchase would", async () => {
    const { answer, conclusions } = await ask({
      seller: (_u, _i, visit) => (visit === 1 ? new Response(null, { status: 302, headers: { location: "/b" } }) : DEMAND()),
      quote: [{ kind: "quote", purchaseId: "p-2", quote: QUOTE }],
    });
    expect(answer).toMatchObject({ kind: "quote", purchaseId: "p-2" });
    expect(conclusions).toMatchObject([{ purchaseId: "p-1", conclusion: { kind: "free", status: 302 } }]);
  });

  test.each<[string, Script, string]>([
    ["an unreachable seller", { seller: () => new Error("x") }, "seller_unreachable"],
    ["a missing challenge", { seller: () => DEMAND(402, null) }, "challenge_missing"],
    [
      "a refused redirect",
      { seller: () => new Response(null, { status: 302, headers: { location: "http://a.example/" } }) },
      "redirect_refused",
    ],
    ["endless redirects", { seller: () => new Response(null, { status: 302, headers: { location: "/b" } }) }, "redirect_refused"],
    ["a lost open", { open: [new Error("lost")] }, "backend_unavailable"],
    ["a lost quote", { seller: () => DEMAND(), quote: [new Error("lost")] }, "backend_unavailable"],
    [
      "a refused open",
      { open: [{ kind: "refused", code: "wallet_disabled", detail: "d", purchaseId: "p-1", receiptId: null }] },
      "wallet_disabled",
    ],
    ["a pending open", { open: [{ kind: "pending", code: "payment_pending", purchaseId: "p-1", leaderId: "p-1" }] }, "payment_pending"],
    [
      "a refused challenge",
      { seller: () => DEMAND(), quote: [{ kind: "refused", code: "challenge_malformed", detail: "d", purchaseId: "p-1", receiptId: "r" }] },
      "challenge_malformed",
    ],
  ])("that meets %s is a problem without secrets", async (_, script, code) => {
    const { answer } = await ask(script);
    expect(answer).toMatchObject({ kind: "problem", code });
    expect(JSON.stringify(answer)).not.toMatch(/lnbcrt|macaroon/u);
  });

  test("of a URL that may not be fetched asks nobody", async () => {
    const { answer, opens } = await ask({}, { url: "http://x.example/" });
    expect(answer).toMatchObject({ kind: "problem", code: "url_not_allowed" });
    expect(opens).toEqual([]);
  });
});
