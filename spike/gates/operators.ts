/**
 * One slow operator, and operators that are down: what a caller hears meanwhile, and whether all of it is settled when they are back. Only
 * where the network is ours. A purchase that is refused is no failure here; one that stays open, or is paid twice, is.
 */
import { setTimeout as pause } from "node:timers/promises";
import { asCount } from "../rig/as-count.ts";
import type { CheckResult } from "../result.ts";
import { fact, quantile, runCheck, timed } from "../rig/measured.ts";
import { isDone, purchaseOutcome } from "../rig/outcome.ts";
import type { OwnWorld, Stage } from "../rig/stage.ts";
import { thresholdsOf } from "../thresholds.ts";

const SLOW_MS = 300;
const LOOK_EVERY_MS = 200;
/** A caller that does not wait for ever: half a second more than a payer takes. */
const PATIENCE = { "lightning-wait-ms": "10000" };

export function slowOperator(stage: Stage, { spark }: OwnWorld): Promise<CheckResult> {
  return runCheck(
    stage,
    "slow_operator",
    `each answer of the coordinator comes ${SLOW_MS} ms late, over ${stage.parts.amounts.faultySends} warm purchases`,
    async () => {
      const buyer = stage.needMain();
      const stop = spark.sandbox.faults.add({ side: "operators", call: "*", operator: 0, fault: { kind: "delay", ms: SLOW_MS } });
      try {
        const times: number[] = [];
        let paid = 0;
        for (let n = 0; n < stage.parts.amounts.faultySends; n++) {
          const { value: answer, ms } = await timed(() => stage.fetch(buyer, stage.fresh()));
          times.push(ms);
          if (isDone(answer, "paid")) paid += 1;
        }
        return {
          said: `${paid} of ${times.length} paid`,
          held: true,
          measured: { slow_p95: quantile(times, 0.95), slow_success: paid / times.length },
          facts: [fact("p50", quantile(times, 0.5), "ms")],
        };
      } finally {
        stop();
      }
    },
  );
}

interface Outage {
  readonly name: string;
  /** @returns what ends it */
  begin(world: OwnWorld): () => void;
}

const down = (operator: number) => (world: OwnWorld) =>
  world.spark.sandbox.faults.add({ side: "operators", call: "*", operator, fault: { kind: "drop", when: "before" } });

const OUTAGES: readonly Outage[] = [
  { name: "an operator that is not the coordinator is down", begin: down(2) },
  { name: "the coordinator is down", begin: down(0) },
  {
    name: "the coordinator does its work and its answer is lost",
    begin: (world) =>
      world.spark.sandbox.faults.add({ side: "operators", call: "initiate_preimage_swap_v3", fault: { kind: "drop", when: "after" } }),
  },
];

export function failingOperator(stage: Stage, world: OwnWorld): Promise<CheckResult> {
  const each = Math.ceil(stage.parts.amounts.faultySends / OUTAGES.length);
  return runCheck(
    stage,
    "failing_operator",
    `${each} purchases during each of: ${OUTAGES.map(({ name }) => name).join("; ")}. Then all is well again, and the wallet is asked every ${LOOK_EVERY_MS} ms until no row is open`,
    async () => {
      const buyer = stage.needMain();
      const times: number[] = [];
      const seen: string[] = [];
      let recovery = 0;
      let leftOpen = 0;
      for (const outage of OUTAGES) {
        const end = outage.begin(world);
        const outcomes = new Map<string, number>();
        try {
          for (let n = 0; n < each; n++) {
            const { value: answer, ms } = await timed(() => stage.fetch(buyer, stage.fresh(), PATIENCE));
            times.push(ms);
            const outcome = purchaseOutcome(answer);
            outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          }
        } finally {
          end();
        }
        const healed = await timed(() => untilClosed(stage, buyer.walletId));
        recovery = Math.max(recovery, healed.ms);
        leftOpen += healed.value;
        seen.push(`${outage.name}: ${[...outcomes].map(([outcome, count]) => `${count} × ${outcome}`).join(", ")}`);
      }
      // Whatever became of them, the wallet must be able to go on.
      const after = await stage.fetch(buyer, stage.fresh());
      return {
        said: `${seen.join("; ")}; afterwards ${purchaseOutcome(after)}`,
        held: isDone(after, "paid"),
        measured: { failing_answer: Math.max(...times), left_open: leftOpen, recovery },
        facts: [fact("answer p50", quantile(times, 0.5), "ms")],
      };
    },
  );
}

/** @returns open rows that are left when the time for it is over */
async function untilClosed(stage: Stage, walletId: string): Promise<number> {
  const limit = thresholdsOf(stage.parts.environment)["recovery"]?.value ?? 0;
  const deadline = performance.now() + limit;
  for (;;) {
    const open = asCount((await stage.operate("GET", `/v1/wallets/${walletId}`))["openRows"]);
    if (open === 0 || performance.now() > deadline) return open;
    await pause(LOOK_EVERY_MS);
  }
}
