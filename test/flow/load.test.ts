/** The load of `npm run bench -- --load`, ten times smaller: what must hold at any size. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadRun } from "../../bench/load-10k.ts";
import { startRig, type Rig } from "../../bench/rig.ts";

/** The engine's heap is still finding its size (90 MB measured, and then no more over 10,000): beyond this a purchase would leave its weight behind. */
const GROWTH_BYTES = 200_000_000;
/** Rows, indexes, sealed secrets and receipts of a purchase: about 3.5 kB measured. */
const BYTES_PER_THOUSAND = 7_000_000;

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

test("1,000 purchases over 50 wallets: none fails, journals and ledger agree, memory stays flat and the databases small", async () => {
  const { firstFailure, settled, differences, memory, bytesPerThousand } = await loadRun(rig, { wallets: 50, purchases: 1000 });
  expect(firstFailure).toBeNull();
  expect(differences).toEqual([]);
  expect(settled).toEqual({ node: 1000, journals: 1000 });
  expect(memory.end - memory.start).toBeLessThan(GROWTH_BYTES);
  expect(bytesPerThousand).toBeGreaterThan(0);
  expect(bytesPerThousand).toBeLessThan(BYTES_PER_THOUSAND);
});
