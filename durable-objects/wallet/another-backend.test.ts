/** A deployment whose payer is not this wallet's: `WALLET_BACKEND` was changed without moving the spender. Invariants 4 and 13. */
import { afterEach, expect, it } from "vitest";
import { msat } from "../../lightning/msat.ts";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

/** The rig's payer is an HTTP executor; from now on the wallet's is not. */
function onSpark(rig: WalletRig): void {
  rig.sql.rows("UPDATE wallet SET backend = 'spark-wasm'");
  rig.crash();
}

it("invariant 13: nothing is ordered of it, no invoice is made by it, and its balance is not shown as the wallet's", async () => {
  const rig = await WalletRig.make();
  onSpark(rig);
  const { id, answer } = await rig.begin();
  expect(await answer).toMatchObject({ kind: "refused", code: "backend_unavailable" });
  expect([rig.state(id), rig.sent.length]).toEqual(["cancelled", 0]);
  expect(await rig.core.fundingInvoice(msat(1000))).toMatchObject({ ok: false, code: "backend_unavailable" });
  expect(await rig.core.balance()).toMatchObject({ ok: false, code: "backend_unavailable" });
});

it("invariant 4: its never having seen an open payment releases nothing", async () => {
  const rig = await WalletRig.make();
  const { id } = await rig.begin();
  rig.onLookup = async () => ({ kind: "never_seen", asOf: rig.now });
  onSpark(rig);
  await rig.runAlarms(TIMING.payDeadline + TIMING.grace + 60_000);
  expect([rig.state(id), rig.lookups.length]).toEqual(["payment_unknown", 0]);
  // Back on the right deployment it is asked about as ever.
  rig.sql.rows("UPDATE wallet SET backend = 'http-executor'");
  rig.crash();
  await rig.runAlarms(600_000);
  expect(rig.state(id)).toBe("failed");
});
