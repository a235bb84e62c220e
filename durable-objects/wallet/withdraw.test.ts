/** What an operator may ask to have paid out, and what is said when it is not. The payment itself goes the way of every other one. */
import { afterEach, describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import type { PurchaseView } from "../../lightning/wallet-api.ts";
import { checkRigs, WalletRig, type RigOptions } from "../../test/support/wallet-rig.ts";
import type { OfferPlan } from "../../test/support/rig-seller.ts";

afterEach(checkRigs);

const SAT: RigOptions = { payer: { granularity: "sat" } };

async function asked(rig: WalletRig, invoice: string): Promise<Result<PurchaseView>> {
  const answer = rig.core.withdraw({
    withdrawalId: rig.newId(),
    bolt11: invoice,
    maxFeeMsat: 1000 as Msat,
    by: "operator/main/root",
    waitMs: 0,
  });
  await rig.quiet();
  return answer;
}

describe("an invoice that nobody can pay", () => {
  it.each([
    ["more than can be counted in whole satoshi", SAT, { amountMsat: Number.MAX_SAFE_INTEGER }, "more than can be counted"],
    ["another network's", {}, { network: "mainnet" }, "mainnet"],
    ["expired", {}, { expirySeconds: 0 }, "expired"],
  ] as const)("%s: the withdrawal is refused in its own words, and nothing is set aside", async (_what, options, plan, word) => {
    const rig = await WalletRig.make(options);
    const refused = await asked(rig, rig.offer(plan satisfies OfferPlan).invoice);
    expect(refused).toMatchObject({ ok: false, code: "withdrawal_refused", detail: expect.stringContaining(word) });
    expect([rig.sent.length, rig.one("SELECT COUNT(*) AS n FROM payment")]).toEqual([0, 0]);
  });

  it("no invoice at all: it is the operator's own mistake, and no seller is to be told of it", async () => {
    const rig = await WalletRig.make();
    expect(await asked(rig, "lnbcrt1example")).toMatchObject({ ok: false, code: "withdrawal_refused" });
  });

  it("the largest that can be counted is taken, whole satoshi or not", async () => {
    for (const options of [SAT, {}]) {
      const rig = await WalletRig.make(options);
      expect(await asked(rig, rig.offer({ amountMsat: Number.MAX_SAFE_INTEGER - 1991 }).invoice)).toMatchObject({ ok: true });
      expect(rig.sent.length).toBe(1);
    }
  });
});
