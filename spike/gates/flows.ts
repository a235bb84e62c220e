/** Gate 4: paid, cached and blocked, each ten times, with receipts that are equal under a named projection. */
import { msat } from "../../lightning/msat.ts";
import type { Receipt } from "../../lightning/receipt.ts";
import { differences, SAME_REQUEST, SAME_SHAPE } from "../projection.ts";
import type { CheckResult } from "../result.ts";
import { fact, runCheck } from "../rig/measured.ts";
import { isDone, purchaseOutcome } from "../rig/outcome.ts";
import { findReceipt } from "../rig/receipts.ts";
import type { Buyer, Stage } from "../rig/stage.ts";
import type { ApiAnswer } from "../../ops/api.ts";

type Flow = "paid" | "cached" | "blocked";

interface Seen {
  readonly answer: ApiAnswer;
  readonly receipt: Receipt | null;
  /** Payments begun by the node while it ran; null where that cannot be seen. */
  readonly attempts: number | null;
}

/** Enough for one purchase and its fee. */
const POCKET_SATS = 100;

export async function flowsGate(stage: Stage): Promise<readonly CheckResult[]> {
  const own = stage.parts.world !== null;
  const projection = own ? SAME_REQUEST : SAME_SHAPE;
  const runs: Record<Flow, Seen[]> = { paid: [], cached: [], blocked: [] };
  let fault: string | null = null;
  try {
    // One resource for all wallets where wallets cost nothing; else one wallet, and a resource for each run.
    const shared = own ? stage.fresh() : null;
    for (let run = 0; run < stage.parts.amounts.flowRuns; run++) {
      const url = shared ?? stage.fresh();
      const buyer = own ? await stage.buyer() : stage.needMain();
      if (own) await stage.fund(buyer.walletId, POCKET_SATS);
      // A budget that may spend less than anything costs: policy says no before anything is sent.
      const poor = await stage.keyFor(buyer.walletId, "poor", stage.policy({ perPaymentMsat: msat(1) }));
      runs.blocked.push(await watch(stage, poor, url));
      runs.paid.push(await watch(stage, buyer, url));
      runs.cached.push(await watch(stage, buyer, url));
    }
  } catch (cause) {
    fault = cause instanceof Error ? (cause.message.split("\n")[0] ?? "a run broke off") : "a run broke off";
  }
  const how =
    `${stage.parts.amounts.flowRuns} runs; receipts compared under the projection \`${projection.name}\`, which leaves out ` +
    Object.entries(projection.leftOut)
      .map(([name, why]) => `${name} (${why})`)
      .join(", ");
  const right: Record<Flow, (seen: Seen) => boolean> = {
    paid: ({ answer, receipt, attempts }) => isDone(answer, "paid") && receipt?.kind === "paid" && (attempts ?? 1) === 1,
    cached: ({ answer, receipt, attempts }) => isDone(answer, "cached") && receipt?.kind === "cached" && (attempts ?? 0) === 0,
    blocked: ({ answer, receipt, attempts }) =>
      answer.lightning.status === "denied" && answer.code === "amount_over_cap" && receipt?.kind === "denied" && (attempts ?? 0) === 0,
  };
  const checks: CheckResult[] = [];
  for (const flow of ["paid", "cached", "blocked"] as const) {
    checks.push(
      await runCheck(stage, flow, how, () => {
        if (fault !== null) throw new Error(fault);
        const seen = runs[flow];
        const wrong = seen.find((each) => !right[flow](each));
        const found = differences(
          seen.map(({ receipt }) => (receipt === null ? [] : [receipt])),
          projection.leftOut,
        );
        return Promise.resolve({
          said:
            wrong !== undefined
              ? `one run ended otherwise: ${purchaseOutcome(wrong.answer)}`
              : found.runs === 0
                ? `${seen.length} runs, one receipt`
                : `${found.runs} runs differ in ${found.facts.join(", ")}`,
          held: wrong === undefined && seen.length === stage.parts.amounts.flowRuns,
          measured: { flow_differences: found.runs },
          facts: [
            fact("runs", seen.length, "count"),
            fact(
              "payments begun",
              seen.reduce((sum, { attempts }) => sum + (attempts ?? 0), 0),
              "count",
            ),
          ],
        });
      }),
    );
  }
  return checks;
}

async function watch(stage: Stage, buyer: Buyer, url: string): Promise<Seen> {
  const before = await stage.ledger();
  const answer = await stage.fetch(buyer, url);
  const after = await stage.ledger();
  const receipt = await findReceipt(stage, "/v1/receipts", buyer.key, answer.lightning.receipt);
  return { answer, receipt, attempts: before === null || after === null ? null : after.attempts - before.attempts };
}
