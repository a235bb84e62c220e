import { describe, expect, test } from "vitest";
import { msat } from "../lightning/msat.ts";
import { CALL, credential, DEMAND, FETCH, LIMITS, PAID, PREIMAGE, sentCredential, world, type Script, type World } from "./flow-fakes.ts";
import type { FetchCall, FlowAnswer } from "./flow-types.ts";
import { purchase } from "./flow.ts";

const to = (location: string, status = 302): Response => new Response(null, { status, headers: { location } });

async function buy(script: Script, call: Partial<FetchCall> = {}): Promise<World & { readonly answer: FlowAnswer }> {
  const w = world(script);
  const answer = await w.clock.drive(purchase(w.ports, { ...CALL, ...call }));
  if (answer.kind === "answer") await answer.response.body?.cancel();
  await w.background();
  return { ...w, answer };
}

describe("a redirect without a credential", () => {
  test.each([301, 302, 303, 307, 308])("%i is a new purchase at the new address", async (status) => {
    const { answer, opens, conclusions, visits } = await buy({
      seller: (_u, _i, visit) => (visit === 1 ? to("/next#part", status) : new Response("there")),
    });
    expect(answer).toMatchObject({ kind: "answer", status: "free", purchaseId: "p-2" });
    expect(opens.map(({ purchaseId, url }) => [purchaseId, url])).toEqual([
      ["p-1", CALL.url],
      ["p-2", "https://seller.example/next"],
    ]);
    expect(conclusions.map(({ conclusion }) => conclusion)).toEqual([
      { kind: "free", status },
      { kind: "free", status: 200 },
    ]);
    expect(visits).toHaveLength(2);
  });

  test("the next address may be refused by policy, and then it is not visited", async () => {
    const refused = {
      kind: "refused",
      code: "host_not_allowlisted",
      detail: "evil.example:443",
      purchaseId: "p-2",
      receiptId: "r",
    } as const;
    const { answer, visits } = await buy({ open: [FETCH(), refused], seller: () => to("https://evil.example/") });
    expect(answer).toEqual({
      kind: "problem",
      code: "host_not_allowlisted",
      detail: "evil.example:443",
      purchaseId: "p-2",
      receiptId: "r",
    });
    expect(visits).toHaveLength(1);
  });

  test.each([
    ["http://seller.example/", "a downgrade"],
    ["https://127.0.0.1/", "an IP address"],
    ["https://metadata.internal/", "an internal name"],
    ["file:///etc/passwd", "another scheme"],
    ["https://u:p@seller.example/", "user info"],
    ["https://[", "nonsense"],
  ])("invariant 16: %s (%s) is not followed", async (location) => {
    const { answer, visits, conclusions } = await buy({ seller: () => to(location) });
    expect(answer).toMatchObject({ kind: "problem", code: "redirect_refused" });
    expect(visits).toHaveLength(1);
    expect(conclusions).toMatchObject([{ conclusion: { kind: "failed", code: "redirect_refused" } }]);
  });

  test("invariant 16: https to http is refused even where local development allows that host", async () => {
    const localHosts = ["127.0.0.1:8080"];
    const { answer } = await buy({ localHosts, seller: () => to("http://127.0.0.1:8080/") });
    expect(answer).toMatchObject({ code: "redirect_refused" });
    const local = await buy(
      { localHosts, seller: (_u, _i, visit) => (visit === 1 ? to("/b") : new Response("x")) },
      { url: "http://127.0.0.1:8080/a" },
    );
    expect(local.answer).toMatchObject({ status: "free" });
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("a %s is not sent again elsewhere", async (method) => {
    const { answer, visits } = await buy({ seller: () => to("/next", 307) }, { method });
    expect(answer).toMatchObject({ code: "redirect_refused" });
    expect(visits).toHaveLength(1);
  });

  test("three are followed, the fourth is refused", async () => {
    const { answer, visits } = await buy({ seller: () => to("/again") });
    expect(answer).toMatchObject({ code: "redirect_refused", purchaseId: "p-4" });
    expect(visits).toHaveLength(4);
  });

  test("a resumed call pays nothing at the address it is led to, and takes up no purchase there", async () => {
    const { opens } = await buy(
      { seller: (_u, _i, visit) => (visit <= 2 ? to(`/${visit}`) : new Response("x")) },
      { resume: "p-0", maxMsat: msat(9_000) },
    );
    expect(opens.map(({ resume, maxMsat }) => [resume, maxMsat])).toEqual([
      ["p-0", 9_000],
      [null, 0],
      [null, 0],
    ]);
  });

  test("one without a Location is an answer", async () => {
    const { answer } = await buy({ seller: () => new Response(null, { status: 302 }) });
    expect(answer).toMatchObject({ status: "free", response: { status: 302 } });
  });

  test("what was meant for one origin stays there, and the idempotency key is another for each address, alike when sent again", async () => {
    const script: Script = { seller: (_u, _i, visit) => (visit === 1 ? to("https://other.example/") : new Response("x")) };
    const call = {
      headers: [
        ["X-Api-Key", "k"],
        ["Accept", "a"],
      ],
      idempotencyKey: "key",
    } as const;
    const { opens, visits } = await buy(script, call);
    expect(visits[1]?.init.headers.map(([name]) => name)).toEqual(["accept", "idempotency-key"]);
    expect(opens[0]?.idempotencyKey).toBe("key");
    expect(opens[1]?.idempotencyKey).toMatch(/^redirect-[0-9a-f]{64}$/u);
    expect((await buy(script, call)).opens[1]?.idempotencyKey).toBe(opens[1]?.idempotencyKey);
    const same = await buy({ seller: (_u, _i, visit) => (visit === 1 ? to("/b") : new Response("x")) }, call);
    expect(same.visits[1]?.init.headers.map(([name]) => name)).toContain("x-api-key");
  });
});

describe("a redirect given to a credential", () => {
  /** Pays at the first address, which then redirects. */
  const first =
    (next: (init: Parameters<NonNullable<Script["seller"]>>[1]) => Response): NonNullable<Script["seller"]> =>
    (url, init) =>
      url === CALL.url ? (sentCredential(init) === undefined ? DEMAND() : to("/next")) : next(init);

  test("invariant 16: is followed without the credential, and fulfils the first purchase when the end is good", async () => {
    const { answer, visits, deliveries, conclusions } = await buy({ seller: first(() => new Response("there")) });
    expect(visits.map(({ init }) => sentCredential(init) !== undefined)).toEqual([false, true, false]);
    expect(answer).toMatchObject({ kind: "answer", status: "paid", purchaseId: "p-1", receiptId: "rcpt_c-paid", spentMsat: 21_500 });
    expect(conclusions).toEqual([{ purchaseId: "p-2", conclusion: { kind: "free", status: 200 } }]);
    expect(deliveries).toContainEqual({ purchaseId: "p-1", credentialId: "c-paid", status: 200, bytes: 0, sha256: null, complete: true });
  });

  test("costs the sum when both addresses are paid, and the first narrows the caller's limit", async () => {
    const second = { kind: "credential", credential: { ...credential("c-2", "paid"), spentMsat: msat(500) }, limits: LIMITS } as const;
    const { answer, opens } = await buy(
      { pay: [PAID, second], seller: first((init) => (sentCredential(init) === undefined ? DEMAND() : new Response("x"))) },
      { maxMsat: msat(30_000) },
    );
    expect(answer).toMatchObject({ status: "paid", purchaseId: "p-2", receiptId: "rcpt_c-2", spentMsat: 22_000 });
    expect(opens.map(({ maxMsat }) => maxMsat)).toEqual([30_000, 8_500]);
  });

  test("leads on without the conditions of a cache: a 304 at the end would fulfil nothing", async () => {
    const call = { headers: [["If-None-Match", '"e"']] as const };
    const { answer, visits } = await buy({ seller: first(() => new Response("there")) }, call);
    expect(answer).toMatchObject({ status: "paid", response: { status: 200 } });
    expect(visits.map(({ init }) => init.headers.some(([name]) => name === "if-none-match"))).toEqual([true, false, false]);
  });

  test("is unfulfilled when the end is a 404", async () => {
    const { answer, conclusions } = await buy({ seller: first(() => new Response("none", { status: 404 })) });
    expect(answer).toMatchObject({
      kind: "answer",
      status: "paid_unfulfilled",
      purchaseId: "p-1",
      spentMsat: 21_500,
      response: { status: 404 },
    });
    expect(conclusions).toContainEqual({ purchaseId: "p-1", conclusion: { kind: "unfulfilled", credentialId: "c-paid", status: 302 } });
  });

  test("that ends in a refusal keeps its code and says that money was spent", async () => {
    const refused = { kind: "refused", code: "host_blocked", detail: "blocked", purchaseId: "p-2", receiptId: null } as const;
    const { answer, conclusions } = await buy({ open: [FETCH(), refused], seller: first(() => new Response("x")) });
    expect(answer).toMatchObject({ kind: "problem", code: "host_blocked", purchaseId: "p-2" });
    expect(answer.kind === "problem" && answer.detail).toBe("blocked (after a redirect that was paid for as purchase p-1)");
    expect(conclusions).toMatchObject([{ purchaseId: "p-1", conclusion: { kind: "unfulfilled" } }]);
  });

  test("a stored one is answered as cached, and books nothing as unfulfilled when the end is bad", async () => {
    const old = credential("c-old", "cached");
    const good = await buy({ open: [FETCH(old), FETCH()], seller: (_u, _i, visit) => (visit === 1 ? to("/next") : new Response("x")) });
    expect(good.answer).toMatchObject({ status: "cached", purchaseId: "p-1", receiptId: "rcpt_c-old", spentMsat: 0 });
    const bad = await buy({
      open: [FETCH(old), FETCH()],
      seller: (_u, _i, visit) => (visit === 1 ? to("/next") : new Response("x", { status: 500 })),
    });
    expect(bad.answer).toMatchObject({ status: "cached", response: { status: 500 } });
    expect(bad.conclusions.map(({ purchaseId }) => purchaseId)).toEqual(["p-2"]);
    expect(bad.deliveries).toContainEqual({
      purchaseId: "p-1",
      credentialId: "c-old",
      status: 302,
      bytes: 0,
      sha256: null,
      complete: false,
    });
  });

  test("not followed after payment is paid_unfulfilled, and names no target", async () => {
    const { answer, conclusions } = await buy({
      seller: (_u, init) => (sentCredential(init) === undefined ? DEMAND() : to("http://secret-target.example/path")),
    });
    expect(answer).toMatchObject({ kind: "problem", code: "paid_unfulfilled" });
    expect(JSON.stringify(answer)).not.toContain("secret-target");
    expect(conclusions).toMatchObject([{ conclusion: { kind: "unfulfilled", status: 302 } }]);
  });

  test("invariant 9: a Location that holds the credential is not followed, so it is journalled nowhere", async () => {
    const { answer, opens } = await buy({
      seller: (_u, init) => (sentCredential(init) === undefined ? DEMAND() : to(`/next?proof=${PREIMAGE}`)),
    });
    expect(answer).toMatchObject({ code: "paid_unfulfilled" });
    expect(opens).toHaveLength(1);
    expect(JSON.stringify(answer)).not.toContain(PREIMAGE);
  });
});
