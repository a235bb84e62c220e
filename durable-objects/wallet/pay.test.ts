/** Block one: what is reserved, and for whom. Invariants 2, 3, 7 and 18 at the door of the payer. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { PayAnswer } from "../../lightning/wallet-api.ts";
import { AGENTS, checkRigs, ORIGIN, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;

describe("at most once", () => {
  it("invariant 2: a thousand identical concurrent requests make one payment, and each gets the credential", async () => {
    const rig = await WalletRig.make();
    const ids = Array.from({ length: 1000 }, () => rig.newId());
    await Promise.all(ids.map((id) => rig.open(id)));
    // Each has asked the seller for itself, so each has an invoice of its own.
    const answers = Promise.all(ids.map((id) => rig.pay(id, rig.offer().challenge)));
    await rig.quiet();
    expect(rig.sent.length).toBe(1);
    await rig.sent[0]?.settle(7);
    const all = await answers;
    const credentials = all.flatMap((answer) => (answer.kind === "credential" ? [answer.credential] : []));
    expect(credentials.length).toBe(1000);
    expect(new Set(credentials.map(({ authorization }) => authorization)).size).toBe(1);
    expect(credentials.filter(({ status }) => status === "paid").map(({ spentMsat }) => spentMsat)).toEqual([20_007]);
    expect(credentials.filter(({ status, spentMsat }) => status === "cached" && spentMsat === 0).length).toBe(999);
    expect([rig.sent.length, rig.one("SELECT COUNT(*) AS n FROM payment")]).toEqual([1, 1]);
    expect(new Set(credentials.map(({ receiptId }) => receiptId)).size).toBe(1000);
  });

  it("invariant 2: requests for other scopes, or the same scope elsewhere, have flights of their own", async () => {
    const rig = await WalletRig.make();
    await rig.begin(rig.offer({ service: "joke" }));
    await rig.begin(rig.offer({ service: "report" }));
    await rig.begin(rig.offer({ service: "joke" }), { url: "https://other.example/joke" });
    await rig.begin(rig.offer({ service: null }), { url: `${ORIGIN}/a` });
    expect(rig.sent.length).toBe(4);
    await rig.begin(rig.offer({ service: null }), { url: `${ORIGIN}/a?page=2` });
    expect(rig.sent.length).toBe(4);
  });

  it("invariant 2: a follower waits until its own deadline, is told pending, and the flight goes on without it", async () => {
    const rig = await WalletRig.make();
    const leader = await rig.begin();
    const follower = await rig.begin(rig.offer(), { waitMs: 500 });
    await rig.advance(500);
    expect(await follower.answer).toEqual({ kind: "pending", code: "payment_pending", purchaseId: follower.id, leaderId: leader.id });
    await rig.sent[0]?.settle();
    expect((await leader.answer).kind).toBe("credential");
    // Sent again, it has what it waited for.
    expect(await rig.pay(follower.id, rig.offer().challenge)).toMatchObject({ kind: "credential", credential: { status: "cached" } });
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 2: the flight belongs to the object: a caller that left finds the outcome when it comes back", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin(rig.offer(), { waitMs: 0 });
    expect(await answer).toMatchObject({ kind: "pending", leaderId: id });
    await rig.sent[0]?.settle();
    expect(rig.state(id)).toBe("paid");
    const again = await rig.open(id);
    expect(again).toMatchObject({ kind: "fetch", credential: { status: "paid", spentMsat: 20_000 } });
  });

  it("invariant 2: a follower of a flight that failed is told why, and a request sent again may buy", async () => {
    const rig = await WalletRig.make();
    const leader = await rig.begin();
    const follower = await rig.begin();
    await rig.sent[0]?.answer({ kind: "failed", code: "no_route", definite: true });
    expect([codeOf(await leader.answer), codeOf(await follower.answer)]).toEqual(["no_route", "no_route"]);
    expect([rig.state(leader.id), rig.state(follower.id)]).toEqual(["failed", "failed"]);
    await rig.buy();
    expect(rig.sent.length).toBe(2);
  });

  it("invariant 2: the same purchase asked for twice at once pays once", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin();
    const second = rig.pay(id, rig.offer().challenge);
    await rig.quiet();
    expect(rig.sent.length).toBe(1);
    await rig.sent[0]?.settle();
    expect([(await answer).kind, (await second).kind]).toEqual(["credential", "credential"]);
  });
});

describe("a payment hash", () => {
  it("invariant 2: presented again for the same origin and scope yields its credential", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    await rig.buy(offer);
    const { answer } = await rig.begin(offer, { url: `${ORIGIN}/joke/other` });
    expect(await answer).toMatchObject({ kind: "credential", credential: { status: "cached", paymentHash: offer.paymentHash } });
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 2: is refused for another origin, and for another scope", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer({ service: null });
    await rig.buy(offer, { url: `${ORIGIN}/a` });
    expect(codeOf(await (await rig.begin(offer, { url: "https://other.example/a" })).answer)).toBe("payment_hash_reused");
    expect(codeOf(await (await rig.begin(offer, { url: `${ORIGIN}/b` })).answer)).toBe("payment_hash_reused");
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 2: is refused while it is being paid for another scope, and after it failed", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer({ service: null });
    const first = await rig.begin(offer, { url: `${ORIGIN}/a` });
    expect(codeOf(await (await rig.begin(offer, { url: `${ORIGIN}/b` })).answer)).toBe("payment_hash_reused");
    await rig.sent[0]?.answer({ kind: "failed", code: "no_route", definite: true });
    expect(codeOf(await first.answer)).toBe("no_route");
    expect(codeOf(await (await rig.begin(offer, { url: `${ORIGIN}/a` })).answer)).toBe("payment_hash_reused");
    expect(rig.sent.length).toBe(1);
  });
});

describe("an idempotency key", () => {
  const keyed = { idempotencyKey: "k1", method: "POST", bodySha256: "aa".repeat(32) };

  it("invariant 2: after it has paid it only ever uses that credential, for another purchase id too", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy(rig.offer(), keyed);
    expect(await rig.open(rig.newId(), keyed)).toMatchObject({ kind: "fetch", credential: { id: credentialId, status: "cached" } });
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 2: while it pays, the same again waits for it, even where the seller now names another scope", async () => {
    const rig = await WalletRig.make();
    const second = rig.newId();
    const first = rig.newId();
    await rig.open(first, keyed);
    await rig.open(second, keyed);
    const answers = [rig.pay(first, rig.offer({ service: "a" }).challenge), rig.pay(second, rig.offer({ service: "b" }).challenge)];
    await rig.quiet();
    expect(rig.sent.length).toBe(1);
    await rig.sent[0]?.settle();
    expect((await Promise.all(answers)).map(({ kind }) => kind)).toEqual(["credential", "credential"]);
  });

  it.each([[{ bodySha256: "bb".repeat(32) }], [{ method: "PUT" }], [{ url: `${ORIGIN}/joke?x=1` }]])(
    "another request under it is idempotency_conflict: %j",
    async (other) => {
      const rig = await WalletRig.make();
      await rig.buy(rig.offer(), keyed);
      const id = rig.newId();
      expect(codeOf(await rig.open(id, { ...keyed, ...other }))).toBe("idempotency_conflict");
      expect(await rig.told(id)).toEqual(["denied idempotency_conflict"]);
      expect(codeOf(await rig.pay(id, rig.offer().challenge))).toBe("idempotency_conflict");
      expect(rig.sent.length).toBe(1);
    },
  );

  it("binds only within its budget", async () => {
    const rig = await WalletRig.make({ budgets: { agents: POLICY, others: POLICY } });
    await rig.buy(rig.offer(), keyed);
    expect(await rig.open(rig.newId(), { ...keyed, bodySha256: null, auth: { kind: "binding", budget: "others" } })).toMatchObject({
      kind: "fetch",
    });
  });

  it("invariant 2: after a definite failure the request may try again, and pays then", async () => {
    const rig = await WalletRig.make();
    const { answer } = await rig.begin(rig.offer(), keyed);
    await rig.sent[0]?.answer({ kind: "failed", code: "insufficient_funds", definite: true });
    expect(codeOf(await answer)).toBe("insufficient_funds");
    await rig.buy(rig.offer(), keyed);
    expect(rig.sent.length).toBe(2);
  });

  it("invariant 2: while it is unknown whether it paid, the request waits and never pays again", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin(rig.offer(), keyed);
    await rig.sent[0]?.lose();
    expect(codeOf(await answer)).toBe("payment_unknown");
    expect(await rig.open(rig.newId(), { ...keyed, waitMs: 0 })).toMatchObject({ kind: "pending", code: "payment_unknown", leaderId: id });
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 2: when the seller refuses what it paid for, it is told so and pays nothing more, whatever the seller asks", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy(rig.offer(), keyed);
    const id = rig.newId();
    expect((await rig.open(id, keyed)).kind).toBe("fetch");
    expect(codeOf(await rig.pay(id, rig.offer().challenge, { refusedCredentialId: credentialId }))).toBe("credential_refused");
    expect(codeOf(await rig.pay(id, rig.offer({ service: "other" }).challenge, { refusedCredentialId: credentialId }))).toBe(
      "credential_refused",
    );
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 2: a late settlement binds its key again: the request has paid after all", async () => {
    const rig = await WalletRig.make();
    const { answer } = await rig.begin(rig.offer(), keyed);
    const [sent] = rig.sent;
    await rig.advance(30_000);
    expect(codeOf(await answer)).toBe("payment_unknown");
    await rig.runAlarms(10_000);
    expect(rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'released'")).toBe(1);
    await sent?.settle();
    expect(await rig.open(rig.newId(), keyed)).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
  });
});

describe("a purchase id", () => {
  it("belongs to its request: with another method, URL or body it is idempotency_conflict", async () => {
    const rig = await WalletRig.make();
    const id = rig.newId();
    await rig.open(id);
    for (const other of [{ method: "POST" }, { url: `${ORIGIN}/other` }, { bodySha256: "00".repeat(32) }])
      expect(codeOf(await rig.open(id, other))).toBe("idempotency_conflict");
    expect((await rig.open(id)).kind).toBe("fetch");
  });

  it("invariant 2: says the same again after a lost reply, at every stage", async () => {
    const rig = await WalletRig.make();
    const id = rig.newId();
    expect(await rig.open(id)).toEqual(await rig.open(id));
    const offer = rig.offer();
    const answer = rig.pay(id, offer.challenge);
    await rig.quiet();
    await rig.sent[0]?.settle();
    const first = await answer;
    expect(await rig.pay(id, offer.challenge)).toEqual(first);
    expect(await rig.pay(id, rig.offer().challenge)).toEqual(first);
    const opened = await rig.open(id);
    expect(opened.kind === "fetch" && first.kind === "credential" && opened.credential).toEqual(
      first.kind === "credential" && first.credential,
    );
    expect(rig.sent.length).toBe(1);
    expect(await rig.told(id)).toEqual(["paid"]);
  });

  it("that was never opened is not_found, and nothing is written", async () => {
    const rig = await WalletRig.make();
    expect(codeOf(await rig.pay(rig.newId(), rig.offer().challenge))).toBe("not_found");
    expect(rig.one("SELECT COUNT(*) AS n FROM purchase")).toBe(0);
  });
});

describe("caps", () => {
  it("invariant 3: of 200 different concurrent requests against a cap that admits 50, exactly 50 are paid", async () => {
    // 20 sat and a fee reserve of 1 sat each; the reserve is given back only when a payment settles.
    const rig = await WalletRig.make({ budgets: { agents: { ...POLICY, totalMsat: (50 * 21_000) as Msat } } });
    const ids = Array.from({ length: 200 }, () => rig.newId());
    await Promise.all(ids.map((id, i) => rig.open(id, { url: `${ORIGIN}/item/${i}` })));
    const answers = Promise.all(ids.map((id, i) => rig.pay(id, rig.offer({ service: `item${i}` }).challenge)));
    await rig.quiet();
    // The fee is all used: what is settled is what was reserved.
    for (let i = 0; i < rig.sent.length; i++) await rig.sent[i]?.settle(1000);
    const all: readonly PayAnswer[] = await answers;
    expect(rig.sent.length).toBe(50);
    expect(all.filter(({ kind }) => kind === "credential").length).toBe(50);
    expect(all.filter((answer) => codeOf(answer) === "budget_exceeded").length).toBe(150);
    expect(rig.one("SELECT SUM(charge_msat + fee_msat) AS n FROM payment WHERE state = 'settled'")).toBe(50 * 21_000);
    expect(rig.mostRunning).toBe(4);
  });

  it("invariant 3: a budget spent stops its own key, and another budget of the same wallet still pays, until the wallet's cap", async () => {
    const narrow = { ...POLICY, totalMsat: 30_000 as Msat };
    const others = { auth: { kind: "binding", budget: "others" } as const };
    const rig = await WalletRig.make({ policy: { ...POLICY, totalMsat: 50_000 as Msat }, budgets: { agents: narrow, others: POLICY } });
    await rig.buy(rig.offer({ service: "a" }));
    expect(codeOf(await (await rig.begin(rig.offer({ service: "b" }), { url: `${ORIGIN}/b` })).answer)).toBe("budget_exceeded");
    const second = rig.newId();
    await rig.open(second, { url: `${ORIGIN}/c`, ...others });
    const answer = rig.pay(second, rig.offer({ service: "c" }).challenge, others);
    await rig.quiet();
    await rig.sent.at(-1)?.settle();
    expect((await answer).kind).toBe("credential");
    const third = rig.newId();
    await rig.open(third, { url: `${ORIGIN}/d`, ...others });
    expect(codeOf(await rig.pay(third, rig.offer({ service: "d" }).challenge, others))).toBe("window_cap_exceeded");
  });

  it("invariant 3: what failed is given back, what is unknown is not", async () => {
    const rig = await WalletRig.make({ budgets: { agents: { ...POLICY, totalMsat: 21_000 as Msat } } });
    const first = await rig.begin(rig.offer({ service: "a" }));
    await rig.sent[0]?.answer({ kind: "failed", code: "no_route", definite: true });
    await first.answer;
    const second = await rig.begin(rig.offer({ service: "b" }));
    await rig.sent[1]?.lose();
    expect(codeOf(await second.answer)).toBe("payment_unknown");
    expect(codeOf(await (await rig.begin(rig.offer({ service: "c" }))).answer)).toBe("budget_exceeded");
  });

  it("invariant 7: the invoice is the price: the caller's limit is held against amount and fee reserve", async () => {
    const rig = await WalletRig.make();
    expect(codeOf(await (await rig.begin(rig.offer(), { maxMsat: 20_999 as Msat })).answer)).toBe("amount_over_call_limit");
    await rig.begin(rig.offer(), { maxMsat: 21_000 as Msat });
    expect(rig.sent.map(({ order }) => [order.amountMsat, order.maxFeeMsat])).toEqual([[20_000, 1000]]);
  });

  it("invariant 7: an invoice for more than can be counted is denied with a receipt, not an exception", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin(rig.offer({ amountMsat: Number.MAX_SAFE_INTEGER }));
    expect(codeOf(await answer)).toBe("amount_over_cap");
    expect(await rig.told(id)).toEqual(["denied amount_over_cap"]);
  });

  it.each([
    [{ network: "mainnet" }, "invoice_network_mismatch"],
    [{ expirySeconds: 0 }, "invoice_expired"],
  ] as const)("invariant 7: an offer of %j is refused with %s", async (plan, code) => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin(rig.offer(plan));
    expect(codeOf(await answer)).toBe(code);
    expect(rig.sent.length).toBe(0);
    expect(await rig.told(id)).toEqual([`failed ${code}`]);
  });

  it("invariant 18: above the approval threshold nothing is reserved and nothing is paid", async () => {
    const rig = await WalletRig.make({ budgets: { agents: { ...POLICY, approvalAboveMsat: 21_000 as Msat } } });
    const { id, answer } = await rig.begin();
    expect(await answer).toMatchObject({
      kind: "refused",
      code: "approval_required",
      quote: { amountMsat: 20_000, maxFeeMsat: 1000, allowed: false },
    });
    expect([rig.sent.length, rig.one("SELECT COUNT(*) AS n FROM payment"), rig.state(id)]).toEqual([0, 0, "awaiting_approval"]);
  });

  it("invariant 18: the question is named again after a lost reply, to whoever asked it and to whoever was told of it", async () => {
    const rig = await WalletRig.make({ budgets: { agents: { ...POLICY, approvalAboveMsat: 21_000 as Msat } } });
    const challenge = rig.offer().challenge;
    for (const id of [rig.newId(), rig.newId()]) {
      await rig.open(id);
      const first = await rig.pay(id, challenge);
      expect(first).toMatchObject({
        code: "approval_required",
        approvalId: `appr_${rig.sql.rows<{ id: string }>("SELECT MIN(id) AS id FROM purchase")[0]?.id}`,
      });
      expect(await rig.pay(id, challenge)).toEqual(first);
    }
    expect(rig.one("SELECT COUNT(*) AS n FROM approval")).toBe(1);
  });
});

describe("a quote", () => {
  it("says the same again after a lost reply", async () => {
    const rig = await WalletRig.make();
    const id = rig.newId();
    await rig.open(id);
    const request = { purchaseId: id, auth: AGENTS, challenge: rig.offer().challenge, refusedCredentialId: null, waitMs: 0 };
    const first = await rig.core.quote(request);
    expect(first.kind).toBe("quote");
    expect(await rig.core.quote(request)).toEqual(first);
    expect(codeOf(await rig.pay(id, request.challenge))).toBe("purchase_cancelled");
  });

  it("says what would be paid, reserves nothing, and expires", async () => {
    const rig = await WalletRig.make();
    const id = rig.newId();
    await rig.open(id);
    const quote = await rig.core.quote({
      purchaseId: id,
      auth: AGENTS,
      challenge: rig.offer().challenge,
      refusedCredentialId: null,
      waitMs: 0,
    });
    expect(quote).toMatchObject({
      kind: "quote",
      quote: { origin: ORIGIN, amountMsat: 20_000, maxFeeMsat: 1000, allowed: true, code: null, scope: "services:joke:0" },
    });
    expect([rig.sent.length, rig.one("SELECT COUNT(*) AS n FROM payment")]).toEqual([0, 0]);
    await rig.runAlarms(200_000);
    expect(rig.state(id)).toBe("expired");
  });
});
