import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { COMPATIBILITY_DATE, VERSION, readConfig, type ConfigSource } from "./config.ts";

const base: ConfigSource = { LIGHTNING_NETWORK: "regtest", WALLET_BACKEND: "http-executor" };
const executor: ConfigSource = {
  OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: "https://executor.example",
  OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: "very-secret",
};

test("version and compatibility date are those of package.json and wrangler.toml", () => {
  expect(JSON.parse(readFileSync("package.json", "utf8"))).toMatchObject({ version: VERSION });
  expect(readFileSync("wrangler.toml", "utf8")).toContain(`compatibility_date = "${COMPATIBILITY_DATE}"`);
});

test("what is absent has its documented meaning", () => {
  expect(readConfig(base)).toMatchObject({
    ok: true,
    config: { topology: "B", localHosts: [], executor: null, requestMaxBytes: 1_048_576, rootKeyHash: null },
  });
});

test.each([
  [undefined, null],
  ["", null],
  ["https://pay.example/", "https://pay.example"],
  ["https://pay.example/lightning/", "https://pay.example/lightning"],
  ["http://127.0.0.1:8787", "http://127.0.0.1:8787"],
])("the public address %j is %j", (given, read) => {
  expect(readConfig({ ...base, LIGHTNING_PUBLIC_URL: given })).toMatchObject({ ok: true, config: { publicUrl: read } });
});

test("everything can be set", () => {
  const env = {
    ...base,
    ...executor,
    OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS: "15000",
    REQUEST_MAX_BYTES: "2048",
    LIGHTNING_LOCAL_HOSTS: "127.0.0.1:80, [::1]:8080",
    WALLET_BACKEND: "spark-wasm",
  };
  expect(readConfig(env)).toMatchObject({
    ok: true,
    config: {
      topology: "A",
      localHosts: ["127.0.0.1:80", "[::1]:8080"],
      executor: { baseUrl: "https://executor.example", timeoutMs: 15_000 },
      requestMaxBytes: 2048,
    },
  });
});

describe("a value that cannot be understood is refused with its name, and its content is not repeated", () => {
  test.each<[string, ConfigSource]>([
    ["LIGHTNING_NETWORK", { LIGHTNING_NETWORK: undefined }],
    ["LIGHTNING_NETWORK", { LIGHTNING_NETWORK: "Mainnet-tell" }],
    ["WALLET_BACKEND", { WALLET_BACKEND: "tell" }],
    ["WALLET_BACKEND", { WALLET_BACKEND: undefined }],
    ["LIGHTNING_LOCAL_HOSTS", { LIGHTNING_LOCAL_HOSTS: "tell" }],
    ["LIGHTNING_LOCAL_HOSTS", { LIGHTNING_LOCAL_HOSTS: "tell:70000" }],
    ["LIGHTNING_LOCAL_HOSTS", { LIGHTNING_LOCAL_HOSTS: "127.0.0.1:80", LIGHTNING_NETWORK: "mainnet" }],
    ["OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL", { ...executor, OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: "http://tell.example" }],
    ["OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL", { ...executor, OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: "https://a:tell@b.example" }],
    ["OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL", { ...executor, OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: undefined }],
    ["OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN", { ...executor, OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: "" }],
    ["OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS", { OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS: "tell" }],
    ["OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS", { OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS: "0" }],
    ["LIGHTNING_PUBLIC_URL", { LIGHTNING_PUBLIC_URL: "tell" }],
    ["LIGHTNING_PUBLIC_URL", { LIGHTNING_PUBLIC_URL: "http://tell.example" }],
    ["LIGHTNING_PUBLIC_URL", { LIGHTNING_PUBLIC_URL: "https://a:tell@b.example" }],
    ["LIGHTNING_PUBLIC_URL", { LIGHTNING_PUBLIC_URL: "https://b.example/?x=tell" }],
    ["REQUEST_MAX_BYTES", { REQUEST_MAX_BYTES: "-1" }],
    ["REQUEST_MAX_BYTES", { REQUEST_MAX_BYTES: "1e9" }],
    ["LIGHTNING_OPERATOR_KEY_SHA256", { LIGHTNING_OPERATOR_KEY_SHA256: "tell" }],
  ])("%s", (name, change) => {
    const read = readConfig({ ...base, ...change });
    if (read.ok) throw new Error("it was accepted");
    expect(read.fault).toMatch(new RegExp(`^${name} `, "u"));
    expect(read.fault).not.toContain("tell");
  });
});

test("http to the executor is for this machine only", () => {
  expect(readConfig({ ...base, ...executor, OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: "http://127.0.0.1:9000" })).toMatchObject({ ok: true });
});

test("the hash differs with what is configured and not with what is secret", () => {
  const hash = (change: ConfigSource): string => {
    const read = readConfig({ ...base, ...executor, ...change });
    return read.ok ? read.config.configHash : read.fault;
  };
  expect(hash({})).toMatch(/^[0-9a-f]{64}$/u);
  expect(hash({ OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: "another", LIGHTNING_OPERATOR_KEY_SHA256: "a".repeat(64) })).toBe(hash({}));
  expect(hash({ REQUEST_MAX_BYTES: "4096" })).not.toBe(hash({}));
});
