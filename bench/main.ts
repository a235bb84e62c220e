/**
 * `npm run bench [-- --quick] [-- --json]`: the figures, as a table or one JSON document. Everything is on this machine: raw workerd, the
 * simulated node, and the client that measures share its cores. Compare ratios within one run, not numbers between machines.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { readOffers } from "../lightning/offers.ts";
import { readFlags } from "../ops/arguments.ts";
import { oneLine, output } from "../ops/output.ts";
import { bundleWorker } from "../sandbox/runtime/bundle.ts";
import { hotPath } from "./hot-path.ts";
import { latency, perSecond, throughput, type Answer } from "./load.ts";
import { startRig, type Rig } from "./rig.ts";

const root = join(import.meta.dirname, "..");
const PARALLEL = 32;
const wasPaid = ({ status, lightning }: Answer): boolean => status === 200 && lightning === "paid";

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, { quick: "boolean", json: "boolean" });
  if (!parsed.ok) {
    console.error(parsed.line);
    return 2;
  }
  const { quick, json } = parsed.flags;
  const out = output(json, 44);
  try {
    const bundle = await bundleWorker(join(root, "worker/index.ts"), { minify: true });
    const rig = await startRig();
    try {
      const hot = await hotPath(rig, quick ? 200 : 2000);
      const figures = {
        hotPath: hot,
        paidPerSecond: { oneWallet: await paidPerSecond(rig, 1, quick ? 200 : 2000), fiftyWallets: await paidPerSecond(rig, 50, quick ? 300 : 3000) },
        coldWallet: await coldWallet(rig, quick ? 20 : 200),
        challengesPerSecond: await challengesPerSecond(rig, quick ? 200 : 2000),
        worker: { gzipBytes: bundle.gzipBytes, minifiedBytes: bundle.bytes },
        simulation: simulated(quick ? 20 : 200),
      };
      report(out, figures);
      out.document({ ok: true, quick, cores: availableParallelism(), node: process.versions.node, ...figures });
    } finally {
      await rig.close();
    }
    return 0;
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause) });
    return 1;
  }
}

/** Every purchase on a path of its own, so that each meets a 402 and pays. */
async function paidPerSecond(rig: Rig, wallets: number, purchases: number): Promise<number> {
  const agents = await rig.agents(wallets);
  const target = (n: number) => rig.purchase(agents[n % wallets] ?? { walletId: "", key: "" }, `/paid/${n}`);
  return throughput(target, purchases, PARALLEL, wasPaid);
}

/** The first request a Wallet object ever gets from an agent: constructor, migrations done, record key opened, then a whole paid purchase. */
async function coldWallet(rig: Rig, wallets: number): Promise<{ readonly p50Ms: number; readonly p95Ms: number }> {
  const agents = await rig.agents(wallets + Math.ceil(wallets / 10));
  const fresh = agents.values();
  return latency(() => rig.purchase(fresh.next().value ?? { walletId: "", key: "" }, "/cold"), wallets, wasPaid);
}

/** Header to decision-ready offer: parsed, macaroon and invoice decoded and bound. Signatures are not recovered here. */
async function challengesPerSecond(rig: Rig, ms: number): Promise<number> {
  const header = (await fetch(`${rig.sellerUrl}/challenge`)).headers.get("www-authenticate");
  const now = Date.now();
  if (readOffers(header, { network: "regtest", now }).choice === null) throw new Error("the benchmark's challenge offers nothing");
  return perSecond(() => void readOffers(header, { network: "regtest", now }), ms);
}

function simulated(seeds: number): { readonly purchasesPerSecond: number } {
  const run = spawnSync(process.execPath, [join(root, "test/simulation/main.ts"), "--json", "--seed", "1", "--seeds", String(seeds), "--purchases", "40"], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`the simulation ended with ${run.status}`);
  return JSON.parse(run.stdout) as { readonly purchasesPerSecond: number };
}

function report(out: ReturnType<typeof output>, figures: { readonly [K in keyof Figures]: Figures[K] }): void {
  const { hotPath: hot, paidPerSecond: paid, coldWallet: cold, worker } = figures;
  const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
  for (const name of ["direct", "floor", "cached"] as const) {
    const way = hot[name];
    out.line(`${name}: p50, p95, ${PARALLEL} in parallel`, `${way.p50Ms.toFixed(2)} ms, ${way.p95Ms.toFixed(2)} ms, ${whole(way.perSecond)}/s`);
  }
  out.line("cached over direct (goal 1.5 ms)", `${hot.overDirectMs.toFixed(2)} ms`);
  out.line("cached over floor (goal 1.5)", `${hot.overFloor.toFixed(2)} times`);
  out.line("paid, one wallet and fifty (goal 500/s)", `${whole(paid.oneWallet)}/s, ${whole(paid.fiftyWallets)}/s`);
  out.line("first purchase of a wallet: p50, p95", `${cold.p50Ms.toFixed(1)} ms, ${cold.p95Ms.toFixed(1)} ms`);
  out.line("challenges read", `${whole(figures.challengesPerSecond)}/s`);
  out.line("Worker, gzip (goal 150 KB)", `${(worker.gzipBytes / 1000).toFixed(1)} KB`);
  out.line("simulated purchases", `${whole(figures.simulation.purchasesPerSecond)}/s`);
}

interface Figures {
  readonly hotPath: Awaited<ReturnType<typeof hotPath>>;
  readonly paidPerSecond: { readonly oneWallet: number; readonly fiftyWallets: number };
  readonly coldWallet: { readonly p50Ms: number; readonly p95Ms: number };
  readonly challengesPerSecond: number;
  readonly simulation: { readonly purchasesPerSecond: number };
  readonly worker: { readonly gzipBytes: number; readonly minifiedBytes: number };
}
