import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { msat } from "../lightning/msat.ts";
import type { FetchLimits, PayAnswer } from "../lightning/wallet-api.ts";
import {
  CALL,
  CHALLENGE,
  credential,
  DEMAND,
  FETCH,
  LIMITS,
  PAID,
  PREIMAGE,
  sentCredential,
  TOKEN,
  world,
  type Script,
  type World,
} from "./flow-fakes.ts";
import type { FetchCall, FlowAnswer, SellerRequest, SellerResponse } from "./flow-types.ts";
import { purchase } from "./flow.ts";

const CACHED = credential("c-old", "cached");
const PAYMENT = credential("c-paid", "paid");

async function buy(script: Script, call: Partial<FetchCall> = {}): Promise<World & { readonly answer: FlowAnswer }> {
  const w = world(script);
  const answer = await w.clock.drive(purchase(w.ports, { ...CALL, ...call }));
  return { ...w, answer };
}

async function bodyOf({ answer, background }: World & { readonly answer: FlowAnswer }): Promise<string> {
  if (answer.kind !== "answer") throw new Error(`a problem: ${answer.code}`);
  const text = answer.response.body === null ? "" : await new Response(answer.response.body).text();
  await background();
  return text;
}

/** Demands payment until the credential is sent, then answers with `after`. */
const sellerOf =
  (after: (visit: number) => Response | Error | "hangs"): NonNullable<Script["seller"]> =>
  (_url, init, visit) =>
    sentCredential(init) === undefined ? DEMAND() : after(visit);

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

