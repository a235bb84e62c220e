/** Invariant 3 where two windows meet. A clock may move within a turn: Node's does, and workerd's where it runs locally. */
import { afterEach, expect, it, vi } from "vitest";
import { hourStart } from "../../lightning/decide.ts";
import type { Msat } from "../../lightning/msat.ts";
import { ORIGIN, POLICY, START, WalletRig, checkRigs } from "../../test/support/wallet-rig.ts";

vi.setConfig({ testTimeout: 30_000 });

afterEach(() => {
  vi.restoreAllMocks();
  return checkRigs();
});

const CAP = 22_000;
/** More than `pay` takes. */
const LOOKS = 20;

it("invariant 3: a payment is booked in the window it was decided in, wherever between two looks at the clock the hour ends", async () => {
  const border = hourStart(START) + 3_600_000;
  const sent = new Set<number>();
  for (let early = 0; early <= LOOKS; early++) {
    const rig = await WalletRig.make({ policy: { ...POLICY, hourMsat: CAP as Msat } });
    await rig.buy(rig.offer({ amountMsat: 21_000 }), { url: `${ORIGIN}/a` });
    const id = rig.newId();
    await rig.open(id, { url: `${ORIGIN}/b` });
    const { challenge } = rig.offer({ amountMsat: 21_000, service: "other" });
    let looks = 0;
    // Each look is a millisecond after the one before; the first `early` are in the old hour.
    vi.spyOn(rig, "now", "get").mockImplementation(() => border - early + looks++);
    void rig.pay(id, challenge);
    await rig.quiet();
    vi.restoreAllMocks();
    sent.add(rig.sent.length);
    const old = rig.one(`SELECT SUM(charge_msat + COALESCE(fee_msat, reserve_msat)) AS n FROM payment WHERE reserved_at < ${border}`);
    expect(old, `the hour ended after ${early} looks`).toBeLessThanOrEqual(CAP);
  }
  // On this side it is refused, on the other it is paid.
  expect(sent).toEqual(new Set([1, 2]));
});
