/** Invariant 3 for subjects: caps per end user or run, out of a budget, in the same transaction as all others. */
import { afterEach, describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import { checkRigs, ORIGIN, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

const CAPPED: Policy = { ...POLICY, perSubject: { totalMsat: (3 * 21_000) as Msat } };

describe("caps per subject", () => {
  it("invariant 3: of many concurrent requests each subject gets as many as its cap admits, and who names none is not held to it", async () => {
    const rig = await WalletRig.make({ budgets: { agents: CAPPED } });
    const asked = Array.from({ length: 30 }, (_, i) => ({ id: rig.newId(), subject: ["alice", "bob", null][i % 3] ?? null, i }));
    await Promise.all(asked.map(({ id, subject, i }) => rig.open(id, { subject, url: `${ORIGIN}/${i}` })));
    const answers = Promise.all(asked.map(({ id, i }) => rig.pay(id, rig.offer({ service: `s${i}` }).challenge)));
    await rig.quiet();
    for (let i = 0; i < rig.sent.length; i++) await rig.sent[i]?.settle(1000);
    const paid = (await answers).map((answer, i) => [asked[i]?.subject, answer.kind === "credential" ? "paid" : answer.code] as const);
    const count = (subject: string | null, word: string): number => paid.filter(([who, what]) => who === subject && what === word).length;
    for (const subject of ["alice", "bob"]) expect([count(subject, "paid"), count(subject, "subject_cap_exceeded")]).toEqual([3, 7]);
    expect(count(null, "paid")).toBe(10);
  });

  it("a wallet's policy that names them is refused: nothing would hold anybody to it", async () => {
    const rig = await WalletRig.make();
    expect(await rig.core.setPolicy(CAPPED)).toMatchObject({
      ok: false,
      code: "invalid_request",
      detail: expect.stringContaining("perSubject"),
    });
    expect(await rig.core.policy()).toMatchObject({ ok: true, value: { policyVersion: 1 } });
    await expect(WalletRig.make({ policy: CAPPED })).rejects.toThrow("perSubject");
    expect(await rig.core.putBudget("agents", CAPPED, false)).toMatchObject({ ok: true });
  });
});
