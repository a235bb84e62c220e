/** The alarm and the journal's clock: what must happen without anybody asking. Invariants 3 and 4. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOutcome } from "../../lightning/payer.ts";
import { store } from "../../test/support/chain-store.ts";
import { AGENTS, checkRigs, ORIGIN, POLICY, START, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;
const { payDeadline, grace } = TIMING;

describe("the alarm", () => {
  it("invariant 4: is set in the block that makes something due, and cleared when nothing is", async () => {
    const rig = await WalletRig.make();
    const held = store(rig);
    expect(rig.sql.alarm).toBeNull();
    const id = rig.newId();
    await rig.open(id);
    expect(rig.sql.alarm).toBe(START + TIMING.openLease);
    await rig.core.conclude(AGENTS, id, { kind: "free", status: 200 });
    await rig.runAlarms(TIMING.openLease);
    expect([rig.sql.alarm, held.length, rig.one("SELECT COUNT(*) AS n FROM due")]).toEqual([null, 1, 0]);
  });

  it("invariant 4: a new instance sets it again, whatever became of the old one", async () => {
    const rig = await WalletRig.make();
    await rig.begin();
    rig.sql.alarm = null;
    rig.crash();
    // First the snapshot that tells the control plane of the open row, then the row itself.
    expect(rig.sql.alarm).toBe(START + TIMING.outboxDelay);
    await rig.runAlarms(TIMING.outboxDelay);
    expect(rig.sql.alarm).toBe(START + payDeadline + grace);
    rig.sql.alarm = null;
    await rig.advance(3_600_000);
    rig.crash();
    expect(rig.sql.alarm).toBe(rig.now + 1);
  });

  it("invariant 4: one that the platform dropped is set again by the next call, without a restart", async () => {
    const rig = await WalletRig.make();
    await rig.begin();
    // Never fired: the platform gave up on it.
    await rig.advance(3_600_000);
    rig.sql.alarm = null;
    await rig.open(rig.newId(), { url: `${ORIGIN}/other` });
    expect(rig.sql.alarm).not.toBeNull();
    await rig.runAlarms(60_000);
    expect(rig.lookups.length).toBeGreaterThan(0);
  });

  it("invariant 4: never throws and always comes again: storage that throws, a payer that throws, keys that do not open", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.crash();
    await rig.advance(payDeadline + grace);
    rig.sql.broken = true;
    await rig.alarm();
    expect(rig.sql.alarm).not.toBeNull();
    rig.sql.broken = false;
    rig.onLookup = () => {
      throw new Error("no such method");
    };
    await rig.alarm();
    expect([rig.sql.alarm, rig.state(id)]).toEqual([rig.now + 5000, "paying"]);
    rig.onLookup = () => Promise.reject(new Error("connection refused"));
    await rig.advance(5000);
    await rig.alarm();
    expect(rig.state(id)).toBe("payment_unknown");
    expect(rig.sql.alarm).not.toBeNull();
    rig.crash();
    rig.onUnwrap = async () => null;
    await rig.advance(60_000);
    await rig.alarm();
    expect(rig.sql.alarm).toBe(rig.now + 30_000);
    rig.onUnwrap = async (wrapped) => Uint8Array.from(wrapped);
    rig.onLookup = async () => ({ kind: "never_seen" });
    await rig.runAlarms(600_000);
    expect(rig.state(id)).toBe("failed");
    expect(rig.logged.join()).not.toContain("connection refused");
  });

  it("re-arms before it works: a run that dies in the middle is followed by another", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { id } = await rig.begin(offer);
    rig.crash();
    await rig.advance(payDeadline + grace);
    rig.onLookup = () => new Promise(() => {});
    rig.sql.alarm = null;
    const dead = rig.core.alarm();
    await rig.quiet();
    const net = rig.sql.alarm ?? Infinity;
    expect(net).toBeLessThanOrEqual(rig.now + 30_000);
    rig.crash();
    rig.onLookup = async (operation) => ({
      kind: "settled",
      preimage: offer.preimage,
      feeMsat: 0 as Msat,
      settledAt: rig.now,
      reference: operation.operationId,
    });
    await rig.runAlarms(30_000);
    expect(rig.state(id)).toBe("paid");
    await rig.advance(TIMING.lookupDeadline);
    await dead;
  });

  it("is early, late, doubled and at odd times without harm", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    await rig.alarm();
    await Promise.all([rig.alarm(), rig.alarm()]);
    expect([rig.state(id), rig.lookups.length]).toEqual(["paying", 0]);
    await rig.advance(86_400_000);
    await Promise.all([rig.alarm(), rig.alarm()]);
    expect([rig.state(id), await rig.told(id)]).toEqual(["failed", ["unknown payment_unknown", "failed payment_failed"]]);
  });

  it("works off a backlog in batches, without spinning", async () => {
    const rig = await WalletRig.make();
    store(rig);
    const ids = Array.from({ length: 100 }, () => rig.newId());
    for (const id of ids) await rig.open(id);
    await rig.advance(TIMING.openLease);
    const fired = await rig.runAlarms(10_000, 20);
    expect(ids.filter((id) => rig.state(id) !== "abandoned")).toEqual([]);
    expect([fired, rig.sql.alarm]).toEqual([7, null]);
  });

  it("invariant 4: rows that fail at every visit, more than a batch of them, keep nobody else from its turn", async () => {
    const rig = await WalletRig.make();
    const failing = new Set<string>();
    for (let n = 0; n < 20; n++) {
      const offer = rig.offer({ service: `s${n}` });
      failing.add(offer.paymentHash);
      await rig.begin(offer, { url: `${ORIGIN}/s${n}`, waitMs: 0 });
      await rig.sent.at(-1)?.lose();
    }
    rig.onLookup = (operation) => {
      if (failing.has(operation.paymentHash)) throw new Error("this one always fails");
      return Promise.resolve({ kind: "never_seen" });
    };
    const { id } = await rig.begin(rig.offer({ service: "last" }), { url: `${ORIGIN}/last`, waitMs: 0 });
    await rig.sent.at(-1)?.lose();
    const opened = rig.newId();
    await rig.open(opened, { url: `${ORIGIN}/opened` });
    const fired = await rig.runAlarms(TIMING.openLease + 30_000, 200);
    expect([rig.state(id), rig.state(opened)]).toEqual(["failed", "abandoned"]);
    // Each of the others is tried every five seconds, and no more often.
    expect(fired).toBeLessThan(120);
  });

  it("keeps its pace when something cannot be done: a fault is not tried again at once", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    rig.crash();
    rig.sql.rows("UPDATE payment SET sealed = zeroblob(40)");
    const preimage = "00".repeat(32);
    rig.onLookup = async () => {
      throw new TypeError("odd");
    };
    await rig.advance(payDeadline + grace);
    const settled: PaymentOutcome = { kind: "settled", preimage, feeMsat: 0 as Msat, settledAt: rig.now, reference: "r" };
    rig.onLookup = async () => settled;
    const fired = await rig.runAlarms(60_000, 100);
    expect(fired).toBeLessThan(20);
    expect(rig.state(id)).toBe("payment_unknown");
  });

  it("invariant 4: a settlement that cannot be booked makes the row unknown, asked about at the usual pace, so that an operator can end it", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { id } = await rig.begin(offer);
    rig.crash();
    // A payer out of its mind: no book can hold such a fee.
    const feeMsat = Number.MAX_SAFE_INTEGER as Msat;
    rig.onLookup = async ({ operationId }) => ({
      kind: "settled",
      preimage: offer.preimage,
      feeMsat,
      settledAt: rig.now,
      reference: operationId,
    });
    const fired = await rig.runAlarms(3_600_000);
    expect([rig.state(id), await rig.told(id)]).toEqual(["payment_unknown", ["unknown payment_unknown"]]);
    expect(fired).toBeLessThan(30);
    expect(await rig.core.resolve(id, "paid", "the payer says so, and its fee is nonsense", null)).toMatchObject({ ok: true });
    expect(rig.state(id)).toBe("paid_unfulfilled");
  });
});

describe("the journal's clock", () => {
  it("invariant 3: `now` is never earlier than the journal's last instant, whatever the host's clock does", async () => {
    const rig = await WalletRig.make({ budgets: { agents: { ...POLICY, hourMsat: 30_000 as Msat } } });
    await rig.buy(rig.offer({ service: "a" }));
    rig.now -= 2 * 3_600_000;
    // Were it believed, this payment would fall into an hour of its own.
    const { answer } = await rig.begin(rig.offer({ service: "b", expirySeconds: 86_400 }), { url: `${ORIGIN}/b` });
    expect(codeOf(await answer)).toBe("budget_exceeded");
    rig.crash();
    const after = await rig.begin(rig.offer({ service: "c", expirySeconds: 86_400 }), { url: `${ORIGIN}/c` });
    expect(codeOf(await after.answer)).toBe("budget_exceeded");
    const instants = (await rig.receipts()).map(({ receipt }) => receipt.at);
    expect(instants).toEqual(instants.toSorted());
    expect(rig.one("SELECT MIN(opened_at) AS n FROM purchase")).toBe(START);
  });

  it("invariant 11: a clock set back does not make old switches young", async () => {
    const rig = await WalletRig.make();
    await rig.buy();
    rig.security = { ...rig.security, globalPause: true, version: 2 };
    rig.now -= 1;
    const { answer } = await rig.begin(rig.offer({ service: "x" }), { url: `${ORIGIN}/x` });
    expect([codeOf(await answer), rig.sent.length]).toEqual(["global_pause_active", 1]);
  });
});
