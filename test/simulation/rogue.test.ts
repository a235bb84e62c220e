/**
 * A payer that breaks its contract: it says "never seen" of an order it has taken, and settles it all the same. Nothing can keep that from
 * costing money; what is asked for is that the money is booked, the wallet stands still, and every book agrees on what happened.
 */
import { expect, it } from "vitest";
import { isPaying } from "./mirror.ts";
import { World, type Fault } from "./world.ts";

const FAULTS: ReadonlySet<Fault> = new Set(["rogue", "late", "lateAnswer"]);

it("a payment that settles after it was given up is booked with a receipt of its own, and pauses the wallet", async () => {
  let late = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const world = new World({ seed, purchases: 40, faults: FAULTS });
    await world.run();
    for (const row of world.mirror.rows.values()) {
      if (!isPaying(row) || row.receipts?.includes("late_settlement") !== true) continue;
      late++;
      // It was called failed first, and both words stand in the chain.
      expect(row.receipts.split(",").indexOf("failed")).toBeLessThan(row.receipts.split(",").indexOf("late_settlement"));
      expect([row.payment_state, world.node.of(row.operation_id)]).toMatchObject(["settled", { state: "settled", denied: true }]);
    }
  }
  expect(late).toBeGreaterThan(3);
});
