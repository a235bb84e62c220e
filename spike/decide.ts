/**
 * The decision rule, for each environment by itself: all four gates pass, then topology A (the wasm in the object); one fails, then B (the
 * HTTP executor); one was not run, then nothing is decided and it is said what is owed. A threshold is applied again here, to the
 * measured value and as it is stated today: a result made under another threshold, or with a verdict that its own numbers contradict,
 * is not believed.
 */
import { checksFor, GATES, type CheckFacts, type GateId } from "./catalogue.ts";
import { commandOf, factsOf, type Environment, type Place } from "./environments.ts";
import type { CheckResult, SpikeResult, Verdict } from "./result.ts";
import { holds, thresholdsOf } from "./thresholds.ts";

export interface JudgedCheck {
  readonly facts: CheckFacts;
  readonly verdict: Verdict;
  /** What the run said, or why its word does not count. */
  readonly said: string;
  readonly result: CheckResult | null;
}

export interface JudgedGate {
  readonly id: GateId;
  readonly verdict: Verdict;
  readonly checks: readonly JudgedCheck[];
}

export interface Run {
  readonly place: Place;
  readonly result: SpikeResult;
  readonly gates: readonly JudgedGate[];
}

export interface Owed {
  readonly what: string;
  readonly command: string;
}

export type Decision =
  | { readonly kind: "A"; readonly owed: readonly Owed[] }
  | { readonly kind: "B"; readonly failed: readonly string[]; readonly owed: readonly Owed[] }
  | { readonly kind: "undecided"; readonly owed: readonly Owed[] };

export interface Judged {
  readonly environment: Environment;
  readonly runs: readonly Run[];
  readonly decision: Decision;
}

export function judgeRun(result: SpikeResult): Run {
  const checks = checksFor(result.environment, result.place).map((facts) => judgeCheck(result, facts));
  const gates = GATES.map(({ id }) => {
    const own = checks.filter((check) => check.facts.gate === id);
    return { id, verdict: together(own.map(({ verdict }) => verdict)), checks: own };
  });
  // A gate of which nothing can be checked in this place says nothing there.
  return { place: result.place, result, gates: gates.filter(({ checks: own }) => own.length > 0) };
}

function judgeCheck(result: SpikeResult, facts: CheckFacts): JudgedCheck {
  const found = result.checks.find(({ id }) => id === facts.id) ?? null;
  if (found === null) return { facts, verdict: "not_run", said: "this run left it out", result: null };
  if (found.verdict !== "pass") return { facts, verdict: found.verdict, said: found.said, result: found };
  const stated = thresholdsOf(result.environment);
  for (const name of facts.thresholds) {
    const applied = found.thresholds.find((threshold) => threshold.name === name);
    const now = stated[name];
    if (applied === undefined || now === undefined || applied.value !== now.value || applied.kind !== now.kind)
      return { facts, verdict: "not_run", said: `measured under another threshold for ${name}: it must be run again`, result: found };
    if (!holds(now, applied.measured)) return { facts, verdict: "fail", said: `${name} was missed`, result: found };
  }
  return { facts, verdict: "pass", said: found.said, result: found };
}

/** One failure fails; one that was not run leaves it open; nothing at all is no pass. */
export function together(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("fail")) return "fail";
  return verdicts.length === 0 || verdicts.includes("not_run") ? "not_run" : "pass";
}

export function judge(environment: Environment, results: readonly SpikeResult[]): Judged {
  const runs = results.filter((result) => result.environment === environment).map(judgeRun);
  const owed: Owed[] = [];
  for (const place of factsOf(environment).decidedBy) {
    const run = runs.find((each) => each.place === place);
    const command = commandOf(environment, place);
    if (run === undefined) {
      owed.push({ what: `a run against ${place === "deployed" ? "a deployed Worker" : "wrangler dev"}`, command });
      continue;
    }
    const open = run.gates.flatMap(({ checks }) => checks.filter(({ verdict }) => verdict === "not_run"));
    if (open.length > 0) owed.push({ what: open.map(({ facts }) => `${facts.gate}/${facts.id}`).join(", "), command });
  }
  // A failure counts wherever it was seen, also in a run that the decision does not wait for.
  const failed = runs.flatMap(({ gates }) =>
    gates.flatMap(({ checks }) => checks.filter(({ verdict }) => verdict === "fail").map(({ facts }) => `${facts.gate}/${facts.id}`)),
  );
  if (failed.length > 0) return { environment, runs, decision: { kind: "B", failed: [...new Set(failed)], owed } };
  return { environment, runs, decision: owed.length === 0 ? { kind: "A", owed } : { kind: "undecided", owed } };
}
