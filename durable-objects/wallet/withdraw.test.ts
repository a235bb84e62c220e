/** What an operator may ask to have paid out, and what is said when it is not. The payment itself goes the way of every other one. */
import { afterEach, describe, expect, it } from "vitest";
import { problem } from "../../lightning/errors.ts";
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

describe("an invoice that the wallet has met", () => {
  it("invariant 2: is not paid again under another id, and the refusal says which withdrawal has it and how that one stands", async () => {
    const rig = await WalletRig.make();
    const { invoice } = rig.offer();
    // The operator's answer is lost, and with it the id that the Worker had made.
    const first = await asked(rig, invoice);
    const id = first.ok ? first.value.purchaseId : "";
    expect(await asked(rig, invoice)).toMatchObject({
      ok: false,
      code: "payment_hash_reused",
      detail: `purchase ${id} has this invoice, and is paying: nothing is paid for it twice`,
    });
    await rig.sent[0]?.settle();
    expect(await asked(rig, invoice)).toMatchObject({
      ok: false,
      detail: expect.stringContaining(`${id} has this invoice, and is fulfilled`),
    });
    expect(rig.sent.length).toBe(1);
  });

  it("the advice that comes with it does not say that nothing was ever paid", () => {
    expect(problem("payment_hash_reused").fix).toMatch(/^Unless `detail` says that it is paid/u);
  });
});

describe("invariant 14: every decision about a withdrawal leaves a receipt that names the operator", () => {
  const about = async (rig: WalletRig): Promise<readonly unknown[]> =>
    (await rig.receipts()).map(({ receipt: { kind, code, evidence, path } }) => [kind, code, evidence, path]);

  it("one that was made", async () => {
    const rig = await WalletRig.make();
    const { invoice, paymentHash } = rig.offer();
    expect(await asked(rig, invoice)).toMatchObject({ ok: true });
    await rig.sent[0]?.settle();
    expect(await about(rig)).toEqual([["withdrawn", null, "operator/main/root", `/${paymentHash}`]]);
  });

  it("one that a switch has stopped, each time; and afterwards the same withdrawal can be made", async () => {
    const rig = await WalletRig.make();
    const { invoice, paymentHash } = rig.offer();
    await rig.core.disable();
    const request = { withdrawalId: rig.newId(), bolt11: invoice, maxFeeMsat: 1000 as Msat, by: "operator/main/root", waitMs: 0 };
    for (let time = 0; time < 2; time++) expect(await rig.core.withdraw(request)).toMatchObject({ ok: false, code: "wallet_disabled" });
    const denied = ["denied", "wallet_disabled", "operator/main/root", `/${paymentHash}`];
    expect(await about(rig)).toEqual([denied, denied]);
    expect(rig.one("SELECT COUNT(*) AS n FROM payment")).toBe(0);
    await rig.core.enable();
    const made = rig.core.withdraw(request);
    await rig.quiet();
    expect(await made).toMatchObject({ ok: true, value: { purchaseId: request.withdrawalId } });
    expect(rig.sent.length).toBe(1);
  });
});
