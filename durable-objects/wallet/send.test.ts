/** Blocks two and three: the order leaves after its row, once, and what came of it is never guessed. Invariants 1, 3, 4, 5 and 7. */
import { afterEach, describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOutcome } from "../../lightning/payer.ts";
import { checkRigs, ORIGIN, WalletRig } from "../../test/support/wallet-rig.ts";
import { PAYER_SLOTS, TIMING } from "./ports.ts";

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;
const NO_ROUTE: PaymentOutcome = { kind: "failed", code: "no_route", definite: true };
const { payDeadline, grace, reserveLease } = TIMING;

describe("the three blocks", () => {
  it("invariant 1: the payer is called only when the journal says paying, with the order's deadline and due time written", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    expect(rig.sent.map(({ stateThen }) => stateThen)).toEqual(["paying"]);
    expect(
      rig.sql.rows("SELECT p.due_at, m.deadline, m.state FROM purchase p JOIN payment m ON m.purchase_id = p.id WHERE p.id = ?", id),
    ).toEqual([{ due_at: rig.now + payDeadline + grace, deadline: rig.now + payDeadline, state: "open" }]);
    expect(rig.sent[0]?.order.deadline).toBe(rig.now + payDeadline);
    // The control plane hears of the open row first: should this alarm be lost, its cron wakes the wallet.
    const sentAt = rig.now;
    expect(rig.sql.alarm).toBe(sentAt + TIMING.outboxDelay);
    await rig.runAlarms(TIMING.outboxDelay);
    expect([rig.snapshots.at(-1)?.openRows, rig.ingested]).toEqual([1, []]);
    expect(rig.sql.alarm).toBe(sentAt + payDeadline + grace);
  });

  it("invariant 1: a crash in `reserved` is definitely unsent: the money is given back when the lease ends, and nothing was sent", async () => {
    const rig = await WalletRig.make();
    // Block one is written; making the payer ready (here: asking for the switches) takes long.
    await rig.begin(rig.offer({ service: "first" }));
    await rig.advance(6000);
    rig.controlSays = "the state";
    const id = rig.newId();
    await rig.open(id, { url: `${ORIGIN}/second` });
    const answer = rig.pay(id, rig.offer({ service: "second" }).challenge);
    // The switches are fresh in block one, stale by block two: it asks again, and there the instance dies.
    for (let turn = 0; turn < 50 && rig.state(id) !== "reserved"; turn++) await Promise.resolve();
    expect(rig.state(id)).toBe("reserved");
    rig.crash();
    await rig.quiet();
    expect(rig.state(id)).toBe("reserved");
    await rig.runAlarms(reserveLease + 1000);
    expect([rig.state(id), rig.sent.length, await rig.told(id)]).toEqual(["expired", 1, ["failed purchase_cancelled"]]);
    expect(rig.one(`SELECT COUNT(*) AS n FROM flight WHERE purchase_id = '${id}'`)).toBe(0);
    await rig.advance(45_000);
    expect(codeOf(await answer.catch(() => ({ kind: "the instance is gone" })))).toBe("the instance is gone");
  });

  it("invariant 1: a crash in `paying` is unknown: the alarm asks, and books what the payer says", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { id } = await rig.begin(offer);
    rig.crash();
    rig.onLookup = async (operation) => ({
      kind: "settled",
      preimage: offer.preimage,
      feeMsat: 3 as Msat,
      settledAt: rig.now,
      reference: operation.operationId,
    });
    await rig.runAlarms(payDeadline + grace);
    expect([rig.state(id), rig.lookups.map(({ paymentHash, operationId }) => [paymentHash, operationId])]).toEqual([
      "paid",
      [[offer.paymentHash, rig.sent[0]?.order.operationId]],
    ]);
    expect(await rig.open(id)).toMatchObject({ kind: "fetch", credential: { status: "paid", spentMsat: 20_003 } });
  });

  it("invariant 1: an answer to an instance that has died changes nothing", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.crash();
    await rig.sent[0]?.settle();
    expect(rig.state(id)).toBe("paying");
  });

  it("invariant 1: a payer that throws at once leaves the row paying, and the alarm finds out", async () => {
    const rig = await WalletRig.make();
    rig.onPay = () => {
      throw new Error("no such method");
    };
    const { id, answer } = await rig.begin(rig.offer(), { waitMs: 100 });
    await rig.advance(100);
    expect([rig.state(id), codeOf(await answer)]).toEqual(["paying", "payment_pending"]);
    await rig.runAlarms(payDeadline + grace);
    expect(rig.state(id)).toBe("failed");
  });

  it("invariant 7: an invoice that expires between the reservation and the order is not paid", async () => {
    const rig = await WalletRig.make();
    // All slots are taken; the fifth waits in `reserved` until its invoice is no longer good.
    for (let i = 0; i < PAYER_SLOTS; i++) await rig.begin(rig.offer({ service: `s${i}` }), { url: `${ORIGIN}/s${i}` });
    const { id, answer } = await rig.begin(rig.offer({ service: "short", expirySeconds: 10 }), { url: `${ORIGIN}/short` });
    expect(rig.state(id)).toBe("reserved");
    await rig.advance(10_000);
    await rig.sent[0]?.answer(NO_ROUTE);
    expect([codeOf(await answer), rig.state(id), rig.sent.length, await rig.told(id)]).toEqual([
      "invoice_expired",
      "expired",
      PAYER_SLOTS,
      ["failed invoice_expired"],
    ]);
  });
});

