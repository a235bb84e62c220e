/** The restore drill with the payer whose money is the wallet's own: it must come back whole, and to one spender. */
import { expect, test } from "vitest";
import { runDrill } from "../../ops/restore-drill.ts";

test("invariant 13: KEK lost, the wallet is restored elsewhere with its funds whole, and the fenced old deployment pays nothing", async () => {
  const told: string[] = [];
  const result = await runDrill("spark", (name) => told.push(name));
  expect(told).toEqual(["before", "key lost", "fenced", "restored", "returned", "searched"]);
  expect(result.attempts).toEqual({ old: 1, restored: 1, oldAfterwards: 0 });
  // 1,000 sat came in; one purchase of 10 sat and 1 sat of the SSP's left.
  expect(result.funds).toEqual({ beforeMsat: 989_000, restoredMsat: 989_000 });
}, 120_000);
