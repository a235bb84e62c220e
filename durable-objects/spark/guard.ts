/** What is refused before a key is opened or a request leaves: a configuration under which paying would be a mistake. Pure. */
import type { Envelope } from "../../lightning/envelope.ts";
import { isSparkNetwork } from "../../lightning/spark-network.ts";
import type { SparkSettings } from "./ports.ts";
import type { WalletFacts } from "../wallet/payer-seams.ts";

export type Fault =
  | "no_wallet"
  | "another_backend"
  | "another_network"
  | "no_spark_on_this_network"
  | "missing_api_key"
  | "own_operators_on_mainnet"
  | "no_backup"
  | "another_identity";

/** @returns the first fault, or null */
export function faultOf(settings: SparkSettings, facts: WalletFacts | null): Fault | null {
  if (facts === null) return "no_wallet";
  if (facts.backend !== "spark-wasm") return "another_backend";
  if (facts.network !== settings.network) return "another_network";
  if (!isSparkNetwork(settings.network)) return "no_spark_on_this_network";
  if (settings.network !== "mainnet") return null;
  if (settings.operators !== null) return "own_operators_on_mainnet";
  return settings.apiKey === null ? "missing_api_key" : null;
}

/** Real money in a wallet that only this deployment can open would be lost with it. */
export function envelopeFault(settings: SparkSettings, envelope: Envelope): Fault | null {
  return settings.network === "mainnet" && envelope.backedUpAt === undefined ? "no_backup" : null;
}
