/** Gate 3: how quick and how steady, warm, cold, after the process was killed, and while an operator is slow or down. */
import type { CheckResult } from "../result.ts";
import { differencesOf, holdingOf, journals, leftWallet } from "../rig/books.ts";
import { CannotRun, fact, quantile, runCheck, timed } from "../rig/measured.ts";
import { isDone, purchaseOutcome } from "../rig/outcome.ts";
import type { Stage } from "../rig/stage.ts";
import { sparkIdentity, walletFile } from "../rig/stored.ts";
import { failingOperator, slowOperator } from "./operators.ts";

const RESTARTS = 5;

export async function latencyGate(stage: Stage): Promise<readonly CheckResult[]> {
  const { worker, world, amounts } = stage.parts;
  const checks: CheckResult[] = [];
  const add = async (check: Promise<CheckResult>): Promise<void> => void checks.push(await check);
  let requestsPerSend: number | null = null;
  const byName = new Map<string, number>();

  await add(
    runCheck(
      stage,
      "warm",
      `${amounts.warmSends} purchases one after another, each of a resource of its own, from \`POST /v1/fetch\` to the last byte: 402, decision, payment, proof, answer${world === null ? "" : ". The sandbox's own cryptography, in this process, is in it"}`,
      async () => {
        const buyer = stage.needMain();
        const before = world === null ? null : world.tap.counts();
        const times: number[] = [];
        const wrong: string[] = [];
        for (let n = 0; n < amounts.warmSends; n++) {
          const { value: answer, ms } = await timed(() => stage.fetch(buyer, stage.fresh()));
          times.push(ms);
          if (!isDone(answer, "paid")) wrong.push(purchaseOutcome(answer));
        }
        if (before !== null && world !== null) {
          for (const [name, count] of world.tap.counts()) byName.set(name, (count - (before.get(name) ?? 0)) / amounts.warmSends);
          requestsPerSend = [...byName.values()].reduce((sum, each) => sum + each, 0);
        }
        return {
          said:
            wrong[0] === undefined
              ? `${times.length} of ${times.length} paid`
              : `${wrong.length} did not end as paid, the first as ${wrong[0]}`,
          held: true,
          measured: {
            warm_p50: quantile(times, 0.5),
            warm_p95: quantile(times, 0.95),
            warm_success: (times.length - wrong.length) / times.length,
          },
          facts: [fact("slowest", Math.max(...times), "ms"), fact("quickest", Math.min(...times), "ms")],
        };
      },
    ),
  );
  if (world !== null) {
    await add(
      runCheck(
        stage,
        "requests",
        "requests to operators and SSP during the warm purchases, counted by a proxy, alarms' own with them, divided by purchases",
        () => {
          if (requestsPerSend === null) throw new Error("the warm purchases were not counted");
          const shown = [...byName].filter(([, each]) => each >= 0.01).toSorted(([, a], [, b]) => b - a);
          return Promise.resolve({
            said: `${requestsPerSend.toFixed(2)} requests a purchase`,
            held: true,
            measured: { requests_per_send: requestsPerSend },
            facts: shown.map(([name, each]) => fact(name, each, "count")),
          });
        },
      ),
    );
  }
  await add(
    runCheck(
      stage,
      "cold",
      `${amounts.coldSends} times: the wallet is disabled and enabled, which drops the instance and the open keys; then one purchase, timed: envelope, wasm, sync, payment`,
      async () => {
        const buyer = stage.needMain();
        const times: number[] = [];
        for (let n = 0; n < amounts.coldSends; n++) {
          await stage.operate("POST", `/v1/wallets/${buyer.walletId}/disable`);
          await stage.operate("POST", `/v1/wallets/${buyer.walletId}/enable`);
          const { value: answer, ms } = await timed(() => stage.fetch(buyer, stage.fresh()));
          if (!isDone(answer, "paid")) throw new Error(`a cold purchase ended as ${purchaseOutcome(answer)}`);
          times.push(ms);
        }
        return {
          said: `${times.length} of ${times.length} paid`,
          held: true,
          measured: { cold_p50: quantile(times, 0.5) },
          facts: [fact("p95", quantile(times, 0.95), "ms"), fact("slowest", Math.max(...times), "ms")],
        };
      },
    ),
  );
  if (worker !== null) {
    await add(
      runCheck(
        stage,
        "evicted",
        `${RESTARTS} times: SIGKILL to wrangler dev and workerd, start on the same state; one purchase, timed from when wrangler says it is ready: isolate, object, envelope, wasm, sync, payment`,
        async () => {
          const buyer = stage.needMain();
          const times: number[] = [];
          const starts: number[] = [];
          for (let n = 0; n < RESTARTS; n++) {
            await worker.kill();
            starts.push(await worker.start());
            const { value: answer, ms } = await timed(() => stage.fetch(buyer, stage.fresh()));
            if (!isDone(answer, "paid")) throw new Error(`the purchase after a restart ended as ${purchaseOutcome(answer)}`);
            times.push(ms);
          }
          return {
            said: `${times.length} of ${times.length} paid`,
            held: true,
            measured: { evicted_p50: quantile(times, 0.5) },
            facts: [fact("slowest", Math.max(...times), "ms"), fact("wrangler's own start", quantile(starts, 0.5), "ms")],
          };
        },
      ),
    );
  }
  if (world === null) return checks;
  await add(slowOperator(stage, world));
  await add(failingOperator(stage, world));
  return checks;
}

/** At the end of the run, when nothing is under way any more. */
export function booksCheck(stage: Stage): Promise<CheckResult> {
  return runCheck(
    stage,
    "books",
    "the system is stopped; every wallet's journal in SQLite, the node's ledger, the Spark network's own check of conservation, and the main wallet's balance are compared",
    async () => {
      const { worker, world } = stage.parts;
      if (worker === null || world === null) throw new CannotRun("the books are elsewhere");
      const { walletId } = stage.needMain();
      const balance = await stage.balanceMsat(walletId);
      await worker.kill();
      const journal = journals(worker.stateDir);
      const file = walletFile(worker.stateDir, walletId);
      const identity = file === null ? null : sparkIdentity(file);
      const node = world.sandbox.node.ledger();
      const holding = identity === null ? null : holdingOf(world.spark.sandbox.ledger(), identity);
      await worker.start();
      const found = [...differencesOf(journal, node, world.spark.sandbox.check())];
      const expected = stage.mainMsat - leftWallet(journal, walletId);
      const owned = holding === null ? null : (holding.spendableSats + holding.underWaySats) * 1000;
      if (owned !== expected)
        found.push(`the network has the main wallet at ${owned ?? "an unknown number of"} msat, and by its journal it has ${expected}`);
      // What an interrupted swap holds comes back when it runs out: it is the wallet's, but not to be spent now.
      if (holding !== null && balance !== holding.spendableSats * 1000)
        found.push(`the main wallet says ${balance ?? "nothing"} msat, the network lets it spend ${holding.spendableSats * 1000}`);
      return {
        said: found[0] ?? `${journal.filter(({ state }) => state === "settled").length} settled payments in all three`,
        held: true,
        measured: { ledger_difference: found.length },
        facts: [
          fact("settled in journals", journal.filter(({ state }) => state === "settled").length, "count"),
          fact("settled at the node", node.settled, "count"),
          fact("the main wallet's, locked in a transfer or a swap", holding?.underWaySats ?? 0, "sat"),
          fact("released in journals", journal.filter(({ state }) => state === "released").length, "count"),
        ],
      };
    },
  );
}
