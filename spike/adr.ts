/**
 * ADR.md from the results, and from nothing else: the same files give the same bytes, so a test can compare the committed page with what
 * the committed results say. It has no memory and no opinion; what was not run is named with the command that runs it.
 */
import { GATES, type GateId } from "./catalogue.ts";
import type { Decision, Judged, JudgedCheck, Run } from "./decide.ts";
import { factsOf } from "./environments.ts";
import { packagingSection, type Packaging } from "./packaging.ts";
import type { Fact, Verdict } from "./result.ts";
import type { Unit } from "./thresholds.ts";

/** @param judged one for each environment, in the order in which they shall stand */
export function renderAdr(judged: readonly Judged[], packaging: Packaging | null): string {
  return `${[
    "# Where a payment is made: in the Wallet object, or beside it",
    "",
    "<!-- Written by `npm run spike` from spike/results/*.json. Changes made by hand are lost. -->",
    "",
    ...decisions(judged),
    "",
    ...context(),
    "",
    ...judged.flatMap((each) => [...environmentSection(each), ""]),
    ...packagingSection(packaging),
    "",
    ...limits(judged),
  ].join("\n")}\n`;
}

function decisions(judged: readonly Judged[]): readonly string[] {
  return [
    "## Decision",
    "",
    "| environment | decision | gates |",
    "| --- | --- | --- |",
    ...judged.map((each) => `| ${factsOf(each.environment).title} | **${word(each.decision)}** | ${gateLine(each.runs)} |`),
    "",
    ...judged.flatMap(({ environment, decision }) => reasons(environment, decision)),
  ];
}

function word(decision: Decision): string {
  switch (decision.kind) {
    case "A":
      return "A: the wasm in the object";
    case "B":
      return "B: the HTTP executor";
    case "undecided":
      return "undecided: not run";
  }
}

function reasons(environment: Judged["environment"], decision: Decision): readonly string[] {
  const { title } = factsOf(environment);
  const owed = decision.owed.map(({ what, command }) => `- ${title} owes ${what}:\n\n  \`\`\`sh\n  ${command}\n  \`\`\`\n`);
  switch (decision.kind) {
    case "A":
      return [`- ${title}: all four gates passed.`];
    case "B":
      return [`- ${title}: failed at ${decision.failed.join(", ")}. One failed gate decides for B.`, ...owed];
    case "undecided":
      return owed;
  }
}

function gateLine(runs: readonly Run[]): string {
  if (runs.length === 0) return "not run";
  return runs
    .map(({ place, gates }) => `${place}: ${gates.map(({ id, verdict }) => `${numberOf(id)} ${say(verdict)}`).join(", ")}`)
    .join("; ");
}

const numberOf = (id: GateId): number => GATES.find((gate) => gate.id === id)?.number ?? 0;

function say(verdict: Verdict): string {
  switch (verdict) {
    case "pass":
      return "pass";
    case "fail":
      return "**FAIL**";
    case "not_run":
      return "not run";
  }
}

function context(): readonly string[] {
  return [
    "## The question, and the rule",
    "",
    "- **A**, `spark-wasm`: the Breez Spark SDK's wasm runs in the Wallet's Durable Object, which is the wallet's only spender. No service beside it, and nobody else holds the key.",
    "- **B**, `http-executor`: a minimal service of its own opens the wallet's envelope and pays; the object journals, decides and checks as before ([docs/executor.md](docs/executor.md)).",
    "",
    "Four hard gates decide, for each environment by itself: all four pass, then A; one fails, then B; one was not run, then nothing is decided. Thresholds stand in",
    "[spike/thresholds.ts](spike/thresholds.ts) since before the runs, checks in [spike/catalogue.ts](spike/catalogue.ts). A result made under other thresholds counts as not run. What is decided for one environment",
    "says nothing about another: the sandbox checks every signature, but it is ours. `WALLET_BACKEND` chooses; nothing falls back from A to B by itself.",
    "",
    ...GATES.map(({ number, title, question }) => `${number}. **${title}.** ${question}`),
  ];
}

