/** The SDK's configuration for a vault: server mode, no background work, nobody asked but the operators and the SSP. */
import type { Config } from "@breeztech/breez-sdk-spark/web";
import { isSparkNetwork } from "../../lightning/spark-network.ts";
import type { Breez } from "./generated/breez.js";
import type { SparkSettings } from "./ports.ts";

/** The SDK's own hosts (0.19.2). They are the same for mainnet and hosted regtest. */
const BUILT_IN = [
  "https://0.spark.lightspark.com",
  "https://spark-operator.breez.technology",
  "https://2.spark.flashnet.xyz",
  "https://api.lightspark.com",
];
/** Where the SDK exchanges the API key for its partner token. */
const MAINNET_ONLY = "https://nd1.breez.technology";

/**
 * Leaves are powers of two. Of 40 sends of 12 sat 30 needed a swap with the SDK's one leaf of each size, 9 with three, 5 with five (sandbox).
 * Each leaf costs the object some 40 ms of CPU when it is made, in one piece with the others of its round: three is the middle.
 */
const LEAVES_OF_A_SIZE = 3;

export function sdkConfig(breez: Pick<Breez, "defaultServerConfig">, settings: SparkSettings): Config {
  if (!isSparkNetwork(settings.network)) throw new RangeError("Spark is not on this network");
  const config = breez.defaultServerConfig(settings.network);
  // Lightning addresses, deposits from the chain and foreign invoice forms are nothing a vault needs, and each asks another host.
  delete config.lnurlDomain;
  delete config.maxDepositClaimFee;
  config.useDefaultExternalInputParsers = false;
  config.preferSparkOverLightning = false;
  config.leafOptimizationConfig = { autoEnabled: false, multiplicity: LEAVES_OF_A_SIZE };
  if (settings.apiKey !== null) config.apiKey = settings.apiKey;
  const { operators } = settings;
  if (operators === null) return config;
  const { sparkConfig } = config;
  if (sparkConfig === undefined) throw new Error("the SDK's default has no Spark configuration");
  config.sparkConfig = {
    ...sparkConfig,
    coordinatorIdentifier: operators.coordinator,
    threshold: operators.threshold,
    signingOperators: operators.operators.map(({ id, identifier, address, identityPublicKey }) => ({
      id,
      identifier,
      address,
      identityPublicKey,
    })),
    sspConfig: { ...operators.ssp },
  };
  return config;
}

/** Origins that an instance may reach. */
export function originsOf(settings: SparkSettings): ReadonlySet<string> {
  const { operators, network } = settings;
  if (operators !== null)
    return new Set([...operators.operators.map(({ address }) => address), operators.ssp.baseUrl].map((url) => new URL(url).origin));
  return new Set(network === "mainnet" ? [...BUILT_IN, MAINNET_ONLY] : BUILT_IN);
}
