/** The command as CI calls it: what it says, and the exit code that a script would look at. Nothing here needs a network. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "lightning-worker-spike-test-"))));
afterEach(() => rmSync(dir, { recursive: true }));

function spike(...words: readonly string[]) {
  const { BREEZ_API_KEY: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["ops/launch.mjs", "spike/main.ts", ...words, "--results", dir], {
    cwd: root,
    env: { ...env, LIGHTNING_OPERATOR_KEY: "lwo.main.root.worthless" },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("npm run spike", () => {
  it("exits 3 on mainnet without a key, says so, and writes nothing", () => {
    expect(spike("--env", "mainnet")).toEqual({ status: 3, stdout: "", stderr: "not run: no BREEZ_API_KEY\n" });
    expect(readdirSync(dir)).toEqual([]);
  });
  it("says the same to a program", () => {
    const { status, stdout } = spike("--env", "mainnet", "--json");
    expect([status, JSON.parse(stdout)]).toEqual([3, { verdict: "not_run", error: "not run: no BREEZ_API_KEY" }]);
  });
  it("exits 3 when nobody is there, names the host, and writes nothing", () => {
    // A name that never resolves (RFC 2606), so that this holds with a network too.
    const { status, stderr } = spike(
      "--env",
      "hosted-regtest",
      "--deployed",
      "https://nobody.invalid",
      "--seller",
      "https://a.example/{n}",
    );
    expect(status).toBe(3);
    expect(stderr).toMatch(/^not run: unreachable: nobody\.invalid \(\S+\)\n$/u);
    expect(readdirSync(dir)).toEqual([]);
  });
  it.each([[["--env", "moon"]], [[]], [["--env", "sandbox", "--seller", "https://a.example/{n}"]], [["--frob"]]])(
    "exits 2 for %j",
    (words) => {
      expect(spike(...words).status).toBe(2);
      expect(readdirSync(dir)).toEqual([]);
    },
  );
});
