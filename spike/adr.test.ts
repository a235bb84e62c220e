import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { renderAdr, show } from "./adr.ts";
import { judge } from "./decide.ts";
import { ENVIRONMENTS } from "./environments.ts";
import { packagingChoice, type PackagingShape } from "./packaging.ts";
import { readResult, resultFileName, type SpikeResult } from "./result.ts";
import { sampleResult } from "./sample-result.ts";
import { adrFrom } from "./store.ts";

const page = (results: readonly SpikeResult[]): string =>
  renderAdr(
    ENVIRONMENTS.map((environment) => judge(environment, results)),
    null,
  );
const passed = sampleResult("sandbox", "wrangler-dev");

describe("ADR.md", () => {
  it("decides for A where all gates passed, and for nobody else", () => {
    const text = page([passed]);
    expect(text).toContain("| sandbox | **A: the wasm in the object** |");
    expect(text).toContain("| hosted regtest | **undecided: not run** | not run |");
    expect(text).toContain("| mainnet | **undecided: not run** | not run |");
  });

  it("decides for B where a gate failed, and names it", () => {
    const failing = sampleResult("sandbox", "wrangler-dev", (check) => (check.id === "memory" ? { ...check, verdict: "fail" } : check));
    const text = page([failing]);
    expect(text).toContain("| sandbox | **B: the HTTP executor** |");
    expect(text).toContain("failed at runtime/memory");
    expect(text).toContain("### Gate 1, Runtime: **FAIL**");
  });

  it("names each run that is owed with the exact command", () => {
    const text = page([passed]);
    expect(text).toContain("  npm run spike -- --env hosted-regtest\n");
    expect(text).toContain("  BREEZ_API_KEY=… npm run spike -- --env mainnet --seller 'https://A-SELLER/{n}' --backup age1…\n");
    expect(text).toContain("npm run spike -- --env mainnet --deployed");
    expect(text).not.toContain("npm run spike -- --env sandbox\n");
  });

  it("claims nothing of what was not run", () => {
    const text = page([]);
    expect(text).not.toMatch(/\bpass\b(?!,)/u);
    expect(text.match(/\*\*Not run\.\*\* Nothing is claimed\./gu)).toHaveLength(3);
    expect(text).toContain("no real sat has moved");
    expect(text).toContain("The real operators and SSP");
  });

  it("shows the measured value beside its threshold, and how it was measured", () => {
    const text = page([passed]);
    expect(text).toContain("warm p50: 600 ms, at most 600 ms");
    expect(text).toContain("- `warm`: by looking at warm");
  });

  it("is the same for the same results, in whatever order they come", () => {
    const live = sampleResult("hosted-regtest", "wrangler-dev");
    expect(page([passed, live])).toBe(page([live, passed]));
  });

  it("keeps its tables whole whatever a result says", () => {
    const odd = sampleResult("sandbox", "wrangler-dev", (check) => ({ ...check, said: "a | b\n\nc" }));
    expect(page([odd])).toContain("a \\| b c");
  });
});

describe("the committed results", () => {
  const folder = join(import.meta.dirname, "results");
  const files = readdirSync(folder).filter((name) => name.endsWith(".json") && name !== "packaging.json");

  test.each(files)("%s can be read, is named for what it holds, and was made under today's thresholds", (name) => {
    const read = readResult(readFileSync(join(folder, name), "utf8"));
    if (!read.ok) throw new Error(read.fault);
    expect(resultFileName(read.result.environment, read.result.place)).toBe(name);
    const stale = judge(read.result.environment, [read.result])
      .runs.flatMap(({ gates }) => gates.flatMap(({ checks }) => checks))
      .filter(({ said }) => said.includes("another threshold"));
    expect(stale.map(({ facts }) => facts.id)).toEqual([]);
  });

  it("are what the committed page says", () => {
    expect(readFileSync(join(import.meta.dirname, "../ADR.md"), "utf8")).toBe(adrFrom(folder));
  });
});

describe("a results file that was edited", () => {
  const edited = (change: Record<string, unknown>): unknown => readResult(JSON.stringify({ ...passed, ...change }));
  it.each([
    ["no JSON", "{", "this is not JSON"],
    ["another format", JSON.stringify({ ...passed, format: 2 }), "this is no result of format 1"],
  ])("is refused with a reason: %s", (_what, text, fault) => {
    expect(readResult(text)).toEqual({ ok: false, fault });
  });
  it.each<[string, Record<string, unknown>]>([
    ["an unknown environment", { environment: "moon" }],
    ["an unknown place", { place: "edge" }],
    ["no instant", { ranAt: "today" }],
    ["no machine", { machine: {} }],
    ["a verdict that is none", { checks: [{ ...passed.checks[0], verdict: "ok" }] }],
    ["a check twice", { checks: [passed.checks[0], passed.checks[0]] }],
    [
      "a threshold nobody measured",
      { checks: [{ ...passed.checks[0], thresholds: [{ name: "x", kind: "at_most", value: 1, unit: "ms" }] }] },
    ],
  ])("is refused with a reason: %s", (_what, change) => {
    expect(edited(change)).toMatchObject({ ok: false });
  });
  it("is read when nothing is wrong with it", () => {
    expect(edited({})).toMatchObject({ ok: true });
  });
});

describe("one script or two", () => {
  const shape = (healthMs: number, gzipBytes: number, coldPurchaseMs: number | null): PackagingShape => ({
    scripts: [{ name: "front", rawBytes: gzipBytes * 2, gzipBytes }],
    healthMs,
    firstWalletCallMs: healthMs,
    coldPurchaseMs,
  });
  it.each([
    ["two when one makes the front door heavier", shape(50, 4e6, 500), shape(50, 1e5, 500), "two"],
    ["two when one makes the front door slower", shape(90, 1e5, 500), shape(50, 1e5, 500), "two"],
    ["one when it costs the front door nothing", shape(50, 1e5, 500), shape(50, 1e5, 500), "one"],
  ])("%s", (_name, one, two, choice) => {
    expect(packagingChoice({ ranAt: "2026-11-22T10:00:00.000Z", one, two }).choice).toBe(choice);
  });
});

test("figures are written as people read them", () => {
  expect([show(1234, "ms"), show(12_345, "ms"), show(4_640_000, "bytes"), show(120_400, "bytes"), show(0.995, "share")]).toEqual([
    "1234 ms",
    "12.3 s",
    "4.64 MB",
    "120.4 KB",
    "99.5 %",
  ]);
});
