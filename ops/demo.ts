/**
 * `npm run demo`: walks through every flow of a purchase against a running system and says of each whether it held.
 * Without `--url` it starts a system of its own, on free ports and in a temporary folder, and ends it afterwards.
 * Exit code: 0 all held, 1 something did not, 2 the demo could not be run.
 */
import { Api } from "./api.ts";
import { readFlags } from "./arguments.ts";
import { FLOWS, runFlow, type FlowResult } from "./demo-flows/all.ts";
import { readSystem } from "./local-state.ts";
import { oneLine, output } from "./output.ts";
import { payerKind, startLocal, whatIsReal, worldKind, type System } from "./setup.ts";
import { remoteWitness } from "./witness.ts";

const KINDS = { json: "boolean", network: "string", payer: "string", url: "string", state: "string" } as const;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, KINDS);
  if (!parsed.ok) return usage(parsed.line);
  const { flags } = parsed;
  const kind = worldKind(flags.network);
  if (kind === null) return usage("--network is simulated or regtest.");
  const payer = payerKind(flags.payer);
  if (payer === null) return usage("--payer is spark or executor.");
  const out = output(flags.json, 24);

  let system: System;
  let close: () => Promise<void> = () => Promise.resolve();
  try {
    if (flags.url === null) {
      const local = await startLocal({
        kind,
        payer,
        stateDir: flags.state,
        port: 0,
        onProgress: (line) => void process.stderr.write(`${line}\n`),
      });
      system = local;
      close = () => local.close();
    } else {
      system = running(flags.url, flags.state ?? ".lightning-worker");
    }
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause), passed: 0, failed: 1, skipped: 0, flows: [] });
    return 2;
  }

  out.line("system", `${system.api.url}: ${whatIsReal(system)}`);
  out.blank();
  const results: FlowResult[] = [];
  try {
    for (const flow of FLOWS) {
      const result = await runFlow(flow, system);
      results.push(result);
      out.line(result.name, `${result.outcome.padEnd(7)}  ${result.what}`);
    }
  } finally {
    await close();
  }
  const count = (outcome: FlowResult["outcome"]): number => results.filter((result) => result.outcome === outcome).length;
  const totals = { passed: count("ok"), failed: count("failed"), skipped: count("skipped") };
  out.blank();
  out.line("flows", `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  out.document({ ok: totals.failed === 0, network: system.kind, payer: system.payer, real: whatIsReal(system), ...totals, flows: results });
  return totals.failed === 0 ? 0 : 1;
}

/** A system that `npm start` keeps up: its address is given, its keys are in the state folder. @throws Error with one line */
function running(url: string, stateDir: string): System {
  const found = readSystem(stateDir);
  if (found === null || !URL.canParse(url) || new URL(found.url).origin !== new URL(url).origin) {
    throw new Error(`${stateDir} knows no system at ${url}: is \`npm start\` running there?`);
  }
  return { ...found, ...remoteWitness(found.witnessUrl), api: new Api(found.url) };
}

function usage(line: string): number {
  console.error(line);
  return 2;
}
