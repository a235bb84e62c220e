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