describe("payer slots", () => {
  it("at most four orders run at once; the rest wait in `reserved` and leave one by one as slots come free", async () => {
    const rig = await WalletRig.make();
    const begun = [];
    for (let i = 0; i < 9; i++) begun.push(await rig.begin(rig.offer({ service: `s${i}` }), { url: `${ORIGIN}/s${i}` }));
    expect([rig.sent.length, begun.filter(({ id }) => rig.state(id) === "reserved").length]).toEqual([4, 5]);
    await rig.sent[2]?.settle();
    expect(rig.sent.length).toBe(5);
    await rig.sent[0]?.answer(NO_ROUTE);
    await rig.sent[1]?.lose();
    expect(rig.sent.length).toBe(7);
    for (const sent of rig.sent.slice(3)) await sent.settle();
    for (const sent of rig.sent.slice(7)) await sent.settle();
    expect([rig.sent.length, rig.mostRunning]).toEqual([9, PAYER_SLOTS]);
    await Promise.all(begun.map(({ answer }) => answer));
  });

  it("a payer that never answers gives its slot back at the order's deadline", async () => {
    const rig = await WalletRig.make();
    for (let i = 0; i < PAYER_SLOTS; i++) await rig.begin(rig.offer({ service: `s${i}` }), { url: `${ORIGIN}/s${i}` });
    await rig.begin(rig.offer({ service: "fifth" }), { url: `${ORIGIN}/fifth` });
    await rig.advance(payDeadline - 1);
    expect(rig.sent.length).toBe(PAYER_SLOTS);
    await rig.advance(1);
    expect(rig.sent.length).toBe(PAYER_SLOTS + 1);
  });

  it("a purchase that waits for a slot is not abandoned by the alarm", async () => {
    const rig = await WalletRig.make({ timing: { reserveLease: 5000 } });
    for (let i = 0; i < PAYER_SLOTS; i++) await rig.begin(rig.offer({ service: `s${i}` }), { url: `${ORIGIN}/s${i}` });
    const { id } = await rig.begin(rig.offer({ service: "fifth" }), { url: `${ORIGIN}/fifth` });
    await rig.runAlarms(20_000);
    expect(rig.state(id)).toBe("reserved");
    await rig.sent[0]?.settle();
    expect(rig.state(id)).toBe("paying");
  });
});

