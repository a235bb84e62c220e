/** Under the real terms, in a wallet that nobody uses any more too: what has had its term goes, and what money hangs on stays. */
import { describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import { AGENTS, ORIGIN, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

const DAY = 86_400_000;
const EVERYTHING_ASKS = { ...POLICY, approvalAboveMsat: 1000 as Msat };
const real = (policy = POLICY): Promise<WalletRig> => WalletRig.make({ timing: TIMING, policy });
const count = (rig: WalletRig, table: string): number => rig.one(`SELECT COUNT(*) AS n FROM ${table}`);

describe("under the real terms", () => {
  it("leaves what led to a payment: the question, its answer, both requests, and a payment hash is still met once", async () => {
    const rig = await real(EVERYTHING_ASKS);
    const offer = rig.offer({ expirySeconds: 400 * 86_400 });
    const { id } = await rig.begin(offer, { idempotencyKey: "order-1" });
    await rig.core.decideApproval(`appr_${id}`, "approve", "a person", null);
    await rig.buy(offer, { idempotencyKey: "order-1" });
    await rig.runAlarms(200 * DAY);
    expect([count(rig, "approval"), count(rig, "purchase"), count(rig, "request_key")]).toEqual([1, 2, 1]);
    const again = await rig.begin(offer, { url: "https://other.example/" });
    expect(await again.answer).toMatchObject({ kind: "refused", code: "payment_hash_reused" });
    expect(rig.sent.length).toBe(1);
    rig.sql.close();
  });

  it("empties the secrets of a wallet that is never used again, and gives up its old receipts and hours", async () => {
    const rig = await real();
    await rig.buy(rig.offer({ validUntil: rig.now + 120_000 }));
    const { credentialId } = await rig.buy(rig.offer({ service: "once" }), { url: `${ORIGIN}/once` });
    // A token without an end that its seller turned away.
    const refused = rig.newId();
    await rig.open(refused, { url: `${ORIGIN}/once` });
    await rig.pay(refused, rig.offer({ service: "x", expirySeconds: 0 }).challenge, { refusedCredentialId: credentialId });
    const fired = await rig.runAlarms(29 * DAY);
    expect(rig.one("SELECT COUNT(*) AS n FROM payment WHERE length(sealed) > 0")).toBe(2);
    await rig.runAlarms(2 * DAY);
    expect(rig.one("SELECT COUNT(*) AS n FROM payment WHERE length(sealed) > 0")).toBe(0);
    expect(rig.one("SELECT COUNT(*) AS n FROM credential WHERE length(sealed) > 0")).toBe(0);
    expect(count(rig, "receipt")).toBeGreaterThan(1);
    await rig.runAlarms(100 * DAY);
    expect([count(rig, "receipt"), rig.one("SELECT COUNT(*) AS n FROM spent WHERE hour <> -1"), rig.sql.alarm]).toEqual([1, 0, null]);
    expect([count(rig, "payment"), rig.one("SELECT settled_msat AS n FROM spent WHERE holder = 'wallet'")]).toEqual([2, 40_000]);
    expect(fired).toBeLessThan(20);
    rig.sql.close();
  });

  it("is looked after once an hour at most, however many requests there are", async () => {
    const rig = await real();
    for (let minute = 0; minute < 120; minute++) {
      const id = rig.newId();
      await rig.open(id);
      await rig.core.conclude(AGENTS, id, { kind: "free", status: 200 });
      await rig.runAlarms(60_000);
    }
    const fired = await rig.runAlarms(8 * DAY);
    expect([count(rig, "purchase"), fired <= 6]).toEqual([0, true]);
    rig.sql.close();
  });
});
