/** Gate 1: does the SDK's wasm run in the Wallet object, within the platform's limits, and is a wallet still whole after its object is gone? */
import { isDone, purchaseOutcome } from "../rig/outcome.ts";
import { LOOKED_FOR, suspiciousLines } from "../rig/log-scan.ts";
import { CannotRun, fact, quantile, runCheck, timed } from "../rig/measured.ts";
import { findReceipt } from "../rig/receipts.ts";
import { scriptFacts } from "../rig/scripts.ts";
import type { Buyer, Stage } from "../rig/stage.ts";
import { sparkTables, walletFile } from "../rig/stored.ts";
import type { CheckResult } from "../result.ts";
import { copyState } from "../rig/dev-worker.ts";
import { join } from "node:path";

const PROFILES = 3;
const LITTLE_SATS = 100;
/** Less than an idle instance stays (durable-objects/spark/ports.ts). */
const LIVE_MS = 40_000;

/** Makes the main wallet, with a mnemonic that the rig knows, and buys the first resource. */
export async function runtimeGate(stage: Stage, mnemonic: string): Promise<readonly CheckResult[]> {
  const { worker, amounts } = stage.parts;
  const checks: CheckResult[] = [];
  const add = async (check: Promise<CheckResult>): Promise<void> => void checks.push(await check);

  if (worker !== null) {
    const scripts = scriptFacts(PROFILES);
    scripts.catch(() => undefined);
    await add(
      runCheck(stage, "bundle", "`wrangler deploy --dry-run` on both wrangler files; its own word on what it would upload", async () => {
        const found = await scripts;
        const largest = Math.max(...found.map(({ gzipBytes }) => gzipBytes));
        return {
          said: found.some(({ hasWasm }) => hasWasm) ? `${found.length} scripts, the wasm in one of them` : "no script carries the wasm",
          held: found.some(({ hasWasm }) => hasWasm),
          measured: { script_gzip: largest, front_gzip: found[0]?.gzipBytes ?? Number.POSITIVE_INFINITY },
          facts: found.flatMap(({ name, rawBytes, gzipBytes }) => [
            fact(`${name} raw`, rawBytes, "bytes"),
            fact(`${name} gzip`, gzipBytes, "bytes"),
          ]),
        };
      }),
    );
    await add(
      runCheck(
        stage,
        "start_up",
        `\`wrangler check startup\`, ${PROFILES} profiles each, the largest; samples that are idle left out. This machine's CPU, not Cloudflare's`,
        async () => {
          const found = await scripts;
          return {
            said: "the wasm is compiled by the platform at upload and instantiated in a handler, so the global scope does not pay for it",
            held: true,
            measured: { start_up_cpu: Math.max(...found.map(({ startUpMs }) => startUpMs)) },
            facts: found.map(({ name, startUpMs }) => fact(name, startUpMs, "ms")),
          };
        },
      ),
    );
  }

  await add(
    runCheck(
      stage,
      "receive",
      "the wallet makes an invoice by the operator's route, somebody outside pays it, the balance is asked for until it shows it",
      async () => {
        const buyer = await stage.buyer({}, { mnemonic });
        // A wallet that was brought along may have enough; then a little is taken in, to see it done.
        const before = (await stage.balanceMsat(buyer.walletId)) ?? 0;
        const amountSats = before >= amounts.fundingSats * 1000 ? LITTLE_SATS : amounts.fundingSats;
        const { ms } = await timed(() => stage.fund(buyer.walletId, amountSats));
        stage.main = buyer;
        stage.mainMsat = before + amountSats * 1000;
        return {
          said: `${amountSats} sat arrived`,
          held: true,
          measured: { receive: ms },
          facts: [fact("amount", amountSats, "sat")],
        };
      },
    ),
  );
  await add(
    runCheck(stage, "sync", "`GET …/balance`, three times: each is a sync with the operators; the largest", async () => {
      const { walletId } = stage.needMain();
      const times: number[] = [];
      let balance: number | null = null;
      for (let n = 0; n < 3; n++) {
        const asked = await timed(() => stage.balanceMsat(walletId));
        times.push(asked.ms);
        balance = asked.value;
      }
      return {
        said: balance === null ? "the payer gave no balance" : `balance ${balance / 1000} sat, as the network has it`,
        held: balance === stage.mainMsat,
        measured: { sync: Math.max(...times) },
      };
    }),
  );
  const first = stage.fresh();
  await add(
    runCheck(stage, "send", "one purchase by `POST /v1/fetch`; the node's ledger before and after where it is ours", async () => {
      const buyer = stage.needMain();
      const before = await stage.ledger();
      const { value: answer, ms } = await timed(() => stage.fetch(buyer, first));
      const after = await stage.ledger();
      const settled = before === null || after === null ? 1 : after.settled - before.settled;
      const receipt = await findReceipt(stage, `/v1/wallets/${buyer.walletId}/receipts`, stage.parts.operatorKey, answer.lightning.receipt);
      return {
        said: `${purchaseOutcome(answer)}; the receipt says ${receipt?.kind ?? "nothing"} by ${receipt?.backend ?? "nobody"}`,
        held: isDone(answer, "paid") && settled === 1 && receipt?.kind === "paid" && receipt.backend === "spark-wasm",
        facts: [
          fact("spent", (answer.lightning.spentMsat ?? 0) / 1000, "sat"),
          fact("took", ms, "ms"),
          fact("payments settled", settled, "count"),
        ],
      };
    }),
  );
  if (worker !== null) {
    await add(
      runCheck(
        stage,
        "memory",
        `resident memory of the workerd that runs the Worker (not of wrangler's proxy), before and after ${amounts.memoryWallets} wallets built their instances and synced, four at a time, all alive at once`,
        async () => {
          const buyers: Buyer[] = [];
          for (let n = 0; n < amounts.memoryWallets; n++) buyers.push(await stage.buyer());
          await stage.balanceMsat(stage.needMain().walletId);
          const before = worker.memory();
          if (before === null) throw new CannotRun("this system does not tell how much memory a process holds");
          const waiting = [...buyers];
          const build = async (): Promise<void> => {
            for (let buyer = waiting.shift(); buyer !== undefined; buyer = waiting.shift()) await stage.balanceMsat(buyer.walletId);
          };
          const { ms } = await timed(() => Promise.all([build(), build(), build(), build()]));
          // An instance that nobody uses leaves: the first must still be there when the last one is.
          if (ms > LIVE_MS)
            throw new CannotRun(`this machine took ${Math.round(ms / 1000)} s to build them all, and the first were gone by then`);
          const after = worker.memory() ?? Number.POSITIVE_INFINITY;
          const each = (after - before) / amounts.memoryWallets;
          return {
            said: `${amounts.memoryWallets} wallets built and synced in one isolate`,
            held: true,
            measured: { wallet_memory: each, isolate_growth: after - before },
            facts: [fact("before", before, "bytes"), fact("after", after, "bytes"), fact("built and synced within", ms, "ms")],
          };
        },
      ),
    );
    await add(
      runCheck(
        stage,
        "eviction",
        "SIGKILL to wrangler dev and its workerd, start on the same state: nothing that was in memory is left. Twice; the object is not asked to put anything in order",
        async () => {
          const buyer = stage.needMain();
          const seen: string[] = [];
          const times: number[] = [];
          let held = true;
          for (let n = 0; n < 2; n++) {
            const balance = await stage.balanceMsat(buyer.walletId);
            await worker.kill();
            await worker.start();
            const before = await stage.ledger();
            const cached = await stage.fetch(buyer, first);
            const between = await stage.ledger();
            const again = await timed(() => stage.balanceMsat(buyer.walletId));
            const paid = await stage.fetch(buyer, stage.fresh());
            held &&= isDone(cached, "cached") && isDone(paid, "paid") && again.value === balance && before?.attempts === between?.attempts;
            times.push(again.ms);
            seen.push(
              `bought before: ${purchaseOutcome(cached)}; balance ${again.value === balance ? "the same" : "another"}; new: ${purchaseOutcome(paid)}`,
            );
          }
          return {
            said: seen.at(-1) ?? "",
            held,
            facts: [fact("rounds", seen.length, "count"), fact("first balance, cold", quantile(times, 0.5), "ms")],
          };
        },
      ),
    );
    await add(
      runCheck(stage, "storage", "the wallet's own SQLite file, copied after SIGKILL and read with Node's SQLite", async () => {
        const { walletId } = stage.needMain();
        await worker.kill();
        const copy = join(worker.stateDir, "../../copy-storage");
        copyState(worker.stateDir, copy);
        await worker.start();
        const file = walletFile(copy, walletId);
        const tables = file === null ? [] : sparkTables(file);
        const payments = tables.filter(({ name }) => /payment/u.test(name)).reduce((sum, { rows }) => sum + rows, 0);
        return {
          said: file === null ? "the wallet's file was not found" : `${tables.length} tables of the SDK's, ${payments} rows of payments`,
          held: payments > 0,
          facts: tables.filter(({ rows }) => rows > 0).map(({ name, rows }) => fact(name, rows, "count")),
        };
      }),
    );
  }
  return checks;
}

/** At the end of the run: the log of all that was done. */
export function platformCheck(stage: Stage): Promise<CheckResult> {
  return runCheck(
    stage,
    "platform",
    `every line that wrangler and workerd wrote in this run, looked at for: ${LOOKED_FOR.join(", ")}`,
    () => {
      const { worker } = stage.parts;
      if (worker === null) throw new CannotRun("the log is elsewhere");
      const log = worker.log();
      const found = suspiciousLines(log);
      return Promise.resolve({
        said: found[0] === undefined ? "nothing was missed" : `${found[0].what}: ${found[0].line}`,
        held: log.length > 0,
        measured: { unsupported: found.length },
        facts: [fact("lines", log.split("\n").length, "count")],
      });
    },
  );
}
