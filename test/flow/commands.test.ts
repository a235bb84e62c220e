/** The commands as a newcomer runs them: separate processes, plain output, exit codes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AddressInfo } from "node:net";

const root = join(import.meta.dirname, "../..");
let state = "";

beforeAll(() => {
  state = mkdtempSync(join(tmpdir(), "lightning-worker-"));
});

afterAll(() => rmSync(state, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...argv: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, ["ops/launch.mjs", ...argv], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

test.each([
  // The SSP takes a whole satoshi; the executor's node a tenth and 500 ppm. Only a Spark wallet has money of its own.
  [[], { payer: "spark", funded: { spendableMsat: 1_000_000 }, paid: { status: "paid", spentMsat: 22_000 } }],
  [["--payer", "executor"], { payer: "executor", funded: null, paid: { status: "paid", spentMsat: 21_110 } }],
])("start --once --json %j prints one JSON document, and nothing else, and says how the purchase went", async (flags, expected) => {
  const { code, stdout, stderr } = await run("ops/start.ts", "--once", "--json", ...flags);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.trim().split("\n")).toHaveLength(1);
  expect(JSON.parse(stdout)).toMatchObject({
    ok: true,
    network: "simulated",
    quote: { amountMsat: 21_000 },
    cached: { status: "cached", spentMsat: 0 },
    ...expected,
  });
});

test("start --once shows every stage in aligned lines, and says what is simulated", async () => {
  const { code, stdout } = await run("ops/start.ts", "--once", "--state", state);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^real\? {7}simulated Lightning node/mu);
  for (const label of ["funding", "402", "decision", "paid", "proof", "answer", "receipt", "again"])
    expect(stdout).toMatch(new RegExp(`^${label.padEnd(12)}\\S`, "mu"));
});

test("a port in use is one line and exit code 2", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ended = await run("ops/start.ts", "--once", "--port", String(port));
  server.close();
  expect(ended).toEqual({ code: 2, stdout: "", stderr: `Port ${port} is in use.\n` });
});

test.each([
  ["ops/start.ts", "--prot", "1"],
  ["ops/start.ts", "--port", "http"],
  ["ops/start.ts", "--network", "mainnet"],
  ["ops/start.ts", "--payer", "cash"],
  ["ops/demo.ts", "--url"],
  ["ops/demo.ts", "--url", "http://127.0.0.1:1", "--state", "no/such/folder"],
  ["ops/none.ts"],
])("%s %s %s is refused with one line and exit code 2", async (...argv) => {
  const { code, stdout, stderr } = await run(...argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr.trimEnd()).toMatch(/^[^\n]+$/u);
});
