/** "Never seen" is judged by the clock of the payer that refuses late orders. Found by the simulation: the object's clock jumped while an order was on its way. */
import { afterEach, expect, it } from "vitest";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const { payDeadline, grace } = TIMING;

it("invariant 4: a clock set forwards does not turn `never_seen` into a failure while the payer would still take the order", async () => {
  const rig = await WalletRig.make();
  const sentAt = rig.now;
  const { id } = await rig.begin();
  await rig.sent[0]?.lose();
  rig.onLookup = async () => ({ kind: "never_seen", asOf: sentAt + 1000 });
  rig.now += 3_600_000;
  await rig.alarm();
  expect(rig.state(id)).toBe("payment_unknown");
});

it("invariant 4: asked after the deadline and its grace by both clocks, `never_seen` is final", async () => {
  const rig = await WalletRig.make();
  const sentAt = rig.now;
  const { id } = await rig.begin();
  await rig.sent[0]?.lose();
  rig.onLookup = async () => ({ kind: "never_seen", asOf: sentAt + payDeadline + grace });
  await rig.runAlarms(payDeadline + grace + 60_000);
  expect(rig.state(id)).toBe("failed");
});

it("invariant 4: a payer's clock that runs ahead of ours makes nothing final before its time", async () => {
  const rig = await WalletRig.make();
  const { id } = await rig.begin();
  await rig.sent[0]?.lose();
  rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now + 3_600_000 });
  await rig.runAlarms(payDeadline);
  expect(rig.state(id)).toBe("payment_unknown");
});

it.each([
  ["without a fence", "cannot_fence"],
  ["behind a fence", "fenced"],
] as const)(
  "invariant 4: what the payer once called settled, without its proof, is not released when it has forgotten it, %s",
  async (_name, fence) => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { id } = await rig.begin(offer, { idempotencyKey: "order-1" });
    await rig.sent[0]?.settle(0, null);
    rig.onCancel = async () => fence;
    // Restored from a backup, it has never heard of the order; for a while it does not answer at all.
    rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now });
    await rig.runAlarms(60_000);
    rig.onLookup = () => Promise.reject(new Error("connection refused"));
    await rig.runAlarms(600_000);
    rig.onLookup = async () => ({ kind: "never_seen" });
    await rig.runAlarms(3_600_000);
    expect([rig.state(id), rig.code(id), await rig.told(id)]).toEqual([
      "payment_unknown",
      "preimage_unavailable",
      ["unknown preimage_unavailable"],
    ]);
    // The same request again waits for it, and pays nothing.
    const again = rig.newId();
    expect(await rig.open(again, { idempotencyKey: "order-1", waitMs: 0 })).toMatchObject({ kind: "pending", code: "payment_unknown" });
    expect(rig.sent.length).toBe(1);
    expect(await rig.core.resolve(id, "failed", "the seller has received nothing", null)).toMatchObject({ ok: true });
  },
);
