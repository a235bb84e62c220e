/** `npm run simulate -- --seed N --purchases N [--seeds N] [--trace] [--json]`: runs the simulation and says what it saw. */
import { parseArgs } from "node:util";
import { World, type RunResult } from "./world.ts";
import { Violation } from "./scheduler.ts";

const USAGE = "usage: npm run simulate -- [--seed N] [--purchases N] [--seeds N] [--trace] [--json]";

function whole(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,9}$/u.test(text) || Number(text) < 1) {
    process.stderr.write(`--${name} must be a positive integer; ${USAGE}\n`);
    process.exit(2);
  }
  return Number(text);
}

function flags() {
  try {
    return parseArgs({ options: { seed: { type: "string" }, purchases: { type: "string" }, seeds: { type: "string" }, trace: { type: "boolean" }, json: { type: "boolean" } } }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message.replaceAll(/\s+/gu, " ") : "bad flags"}; ${USAGE}\n`);
    return process.exit(2);
  }
}

const given = flags();
const seed = whole(given.seed, "seed", 1);
const purchases = whole(given.purchases, "purchases", 40);
const seeds = whole(given.seeds, "seeds", 1);

const started = performance.now();
const totals = { seeds: 0, purchases: 0, steps: 0, crashes: 0, payments: 0 };
const answers: Record<string, number> = {};
let last: RunResult | null = null;
for (let each = seed; each < seed + seeds; each++) {
  const world = new World({ seed: each, purchases, traced: given.trace ?? false });
  try {
    last = await world.run();
  } catch (error) {
    for (const line of world.scheduler.trace ?? []) process.stderr.write(`${line}\n`);
    if (!(error instanceof Violation)) process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.stdout.write(`${given.json === true ? JSON.stringify({ ok: false, seed: each, purchases, violation: error instanceof Error ? error.message : "unknown" }) : `seed ${each}: ${error instanceof Error ? error.message : "unknown"}\nagain with: npm run simulate -- --seed ${each} --purchases ${purchases} --trace`}\n`);
    process.exit(1);
  }
  if (given.trace === true) for (const line of last.trace ?? []) process.stderr.write(`${line}\n`);
  totals.seeds++;
  totals.purchases += last.purchases;
  totals.steps += last.steps;
  totals.crashes += last.crashes;
  totals.payments += last.payments;
  for (const [name, count] of Object.entries(last.answers)) answers[name] = (answers[name] ?? 0) + count;
}
const seconds = (performance.now() - started) / 1000;
const summary = { ok: true, seed, ...totals, seconds: Number(seconds.toFixed(2)), purchasesPerSecond: Math.round(totals.purchases / seconds), digest: last?.digest ?? null, answers };
if (given.json === true) process.stdout.write(`${JSON.stringify(summary)}\n`);
else {
  process.stdout.write(`${totals.seeds} seed(s) from ${seed}: ${totals.purchases} purchases, ${totals.payments} payments, ${totals.steps} steps, ${totals.crashes} crashes, no violation\n`);
  process.stdout.write(`${summary.purchasesPerSecond} purchases/s; trace hash of the last seed ${summary.digest}\n`);
  process.stdout.write(`answers: ${Object.entries(answers).toSorted(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", ")}\n`);
}
