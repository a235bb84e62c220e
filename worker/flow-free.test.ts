/** What costs nothing: free, cached, refused before anything is paid. What happens after a payment stands in flow.test.ts. */
import { describe, expect, test } from "vitest";
import { msat } from "../lightning/msat.ts";
import { bodyOf, buy, CALL, credential, DEMAND, FETCH, LIMITS, world, type World } from "./flow-fakes.ts";
import { purchase } from "./flow.ts";

const CACHED = credential("c-old", "cached");

describe("without a payment", () => {
  test("a free answer passes with its status, a receipt and its delivery", async () => {
    const done = await buy({ seller: () => new Response("free!", { status: 203, headers: { etag: "e" } }) });
    expect(done.answer).toMatchObject({
      kind: "answer",
      status: "free",
      purchaseId: "p-1",
      receiptId: "rcpt_conclusion",
      spentMsat: 0,
      response: { status: 203 },
    });
    expect(done.conclusions).toEqual([{ purchaseId: "p-1", conclusion: { kind: "free", status: 203 } }]);
    expect(await bodyOf(done)).toBe("free!");
    expect(done.deliveries).toMatchObject([{ purchaseId: "p-1", credentialId: null, status: 203, bytes: 5, complete: true }]);
    expect(done.pays).toEqual([]);
  });

  test.each([401, 403, 404, 500, 503])("a seller's own %i is free, without its WWW-Authenticate", async (status) => {
    const { answer } = await buy({ seller: () => new Response("no", { status, headers: { "www-authenticate": "Basic realm=x" } }) });
    expect(answer).toMatchObject({ kind: "answer", status: "free", response: { status } });
    expect(answer.kind === "answer" && answer.response.headers.has("www-authenticate")).toBe(false);
  });

  test("invariant 6: a stored credential costs one call to the object and one to the seller", async () => {
    const done = await buy({ open: [FETCH(CACHED)], seller: () => new Response("again") });
    expect(done.answer).toMatchObject({ status: "cached", receiptId: "rcpt_c-old", spentMsat: 0 });
    expect(await bodyOf(done)).toBe("again");
    expect([done.opens.length, done.pays.length, done.conclusions.length, done.visits.length]).toEqual([1, 0, 0, 1]);
    expect(done.deliveries).toMatchObject([{ credentialId: "c-old", status: 200, bytes: 5, complete: true }]);
  });

  test("a stored credential that meets a 404 passes it on as cached and books nothing as unfulfilled", async () => {
    const done = await buy({ open: [FETCH(CACHED)], seller: () => new Response("none", { status: 404 }) });
    expect(done.answer).toMatchObject({ status: "cached", response: { status: 404 } });
    await bodyOf(done);
    expect([done.conclusions, done.deliveries]).toMatchObject([[], [{ status: 404, credentialId: "c-old" }]]);
  });

  test.each([
    ["http://seller.example/", "url_not_allowed"],
    ["https://10.0.0.1/", "url_not_allowed"],
    ["https://user:pass@seller.example/", "url_not_allowed"],
    ["not a url", "url_not_allowed"],
  ])("invariant 16: %s is refused before anybody is asked", async (url, code) => {
    const { answer, opens, visits } = await buy({}, { url });
    expect(answer).toMatchObject({ kind: "problem", code });
    expect([opens, visits]).toEqual([[], []]);
  });

  test.each([
    ["TRACE", null],
    ["CONNECT", null],
    ["", null],
    ["GET", new Uint8Array([1])],
  ])("method %s with such a body is refused before anybody is asked", async (method, body) => {
    const { answer, opens } = await buy({}, { method, body });
    expect(answer).toMatchObject({ kind: "problem", code: "invalid_request" });
    expect(opens).toEqual([]);
  });

  test("the object learns the normalised URL, the method and the body's hash", async () => {
    const { opens, visits } = await buy(
      {},
      {
        method: "post",
        url: "https://SELLER.example:443/a#frag",
        body: new TextEncoder().encode("abc"),
        idempotencyKey: "k-1",
        maxMsat: msat(9),
        subject: "s",
      },
    );
    expect(opens).toEqual([
      {
        purchaseId: "p-1",
        auth: CALL.auth,
        method: "POST",
        url: "https://seller.example/a",
        bodySha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        idempotencyKey: "k-1",
        resume: null,
        maxMsat: 9,
        subject: "s",
        waitMs: 20_000,
      },
    ]);
    expect(visits[0]).toMatchObject({ url: "https://seller.example/a", init: { method: "POST", headers: [["idempotency-key", "k-1"]] } });
  });

  test("the object's refusal goes to the caller with its receipt and quote, and the seller sees nothing", async () => {
    const quote = {
      origin: "o",
      amountMsat: msat(1),
      maxFeeMsat: msat(1),
      expiresAt: 1,
      scope: "s",
      binding: "verified",
      description: null,
      allowed: false,
      code: "approval_required",
    } as const;
    const refused = {
      kind: "refused",
      code: "host_not_allowlisted",
      detail: "seller.example:443",
      purchaseId: "p-1",
      receiptId: "r",
      quote,
    } as const;
    const { answer, visits } = await buy({ open: [refused] });
    expect(answer).toEqual({
      kind: "problem",
      code: "host_not_allowlisted",
      detail: "seller.example:443",
      purchaseId: "p-1",
      receiptId: "r",
      quote,
    });
    expect(visits).toEqual([]);
  });

  test("a question for a person is told by its name", async () => {
    const asked = {
      kind: "refused",
      code: "approval_required",
      detail: "at or above the approval threshold",
      purchaseId: "p-1",
      receiptId: "r",
      approvalId: "appr_1",
    } as const;
    expect((await buy({ open: [asked] })).answer).toEqual({
      kind: "problem",
      code: "approval_required",
      detail: "at or above the approval threshold",
      purchaseId: "p-1",
      receiptId: "r",
      approvalId: "appr_1",
    });
  });

  test("a purchase to resume is named to the object", async () => {
    expect((await buy({}, { resume: "p-0" })).opens).toMatchObject([{ resume: "p-0" }]);
  });

  test("a payment under way is told with the purchase that makes it", async () => {
    const { answer } = await buy({ open: [{ kind: "pending", code: "payment_pending", purchaseId: "p-1", leaderId: "p-0" }] });
    expect(answer).toMatchObject({ kind: "problem", code: "payment_pending", purchaseId: "p-1" });
    expect(answer.kind === "problem" && answer.detail).toContain("p-0");
  });

  test.each([
    ["an unreachable seller", () => new Error("ECONNREFUSED 10.1.2.3"), "seller_unreachable"],
    ["a silent seller", () => "hangs" as const, "seller_timeout"],
    ["a 402 without a challenge", () => DEMAND(402, null), "challenge_missing"],
    ["too large an answer", () => new Response("x", { headers: { "content-length": "1000001" } }), "response_too_large"],
  ])("invariant 14: %s leaves a conclusion and a receipt", async (_, seller, code) => {
    const { answer, conclusions, clock } = await buy({ seller });
    expect(answer).toMatchObject({ kind: "problem", code, receiptId: "rcpt_conclusion" });
    expect(conclusions).toEqual([{ purchaseId: "p-1", conclusion: { kind: "failed", code } }]);
    expect(JSON.stringify(answer)).not.toContain("10.1.2.3");
    expect(clock.waiting).toBe(0);
  });

  test("a HEAD may announce more than would pass", async () => {
    const { answer } = await buy({ seller: () => new Response(null, { headers: { "content-length": "1000001" } }) }, { method: "HEAD" });
    expect(answer).toMatchObject({ status: "free", response: { body: null } });
    expect(answer.kind === "answer" && answer.response.headers.get("content-length")).toBe("1000001");
  });

  test("an answer that comes after its time is let go", async () => {
    const late = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({ cancel: () => late.resolve() });
    const w = world({});
    let signal: AbortSignal | undefined;
    const fetch: World["ports"]["fetch"] = async (_url, init) => {
      signal = init.signal;
      await w.clock.timer(LIMITS.headersMs + 1).done;
      return { status: 200, headers: new Headers(), body };
    };
    expect(await w.clock.drive(purchase({ ...w.ports, fetch }, CALL))).toMatchObject({ code: "seller_timeout" });
    expect(signal?.aborted).toBe(true);
    await w.clock.drive(late.promise);
  });
});
