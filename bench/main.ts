/**
 * `npm run bench [-- --quick] [-- --json]`: the figures, each with its goal. With `--load` instead: 10,000 purchases over 50 wallets, and restarts;
 * with `--packaging`: one script against two; with `--spark`: sends in the object against the same SDK in Node. Everything is on this machine: raw workerd, the simulated node
 * and the client that measures share its cores. Compare ratios within one run, not numbers between machines. A missed goal is no
 * error: the exit code says whether the figures could be taken.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readOffers } from "../lightning/offers.ts";
import { readFlags } from "../ops/arguments.ts";
import { oneLine, output } from "../ops/output.ts";
import { approvalFigures } from "./approval.ts";
import { buyOnce, coldObject, coldStart, EVICTED_AFTER_MS } from "./cold.ts";
import { atLeast, atMost, describe, isMet, type Figure } from "./figures.ts";
import { hotPath, PARALLEL, type HotPath } from "./hot-path.ts";
import { loadFigures, loadRun, type LoadResult } from "./load-10k.ts";
import { perSecond } from "./load.ts";
import { measurePackaging, packagingFigures } from "./packaging.ts";
import { paidPerSecond } from "./paid.ts";
import { restartFigures } from "./restart.ts";
import { startRig, type Rig } from "./rig.ts";
import { FULL_SPARK, measureSpark, QUICK_SPARK } from "./spark.ts";
import { workerSize, type WorkerSize } from "./worker-size.ts";

const root = join(import.meta.dirname, "..");
const FULL = {
  hot: { rounds: 10, alone: 300, together: 2000 },
  paid: { rounds: 5, purchases: 1000 },
  approvals: 200,
  ms: 2000,
  restarts: 7,
  evicted: 30,
  seeds: 200,
};
const QUICK: typeof FULL = {
  hot: { rounds: 3, alone: 60, together: 300 },
  paid: { rounds: 2, purchases: 150 },
  approvals: 20,
  ms: 200,
  restarts: 2,
  evicted: 0,
  seeds: 20,
};

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, { quick: "boolean", json: "boolean", load: "boolean", packaging: "boolean", spark: "boolean" });
  if (!parsed.ok) {
    console.error(parsed.line);
    return 2;
  }
  const { quick, json, load, packaging, spark } = parsed.flags;
  const out = output(json, 50);
  const machine = {
    engine: "raw workerd, loopback, keep-alive",
    world: packaging
      ? "sandbox and Spark network in the measuring process, every signature real and checked"
      : spark
        ? "sandbox and Spark network in a process of their own, every signature real and checked"
        : "sandbox in a process of its own, invoices with dummy signatures",
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? "unknown",
    node: process.versions.node,
    shared: "client, workerd and sandbox share the cores",
  };
  for (const [label, text] of Object.entries(machine)) out.line(label, String(text));
  out.blank();
  try {
    const figures: Figure[] = [];
    const take = (taken: readonly Figure[]): void => {
      for (const figure of taken) out.line(figure.name, describe(figure));
      figures.push(...taken);
    };
    if (packaging) {
      const measured = await measurePackaging(quick ? 3 : 9);
      take(packagingFigures(measured));
      out.document({ ok: true, quick, machine, ...measured });
      return 0;
    }
    if (spark) {
      const { figures: measured, ...about } = await measureSpark(quick ? QUICK_SPARK : FULL_SPARK);
      take(measured);
      for (const [when, averages] of Object.entries(about.load))
        out.line(`load average ${when}`, averages.map((each) => each.toFixed(1)).join(", "));
      out.document({ ok: true, quick, machine, ...about, figures: measured.map((figure) => ({ ...figure, met: isMet(figure) })) });
      return 0;
    }
    if (load) {
      const { differences, firstFailure, failed } = await underLoad(quick, take);
      for (const line of [...differences.slice(0, 10), ...(firstFailure === null ? [] : [firstFailure])]) console.error(line);
      out.document({ ok: failed === 0 && differences.length === 0, quick, machine, figures });
      return failed === 0 && differences.length === 0 ? 0 : 1;
    }
    const worker = await measure(quick ? QUICK : FULL, take);
    out.blank();
    for (const { name, bytes } of worker.parts.slice(0, 12)) out.line(`  minified: ${name}`, `${(bytes / 1000).toFixed(1)} KB`);
    const missed = figures.filter((figure) => isMet(figure) === false).map(({ id }) => id);
    out.line("goals missed", missed.length === 0 ? "none" : missed.join(", "));
    out.document({ ok: true, quick, machine, figures: figures.map((figure) => ({ ...figure, met: isMet(figure) })), missed, worker });
    return 0;
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause) });
    return 1;
  }
}

/** A purchase that failed, or books that differ, is no missed goal but an error. */
async function underLoad(quick: boolean, take: (figures: readonly Figure[]) => void): Promise<LoadResult> {
  const rig = await startRig();
  try {
    const result = await loadRun(rig, { wallets: 50, purchases: quick ? 1000 : 10_000 });
    take(loadFigures(result));
    take(await restartFigures(quick ? 3 : 20));
    return result;
  } finally {
    await rig.close();
  }
}

