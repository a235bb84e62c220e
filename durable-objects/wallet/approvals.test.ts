import { afterEach, describe, expect, it } from "vitest";
import type { Code } from "../../lightning/errors.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { OpenRequest } from "../../lightning/wallet-api.ts";
import { POLICY, WalletRig, checkRigs, type RigOptions } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

const ASKING = { ...POLICY, approvalAboveMsat: 21_000 as Msat };

async function asked(options: RigOptions = {}, given: Partial<OpenRequest> = {}) {
  const rig = await WalletRig.make({ budgets: { agents: ASKING }, ...options });
  return { rig, approvalId: await ask(rig, given) };
}

/** @returns the question's id */
async function ask(rig: WalletRig, given: Partial<OpenRequest> = {}): Promise<string> {
  const answer = await (await rig.begin(rig.offer(), given)).answer;
  if (answer.kind !== "refused" || answer.approvalId === undefined) throw new Error("nobody was asked");
  return answer.approvalId;
}

const approve = (rig: WalletRig, id: string) => rig.core.decideApproval(id, "approve", "ada", null);

describe("invariant 11: a switch bites when a person approves", () => {
  it.each<[Code, (rig: WalletRig) => unknown]>([
    ["global_pause_active", (rig) => (rig.security = { ...rig.security, version: 2, globalPause: true })],
    ["owner_kill_switch_active", (rig) => (rig.security = { ...rig.security, version: 2, ownerKillSwitch: true })],
    ["spender_superseded", (rig) => (rig.security = { ...rig.security, version: 2, epoch: 2 })],
    ["control_plane_unavailable", (rig) => (rig.controlSays = "an error")],
    ["wallet_disabled", (rig) => rig.core.disable()],
    ["budget_disabled", (rig) => rig.core.putBudget("agents", ASKING, true)],
  ])("%s: nothing is granted, by key or by link, and the question stays", async (code, happens) => {
    const { rig, approvalId } = await asked();
    const link = await rig.core.approvalLink(approvalId);
    if (!link.ok) throw new Error(link.detail);
    await happens(rig);
    await rig.advance(5_000);
    expect(await approve(rig, approvalId)).toMatchObject({ ok: false, code });
    expect(await rig.core.decideByLink(link.value, "approve")).toMatchObject({ ok: false, code });
    expect(rig.one("SELECT COUNT(*) AS n FROM approval WHERE state = 'pending'")).toBe(1);
    // No is no new money: it may be said at any time.
    expect(await rig.core.decideByLink(link.value, "reject")).toMatchObject({ ok: true, value: { state: "rejected" } });
  });
});
