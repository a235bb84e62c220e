/** What a payer has in hand and does not bring to an end by itself: resumed by the alarm, once at a time, and only through block two. */
import { afterEach, describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const STUCK: PaymentOutcome = { kind: "pending", resumable: true };

/** A payer whose `resume` is in the test's hand. */
function payer() {
  const resumed: { readonly order: PaymentOrder; readonly answer: (outcome: PaymentOutcome) => void }[] = [];
  return {
    resumed,
    resume: (order: PaymentOrder): Promise<PaymentOutcome> => {
      const { promise, resolve } = Promise.withResolvers<PaymentOutcome>();
      resumed.push({ order, answer: resolve });
      return promise;
    },
  };
}

async function stuck(expirySeconds?: number) {
  const own = payer();
  const rig = await WalletRig.make({ payer: own });
  const offer = rig.offer(expirySeconds === undefined ? {} : { expirySeconds });
  const { id, answer } = await rig.begin(offer);
  rig.onLookup = async () => STUCK;
  await rig.sent[0]?.answer(STUCK);
  const proof: PaymentOutcome = { kind: "settled", preimage: offer.preimage, feeMsat: 0 as Msat, settledAt: rig.now, reference: "r" };
  return { own, rig, id, answer, offer, proof };
}

describe("a payment that its payer calls resumable", () => {
  it("invariant 2: is resumed by the alarm under the same operation id, and its outcome is booked", async () => {
    const { own, rig, id, answer, proof } = await stuck();
    await rig.runAlarms(2000);
    expect(own.resumed.length).toBe(1);
    const { deadline, ...order } = own.resumed[0]?.order ?? ({} as PaymentOrder);
    const { deadline: _, ...first } = rig.sent[0]?.order ?? ({} as PaymentOrder);
    expect(order).toEqual(first);
    expect(rig.sql.rows("SELECT deadline FROM payment")).toEqual([{ deadline }]);
    own.resumed[0]?.answer(proof);
    expect((await answer).kind).toBe("credential");
    expect([rig.state(id), await rig.told(id)]).toEqual(["paid", ["paid"]]);
  });

  it("invariant 2: while one call runs there is no second one, however often the alarm comes", async () => {
    const { own, rig, id } = await stuck();
    await rig.runAlarms(2000);
    rig.sql.rows("UPDATE purchase SET due_at = ? WHERE id = ?", rig.now, id);
    await Promise.all([rig.alarm(), rig.alarm()]);
    expect([own.resumed.length, rig.state(id)]).toEqual([1, "paying"]);
  });

  it("invariant 4: a call that is never answered leaves it unknown, and it is asked about and resumed again", async () => {
    const { own, rig, id, proof } = await stuck();
    await rig.runAlarms(TIMING.payDeadline + 10_000);
    expect([rig.state(id), own.resumed.length > 1]).toEqual(["payment_unknown", true]);
    own.resumed.at(-1)?.answer(proof);
    await rig.quiet();
    expect(rig.state(id)).toBe("paid");
  });

  it("invariant 11: not in a stopped wallet; it stays visible, is asked about, and goes on when the stop is over", async () => {
    const { own, rig, id } = await stuck();
    await rig.core.disable();
    await rig.runAlarms(600_000);
    expect([own.resumed.length, rig.state(id), rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")]).toEqual([
      0,
      "paying",
      1,
    ]);
    await rig.core.enable();
    await rig.runAlarms(TIMING.retryMost);
    expect(own.resumed.length).toBeGreaterThan(0);
  });

  it("invariant 13: not by an object that another spender has overtaken", async () => {
    const { own, rig, id } = await stuck();
    rig.security = { ...rig.security, version: 2, epoch: 2 };
    await rig.runAlarms(600_000);
    // What was known of the epoch when it paid is good for five seconds, and no longer.
    expect([own.resumed.every(({ order }) => order.deadline <= rig.now), rig.state(id)]).toEqual([true, "payment_unknown"]);
    const before = own.resumed.length;
    await rig.runAlarms(600_000);
    expect(own.resumed.length).toBe(before);
  });

  it("invariant 7: not once its invoice has expired", async () => {
    const { own, rig, id } = await stuck(60);
    await rig.core.disable();
    await rig.runAlarms(61_000);
    await rig.core.enable();
    await rig.runAlarms(3_600_000);
    expect([own.resumed.length, rig.state(id)]).toEqual([0, "paying"]);
  });

  it("invariant 10: not when its sealed invoice cannot be opened", async () => {
    const { own, rig, id } = await stuck();
    rig.sql.rows("UPDATE payment SET sealed = zeroblob(40)");
    await rig.runAlarms(600_000);
    expect([own.resumed.length, rig.state(id)]).toEqual([0, "paying"]);
  });

  it("invariant 4: `never_seen` is reckoned from the last order that may be on its way", async () => {
    const { own, rig, id } = await stuck();
    await rig.runAlarms(2000);
    const deadline = own.resumed[0]?.order.deadline ?? 0;
    rig.crash();
    rig.onLookup = async () => ({ kind: "never_seen", asOf: deadline });
    await rig.runAlarms(60_000);
    expect(rig.state(id)).toBe("payment_unknown");
  });

  it("takes one of the four slots, like every order", async () => {
    const { own, rig, proof } = await stuck();
    const others = ["a", "b", "c", "d"];
    for (const service of others) await rig.begin(rig.offer({ service }), { url: `https://seller.example/${service}` });
    await rig.runAlarms(2000);
    expect([rig.running, own.resumed.length]).toEqual([4, 0]);
    await rig.sent.at(-1)?.settle();
    expect(own.resumed.length).toBe(1);
    own.resumed[0]?.answer(proof);
    await rig.quiet();
  });
});
