/** One run: all gates in the order in which they need each other, and what they found as a result to be written down. */
import { generateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { cpus, loadavg, totalmem } from "node:os";
import { checksFor } from "./catalogue.ts";
import { custodyGate } from "./gates/custody.ts";
import { flowsGate } from "./gates/flows.ts";
import { booksCheck, latencyGate } from "./gates/latency.ts";
import { platformCheck, runtimeGate } from "./gates/runtime.ts";
import type { CheckResult, SpikeResult } from "./result.ts";
import type { OpenStage, StageOptions } from "./rig/open-stage.ts";
import { versions } from "./versions.ts";

const WORD_BITS = 128;

/** @param mnemonic of a wallet that has money already, or null for a new one */
export async function runGates(open: OpenStage, options: StageOptions, mnemonic: string | null): Promise<SpikeResult> {
  const began = performance.now();
  const ranAt = new Date().toISOString();
  const { stage } = open;
  const loadBefore = load();
  const words = mnemonic ?? generateMnemonic(wordlist, WORD_BITS);
  const found: CheckResult[] = [];
  options.say("gate 1, runtime");
  found.push(...(await runtimeGate(stage, words)));
  options.say("gate 3, latency and reliability");
  found.push(...(await latencyGate(stage)));
  options.say("gate 4, deterministic flows");
  found.push(...(await flowsGate(stage)));
  if (stage.parts.world !== null) found.push(await booksCheck(stage));
  options.say("gate 2, custody");
  found.push(...(await custodyGate(stage, words, open.setVars)));
  if (stage.parts.worker !== null) found.push(await platformCheck(stage));
  const { environment, place } = stage.parts;
  const order = checksFor(environment, place).map(({ id }) => id);
  return {
    format: 1,
    environment,
    place,
    ranAt,
    durationMs: Math.round(performance.now() - began),
    machine: {
      platform: `${process.platform} ${process.arch}`,
      cpus: cpus().length,
      memoryBytes: totalmem(),
      loadBefore,
      loadAfter: load(),
    },
    versions: versions(),
    checks: found.filter(({ id }) => order.includes(id)).toSorted((a, b) => order.indexOf(a.id) - order.indexOf(b.id)),
  };
}

const load = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;
