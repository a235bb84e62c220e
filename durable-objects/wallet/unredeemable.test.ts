/** Paid, and nothing to redeem: the caller is told that, and not that keys are lost. Found by the simulation. */
import { afterEach, describe, expect, it } from "vitest";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

/** A keyed request that was paid, could not be proven, and was ended by an operator. */
async function endedWithoutProof(): Promise<{ readonly rig: WalletRig; readonly id: string }> {
  const rig = await WalletRig.make();
  const { id } = await rig.begin(rig.offer(), { idempotencyKey: "order-1" });
  await rig.sent[0]?.settle(1, null);
  const ended = await rig.core.resolve(id, "paid", "seen in the node's own books", null);
  expect(ended).toMatchObject({ ok: true, value: { state: "paid_unfulfilled", code: "preimage_unavailable" } });
  return { rig, id };
}

describe("a payment that an operator ended without its proof", () => {
  it("invariant 2: the same request again is told that there is no proof, and pays nothing", async () => {
    const { rig } = await endedWithoutProof();
    expect(await rig.open(rig.newId(), { idempotencyKey: "order-1" })).toMatchObject({ kind: "refused", code: "preimage_unavailable" });
    expect(rig.sent.length).toBe(1);
  });

  it("the same purchase again hears the same", async () => {
    const { rig, id } = await endedWithoutProof();
    expect(await rig.open(id, { idempotencyKey: "order-1" })).toMatchObject({ kind: "refused", code: "preimage_unavailable" });
  });
});

it("a keyed request whose credential retention has emptied is told so", async () => {
  const rig = await WalletRig.make({ timing: { keepSecrets: 60_000 } });
  await rig.buy(rig.offer({ validUntil: rig.now + 120_000 }), { idempotencyKey: "order-1" });
  rig.sql.rows("UPDATE credential SET sealed = X'', state = 'evicted'");
  await rig.advance(TIMING.openLease);
  expect(await rig.open(rig.newId(), { idempotencyKey: "order-1" })).toMatchObject({ kind: "refused", code: "credential_refused" });
});
