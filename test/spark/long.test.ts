/**
 * One instance for many sends: its memory stays flat, none fails, and at the end journal, wallet and network agree to the sat. In the middle
 * its change is put together, as the alarm does. SPARK_SENDS sets the number: 1,000 by hand, 200 everywhere else.
 */
import { afterAll, expect, test } from "vitest";
import { LEAF } from "./rigs/recovery-cases.ts";
import { SparkWalletRig } from "./rigs/spark-wallet.ts";
import { SparkWorld } from "./rigs/spark-world.ts";

const SENDS = Number(process.env["SPARK_SENDS"] ?? 200);
/** So many leaves at a time: a sync is as dear as there are leaves. */
const BATCH = 25;
const WARM = 20;
const KIB = 1024;
const figures: Record<string, number> = {};

afterAll(() => console.warn(JSON.stringify({ event: "spark_long_run", ...figures })));

test(`invariants 2 and 3: ${SENDS} sends in one instance leave its memory flat and the books equal`, { timeout: 900_000 }, async () => {
  const world = new SparkWorld({ checks: "light" });
  const rig = await SparkWalletRig.open(world, []);
  let minted = 0;
  let warm = 0;
  const took: number[] = [];
  for (let sent = 0; sent < SENDS; sent++) {
    if (sent % BATCH === 0) {
      const leaves = Array.from({ length: Math.min(BATCH, SENDS - sent) }, () => LEAF);
      minted += LEAF * leaves.length;
      await rig.fund(leaves);
    }
    if (sent === Math.floor(SENDS / 2)) {
      // A few leaves beside those that will be spent, so that there is something to put together and the rest still fits.
      minted += 8;
      await rig.fund([1, 1, 1, 1, 1, 1, 1, 1]);
      const swaps = (): number => world.sandbox.ledger().transfers.filter(({ type }) => type === "primary_swap").length;
      const before = swaps();
      await rig.payer.maintain();
      expect(swaps(), "change was put together").toBeGreaterThan(before);
    }
    const began = performance.now();
    const { purchase } = await rig.begin(LEAF - 1);
    expect(await rig.settle(purchase, 30_000), `send ${sent + 1}: ${rig.state(purchase)} (${rig.code(purchase)})`).toBe(true);
    expect(rig.state(purchase), `send ${sent + 1} (${rig.code(purchase)})`).toBe("paid");
    took.push(performance.now() - began);
    if (sent === WARM) warm = rig.payer.memory() ?? 0;
  }
  const { spendableMsat } = await rig.payer.status();
  expect(world.sandbox.check()).toEqual([]);
  expect(spendableMsat).toBe(world.sandbox.balance(rig.identity) * 1000);
  expect(rig.journalSats()).toBe(SENDS * LEAF);
  expect(world.sandbox.balance(rig.identity)).toBe(minted - SENDS * LEAF);
  expect(world.node.ledger()).toMatchObject({ settled: SENDS, attempts: SENDS });
  const last = rig.payer.memory() ?? 0;
  expect(warm).toBeGreaterThan(0);
  took.sort((a, b) => a - b);
  Object.assign(figures, {
    sends: SENDS,
    warmKib: warm / KIB,
    lastKib: last / KIB,
    p50Ms: Math.round(took[Math.floor(SENDS / 2)] ?? 0),
    p95Ms: Math.round(took[Math.floor(SENDS * 0.95)] ?? 0),
  });
  expect(last - warm, "bytes the wasm's memory has grown by").toBeLessThanOrEqual(1024 * KIB);
  // One instance did all of it: authenticated once at each of the four hosts.
  expect(world.calls.filter((call) => call.endsWith("get_challenge"))).toHaveLength(4);
  expect(rig.lives).toBe(0);
  rig.close();
  world.close();
});
