/** The outbox: receipts, and the word that rows are open, on their way to the control plane. Invariants 4 and 14. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { store } from "../../test/support/chain-store.ts";
import { AGENTS, checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

afterEach(checkRigs);

describe("the outbox", () => {
  const decide = async (rig: WalletRig, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await rig.open(rig.newId(), { url: "https://unlisted.example/" });
  };

  it("invariant 14: every receipt reaches the control plane, in order, once it has been asked for", async () => {
    const rig = await WalletRig.make();
    const held = store(rig);
    await decide(rig, 450);
    await rig.runAlarms(60_000);
    expect(held.map(({ receiptId }) => receiptId)).toEqual((await rig.receipts()).map(({ receiptId }) => receiptId));
    expect(held.length).toBe(450);
    expect(Math.max(...rig.ingested.map((page) => page.length))).toBe(200);
    expect(rig.sql.alarm).toBeNull();
  });

  it("a control plane that is down is asked again, later and later, and then gets everything", async () => {
    const rig = await WalletRig.make();
    await decide(rig, 3);
    const asked: number[] = [];
    rig.onIngest = async () => {
      asked.push(rig.now);
      throw new Error("down");
    };
    await rig.runAlarms(6 * 3_600_000, 100);
    const gaps = asked.slice(1).map((at, i) => at - (asked[i] ?? 0));
    expect(gaps.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
    expect(gaps.at(-1)).toBe(TIMING.retryMost);
    const held = store(rig);
    await rig.runAlarms(TIMING.retryMost);
    expect([held.length, rig.sql.alarm]).toEqual([3, null]);
  });

  it("a control plane that never answers holds nothing up", async () => {
    const rig = await WalletRig.make();
    await decide(rig, 1);
    rig.onIngest = () => new Promise(() => {});
    await rig.advance(TIMING.outboxDelay);
    const alarm = rig.alarm();
    await rig.advance(TIMING.controlDeadline);
    await alarm;
    expect(rig.sql.alarm).toBe(rig.now + TIMING.retryFirst);
  });

  it("an acknowledgement that was lost means the same again, which is harmless", async () => {
    const rig = await WalletRig.make();
    const held = store(rig);
    const takes = rig.onIngest;
    await decide(rig, 5);
    let lost = 0;
    rig.onIngest = async (records) => {
      const answer = await takes(records);
      if (lost++ < 2) throw new Error("reply lost");
      return answer;
    };
    await rig.runAlarms(60_000);
    expect([held.length, rig.ingested.map((page) => page.length), rig.sql.alarm]).toEqual([5, [5, 5, 5], null]);
  });

  it("invariant 14: a control plane that holds less than it once said gets what it lacks, and is not asked forever", async () => {
    const rig = await WalletRig.make();
    const held = store(rig);
    await decide(rig, 6);
    await rig.runAlarms(10_000);
    expect(held.length).toBe(6);
    // Restored from a backup of yesterday.
    held.splice(2);
    await decide(rig, 1);
    await rig.runAlarms(60_000, 20);
    expect([held.length, rig.sql.alarm]).toEqual([7, null]);
  });

  it("a control plane that takes nothing is not asked every second", async () => {
    const rig = await WalletRig.make();
    rig.onIngest = async () => 0;
    await decide(rig, 2);
    await rig.runAlarms(3_600_000, 40);
    expect(rig.ingested.length).toBeLessThan(25);
    expect(rig.sql.alarm).not.toBeNull();
  });

  it("a control plane that claims more than there is does not silence later receipts", async () => {
    const rig = await WalletRig.make();
    rig.onIngest = async () => 1000;
    await decide(rig, 2);
    await rig.runAlarms(10_000);
    const before = rig.ingested.length;
    await decide(rig, 1);
    await rig.runAlarms(10_000);
    expect(
      rig.ingested
        .slice(before)
        .flat()
        .map(({ receipt }) => receipt.sequence),
    ).toEqual([3]);
  });

  it("a receipt written while the control plane answers is sent too, at whatever instant it was written", async () => {
    for (let microtasks = 0; microtasks < 16; microtasks++) {
      const rig = await WalletRig.make();
      const held = store(rig);
      const takes = rig.onIngest;
      const late = rig.newId();
      await rig.open(late);
      await decide(rig, 1);
      let once = true;
      rig.onIngest = async (records) => {
        const answer = await takes(records);
        if (once) {
          once = false;
          let wait = Promise.resolve();
          for (let i = 0; i < microtasks; i++) wait = wait.then(() => {});
          void wait.then(() => rig.core.conclude(AGENTS, late, { kind: "free", status: 200 }));
        }
        return answer;
      };
      await rig.runAlarms(60_000);
      expect([held.length, rig.sql.alarm], `after ${microtasks} microtasks`).toEqual([2, null]);
    }
  });

  it("a receipt written in the instant after everything was acknowledged is sent too", async () => {
    for (let microtasks = 0; microtasks < 24; microtasks++) {
      const rig = await WalletRig.make();
      const held = store(rig);
      // In one run the alarm writes a receipt (nothing came of what was paid), sends it, and is told that this was the last.
      const { id, answer } = await rig.begin();
      await rig.sent[0]?.settle();
      await answer;
      const late = rig.newId();
      await rig.open(late, { url: "https://other.example/" });
      rig.sql.rows("UPDATE purchase SET due_at = ? WHERE id = ?", rig.now + 5000, id);
      rig.sql.rows("UPDATE due SET at = ?", rig.now + 5000);
      await rig.advance(5000);
      const takes = rig.onIngest;
      rig.onIngest = async (records) => {
        let wait = Promise.resolve();
        for (let i = 0; i < microtasks; i++) wait = wait.then(() => {});
        void wait.then(() => rig.core.conclude(AGENTS, late, { kind: "free", status: 200 }));
        rig.onIngest = takes;
        return takes(records);
      };
      await rig.alarm();
      await rig.runAlarms(60_000);
      expect(held.map(({ receipt }) => receipt.kind).sort(), `after ${microtasks} microtasks`).toEqual(["free", "paid", "unfulfilled"]);
    }
  });

  it("says how many rows are open, so that the cron can wake a wallet whose alarm was lost", async () => {
    const rig = await WalletRig.make();
    store(rig);
    await rig.begin();
    await rig.sent[0]?.lose();
    await rig.runAlarms(2000);
    expect(rig.snapshots.at(-1)?.openRows).toBe(1);
    await rig.runAlarms(600_000);
    expect(rig.snapshots.at(-1)?.openRows).toBe(0);
  });

  it("invariant 4: an order that leaves while the control plane hears that there is none is told of next", async () => {
    const rig = await WalletRig.make();
    store(rig);
    await rig.open(rig.newId(), { url: "https://unlisted.example/" });
    rig.onSnapshot = async () => {
      rig.onSnapshot = async () => {};
      await rig.begin();
    };
    await rig.runAlarms(TIMING.outboxDelay);
    expect([rig.sent.length, rig.snapshots.map(({ openRows }) => openRows)]).toEqual([1, [0]]);
    await rig.runAlarms(TIMING.outboxDelay);
    expect(rig.snapshots.map(({ openRows }) => openRows)).toEqual([0, 1]);
  });
});
