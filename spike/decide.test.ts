import { describe, expect, it, test } from "vitest";
import { CHECKS, checksFor } from "./catalogue.ts";
import { judge, together } from "./decide.ts";
import type { CheckResult } from "./result.ts";
import { sampleResult } from "./sample-result.ts";
import { thresholdsOf } from "./thresholds.ts";

const only = (id: string, change: (check: CheckResult) => CheckResult | null) => (check: CheckResult) =>
  check.id === id ? change(check) : check;

describe("the decision", () => {
  it("is A where all four gates passed", () => {
    expect(judge("sandbox", [sampleResult("sandbox", "wrangler-dev")]).decision).toEqual({ kind: "A", owed: [] });
  });

  test.each(checksFor("sandbox", "wrangler-dev").map(({ id, gate }) => [id, gate]))("is B when %s of gate %s fails", (id, gate) => {
    const result = sampleResult(
      "sandbox",
      "wrangler-dev",
      only(id, (check) => ({ ...check, verdict: "fail" })),
    );
    expect(judge("sandbox", [result]).decision).toEqual({ kind: "B", failed: [`${gate}/${id}`], owed: [] });
  });

  test.each(checksFor("sandbox", "wrangler-dev").map(({ id }) => id))("is open when %s was left out of the run", (id) => {
    const { decision } = judge("sandbox", [
      sampleResult(
        "sandbox",
        "wrangler-dev",
        only(id, () => null),
      ),
    ]);
    expect(decision.kind).toBe("undecided");
    expect(decision.owed[0]?.what).toContain(id);
    expect(decision.owed[0]?.command).toBe("npm run spike -- --env sandbox");
  });

  it("is B when one check fails and another was not run, and still says what is owed", () => {
    const result = sampleResult("sandbox", "wrangler-dev", (check) =>
      check.id === "warm" ? { ...check, verdict: "fail" } : check.id === "canary" ? { ...check, verdict: "not_run" } : check,
    );
    const { decision } = judge("sandbox", [result]);
    expect(decision).toMatchObject({ kind: "B", failed: ["latency/warm"] });
    expect(decision.owed[0]?.what).toBe("custody/canary");
  });

  it("of the sandbox decides nothing for the others", () => {
    const results = [sampleResult("sandbox", "wrangler-dev")];
    expect(judge("hosted-regtest", results).decision.kind).toBe("undecided");
    expect(judge("mainnet", results).decision.kind).toBe("undecided");
  });

  it("for mainnet wants a deployed run beside the local one", () => {
    const local = sampleResult("mainnet", "wrangler-dev");
    const { decision } = judge("mainnet", [local]);
    expect(decision).toMatchObject({ kind: "undecided", owed: [{ what: "a run against a deployed Worker" }] });
    expect(judge("mainnet", [local, sampleResult("mainnet", "deployed")]).decision.kind).toBe("A");
  });

  it("is B when only the deployed run failed", () => {
    const deployed = sampleResult(
      "mainnet",
      "deployed",
      only("warm", (check) => ({ ...check, verdict: "fail" })),
    );
    expect(judge("mainnet", [sampleResult("mainnet", "wrangler-dev"), deployed]).decision.kind).toBe("B");
  });
});

describe("a verdict in a file", () => {
  it("does not count when its own measured value misses the threshold", () => {
    const result = sampleResult(
      "sandbox",
      "wrangler-dev",
      only("warm", (check) => ({
        ...check,
        thresholds: check.thresholds.map((each) => ({ ...each, measured: each.kind === "at_most" ? each.value + 1 : 0 })),
      })),
    );
    expect(judge("sandbox", [result]).decision).toMatchObject({ kind: "B", failed: ["latency/warm"] });
  });

  it("counts as not run when it was made under another threshold", () => {
    const result = sampleResult(
      "sandbox",
      "wrangler-dev",
      only("warm", (check) => ({ ...check, thresholds: check.thresholds.map((each) => ({ ...each, value: each.value * 2 })) })),
    );
    expect(judge("sandbox", [result]).decision.kind).toBe("undecided");
  });

  it("counts as not run when a threshold of its check was not applied at all", () => {
    const result = sampleResult(
      "sandbox",
      "wrangler-dev",
      only("warm", (check) => ({ ...check, thresholds: [] })),
    );
    expect(judge("sandbox", [result]).decision.kind).toBe("undecided");
  });
});

test("nothing at all is not a pass", () => {
  expect(together([])).toBe("not_run");
  expect(together(["pass", "pass"])).toBe("pass");
});

test("every threshold that a check names is stated, and every one that is stated is used", () => {
  const named = new Set(CHECKS.flatMap(({ thresholds }) => thresholds));
  expect([...named].toSorted()).toEqual(Object.keys(thresholdsOf("sandbox")).toSorted());
});

test("check ids are unique", () => {
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
});
