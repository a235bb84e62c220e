/**
 * The recovery matrix: the real Wallet core, payer and SDK on one database, against the sandbox's network. Every request of a send is lost, its
 * answer is lost, or the object is evicted there; {@link sendCut} asserts that money is conserved, that nothing is paid twice and that the
 * purchase ends without a person. With SPARK_RECOVERY=all every fault meets every cut, which takes some minutes.
 */
import { afterEach, expect, test } from "vitest";
import { FAULT_CASES, everyCut, LEAF, QUICK, sendCut, someCuts, type Ended, type FaultCase } from "./rigs/recovery-cases.ts";
import { SparkWalletRig } from "./rigs/spark-wallet.ts";
import { SparkWorld } from "./rigs/spark-world.ts";

const all = process.env["SPARK_RECOVERY"] === "all";
const open: { readonly rig: SparkWalletRig; readonly world: SparkWorld }[] = [];

afterEach(() => {
  for (const { rig, world } of open.splice(0)) {
    rig.close();
    world.close();
  }
});

async function wallet(checks: "full" | "light"): Promise<SparkWalletRig> {
  const world = new SparkWorld({ checks });
  const rig = await SparkWalletRig.open(world, [LEAF, LEAF, LEAF, LEAF], QUICK);
  open.push({ rig, world });
  return rig;
}

async function cutEverywhere(fault: FaultCase, turn: number, every: boolean): Promise<readonly Ended[]> {
  const rig = await wallet("light");
  const whole = await sendCut(rig, fault, "request lost", 0);
  const ends = [whole];
  for (const { cut, at } of every ? everyCut(whole.requests) : someCuts(whole.requests, turn))
    ends.push(await sendCut(rig, fault, cut, at));
  return ends;
}

test(
  "invariants 2 and 4: a send that is cut at any of its requests ends by itself, paid once or not at all",
  { timeout: 300_000 },
  async () => {
    const [whole, ...cut] = await cutEverywhere(FAULT_CASES[0]!, 0, true);
    expect(whole).toMatchObject({ requests: 7, state: "paid" });
    expect(cut).toHaveLength(28);
    // Cut before the leaves are promised nothing is paid; cut after it, everything.
    expect(new Set(cut.map(({ state }) => state))).toEqual(new Set(["paid", "failed", "cancelled", "expired"]));
  },
);

for (const [index, fault] of FAULT_CASES.entries()) {
  if (index === 0) continue;
  test(`invariants 2 and 4: the same while ${fault.name}`, { timeout: 600_000 }, async () => {
    const ends = await cutEverywhere(fault, index, all);
    expect(ends.length).toBeGreaterThan(4);
  });
}

test("invariants 2 and 4: the same where the operators check every signature", { timeout: 120_000 }, async () => {
  const rig = await wallet("full");
  const whole = await sendCut(rig, FAULT_CASES[0]!, "request lost", 0);
  for (const { cut, at } of someCuts(whole.requests, 1)) await sendCut(rig, FAULT_CASES[0]!, cut, at);
  const counts = rig.world.sandbox.counts();
  expect(counts["check:user_shares"]).toBeGreaterThan(0);
  expect(counts["check:aggregated_signatures"]).toBeGreaterThan(0);
});
