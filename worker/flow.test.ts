import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { FetchLimits, PayAnswer } from "../lightning/wallet-api.ts";
import {
  bodyOf,
  buy,
  CALL,
  CHALLENGE,
  credential,
  DEMAND,
  FETCH,
  LIMITS,
  PAID,
  PREIMAGE,
  sellerOf,
  sentCredential,
  TOKEN,
  world,
  type Script,
  type World,
} from "./flow-fakes.ts";
import type { FlowAnswer, SellerRequest, SellerResponse } from "./flow-types.ts";
import { purchase } from "./flow.ts";

const CACHED = credential("c-old", "cached");
const PAYMENT = credential("c-paid", "paid");

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