describe("unknown is not failed", () => {
  it("invariant 4: a lost connection and a silent payer leave payment_unknown, and the money counts as spent", async () => {
    const rig = await WalletRig.make();
    const lost = await rig.begin(rig.offer({ service: "a" }));
    const silent = await rig.begin(rig.offer({ service: "b" }));
    await rig.sent[0]?.lose();
    await rig.advance(payDeadline);
    expect([codeOf(await lost.answer), codeOf(await silent.answer)]).toEqual(["payment_unknown", "payment_unknown"]);
    expect([rig.state(lost.id), rig.state(silent.id), rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")]).toEqual([
      "payment_unknown",
      "payment_unknown",
      2,
    ]);
    expect(await rig.told(lost.id)).toEqual(["unknown payment_unknown"]);
  });

  it("invariant 4: `never seen` before the order's deadline and a grace is not final; after them it is", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.crash();
    const sentAt = rig.now;
    // Asked one ms too early, by a cron's knock: the order may still arrive.
    rig.sql.rows("UPDATE purchase SET due_at = ? WHERE id = ?", rig.now, id);
    await rig.advance(payDeadline + grace - 1);
    await rig.alarm();
    expect([rig.lookups.length, rig.state(id)]).toEqual([1, "payment_unknown"]);
    await rig.runAlarms(TIMING.retryMost);
    expect([rig.state(id), await rig.told(id)]).toEqual(["failed", ["unknown payment_unknown", "failed payment_failed"]]);
    expect(rig.now - sentAt).toBeGreaterThan(payDeadline + grace);
  });

  it("invariant 4: what counts is when the question was asked, not when `never seen` came back", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.crash();
    rig.sql.rows("UPDATE purchase SET due_at = ? WHERE id = ?", rig.now, id);
    await rig.advance(payDeadline + grace - 5000);
    const { promise, resolve } = Promise.withResolvers<PaymentOutcome>();
    rig.onLookup = () => promise;
    const alarm = rig.alarm();
    await rig.advance(9000);
    resolve({ kind: "never_seen" });
    await alarm;
    expect(rig.state(id)).toBe("payment_unknown");
  });

  it("invariant 4: an order whose call is still running is left alone until its deadline", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.sql.rows("UPDATE purchase SET due_at = ? WHERE id = ?", rig.now, id);
    await rig.alarm();
    expect([rig.lookups.length, rig.state(id)]).toEqual([0, "paying"]);
    expect(rig.sql.rows("SELECT due_at FROM purchase WHERE id = ?", id)).toEqual([{ due_at: rig.now + payDeadline }]);
  });

  it("invariant 4: `pending` is asked about again, later and later, until it ends", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { id } = await rig.begin(offer);
    const asked: number[] = [];
    rig.onLookup = async () => {
      asked.push(rig.now);
      return { kind: "pending" };
    };
    await rig.sent[0]?.answer({ kind: "pending" });
    await rig.runAlarms(3_600_000);
    expect([rig.state(id), rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")]).toEqual(["paying", 1]);
    const gaps = asked.slice(1).map((at, i) => at - (asked[i] ?? 0));
    expect(gaps.every((gap, i) => i === 0 || gap >= (gaps[i - 1] ?? 0))).toBe(true);
    expect(gaps.at(-1)).toBe(TIMING.retryMost);
    rig.onLookup = async (operation) => ({
      kind: "settled",
      preimage: offer.preimage,
      feeMsat: 0 as Msat,
      settledAt: rig.now,
      reference: operation.operationId,
    });
    await rig.runAlarms(TIMING.retryMost);
    expect(await rig.told(id)).toContain("paid");
  });

  it("invariant 4: a lookup that never answers ends by itself, and is asked again", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.crash();
    rig.onLookup = () => new Promise(() => {});
    const alarm = rig.advance(payDeadline + grace).then(() => rig.alarm());
    await rig.advance(payDeadline + grace + TIMING.lookupDeadline);
    await rig.advance(TIMING.lookupDeadline);
    await alarm;
    expect(rig.state(id)).toBe("payment_unknown");
    expect(rig.sql.alarm).not.toBeNull();
  });

  it("invariant 4: a failure that came late still releases, and says why", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    await rig.advance(payDeadline);
    expect(rig.state(id)).toBe("payment_unknown");
    await rig.sent[0]?.answer(NO_ROUTE);
    expect([rig.state(id), rig.code(id), rig.one("SELECT COUNT(*) AS n FROM flight")]).toEqual(["failed", "no_route", 0]);
  });
});

