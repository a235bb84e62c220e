/** Settled and proven, and the token that was paid for cannot be opened: a wait that says for what, and that somebody can end. */
import { afterEach, describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const HOUR = 3_600_000;

/** The instance died while it paid; the payer has the proof, and the row's seal is spoilt. */
async function unreadable() {
  const rig = await WalletRig.make();
  const offer = rig.offer();
  const { id } = await rig.begin(offer);
  rig.crash();
  const [{ sealed } = { sealed: new Uint8Array() }] = rig.sql.rows<{ sealed: Uint8Array }>("SELECT sealed FROM payment");
  rig.sql.rows("UPDATE payment SET sealed = zeroblob(40)");
  rig.onLookup = async () => ({ kind: "settled", preimage: offer.preimage, feeMsat: 3 as Msat, settledAt: rig.now, reference: "r" });
  await rig.runAlarms(HOUR);
  return { rig, id, restore: () => void rig.sql.rows("UPDATE payment SET sealed = ?", sealed) };
}

describe("a proven payment whose token cannot be opened", () => {
  it("invariant 4: is payment_unknown with envelope_unopenable, counts as spent, and is asked about later and later", async () => {
    const { rig, id } = await unreadable();
    expect([rig.state(id), rig.code(id), rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")]).toEqual([
      "payment_unknown",
      "envelope_unopenable",
      1,
    ]);
    expect(await rig.told(id)).toEqual(["unknown envelope_unopenable"]);
    expect(rig.lookups.length).toBeLessThan(25);
    expect(rig.logged.join()).not.toContain("visit_failed");
  });

  it("is booked by the alarm alone when it can be opened again", async () => {
    const { rig, id, restore } = await unreadable();
    restore();
    await rig.runAlarms(TIMING.retryMost);
    expect(await rig.told(id)).toEqual(["unknown envelope_unopenable", "paid"]);
  });

  it("can be ended by an operator, as paid without its proof", async () => {
    const { rig, id } = await unreadable();
    expect(await rig.core.resolve(id, "paid", "the node's books show it", null)).toMatchObject({
      ok: true,
      value: { state: "paid_unfulfilled" },
    });
  });

  it("a withdrawal buys none, and is booked all the same", async () => {
    const rig = await WalletRig.make();
    const { invoice, preimage } = rig.offer();
    const withdrawalId = rig.newId();
    await rig.core.withdraw({ withdrawalId, bolt11: invoice, maxFeeMsat: 1000 as Msat, by: "an operator", waitMs: 0 });
    rig.crash();
    rig.sql.rows("UPDATE payment SET sealed = zeroblob(40)");
    rig.onLookup = async () => ({ kind: "settled", preimage, feeMsat: 3 as Msat, settledAt: rig.now, reference: "r" });
    await rig.runAlarms(HOUR);
    expect([rig.state(withdrawalId), await rig.told(withdrawalId)]).toEqual(["fulfilled", ["withdrawn"]]);
  });

  it("invariant 5: is not released by a payer that says `failed` after its proof", async () => {
    const { rig, id } = await unreadable();
    rig.onLookup = async () => ({ kind: "failed", code: "no_route", definite: true });
    await rig.runAlarms(HOUR);
    expect([rig.state(id), rig.code(id)]).toEqual(["payment_unknown", "envelope_unopenable"]);
  });
});
