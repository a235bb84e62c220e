/**
 * One configuration, six projects. `unit` and `simulation` are pure Node; `workerd` runs its tests inside the engine beside the Worker;
 * `flow`, `kill` and `regtest` drive the whole system from outside, each file with ports and folders of its own.
 * Retries are off everywhere: a test that fails sometimes has found something.
 */
import { randomBytes } from "node:crypto";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const notOurs = ["**/node_modules/**", "**/.wrangler/**", "**/.lightning-worker/**", "**/dist/**"];
// Worthless keys, new in every run: nothing may come to depend on a value.
const secrets = { WALLET_KEK_V1: randomBytes(32).toString("base64"), LIGHTNING_OPERATOR_KEY_SHA256: "0".repeat(64) };

export default defineConfig({
  test: {
    // Two cores are shared by everything that runs on a small machine.
    maxWorkers: 2,
    projects: [
      { test: { name: "unit", include: ["**/*.test.ts"], exclude: [...notOurs, "test/**"] } },
      { test: { name: "simulation", include: ["test/simulation/**/*.test.ts", "test/support/**/*.test.ts"], testTimeout: 120_000 } },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.toml" }, miniflare: { bindings: secrets } })],
        test: { name: "workerd", include: ["test/worker/**/*.test.ts", "test/object/**/*.test.ts"], exclude: notOurs, testTimeout: 30_000 },
      },
      { test: { name: "flow", include: ["test/flow/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      // Real clock and real deadlines: most of the time is spent waiting for alarms.
      { test: { name: "kill", include: ["test/kill/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: "regtest", include: ["test/regtest/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 900_000 } },
    ],
  },
});
