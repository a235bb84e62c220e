/**
 * From a run that breaks something to a smaller one that breaks the same: fewer faults, fewer purchases. Each candidate is a whole run of
 * its own; the seed stays, so the order of events stays nearly what it was. Greedy, and bounded: a person reads the result, not a prover.
 */
import { FAULTS, swarm, type Fault } from "./faults.ts";
import { World, type RunOptions } from "./world.ts";

export interface Shrunk {
  readonly options: RunOptions & { readonly faults: ReadonlySet<Fault> };
  readonly violation: string;
  readonly runs: number;
}

const MOST_RUNS = 200;

/** @param options a run that breaks something. @returns null when it does not, in this process */
export async function shrink(options: RunOptions): Promise<Shrunk | null> {
  let runs = 0;
  const fails = async (candidate: RunOptions): Promise<string | null> => {
    if (runs++ >= MOST_RUNS) return null;
    try {
      await new World({ ...candidate, traced: false }).run();
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  let best: Shrunk["options"] = { ...options, faults: options.faults ?? swarm(options.seed) };
  let violation = await fails(best);
  if (violation === null) return null;
  const wanted = kindOf(violation);
  const attempt = async (candidate: Shrunk["options"]): Promise<boolean> => {
    const found = await fails(candidate);
    if (found === null || kindOf(found) !== wanted) return false;
    best = candidate;
    violation = found;
    return true;
  };
  for (let changed = true; changed && runs < MOST_RUNS;) {
    changed = false;
    for (let step = Math.ceil((best.limit ?? best.purchases) / 2); step >= 1; step = step === 1 ? 0 : Math.ceil(step / 2)) {
      const limit = (best.limit ?? best.purchases) - step;
      if (limit >= 1 && (await attempt({ ...best, limit }))) changed = true;
    }
    for (const fault of [...FAULTS, "rogue" as const]) {
      if (!best.faults.has(fault)) continue;
      if (await attempt({ ...best, faults: new Set([...best.faults].filter((other) => other !== fault)) })) changed = true;
    }
  }
  return { options: best, violation: violation ?? "", runs };
}

/** Two violations are the same when they differ in figures alone. */
const kindOf = (message: string): string => message.replaceAll(/[0-9]+/gu, "#");

/** The line that keeps a run as a test (kept-seeds.ts). */
export function keptLine({ options, violation }: Shrunk): string {
  const { seed, purchases, limit, faults } = options;
  return JSON.stringify({ seed, purchases, ...(limit === undefined ? {} : { limit }), faults: [...faults], found: violation });
}
