/**
 * One check: what was measured against the thresholds as stated, and whether what must hold held. A check that throws has failed, with
 * the reason in one line; the checks after it are still run.
 */
import { CHECKS } from "../catalogue.ts";
import type { CheckResult, Fact } from "../result.ts";
import { holds, thresholdsOf, type Unit } from "../thresholds.ts";
import type { Stage } from "./stage.ts";

export interface Measured {
  /** What was seen, in one line. */
  readonly said: string;
  /** Whether all that has no number held. */
  readonly held: boolean;
  /** By name of the threshold. */
  readonly measured?: Readonly<Record<string, number>>;
  readonly facts?: readonly Fact[];
}

/** Thrown where this place cannot answer: the check was not run, which is neither good nor bad. */
export class CannotRun extends Error {}

export const fact = (name: string, value: number | string | boolean, unit?: Unit): Fact =>
  unit === undefined ? { name, value } : { name, value: typeof value === "number" ? Math.round(value * 1000) / 1000 : value, unit };

/** @param how how it was measured, for the reader of the ADR */
export async function runCheck(stage: Stage, id: string, how: string, work: () => Promise<Measured>): Promise<CheckResult> {
  const facts = CHECKS.find((check) => check.id === id);
  if (facts === undefined) throw new Error(`the catalogue has no check ${id}`);
  stage.parts.say(`  ${id} …`);
  let result: CheckResult;
  try {
    const seen = await work();
    const stated = thresholdsOf(stage.parts.environment);
    const thresholds = facts.thresholds.map((name) => {
      const threshold = stated[name];
      const measured = seen.measured?.[name];
      if (threshold === undefined || measured === undefined) throw new Error(`${name} was not measured`);
      const { kind, value, unit } = threshold;
      return { name, kind, value, unit, measured: Math.round(measured * 1000) / 1000 };
    });
    const good = seen.held && thresholds.every((threshold) => holds(threshold, threshold.measured));
    result = { id, verdict: good ? "pass" : "fail", said: seen.said, how, facts: seen.facts ?? [], thresholds };
  } catch (cause) {
    const said = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "something was thrown";
    result = {
      id,
      verdict: cause instanceof CannotRun ? "not_run" : "fail",
      said: said === "" ? "no word why" : said.slice(0, 300),
      how,
      facts: [],
      thresholds: [],
    };
  }
  stage.parts.say(`  ${id}: ${result.verdict}: ${result.said}`);
  return result;
}

/** @param q 0.5 for the median; nearest rank. @throws Error where there is nothing to take it of */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
  if (found === undefined) throw new Error("nothing was measured");
  return found;
}

export async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const began = performance.now();
  const value = await work();
  return { value, ms: performance.now() - began };
}
