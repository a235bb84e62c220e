/** Many seeds, one after another, and what they add up to. Totals of disjoint ranges can be added: that is how several processes share a sweep. */
import type { Fault } from "./faults.ts";
import { World, type RunOptions } from "./world.ts";

export interface Totals {
  readonly seeds: number;
  readonly purchases: number;
  readonly steps: number;
  readonly crashes: number;
  readonly payments: number;
  /** The sum of all trace hashes: the same whatever the order, and however many processes shared the work. */
  readonly digest: number;
  readonly answers: Readonly<Record<string, number>>;
}

export const NOTHING: Totals = { seeds: 0, purchases: 0, steps: 0, crashes: 0, payments: 0, digest: 0, answers: {} };

/** A run that broke something. */
export interface Broken {
  readonly options: RunOptions;
  readonly error: Error;
  readonly trace: readonly string[];
}

export type Swept = { readonly ok: true; readonly totals: Totals } | { readonly ok: false; readonly broken: Broken };

export interface SweepOptions {
  readonly seed: number;
  readonly seeds: number;
  readonly purchases: number;
  readonly faults?: ReadonlySet<Fault>;
  readonly traced?: boolean;
}

/** @param ran is told of every run that ended well */
export async function sweep({ seed, seeds, ...rest }: SweepOptions, ran: (trace: readonly string[]) => void = () => {}): Promise<Swept> {
  let totals = NOTHING;
  for (let each = seed; each < seed + seeds; each++) {
    const options: RunOptions = { seed: each, ...rest };
    const world = new World(options);
    try {
      const { trace, digest, answers, purchases, steps, crashes, payments } = await world.run();
      ran(trace ?? []);
      totals = add(totals, { seeds: 1, purchases, steps, crashes, payments, answers, digest: Number.parseInt(digest, 16) });
    } catch (error) {
      return {
        ok: false,
        broken: { options, error: error instanceof Error ? error : new Error(String(error)), trace: world.scheduler.trace ?? [] },
      };
    }
  }
  return { ok: true, totals };
}

export function add(a: Totals, b: Totals): Totals {
  const answers: Record<string, number> = { ...a.answers };
  for (const [name, count] of Object.entries(b.answers)) answers[name] = (answers[name] ?? 0) + count;
  return {
    seeds: a.seeds + b.seeds,
    purchases: a.purchases + b.purchases,
    steps: a.steps + b.steps,
    crashes: a.crashes + b.crashes,
    payments: a.payments + b.payments,
    digest: (a.digest + b.digest) >>> 0,
    answers,
  };
}

export const hex = (digest: number): string => digest.toString(16).padStart(8, "0");
