import { expect, test } from "vitest";
import type { Envelope } from "../../lightning/envelope.ts";
import { envelopeFault, faultOf } from "./guard.ts";
import type { SparkSettings } from "./ports.ts";
import type { WalletFacts } from "../wallet/payer-seams.ts";

const facts: WalletFacts = { walletId: "w", owner: "main", network: "regtest", backend: "spark-wasm", epoch: 1, state: "active" };
const settings: SparkSettings = { network: "regtest", operators: null, apiKey: null };
const mainnet = { ...settings, network: "mainnet", apiKey: "worthless" } as const;
const operators = { coordinator: "", threshold: 1, operators: [], ssp: { baseUrl: "", identityPublicKey: "", schemaEndpoint: "" } };

test.each([
  ["a wallet that nobody made", settings, null, "no_wallet"],
  ["a wallet of another backend", settings, { ...facts, backend: "http-executor" }, "another_backend"],
  ["a wallet of another network", settings, { ...facts, network: "mainnet" }, "another_network"],
  ["a network without Spark", { ...settings, network: "signet" }, { ...facts, network: "signet" }, "no_spark_on_this_network"],
  ["mainnet without an API key", { ...mainnet, apiKey: null }, { ...facts, network: "mainnet" }, "missing_api_key"],
  ["mainnet with operators of one's own", { ...mainnet, operators }, { ...facts, network: "mainnet" }, "own_operators_on_mainnet"],
] as const)("invariant 10: %s is refused before a key is opened", (_, given, wallet, fault) => {
  expect(faultOf(given, wallet)).toBe(fault);
});

test("regtest needs nothing, mainnet its key", () => {
  expect(faultOf(settings, facts)).toBeNull();
  expect(faultOf({ ...settings, operators }, facts)).toBeNull();
  expect(faultOf(mainnet, { ...facts, network: "mainnet" })).toBeNull();
});

test("mainnet is refused for a wallet without a backup", () => {
  const envelope = { version: 1 } as Envelope;
  expect(envelopeFault(mainnet, envelope)).toBe("no_backup");
  expect(envelopeFault(mainnet, { ...envelope, backedUpAt: 1 })).toBeNull();
  expect(envelopeFault(settings, envelope)).toBeNull();
});
