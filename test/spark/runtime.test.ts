/** The local runtime carries wasm as Cloudflare does: compiled before any code runs, one module for all objects, instances apart. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import type { ProbeReport } from "./probe-worker/index.ts";

const wrangler = join(import.meta.dirname, "probe-worker/wrangler.toml");
const MIB = 1024 * 1024;
let dir = "";
let worker: RunningWorkerd;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "lightning-worker-"));
  worker = await startWorkerd({ dir, wrangler, vars: {} });
});

afterAll(async () => {
  await worker.close();
  rmSync(dir, { recursive: true });
});

const ask = async (object: string): Promise<ProbeReport> => (await (await fetch(`${worker.url}/${object}`)).json()) as ProbeReport;

test("the Spark SDK builds in a Durable Object without a network and knows its wallet", async () => {
  const report = await ask("one");
  expect(report).toMatchObject({ balanceSats: 0, built: 1, requests: 0 });
  expect(report.identityPubkey).toMatch(/^0[23][0-9a-f]{64}$/u);
  expect(report.memoryBytes).toBeLessThan(8 * MIB);
});

test("an object keeps its instance, another object has its own", async () => {
  const [first, again, other] = [await ask("one"), await ask("one"), await ask("two")];
  expect(again).toEqual(first);
  expect(other).toMatchObject({ identityPubkey: first.identityPubkey, built: 1 });
});

test("wasm stays out of the code, and a restart takes both from the folder and builds nothing", async () => {
  const code = join(dir, "spark-probe.js");
  expect(readFileSync(code, "utf8")).toContain("./breez.wasm");
  const written = statSync(code).mtimeMs;
  await worker.kill("SIGKILL");
  worker = await startWorkerd({ dir, wrangler, vars: {}, reuseBundle: true });
  expect(await ask("one")).toMatchObject({ built: 1 });
  expect(statSync(code).mtimeMs).toBe(written);
});
