/** What wrangler itself says of the scripts: their size when it packs them for upload, and a profile of their global scope. Nothing is uploaded. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withoutSecrets } from "./dev-worker.ts";
import { WRANGLER_FILES, wranglerFile, wranglerProgram } from "./wrangler-files.ts";

const WITHIN_MS = 180_000;

export interface ScriptFacts {
  /** Of its wrangler file. */
  readonly name: string;
  readonly rawBytes: number;
  readonly gzipBytes: number;
  /** CPU of the global scope, ms, idle time left out; the largest of the runs. */
  readonly startUpMs: number;
  readonly hasWasm: boolean;
}

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
  /** Microseconds. */
  readonly timeDeltas: readonly number[];
}

/** @param runs how often each global scope is profiled @throws Error when wrangler does not say what it should */
export async function scriptFacts(runs: number): Promise<readonly ScriptFacts[]> {
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-scripts-"));
  try {
    const found: ScriptFacts[] = [];
    for (const file of WRANGLER_FILES) found.push(await one(join(dir, file.replace(/\W/gu, "-")), file, runs));
    return found;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function one(dir: string, file: string, runs: number): Promise<ScriptFacts> {
  mkdirSync(dir, { recursive: true });
  const text = wranglerFile(file);
  // `wrangler check startup` reads only a file of this name, in the folder it runs in.
  writeFileSync(join(dir, "wrangler.toml"), text);
  const packed = await wrangler(dir, ["deploy", "--dry-run", "--outdir", "out"]);
  const upload = /Total Upload: ([\d.]+) KiB \/ gzip: ([\d.]+) KiB/u.exec(packed);
  if (upload === null) throw new Error(`wrangler did not say how large ${file} is`);
  let startUpMs = 0;
  for (let run = 0; run < runs; run++) {
    await wrangler(dir, ["check", "startup", "--outfile", "startup.cpuprofile"]);
    startUpMs = Math.max(startUpMs, busyMs(JSON.parse(readFileSync(join(dir, "startup.cpuprofile"), "utf8")) as Profile));
  }
  return {
    name: /^name = "(.+)"$/mu.exec(text)?.[1] ?? file,
    rawBytes: Number(upload[1]) * 1024,
    gzipBytes: Number(upload[2]) * 1024,
    startUpMs,
    hasWasm: Number(upload[1]) * 1024 > 8_000_000,
  };
}

/** Everything but idle; `(program)` is the engine's own work, compiling among it. */
export function busyMs({ nodes, samples, timeDeltas }: Profile): number {
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id));
  return samples.reduce((sum, id, index) => sum + (idle.has(id) ? 0 : (timeDeltas[index] ?? 0)), 0) / 1000;
}

async function wrangler(cwd: string, words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [wranglerProgram(), ...words], {
    cwd,
    timeout: WITHIN_MS,
    maxBuffer: 16 * 1024 * 1024,
    env: {
      ...withoutSecrets(process.env),
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_HIDE_BANNER: "true",
      FORCE_COLOR: "0",
      WRANGLER_LOG_PATH: join(cwd, "logs"),
    },
  });
  return stdout;
}