function environmentSection({ environment, runs }: Judged): readonly string[] {
  const { title, network } = factsOf(environment);
  return [
    `## ${title[0]?.toUpperCase() ?? ""}${title.slice(1)}`,
    "",
    `Against ${network}.`,
    "",
    ...(runs.length === 0 ? ["**Not run.** Nothing is claimed."] : runs.flatMap(runSection)),
  ];
}

function runSection({ place, result, gates }: Run): readonly string[] {
  const { machine, versions } = result;
  return [
    `Run of ${result.ranAt} against ${place === "deployed" ? "a deployed Worker" : "`wrangler dev` (local workerd)"}, ${Math.round(result.durationMs / 1000)} s, on ${machine.platform} with ${machine.cpus} CPUs and ${(machine.memoryBytes / 1e9).toFixed(0)} GB (load ${machine.loadBefore} before, ${machine.loadAfter} after). Versions: ${Object.entries(
      versions,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.`,
    "",
    ...gates.flatMap(({ id, verdict, checks }) => [
      `### Gate ${numberOf(id)}, ${GATES.find((gate) => gate.id === id)?.title ?? id}: ${say(verdict)}`,
      "",
      "| check | verdict | threshold | evidence |",
      "| --- | --- | --- | --- |",
      ...checks.map(checkRow),
      "",
      ...checks.flatMap(({ facts, result: found }) =>
        found === null || found.how === "" ? [] : [`- \`${facts.id}\`: ${cell(found.how)}`],
      ),
      "",
    ]),
  ].slice(0, -1);
}

function checkRow({ facts, verdict, said, result }: JudgedCheck): string {
  const thresholds = (result?.thresholds ?? []).map(
    ({ name, kind, value, unit, measured }) =>
      `${name.replaceAll("_", " ")}: ${show(measured, unit)}, ${kind === "at_most" ? "at most" : "at least"} ${show(value, unit)}`,
  );
  const evidence = [said, ...(result?.facts ?? []).map(factText)];
  return `| ${cell(facts.claim)} | ${say(verdict)} | ${cell(thresholds.join("; "))} | ${cell(evidence.join("; "))} |`;
}

const factText = ({ name, value, unit }: Fact): string =>
  `${name} ${typeof value === "number" && unit !== undefined ? show(value, unit) : String(value)}`;
/** A table's cell is one line, and a bar would end it. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/gu, " ");

export function show(value: number, unit: Unit): string {
  switch (unit) {
    case "ms":
      return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
    case "bytes":
      return value < 1_000_000 ? `${(value / 1000).toFixed(1)} KB` : `${(value / 1_000_000).toFixed(2)} MB`;
    case "share":
      return `${(value * 100).toFixed(1)} %`;
    case "sat":
      return `${value} sat`;
    case "count":
      return String(Math.round(value * 100) / 100);
  }
}

function limits(judged: readonly Judged[]): readonly string[] {
  const ran = (environment: string): boolean => judged.some((each) => each.environment === environment && each.runs.length > 0);
  const deployed = judged.some(({ runs }) => runs.some(({ place }) => place === "deployed"));
  return [
    "## What this page does not show",
    "",
    ...(deployed
      ? []
      : [
          "- **Cloudflare's network**: every run here was workerd on one machine. No script was uploaded, no object was moved between data centres.",
        ]),
    ...(ran("mainnet") ? [] : ["- **Money**: no real sat has moved."]),
    ...(ran("hosted-regtest") || ran("mainnet")
      ? []
      : [
          "- **The real operators and SSP**: their error codes, rate limits, latency, and when the SSP gives up. The sandbox accepts only what verifies, and is built from reading the SDK; it cannot know what it was not told.",
        ]),
    "- **That only the object can open an envelope**: whoever has the key-encryption key and the stored envelope can open it. The checks show that nobody else can, and that the object alone does so in a purchase; the front door seals at creation, and opens to make an `age` backup when its owner asks for one again.",
    "- **Freed memory**: JavaScript strings cannot be overwritten. The check looks after a restart; until then words may lie in memory that nobody refers to any more.",
  ];
}
