/** A result in which every check of the catalogue passes, for tests; one of its checks may be replaced. Tests only. */
import { checksFor } from "./catalogue.ts";
import type { Environment, Place } from "./environments.ts";
import type { CheckResult, SpikeResult } from "./result.ts";
import { thresholdsOf } from "./thresholds.ts";

export function sampleResult(
  environment: Environment,
  place: Place,
  change: (check: CheckResult) => CheckResult | null = (check) => check,
): SpikeResult {
  const stated = thresholdsOf(environment);
  const checks = checksFor(environment, place).map((facts): CheckResult => ({
    id: facts.id,
    verdict: "pass",
    said: `${facts.id} was seen`,
    how: `by looking at ${facts.id}`,
    facts: [{ name: "runs", value: 10, unit: "count" }],
    thresholds: facts.thresholds.flatMap((name) => {
      const threshold = stated[name];
      if (threshold === undefined) return [];
      const { kind, value, unit } = threshold;
      return [{ name, kind, value, unit, measured: value }];
    }),
  }));
  return {
    format: 1,
    environment,
    place,
    ranAt: "2026-11-22T10:00:00.000Z",
    durationMs: 60_000,
    machine: { platform: "linux x64", cpus: 2, memoryBytes: 8e9, loadBefore: 0.1, loadAfter: 1.9 },
    versions: { "@breeztech/breez-sdk-spark": "0.19.2", workerd: "1.20261120.0" },
    checks: checks.flatMap((check) => change(check) ?? []),
  };
}
