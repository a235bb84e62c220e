/** The drill as a test, and the command that restores, as an operator runs it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { expect, test } from "vitest";
import { openBackup } from "../../ops/restore-backup.ts";
import { runDrill } from "../../ops/restore-drill.ts";
import { startLocal } from "../../ops/setup.ts";

const root = join(import.meta.dirname, "../..");

test("invariant 13: KEK lost, the wallet is restored from its backup by another deployment, and the old one is fenced", async () => {
  const told: string[] = [];
  const result = await runDrill("executor", (name) => told.push(name));
  expect(told).toEqual(["before", "key lost", "restored", "fenced", "searched"]);
  expect(result.attempts).toEqual({ old: 1, restored: 1, oldAfterwards: 0 });
}, 60_000);

test("npm run restore takes the backup from standard input, restores once, and says nothing of its words", async () => {
  const dir = mkdtempSync(join(tmpdir(), "lightning-restore-"));
  const [lost, heir] = await Promise.all([
    startLocal({ kind: "simulated", payer: "executor", stateDir: null, port: 0 }),
    startLocal({ kind: "simulated", payer: "executor", stateDir: null, port: 0 }),
  ]);
  try {
    const identity = await generateX25519Identity();
    const made = await lost.api.expect("POST", "/v1/wallets", {
      key: lost.operatorKey,
      body: { backupRecipient: await identityToRecipient(identity) },
    });
    const backup = String(made["backup"]);
    const opened = await openBackup(backup, identity);
    const words = opened.ok ? opened.mnemonic.split(" ").slice(0, 3).join(" ") : "";
    expect(words).not.toBe("");
    writeFileSync(join(dir, "identity"), `# made for this test\n${identity}\n`, { mode: 0o600 });
    const run = (input: string, ...argv: readonly string[]) =>
      command(input, heir.operatorKey, "--url", heir.api.url, "--identity", join(dir, "identity"), "--json", ...argv);

    expect(await run(backup, "--epoch", "1")).toMatchObject({ code: 2, stdout: "" });
    expect(
      await run(
        backup.replace(/(?<=BEGIN AGE ENCRYPTED FILE-----\n(?:.{64}\n){3}.{20})./u, (character) => (character === "A" ? "B" : "A")),
        "--epoch",
        "2",
      ),
    ).toMatchObject({ code: 2 });
    const restored = await run(backup, "--epoch", "2");
    expect({ code: restored.code, stderr: restored.stderr, json: JSON.parse(restored.stdout) as unknown }).toEqual({
      code: 0,
      stderr: "",
      json: { ok: true, walletId: made["walletId"], epoch: 2, backup: null },
    });
    const again = await run(backup, "--epoch", "2");
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("already_exists")]);
    for (const { stdout, stderr } of [restored, again]) expect(stdout + stderr).not.toContain(words);
  } finally {
    await Promise.all([lost.close(), heir.close()]);
    rmSync(dir, { recursive: true });
  }
}, 60_000);

async function command(
  input: string,
  operatorKey: string,
  ...argv: readonly string[]
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, ["ops/launch.mjs", "ops/restore.ts", ...argv], {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, LIGHTNING_OPERATOR_KEY: operatorKey },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  // A usage error ends it before it reads.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