async function measure(size: typeof FULL, take: (figures: readonly Figure[]) => void): Promise<WorkerSize> {
  const rig = await startRig();
  try {
    take(hotFigures(await hotPath(rig, size.hot)));
    const idle = await rig.keys(size.evicted);
    await buyOnce(rig, idle);
    const left = performance.now();

    const one = await rig.keys(1);
    take([rate("paid_one_wallet", "paid purchases, one wallet", await paidPerSecond(rig, one, size.paid), 500)]);
    take([rate("paid_fifty_wallets", "paid purchases, fifty wallets", await paidPerSecond(rig, await rig.keys(50), size.paid), 500)]);
    take(await approvalFigures(rig, size.approvals));
    take([rate("challenges", "challenges read (Aperture's two lines, 1.1 kB)", await challengesPerSecond(rig, size.ms), null)]);
    take([rate("simulation", "simulated purchases, invariants checked", simulated(size.seeds), null)]);
    const worker = await workerSize(join(root, "worker/front.ts"));
    take([
      { id: "worker_gzip", name: "front door's script, minified and gzip", value: worker.gzipBytes, unit: "bytes", goal: atMost(150_000) },
    ]);

    if (idle.length > 0) {
      await pause(Math.max(0, EVICTED_AFTER_MS - (performance.now() - left)));
      const { firstMs, secondMs } = await coldObject(rig, idle);
      take([time("cold_object", "cached, object evicted: p50", firstMs), time("warm_object", "the same once more: p50", secondMs)]);
    }
    const { startMs, firstAnswerMs } = await coldStart(rig, one[0] ?? "", size.restarts);
    take([
      time("start_workerd", "workerd on existing state, bundling included: p50", startMs),
      time("cold_start", "then first cached answer, isolate and object cold", firstAnswerMs),
    ]);
    return worker;
  } finally {
    await rig.close();
  }
}

function hotFigures({ direct, floor, cached }: HotPath): readonly Figure[] {
  const ways = Object.entries({ direct, floor, cached }).flatMap(([name, { p50Ms, p95Ms, perSecond: each }]) => [
    time(`${name}_p50`, `${name}: p50`, p50Ms),
    time(`${name}_p95`, `${name}: p95`, p95Ms),
    rate(
      `${name}_throughput`,
      `${name}: ${PARALLEL} in parallel${name === "cached" ? ", one wallet" : ""}`,
      each,
      name === "cached" ? 1400 : null,
    ),
  ]);
  return [
    ...ways,
    { id: "cached_over_direct", name: "cached over direct, at p50", value: cached.p50Ms - direct.p50Ms, unit: "ms", goal: atMost(1.5) },
    { id: "cached_over_floor", name: "cached over floor, at p50", value: cached.p50Ms / floor.p50Ms, unit: "times", goal: atMost(1.5) },
    {
      id: "floor_over_cached",
      name: `floor over cached, ${PARALLEL} in parallel`,
      value: floor.perSecond / cached.perSecond,
      unit: "times",
      goal: null,
    },
  ];
}

function time(id: string, name: string, value: number): Figure {
  return { id, name, value, unit: "ms", goal: null };
}

function rate(id: string, name: string, value: number, least: number | null): Figure {
  return { id, name, value, unit: "per_second", goal: least === null ? null : atLeast(least) };
}

/** Header to offers, decoded and bound: everything that happens before a decision. Signatures are not recovered here. */
async function challengesPerSecond(rig: Rig, ms: number): Promise<number> {
  const header = (await fetch(`${rig.sellerUrl}/joke`)).headers.get("www-authenticate");
  const now = Date.now();
  if (readOffers(header, { network: "regtest", now }).choice === null) throw new Error("the benchmark's challenge offers nothing");
  return perSecond(() => void readOffers(header, { network: "regtest", now }), ms);
}

function simulated(seeds: number): number {
  const run = spawnSync(
    process.execPath,
    [join(root, "test/simulation/main.ts"), "--json", "--seed", "1", "--seeds", String(seeds), "--purchases", "40"],
    { encoding: "utf8" },
  );
  if (run.status !== 0) throw new Error(`the simulation ended with ${run.status ?? "a signal"}`);
  return (JSON.parse(run.stdout) as { readonly purchasesPerSecond: number }).purchasesPerSecond;
}
