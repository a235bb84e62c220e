/**
 * One configuration, eight projects. `unit` and `simulation` are pure Node; `workerd` and `eviction` run theirs inside the engine beside the
 * Worker, in one script with the vault, because only objects of the same script can be looked into; `flow`, `kill`, `spark` and `regtest` drive
 * the whole system from outside, each file with ports and folders of its own.
 * Retries are off everywhere: a test that fails sometimes has found something.
 */
import { randomBytes } from "node:crypto";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { outside } from "./test/eviction/outside.ts";

const notOurs = ["**/node_modules/**", "**/.wrangler/**", "**/.lightning-worker/**", "**/dist/**"];
// Worthless keys, new in every run: nothing may come to depend on a value.
const secrets = { WALLET_KEK_V1: randomBytes(32).toString("base64"), LIGHTNING_OPERATOR_KEY_SHA256: "0".repeat(64) };
const executor = {
  OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: "https://executor.example",
  OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: "worthless",
};

export default defineConfig({
  test: {
    // Two cores are shared by everything that runs on a small machine.
    maxWorkers: 2,
    projects: [
      // Property tests take a while on a busy machine; none waits for anything.
      { test: { name: "unit", include: ["**/*.test.ts"], exclude: [...notOurs, "test/**"], testTimeout: 60_000 } },
      { test: { name: "simulation", include: ["test/simulation/**/*.test.ts", "test/support/**/*.test.ts"], testTimeout: 120_000 } },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.single.toml" }, miniflare: { bindings: secrets } })],
        test: { name: "workerd", include: ["test/worker/**/*.test.ts", "test/object/**/*.test.ts"], exclude: notOurs, testTimeout: 30_000 },
      },
      {
        // The same Worker with a payment backend: the sandbox's, here in Node, where its outbound requests end.
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.single.toml" },
            miniflare: { bindings: { ...secrets, ...executor }, outboundService: outside() },
          }),
        ],
        test: { name: "eviction", include: ["test/eviction/**/*.test.ts"], exclude: notOurs, testTimeout: 30_000 },
      },
      { test: { name: "flow", include: ["test/flow/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      // The Spark network of the sandbox and the SDK's wasm: 11 MB are compiled in each file, and a cold send takes most of a second.
      { test: { name: "spark", include: ["test/spark/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      // Real clock and real deadlines: most of the time is spent waiting for alarms.
      { test: { name: "kill", include: ["test/kill/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: "regtest", include: ["test/regtest/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 900_000 } },
    ],
  },
});
