/**
 * What a run writes down: spike/results/<environment>[.deployed].json. Facts only, and enough of them to be doubted: what was measured,
 * how, where, with which versions, and the thresholds as they were. The verdicts of gates and the decision are not in the file; they
 * follow from it (decide.ts), so that nobody can write "pass" above a failed check.
 */
import type { Environment, Place } from "./environments.ts";
import { ENVIRONMENTS, PLACES } from "./environments.ts";
import type { Threshold, Unit } from "./thresholds.ts";

export type Verdict = "pass" | "fail" | "not_run";

export interface Fact {
  readonly name: string;
  readonly value: number | string | boolean;
  readonly unit?: Unit;
}

export interface CheckResult {
  readonly id: string;
  readonly verdict: Verdict;
  /** One line: what was seen, or why it was not run. */
  readonly said: string;
  /** How it was measured. */
  readonly how: string;
  readonly facts: readonly Fact[];
  /** Those that were applied, with what was measured. */
  readonly thresholds: readonly (Pick<Threshold, "name" | "kind" | "value" | "unit"> & { readonly measured: number })[];
}

export interface SpikeResult {
  readonly format: 1;
  readonly environment: Environment;
  readonly place: Place;
  /** RFC 3339, UTC. */
  readonly ranAt: string;
  readonly durationMs: number;
  readonly machine: {
    readonly platform: string;
    readonly cpus: number;
    readonly memoryBytes: number;
    /** Of one minute, before anything was started and at the end: more than `cpus` and the machine was busy with other things. */
    readonly loadBefore: number;
    readonly loadAfter: number;
  };
  /** Package or program to version. */
  readonly versions: Readonly<Record<string, string>>;
  readonly checks: readonly CheckResult[];
}

export type ResultRead = { readonly ok: true; readonly result: SpikeResult } | { readonly ok: false; readonly fault: string };

/** A results file as text; it may have been edited, so nothing of it is believed unseen. */
export function readResult(text: string): ResultRead {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, fault: "this is not JSON" };
  }
  const fault = faultOf(value);
  return fault === null ? { ok: true, result: value as SpikeResult } : { ok: false, fault };
}

export function resultFileName(environment: Environment, place: Place): string {
  return place === "deployed" ? `${environment}.deployed.json` : `${environment}.json`;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isCount = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;

function faultOf(value: unknown): string | null {
  if (!isRecord(value) || value["format"] !== 1) return "this is no result of format 1";
  if (!ENVIRONMENTS.some((name) => name === value["environment"])) return "environment is none that is known";
  if (!PLACES.some((name) => name === value["place"])) return "place is none that is known";
  if (!isText(value["ranAt"]) || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u.test(value["ranAt"])) return "ranAt is no UTC instant";
  if (!isCount(value["durationMs"])) return "durationMs is no duration";
  const machine = value["machine"];
  if (
    !isRecord(machine) ||
    !isText(machine["platform"]) ||
    !isCount(machine["cpus"]) ||
    !isCount(machine["memoryBytes"]) ||
    !isCount(machine["loadBefore"]) ||
    !isCount(machine["loadAfter"])
  )
    return "machine is incomplete";
  if (!isRecord(value["versions"]) || !Object.values(value["versions"]).every(isText)) return "versions is no list of versions";
  const { checks } = value;
  if (!Array.isArray(checks)) return "checks is no list";
  const seen = new Set<unknown>();
  for (const check of checks as readonly unknown[]) {
    const fault = checkFault(check);
    if (fault !== null) return fault;
    const { id } = check as CheckResult;
    if (seen.has(id)) return `the check ${id} is there twice`;
    seen.add(id);
  }
  return null;
}

function checkFault(check: unknown): string | null {
  if (!isRecord(check) || !isText(check["id"])) return "a check has no id";
  const where = `the check ${check["id"]}`;
  if (!["pass", "fail", "not_run"].includes(String(check["verdict"]))) return `${where} has no verdict`;
  if (!isText(check["said"]) || typeof check["how"] !== "string") return `${where} does not say what was seen`;
  if (!Array.isArray(check["facts"]) || !Array.isArray(check["thresholds"])) return `${where} has no evidence`;
  for (const each of check["thresholds"] as readonly unknown[]) {
    if (!isRecord(each) || !isText(each["name"]) || typeof each["value"] !== "number" || typeof each["measured"] !== "number")
      return `${where} has a threshold without a measured value`;
    if (each["kind"] !== "at_most" && each["kind"] !== "at_least") return `${where} has a threshold of no kind`;
  }
  for (const each of check["facts"] as readonly unknown[]) {
    if (!isRecord(each) || !isText(each["name"]) || !["number", "string", "boolean"].includes(typeof each["value"]))
      return `${where} has a fact that is none`;
  }
  return null;
}
