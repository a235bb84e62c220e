/**
 * `npm run simulate -- [--seed N] [--purchases N] [--seeds N] [--jobs N] [--faults a,b] [--trace] [--json]`: runs the simulation and says
 * what it saw. A run that breaks something is printed, shrunk, and printed again with the line that keeps it as a test.
 */
import { parseArgs } from "node:util";
import { isFault, type Fault } from "./faults.ts";
import { many } from "./many.ts";
import { Violation } from "./scheduler.ts";
import { keptLine, shrink } from "./shrink.ts";
import { hex, sweep, type Broken, type SweepOptions, type Totals } from "./sweep.ts";

const USAGE = "usage: npm run simulate -- [--seed N] [--purchases N] [--seeds N] [--jobs N] [--faults none|NAME,...] [--trace] [--json]";

function refuse(why: string): never {
  process.stderr.write(`${why}; ${USAGE}\n`);
  return process.exit(2);
}

function whole(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,9}$/u.test(text) || Number(text) < 1) refuse(`--${name} must be a positive integer`);
  return Number(text);
}

function faultsOf(text: string | undefined): ReadonlySet<Fault> | undefined {
  if (text === undefined) return undefined;
  const names = text === "none" ? [] : text.split(",");
  const faults = names.filter(isFault);
  const stranger = names.find((name) => !isFault(name));
  return stranger === undefined ? new Set(faults) : refuse(`--faults: there is no ${stranger}`);
}

function flags() {
  try {
    return parseArgs({
      options: {
        seed: { type: "string" },
        purchases: { type: "string" },
        seeds: { type: "string" },
        jobs: { type: "string" },
        faults: { type: "string" },
        trace: { type: "boolean" },
        json: { type: "boolean" },
        totals: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message.replaceAll("\n", " ") : "bad flags");
  }
}

const given = flags();
const faults = faultsOf(given.faults);
const options: SweepOptions = {
  seed: whole(given.seed, "seed", 1),
  seeds: whole(given.seeds, "seeds", 1),
  purchases: whole(given.purchases, "purchases", 40),
  traced: given.trace ?? false,
  ...(faults === undefined ? {} : { faults }),
};
const jobs = whole(given.jobs, "jobs", 1);
const json = given.json ?? false;
const started = performance.now();

if (jobs > 1) {
  const shared = await many(options, jobs, json);
  if (shared.ok) report(shared.totals);
  else {
    process.stdout.write(shared.said);
    process.exitCode = 1;
  }
} else {
  const swept = await sweep(options, (trace) => process.stderr.write(trace.map((line) => `${line}\n`).join("")));
  if (swept.ok) report(swept.totals);
  else await explain(swept.broken);
}

function report(totals: Totals): void {
  if (given.totals === true) {
    process.stdout.write(`${JSON.stringify(totals)}\n`);
    return;
  }
  const seconds = (performance.now() - started) / 1000;
  const summary = {
    ok: true,
    seed: options.seed,
    ...totals,
    seconds: Number(seconds.toFixed(2)),
    purchasesPerSecond: Math.round(totals.purchases / seconds),
    digest: hex(totals.digest),
  };
  if (json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const answers = Object.entries(totals.answers)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`);
  process.stdout.write(
    `${totals.seeds} seed(s) from ${options.seed}: ${totals.purchases} purchases, ${totals.payments} payments, ${totals.steps} steps, ${totals.crashes} crashes, no violation\n`,
  );
  process.stdout.write(`${summary.purchasesPerSecond} purchases/s; trace hash ${summary.digest}\nanswers: ${answers.join(", ")}\n`);
}

async function explain({ options: failed, error, trace }: Broken): Promise<void> {
  process.exitCode = 1;
  for (const line of trace) process.stderr.write(`${line}\n`);
  if (!(error instanceof Violation)) process.stderr.write(`${error.stack ?? error.message}\n`);
  const shrunk = await shrink(failed);
  const kept = shrunk === null ? null : keptLine(shrunk);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ok: false, seed: failed.seed, purchases: failed.purchases, violation: error.message, kept })}\n`,
    );
    return;
  }
  const again = `npm run simulate -- --seed ${failed.seed} --purchases ${failed.purchases}${given.faults === undefined ? "" : ` --faults ${given.faults}`} --trace`;
  process.stdout.write(`seed ${failed.seed}: ${error.message}\nagain with: ${again}\n`);
  process.stdout.write(
    kept === null
      ? "it does not happen a second time: something in it is not the scheduler's\n"
      : `shrunk in ${shrunk?.runs ?? 0} runs, to keep in test/simulation/kept-seeds.ts: ${kept}\n`,
  );
}