describe("with a payment", () => {
  test("402, pay, credential, answer: two calls to the object and two to the seller", async () => {
    const done = await buy({ seller: sellerOf(() => new Response("joke")) });
    expect(done.answer).toMatchObject({
      kind: "answer",
      status: "paid",
      purchaseId: "p-1",
      receiptId: "rcpt_c-paid",
      spentMsat: 21_500,
      response: { status: 200 },
    });
    expect(done.pays).toEqual([{ purchaseId: "p-1", auth: CALL.auth, challenge: CHALLENGE, refusedCredentialId: null, waitMs: 20_000 }]);
    expect(done.visits.map(({ init }) => sentCredential(init))).toEqual([undefined, PAYMENT.authorization]);
    expect(await bodyOf(done)).toBe("joke");
    expect(done.deliveries).toMatchObject([{ purchaseId: "p-1", credentialId: "c-paid", status: 200, bytes: 4, complete: true }]);
    expect([done.opens.length, done.conclusions]).toEqual([1, []]);
  });

  test("all header lines of a challenge reach the object as one", async () => {
    const headers = new Headers([
      ["www-authenticate", 'LSAT macaroon="a", invoice="b"'],
      ["www-authenticate", CHALLENGE],
    ]);
    const { pays } = await buy({
      seller: (_u, init) => (sentCredential(init) ? new Response("x") : new Response("", { status: 402, headers })),
    });
    expect(pays[0]?.challenge).toBe(`LSAT macaroon="a", invoice="b", ${CHALLENGE}`);
  });

  test("a 401 with an L402 challenge asks for payment as a 402 does", async () => {
    const { answer } = await buy({
      seller: (_u, init) => (sentCredential(init) ? new Response("x") : DEMAND(401, `Basic realm="a", ${CHALLENGE}`)),
    });
    expect(answer).toMatchObject({ status: "paid" });
  });

  test.each([
    [{ kind: "refused", code: "amount_over_cap", detail: "d", purchaseId: "p-1", receiptId: "r" }, "amount_over_cap"],
    [{ kind: "pending", code: "payment_unknown", purchaseId: "p-1", leaderId: "p-1" }, "payment_unknown"],
  ] satisfies [PayAnswer, string][])(
    "invariant 9: the object's no to a challenge (%o) does not carry the challenge on",
    async (pay, code) => {
      const { answer } = await buy({ pay: [pay], seller: () => DEMAND() });
      expect(answer).toMatchObject({ kind: "problem", code });
      expect(JSON.stringify(answer)).not.toMatch(/lnbcrt|macaroon=/u);
    },
  );

  test("invariant 9: neither answer nor headers carry credential or challenge, and a seller cannot forge our word", async () => {
    const { answer } = await buy(
      {
        seller: sellerOf(
          () =>
            new Response("x", {
              headers: {
                "www-authenticate": CHALLENGE,
                "set-cookie": "a=b",
                "lightning-status": "cached",
                "lightning-receipt": "rcpt_forged",
                "lightning-spent-msat": "0",
                "x-echo": `L402 ${TOKEN}:${PREIMAGE}`,
                "x-fine": "yes",
              },
            }),
        ),
      },
      {
        headers: [
          ["Authorization", "Bearer agent-key"],
          ["Cookie", "c=d"],
          ["X-Forwarded-For", "1.2.3.4"],
        ],
      },
    );
    expect(answer).toMatchObject({ status: "paid" });
    expect(answer.kind === "answer" && Object.fromEntries(answer.response.headers)).toEqual({
      "content-type": "text/plain;charset=UTF-8",
      "x-fine": "yes",
    });
    const { response: _response, ...rest } = answer.kind === "answer" ? answer : { response: null };
    expect(JSON.stringify(rest)).not.toMatch(new RegExp(`${PREIMAGE}|tokenbytes|lnbcrt`, "u"));
  });

  test("invariant 16: no header of the caller's reaches the seller that should not, with or without the credential", async () => {
    const { visits } = await buy(
      { seller: sellerOf(() => new Response("x")) },
      {
        headers: [
          ["Authorization", "Bearer agent-key"],
          ["Cookie", "c=d"],
          ["CF-Ray", "1"],
          ["X-Mine", "1"],
        ],
      },
    );
    expect(visits.map(({ init }) => init.headers)).toEqual([
      [["x-mine", "1"]],
      [
        ["x-mine", "1"],
        ["authorization", PAYMENT.authorization],
      ],
    ]);
  });

  test("an event stream arrives event by event while the seller is still sending", async () => {
    let seller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (seller = controller) });
    const done = await buy({ seller: sellerOf(() => new Response(body, { headers: { "content-type": "text/event-stream" } })) });
    if (done.answer.kind !== "answer" || done.answer.response.body === null) throw new Error("no stream");
    const reader = done.answer.response.body.getReader();
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      seller.enqueue(new TextEncoder().encode(event));
      expect(new TextDecoder().decode((await reader.read()).value)).toBe(event);
      expect(done.deliveries).toEqual([]);
    }
    seller.close();
    expect((await reader.read()).done).toBe(true);
    await done.background();
    expect(done.deliveries).toMatchObject([{ bytes: 18, complete: true }]);
  });

  test("invariant 6: a new credential that serves a long stream is told about before the stream ends", async () => {
    let seller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (seller = controller) });
    const done = await buy({ seller: sellerOf(() => new Response(body)) });
    if (done.answer.kind !== "answer" || done.answer.response.body === null) throw new Error("no stream");
    while (done.deliveries.length === 0) expect(done.clock.step() || (await setImmediate(true))).toBe(true);
    expect(done.deliveries).toEqual([{ purchaseId: "p-1", credentialId: "c-paid", status: 200, bytes: 0, sha256: null, complete: false }]);
    seller.enqueue(new TextEncoder().encode("end"));
    seller.close();
    expect(await bodyOf(done)).toBe("end");
    expect(done.deliveries).toMatchObject([{ complete: false }, { bytes: 3, complete: true }]);
  });

  test("a stored credential that serves a long stream is told about too: its purchase would pass for one whose Worker never came back", async () => {
    const done = await buy({ open: [FETCH(CACHED)], seller: () => new Response(new ReadableStream<Uint8Array>()) });
    expect(done.answer).toMatchObject({ kind: "answer", status: "cached" });
    for (let steps = 0; steps < 3 && done.deliveries.length === 0; steps++) {
      done.clock.step();
      await setImmediate();
    }
    expect(done.deliveries).toEqual([{ purchaseId: "p-1", credentialId: "c-old", status: 200, bytes: 0, sha256: null, complete: false }]);
  });

  test("a caller who leaves is an incomplete delivery, and the seller's stream is cancelled", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("one")),
      cancel: () => void (cancelled = true),
    });
    const done = await buy({ seller: sellerOf(() => new Response(body)) });
    if (done.answer.kind !== "answer" || done.answer.response.body === null) throw new Error("no stream");
    const reader = done.answer.response.body.getReader();
    await reader.read();
    await reader.cancel();
    await done.background();
    expect(cancelled).toBe(true);
    expect(done.deliveries).toMatchObject([{ bytes: 3, complete: false }]);
  });

  test("a small body of announced length comes whole, hashed and counted; one that breaks off is a failed try", async () => {
    const headers = { "content-length": "4", "content-type": "text/plain" };
    const torn = (): Response =>
      new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) }), { headers });
    const done = await buy({ seller: sellerOf((visit) => (visit === 2 ? torn() : new Response("joke", { headers }))) });
    expect(done.answer).toMatchObject({ kind: "answer", status: "paid" });
    expect(done.visits).toHaveLength(3);
    expect(await bodyOf(done)).toBe("joke");
    expect(done.deliveries).toEqual([
      {
        purchaseId: "p-1",
        credentialId: "c-paid",
        status: 200,
        bytes: 4,
        sha256: createHash("sha256").update("joke").digest("hex"),
        complete: true,
      },
    ]);
  });

  test.each([
    ["silent", new ReadableStream<Uint8Array>(), "seller_timeout"],
    ["broken", new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("reset")) }), "seller_unreachable"],
  ])("a free seller that is %s in a small body has not answered", async (_, body, code) => {
    const { answer, conclusions, clock } = await buy({ seller: () => new Response(body, { headers: { "content-length": "4" } }) });
    expect(answer).toMatchObject({ kind: "problem", code });
    expect([conclusions.length, clock.waiting]).toEqual([1, 0]);
  });

  test.each([101, 199, 600, 999])("a status of %i is no answer: nobody could pass it on", async (status) => {
    const odd = (): SellerResponse => ({ status, headers: new Headers(), body: new Response("odd").body });
    expect((await buy({ seller: odd })).answer).toMatchObject({
      kind: "problem",
      code: "seller_unreachable",
      receiptId: "rcpt_conclusion",
    });
    const paid = await buy({ seller: (_url, init) => (sentCredential(init) === undefined ? DEMAND() : odd()) });
    expect(paid.answer).toMatchObject({ kind: "problem", code: "paid_unfulfilled", receiptId: "rcpt_conclusion" });
    expect(paid.conclusions).toMatchObject([{ conclusion: { kind: "unfulfilled", credentialId: "c-paid", status: 0 } }]);
  });

  test.each([[{ "content-length": "5", "content-encoding": "gzip" }], [{ "content-length": "16385" }], [{ "content-length": "x" }], [{}]])(
    "a body with %o is streamed, not held",
    async (headers) => {
      const body = new ReadableStream<Uint8Array>();
      const { answer } = await buy({ seller: () => new Response(body, { headers: headers as Record<string, string> }) });
      expect(answer).toMatchObject({ kind: "answer", status: "free" });
    },
  );

  describe("a host's own deadlines", () => {
    /** Four pieces of one byte, each `everyMs` after the one before. */
    const slowly = (w: World, everyMs: number): ReadableStream<Uint8Array> => {
      let left = 4;
      return new ReadableStream<Uint8Array>(
        {
          pull: async (controller) => {
            await w.clock.timer(everyMs).done;
            controller.enqueue(new Uint8Array([left]));
            if ((left -= 1) === 0) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
    };
    const buySlowly = async (everyMs: number, limits: Partial<FetchLimits> = {}): Promise<FlowAnswer> => {
      const w = world({ open: [FETCH(null, { ...LIMITS, ...limits })] });
      const fetch: World["ports"]["fetch"] = async () => new Response(slowly(w, everyMs), { headers: { "content-length": "4" } });
      return w.clock.drive(purchase({ ...w.ports, fetch }, CALL));
    };

    test("a small body may come slowly, as long as it comes", async () => {
      expect(await buySlowly(LIMITS.idleMs - 1)).toMatchObject({ kind: "answer", status: "free" });
      expect(await buySlowly(LIMITS.idleMs + 1)).toMatchObject({ kind: "problem", code: "seller_timeout" });
    });

    test("the total ends a small body too, and what is waited for before it", async () => {
      expect(await buySlowly(1000, { totalMs: 3500 })).toMatchObject({ kind: "problem", code: "seller_timeout" });
      const silent = await buy({ open: [FETCH(null, { ...LIMITS, totalMs: 3500 })], seller: () => "hangs" });
      expect(silent.answer).toMatchObject({ kind: "problem", code: "seller_timeout" });
      expect(silent.clock.now() - (silent.visits[0]?.at ?? 0)).toBe(3500);
    });
  });

  test("a delivery record that is lost disturbs nobody", async () => {
    const w = world({ seller: sellerOf(() => new Response("x")) });
    const wallet = {
      ...w.ports.wallet,
      delivered: async () => {
        throw new Error("lost");
      },
    };
    const answer = await w.clock.drive(purchase({ ...w.ports, wallet }, CALL));
    expect(await bodyOf({ ...w, answer })).toBe("x");
  });

  test("a paid answer over the byte cap is a problem, but the credential has served", async () => {
    const done = await buy({ seller: sellerOf(() => new Response("x", { headers: { "content-length": "1000001" } })) });
    expect(done.answer).toMatchObject({ kind: "problem", code: "response_too_large", receiptId: "rcpt_c-paid" });
    await done.background();
    expect([done.conclusions, done.deliveries]).toMatchObject([[], [{ credentialId: "c-paid", status: 200, complete: false }]]);
  });
});

describe("a stored credential that is refused", () => {
  const fresh: Script["seller"] = (_url, init) => (sentCredential(init) === undefined ? DEMAND() : new Response("x"));

  test("invariant 6: the object is asked with the credential's id and the new challenge, and what it gives is used", async () => {
    const { answer, pays, visits } = await buy({
      open: [FETCH(CACHED)],
      seller: (_u, _i, visit) => (visit === 1 ? DEMAND() : new Response("x")),
    });
    expect(answer).toMatchObject({ status: "paid", receiptId: "rcpt_c-paid" });
    expect(pays).toMatchObject([{ challenge: CHALLENGE, refusedCredentialId: "c-old" }]);
    expect(visits).toHaveLength(2);
  });

  test("by a bare 401: the seller is asked without it what it wants", async () => {
    const { answer, pays, visits } = await buy({
      open: [FETCH(CACHED)],
      seller: (url, init, visit) => (visit === 1 ? DEMAND(401, null) : fresh(url, init, visit)),
    });
    expect(answer).toMatchObject({ status: "paid" });
    expect(pays).toMatchObject([{ refusedCredentialId: "c-old" }]);
    expect(visits.map(({ init }) => sentCredential(init) !== undefined)).toEqual([true, false, true]);
  });

  test("by a bare 401 from a seller that is free now: free", async () => {
    const { answer } = await buy({
      open: [FETCH(CACHED)],
      seller: (_u, _i, visit) => (visit === 1 ? DEMAND(401, null) : new Response("free")),
    });
    expect(answer).toMatchObject({ status: "free", spentMsat: 0 });
  });

  test("the object may say that it was paid for and never served: nothing more is bought", async () => {
    const refused = { kind: "refused", code: "paid_unfulfilled", detail: "d", purchaseId: "p-1", receiptId: "r" } as const;
    const { answer, visits } = await buy({ open: [FETCH(CACHED)], pay: [refused], seller: () => DEMAND() });
    expect(answer).toMatchObject({ kind: "problem", code: "paid_unfulfilled" });
    expect(visits).toHaveLength(1);
  });

  test("invariant 2: two refused stored credentials are the end, without a third payment call", async () => {
    const other = { kind: "credential", credential: credential("c-other", "cached"), limits: LIMITS } as const;
    const { answer, pays, conclusions } = await buy({ open: [FETCH(CACHED)], pay: [other], seller: () => DEMAND() });
    expect(answer).toMatchObject({ kind: "problem", code: "paid_unfulfilled" });
    expect(pays).toHaveLength(1);
    expect(conclusions).toEqual([{ purchaseId: "p-1", conclusion: { kind: "unfulfilled", credentialId: "c-other", status: 402 } }]);
  });

  test("a follower whose leader's token works once buys its own", async () => {
    const followed = { kind: "credential", credential: CACHED, limits: LIMITS } as const;
    const { answer, pays } = await buy({ pay: [followed, PAID], seller: (_u, _i, visit) => (visit < 3 ? DEMAND() : new Response("x")) });
    expect(answer).toMatchObject({ status: "paid" });
    expect(pays.map(({ refusedCredentialId }) => refusedCredentialId)).toEqual([null, "c-old"]);
  });
});

describe("paid, and then", () => {
  const times = ({ visits }: World): number[] => visits.slice(1).map(({ at }) => at - (visits[1]?.at ?? 0));

  test.each([
    ["a refusal", () => DEMAND()],
    ["a bare 401", () => DEMAND(401, null)],
    ["a 500", () => new Response("oops", { status: 500 })],
    ["a 429", () => new Response("slow", { status: 429 })],
    ["a lost connection", () => new Error("reset")],
  ])("%s is met with the same credential after 0.3, 1 and 3 s, and nothing more is paid", async (_, bad) => {
    const done = await buy({ seller: sellerOf((visit) => (visit < 5 ? bad() : new Response("at last"))) });
    expect(done.answer).toMatchObject({ kind: "answer", status: "paid" });
    expect(times(done)).toEqual([0, 300, 1300, 4300]);
    expect([done.pays.length, new Set(done.visits.slice(1).map(({ init }) => sentCredential(init))).size]).toEqual([1, 1]);
  });

  test.each([
    ["always refused", () => DEMAND(), 402],
    ["never reached", () => new Error("reset"), 0],
    ["never answered", () => "hangs" as const, 0],
  ])("invariant 9: %s: paid_unfulfilled after four tries, without the new challenge", async (_, bad, status) => {
    const { answer, visits, conclusions } = await buy({ seller: sellerOf(bad) });
    expect(answer).toMatchObject({ kind: "problem", code: "paid_unfulfilled", receiptId: "rcpt_conclusion" });
    expect(visits).toHaveLength(5);
    expect(conclusions).toEqual([{ purchaseId: "p-1", conclusion: { kind: "unfulfilled", credentialId: "c-paid", status } }]);
    expect(JSON.stringify(answer)).not.toMatch(/lnbcrt|macaroon|reset/u);
  });

  test.each([500, 429])("a %i to the last passes on, named paid_unfulfilled, with its body", async (status) => {
    const done = await buy({ seller: sellerOf(() => new Response("oops", { status })) });
    expect(done.answer).toMatchObject({
      kind: "answer",
      status: "paid_unfulfilled",
      spentMsat: 21_500,
      receiptId: "rcpt_conclusion",
      response: { status },
    });
    expect(done.conclusions).toMatchObject([{ conclusion: { kind: "unfulfilled", status } }]);
    expect(await bodyOf(done)).toBe("oops");
    expect([done.visits.length, done.deliveries]).toEqual([5, []]);
  });

  test.each(["GET", "HEAD"])("a conditional %s brings what was paid for, not a 304 that fulfils nothing", async (method) => {
    const condition = (init: SellerRequest): string | undefined => init.headers.find(([name]) => name === "if-none-match")?.[1];
    const seller: Script["seller"] = (_url, init) =>
      sentCredential(init) === undefined ? DEMAND() : new Response(null, { status: condition(init) === undefined ? 200 : 304 });
    const call = { method, headers: [["If-None-Match", '"e"']] as const };
    const bought = await buy({ seller }, call);
    expect(bought.answer).toMatchObject({ kind: "answer", status: "paid", response: { status: 200 } });
    expect([bought.visits.map(({ init }) => condition(init)), bought.conclusions]).toEqual([['"e"', undefined], []]);
    // Nor does a stored one that has not served yet; one that has is asked as the caller asks.
    const owed = await buy({ seller, open: [FETCH({ ...CACHED, hasServed: false })] }, call);
    expect(owed.answer).toMatchObject({ status: "cached", response: { status: 200 } });
    const served = await buy({ seller, open: [FETCH({ ...CACHED, hasServed: true })] }, call);
    expect(served.answer).toMatchObject({ status: "cached", response: { status: 304 } });
  });

  test("a 404 passes on at once: it would not change", async () => {
    const { answer, visits } = await buy({ seller: sellerOf(() => new Response("none", { status: 404 })) });
    expect(answer).toMatchObject({ kind: "answer", status: "paid_unfulfilled", response: { status: 404 } });
    expect(visits).toHaveLength(2);
  });

  test.each(["POST", "PUT", "PATCH", "DELETE"])("invariant 6: a %s without an Idempotency-Key is sent once", async (method) => {
    const { answer, visits } = await buy({ seller: sellerOf(() => new Response("oops", { status: 500 })) }, { method });
    expect(answer).toMatchObject({ status: "paid_unfulfilled" });
    expect(visits).toHaveLength(2);
  });

  test("a POST with an Idempotency-Key is sent again under it, with its body", async () => {
    const { answer, visits } = await buy(
      { seller: sellerOf((visit) => (visit < 3 ? new Error("reset") : new Response("x"))) },
      { method: "POST", body: new Uint8Array([1]), idempotencyKey: "k" },
    );
    expect(answer).toMatchObject({ status: "paid" });
    for (const { init } of visits) expect([init.body, init.headers[0]]).toEqual([new Uint8Array([1]), ["idempotency-key", "k"]]);
  });
});
