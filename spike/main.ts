/**
 * `npm run spike`: four hard gates against `wrangler dev` (or, with --deployed, against a Worker elsewhere), spike/results/<environment>.json,
 * and ADR.md from all results. A run that could not begin writes nothing, so that it never replaces one that did.
 * Exit code: 0 all passed, 1 a gate failed, 2 the arguments are not right, 3 not run, in whole or in part: unreachable, or no key; 130 interrupted.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readFlags } from "../ops/arguments.ts";
import { interrupted, oneLine } from "../ops/output.ts";
import { planRun, type Plan } from "./arguments.ts";
import { GATES } from "./catalogue.ts";
import { judgeRun, together } from "./decide.ts";
import { factsOf } from "./environments.ts";
import { probe } from "./reach.ts";
import { openStage, type StageOptions } from "./rig/open-stage.ts";
import { runGates } from "./run.ts";
import { adrFrom, writeResult } from "./store.ts";

const KINDS = {
  env: "string",
  json: "boolean",
  deployed: "string",
  seller: "string",
  backup: "string",
  results: "string",
  adr: "boolean",
} as const;
const PROBE_WITHIN_MS = 5000;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, KINDS);
  if (!parsed.ok) return stop(2, parsed.line, false);
  const { flags } = parsed;
  const folder = flags.results ?? join(import.meta.dirname, "results");
  if (flags.adr) {
    writeAdr(folder, flags.results);
    return 0;
  }
  const planned = planRun(flags, process.env);
  switch (planned.kind) {
    case "usage":
      return stop(2, planned.line, flags.json);
    case "not_run":
      return stop(3, `not run: ${planned.because}`, flags.json);
    case "run":
      return run(planned.plan, folder, flags.results, flags.json);
  }
}

async function run(plan: Plan, folder: string, results: string | null, json: boolean): Promise<number> {
  const { hosts } = factsOf(plan.environment);
  const asked = plan.deployed === null ? hosts : [new URL(plan.deployed.url).host];
  const away = (await probe(asked, fetch, PROBE_WITHIN_MS)).flatMap((each) => (each.reachable ? [] : [`${each.host} (${each.why})`]));
  if (away.length > 0) return stop(3, `not run: unreachable: ${away.join(", ")}`, json);
  if (plan.lacks !== null) return stop(2, plan.lacks, json);

  let ended = false;
  const stopped = interrupted().then((signal): never => {
    ended = true;
    throw new Error(`ended by ${signal}; nothing is written`);
  });
  // Where nobody waits just then, the next wait sees it.
  stopped.catch(() => undefined);
  const options: StageOptions = { ...plan, stopped, say: (line) => void process.stderr.write(`${line}\n`) };
  let exit = 1;
  try {
    const open = await openStage(options);
    try {
      const result = await Promise.race([runGates(open, options, plan.mnemonic), stopped]);
      const name = writeResult(folder, result);
      writeAdr(folder, results);
      const { gates } = judgeRun(result);
      const verdict = together(gates.map((gate) => gate.verdict));
      if (json)
        console.log(JSON.stringify({ verdict, gates: gates.map(({ id, verdict: each }) => ({ gate: id, verdict: each })), result }));
      else
        for (const { id, verdict: each } of gates)
          console.log(`${(GATES.find((gate) => gate.id === id)?.title ?? id).padEnd(24)}  ${each}`);
      if (!json) console.log(`\nwritten: ${name}${results === null ? ", ADR.md" : ""}`);
      exit = verdict === "pass" ? 0 : verdict === "fail" ? 1 : 3;
    } finally {
      await open.close();
    }
  } catch (cause) {
    const code = stop(ended ? 130 : 1, oneLine(cause), json);
    // The gates do not know that their stage is gone, and would start their Worker again.
    if (ended) process.exit(code);
    return code;
  }
  return exit;
}

/** Results of another folder are somebody's own business: they change no committed page. */
function writeAdr(folder: string, results: string | null): void {
  const page = results === null ? join(import.meta.dirname, "../ADR.md") : join(folder, "ADR.md");
  writeFileSync(page, adrFrom(folder));
}

function stop(code: number, line: string, json: boolean): number {
  if (json) console.log(JSON.stringify({ verdict: code === 3 ? "not_run" : "error", error: line }));
  console.error(line);
  return code;
}
