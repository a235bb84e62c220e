/** The wallet's status says when less can be spent than its policy's mark; where nobody knows the balance it says that it does not know. */
import { afterEach, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { PayerStatus } from "../../lightning/payer.ts";
import { checkRigs, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

const MARK = 5000 as Msat;
const STATUS: PayerStatus = {
  backend: "http-executor",
  online: true,
  spendableMsat: null,
  network: "regtest",
  lastPaymentAt: null,
  version: null,
};

it.each([
  ["below the mark", MARK, async () => ({ ...STATUS, spendableMsat: 4999 as Msat }), true],
  ["at the mark", MARK, async () => ({ ...STATUS, spendableMsat: MARK }), false],
  ["not known to the payer", MARK, async () => STATUS, null],
  ["with a payer that is away", MARK, () => Promise.reject(new Error("away")), null],
  ["nothing left, and no mark", undefined, async () => ({ ...STATUS, spendableMsat: 0 as Msat }), false],
] as const)("a balance %s", async (_what, lowBalanceMsat, status, low) => {
  const policy = lowBalanceMsat === undefined ? POLICY : { ...POLICY, lowBalanceMsat };
  const rig = await WalletRig.make({ policy, payer: { status } });
  expect(await rig.core.status()).toMatchObject({ ok: true, value: { lowBalance: low } });
});
