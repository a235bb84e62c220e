/** An operator's last word where the wallet can no longer read what it has sealed: a refusal that says so, never an exception. */
import { afterEach, expect, it } from "vitest";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

/** A payment that nobody can end, and whose sealed token is spoilt. */
async function spoilt() {
  const rig = await WalletRig.make();
  const offer = rig.offer();
  const { id } = await rig.begin(offer);
  await rig.sent[0]?.lose();
  rig.sql.rows("UPDATE payment SET sealed = zeroblob(40)");
  return { rig, id, preimage: offer.preimage };
}

it("invariant 6: `paid` with the preimage is `envelope_unopenable` where the token cannot be opened, and nothing changes", async () => {
  const { rig, id, preimage } = await spoilt();
  const answer = await rig.core.resolve(id, "paid", "seen in the node's books", preimage);
  expect(answer).toMatchObject({ ok: false, code: "envelope_unopenable" });
  expect([rig.state(id), await rig.told(id)]).toEqual(["payment_unknown", ["unknown payment_unknown"]]);
});

it("`paid` without it, and `failed`, need no token: the money is booked or free", async () => {
  const paid = await spoilt();
  expect(await paid.rig.core.resolve(paid.id, "paid", "seen in the node's books", null)).toMatchObject({ ok: true });
  expect(paid.rig.state(paid.id)).toBe("paid_unfulfilled");
  const failed = await spoilt();
  expect(await failed.rig.core.resolve(failed.id, "failed", "not in the node's books", null)).toMatchObject({ ok: true });
  expect(failed.rig.state(failed.id)).toBe("failed");
});
