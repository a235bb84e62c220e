/** "Never seen" before its time: the payer is asked for a fence, and only a plain yes ends anything. Invariants 2 and 4. */
import { afterEach, expect, it } from "vitest";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const { payDeadline, grace, lookupDeadline } = TIMING;

/** An order that was lost on its way, and a payer that has not seen it. */
async function lost() {
  const rig = await WalletRig.make();
  const { id, answer } = await rig.begin();
  rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now });
  await rig.sent[0]?.lose();
  return { rig, id, answer };
}

it("invariant 4: behind a fence the money is free at once, and not only after the deadline", async () => {
  const { rig, id } = await lost();
  rig.onCancel = async () => "fenced";
  await rig.runAlarms(2000);
  expect([rig.state(id), await rig.told(id)]).toEqual(["failed", ["unknown payment_unknown", "failed payment_failed"]]);
  expect(rig.cancels.map(({ operationId }) => operationId)).toEqual([rig.sent[0]?.order.operationId]);
});

it("invariant 4: where the payer cannot fence, it waits for the deadline and its grace", async () => {
  const { rig, id } = await lost();
  await rig.runAlarms(payDeadline);
  expect([rig.state(id), rig.cancels.length > 0]).toEqual(["payment_unknown", true]);
  await rig.runAlarms(600_000);
  expect(rig.state(id)).toBe("failed");
});

it.each([
  ["an exception", () => Promise.reject(new Error("connection refused"))],
  ["no answer", () => new Promise<never>(() => {})],
])("invariant 4: %s is no fence", async (_, says) => {
  const { rig, id } = await lost();
  rig.onCancel = says;
  await rig.advance(1000);
  const alarm = rig.alarm();
  await rig.advance(lookupDeadline);
  await alarm;
  expect([rig.state(id), rig.cancels.length]).toEqual(["payment_unknown", 1]);
});

it("after the deadline there is nothing to fence off: the payer is not asked for it", async () => {
  const { rig, id } = await lost();
  await rig.advance(payDeadline + grace);
  await rig.alarm();
  expect([rig.state(id), rig.cancels.length]).toEqual(["failed", 0]);
});

it("invariant 2: not while this instance's own call is running, which may still bring the order", async () => {
  const rig = await WalletRig.make();
  const { id } = await rig.begin();
  rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now });
  rig.onCancel = async () => "fenced";
  // The clock stands at the deadline before the call's own timer has fired.
  rig.now += payDeadline;
  rig.sql.rows("UPDATE purchase SET due_at = ? WHERE id = ?", rig.now, id);
  await rig.alarm();
  expect([rig.lookups.length, rig.cancels.length, rig.state(id)]).toEqual([1, 0, "payment_unknown"]);
});

it("invariant 4: a payer that fences and settles all the same breaks its contract: booked as late, and the wallet is paused", async () => {
  const { rig, id } = await lost();
  rig.onCancel = async () => "fenced";
  const slow = await rig.begin(rig.offer({ service: "slow" }), { url: "https://seller.example/slow" });
  // Given up by its deadline; its answer is still on its way when the fence is set.
  await rig.advance(payDeadline);
  rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now - payDeadline });
  await rig.runAlarms(10_000);
  expect([rig.state(id), rig.state(slow.id)]).toEqual(["failed", "failed"]);
  await rig.sent[1]?.settle();
  expect([rig.state(slow.id), await rig.walletState()]).toEqual(["paid", "paused: late_settlement"]);
});

it("invariant 4: what settles while the fence is asked for stays settled", async () => {
  const rig = await WalletRig.make();
  const { id } = await rig.begin();
  await rig.advance(payDeadline);
  rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now - payDeadline });
  const { promise, resolve } = Promise.withResolvers<"fenced">();
  rig.onCancel = () => promise;
  await rig.advance(1000);
  const alarm = rig.alarm();
  await rig.quiet();
  expect(rig.cancels.length).toBe(1);
  await rig.sent[0]?.settle();
  expect(rig.state(id)).toBe("paid");
  resolve("fenced");
  await alarm;
  expect([rig.state(id), await rig.walletState()]).toEqual(["paid", "active"]);
});