describe("proof", () => {
  it.each([
    ["another payment's preimage", "ab".repeat(32)],
    ["text that is no preimage", "not hex"],
    ["a preimage cut short", "ab".repeat(31)],
  ])(
    "invariant 5: %s is preimage_mismatch: nothing is stored, nothing is released, and the right one is still accepted",
    async (_name, preimage) => {
      const rig = await WalletRig.make();
      const offer = rig.offer();
      const { id, answer } = await rig.begin(offer);
      await rig.sent[0]?.settle(0, preimage);
      expect([codeOf(await answer), rig.state(id), rig.code(id)]).toEqual(["payment_unknown", "payment_unknown", "preimage_mismatch"]);
      expect([rig.one("SELECT COUNT(*) AS n FROM credential"), rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")]).toEqual([
        0, 1,
      ]);
      expect(await rig.told(id)).toEqual(["unknown preimage_mismatch"]);
      rig.onLookup = async (operation) => ({
        kind: "settled",
        preimage: offer.preimage,
        feeMsat: 5 as Msat,
        settledAt: rig.now,
        reference: operation.operationId,
      });
      await rig.runAlarms(TIMING.retryFirst);
      expect([rig.state(id), await rig.told(id)]).toEqual(["paid", ["unknown preimage_mismatch", "paid"]]);
    },
  );

  it("invariant 5: settled without a preimage is preimage_unavailable, counts as spent, and stays so until there is one", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    await rig.sent[0]?.settle(0, null);
    rig.onLookup = async (operation) => ({
      kind: "settled",
      preimage: null,
      feeMsat: 0 as Msat,
      settledAt: rig.now,
      reference: operation.operationId,
    });
    await rig.runAlarms(3_600_000);
    expect([rig.state(id), rig.code(id), rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")]).toEqual([
      "payment_unknown",
      "preimage_unavailable",
      1,
    ]);
    // One receipt for one truth, however often it is heard.
    expect(await rig.told(id)).toEqual(["unknown preimage_unavailable"]);
  });

  it("a settlement told twice is booked once", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { id } = await rig.begin(offer);
    await rig.advance(payDeadline);
    rig.onLookup = async (operation) => ({
      kind: "settled",
      preimage: offer.preimage,
      feeMsat: 4 as Msat,
      settledAt: rig.now,
      reference: operation.operationId,
    });
    await rig.runAlarms(TIMING.retryFirst);
    await rig.sent[0]?.settle(4);
    expect([await rig.told(id), rig.one("SELECT settled_msat AS n FROM spent WHERE holder = 'wallet' AND hour = -1")]).toEqual([
      ["unknown payment_unknown", "paid"],
      20_004,
    ]);
  });
});

describe("money that moved otherwise than was planned", () => {
  it("invariant 3: a settlement after a release is booked, its credential kept, and the wallet pauses", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    await rig.advance(payDeadline);
    await rig.runAlarms(grace + 5000);
    expect(rig.state(id)).toBe("failed");
    await rig.sent[0]?.settle(9);
    expect([rig.state(id), await rig.walletState()]).toEqual(["paid", "paused: late_settlement"]);
    expect(await rig.told(id)).toEqual(["unknown payment_unknown", "failed payment_failed", "late_settlement"]);
    expect(rig.one("SELECT settled_msat AS n FROM spent WHERE holder = 'wallet' AND hour = -1")).toBe(20_009);
    // What is paid is delivered; nothing new is bought.
    expect(await rig.open(rig.newId())).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
    expect(codeOf(await rig.open(rig.newId(), { url: `${ORIGIN}/new` }))).toBe("wallet_paused");
  });

  it("invariant 3: a fee above its reserve is booked as it is and pauses the wallet", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle(1001);
    expect(await answer).toMatchObject({ kind: "credential", credential: { status: "paid", spentMsat: 21_001 } });
    expect([
      await rig.walletState(),
      rig.one("SELECT settled_msat AS n FROM spent WHERE holder = 'wallet' AND hour = -1"),
      rig.state(id),
    ]).toEqual(["paused: fee_above_reserve", 21_001, "paid"]);
    await rig.core.enable();
    expect(await rig.walletState()).toBe("active");
  });

  it("a wallet that was disabled stays disabled when money settles late", async () => {
    const rig = await WalletRig.make();
    await rig.begin();
    await rig.core.disable();
    await rig.sent[0]?.settle(5000);
    expect(await rig.walletState()).toBe("disabled");
  });
});
