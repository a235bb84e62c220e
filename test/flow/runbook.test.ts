/** The runbook's own commands, run by a shell against a running system, in the order in which an operator reads them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { startLocal, type LocalSystem } from "../../ops/setup.ts";

const root = join(import.meta.dirname, "../..");
const runbook = readFileSync(join(root, "docs/runbook.md"), "utf8");
const blocks = [...runbook.matchAll(/^```sh\n([\s\S]*?)^```$/gmu)].map(([, code = ""]) => code);
const [prelude = ""] = blocks;
const reading = [
  ...new Set(
    blocks
      .slice(1)
      .flatMap((block) => block.split("\n"))
      .filter((line) => line.startsWith("op GET "))
      .map((line) => line.replace(/\s*(?:#|>).*$/u, "")),
  ),
];

let system: LocalSystem;
let folder = "";

beforeAll(async () => {
  system = await startLocal({ kind: "simulated", payer: "executor", stateDir: null, port: 0 });
  folder = mkdtempSync(join(tmpdir(), "runbook-"));
  const rule = { preset: "starter", allow: [new URL(system.sellerUrl).host] };
  const { walletId } = await system.api.expect("POST", "/v1/wallets", { key: system.operatorKey, body: rule });
  await system.api.expect("PUT", `/v1/wallets/${String(walletId)}/budgets/agent`, { key: system.operatorKey, body: rule });
  const { key } = await system.api.expect("POST", `/v1/wallets/${String(walletId)}/keys`, {
    key: system.operatorKey,
    body: { budget: "agent" },
  });
  const bought = await system.api.call("POST", "/v1/fetch", { key: String(key), body: { url: new URL("/joke", system.sellerUrl).href } });
  if (bought.lightning.status !== "paid")
    throw new Error(`the purchase to read about ended ${bought.lightning.status ?? bought.code ?? ""}`);
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await system.close();
});

async function shell(script: string): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const path = `${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  // Without a start-up file: a bash whose standard input is a socket, as Node's pipes are, takes itself for a remote shell and reads one.
  const child = spawn("bash", ["--norc", "-euo", "pipefail", "-c", `${prelude}\n${script}`], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: folder,
    env: { ...process.env, PATH: path, STATE: system.stateDir },
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (texts.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (texts.stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...texts };
}

describe("the runbook against a running system", () => {
  test.each(reading)("%s answers", async (line) => {
    const { code, stdout, stderr } = await shell(line);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const each of stdout.trim().split("\n")) expect(JSON.parse(each), each).not.toHaveProperty("status");
  });

  it("stops and starts a wallet", async () => {
    const { stdout } = await shell(
      "op POST /v1/wallets/$W/disable\nop GET /v1/wallets/$W\nop POST /v1/wallets/$W/enable\nop GET /v1/wallets/$W",
    );
    const states = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { readonly state: string }).state);
    expect(states).toEqual(["disabled", "disabled", "active", "active"]);
  });

  it("an export verifies, and becomes CSV", async () => {
    const receipts = `node ${join(root, "ops/launch.mjs")} ops/receipts.ts`;
    const { code, stdout, stderr } = await shell(
      `op GET "/v1/wallets/$W/receipts?format=jsonl" > receipts.jsonl\n${receipts} verify "$PWD/receipts.jsonl"\n${receipts} export --csv "$PWD/receipts.jsonl"`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ok: 1 receipts of w_[a-z0-9]{16}, numbers 1 to 1\nchain [0-9a-f]{64}\nsequence,at,kind/u);
  });

  it("tries a policy on what was paid, and says what it would have refused", async () => {
    const { stdout } = await shell(
      `op POST /v1/wallets/$W/policy/dry-run '{"policy":{"perPaymentMsat":1000,"hosts":{"mode":"any_public","allow":[],"block":[],"unknown":"deny"},"fee":{"floorMsat":1000,"ppm":0},"opaqueTokens":"deny","network":"regtest"}}'`,
    );
    expect(JSON.parse(stdout)).toMatchObject({ allowed: 0, refused: [{ code: "amount_over_cap" }] });
  });

  it("refuses to resolve or write off what is neither unknown nor unfulfilled", async () => {
    const { stdout } = await shell(
      `op POST /v1/wallets/$W/purchases/$P/write-off\nop POST /v1/wallets/$W/purchases/$P/resolve '{"verdict":"failed","evidence":"none"}'`,
    );
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { readonly code: string }).code),
    ).toEqual(["already_exists", "already_exists"]);
  });
});
