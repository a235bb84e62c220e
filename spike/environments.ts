/**
 * Where the spike can run, and what each place can decide. The sandbox checks the cryptography but is ours: it decides for itself and for
 * nothing that holds money. What runs on this machine's workerd says nothing about Cloudflare's network, so mainnet wants a deployed run too.
 */

export const ENVIRONMENTS = ["sandbox", "hosted-regtest", "mainnet"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** `wrangler-dev`: local workerd, whose files, log and memory can be read. `deployed`: a Worker somewhere else, seen through its API alone. */
export const PLACES = ["wrangler-dev", "deployed"] as const;
export type Place = (typeof PLACES)[number];

export interface EnvironmentFacts {
  readonly title: string;
  /** What plays the Spark network, in words for the ADR. */
  readonly network: string;
  readonly lightningNetwork: "regtest" | "mainnet";
  /** Hosts that must answer before anything is started; none where everything runs on this machine. */
  readonly hosts: readonly string[];
  readonly needsKey: boolean;
  /** Runs that must be there before a decision is made. */
  readonly decidedBy: readonly Place[];
}

// The SDK's own defaults for 0.19.2: regtest shares its operators with mainnet, the network travels in each request.
const OPERATORS = ["0.spark.lightspark.com", "spark-operator.breez.technology", "2.spark.flashnet.xyz"];
const SSP = "api.lightspark.com";

export function factsOf(environment: Environment): EnvironmentFacts {
  switch (environment) {
    case "sandbox":
      return {
        title: "sandbox",
        network: "the hermetic Spark network of sandbox/spark (three operators and an SSP of ours, full cryptographic checks, loopback)",
        lightningNetwork: "regtest",
        hosts: [],
        needsKey: false,
        decidedBy: ["wrangler-dev"],
      };
    case "hosted-regtest":
      return {
        title: "hosted regtest",
        network: "the real operators and Lightspark's real SSP, on regtest (worthless coins)",
        lightningNetwork: "regtest",
        hosts: [...OPERATORS, SSP],
        needsKey: false,
        decidedBy: ["wrangler-dev"],
      };
    case "mainnet":
      return {
        title: "mainnet",
        network: "the real operators and Lightspark's real SSP, with real money",
        lightningNetwork: "mainnet",
        hosts: [...OPERATORS, SSP, "nd1.breez.technology"],
        needsKey: true,
        decidedBy: ["wrangler-dev", "deployed"],
      };
  }
}

/** The exact command of a run, as a person types it. */
export function commandOf(environment: Environment, place: Place): string {
  switch (environment) {
    case "sandbox":
      return "npm run spike -- --env sandbox";
    case "hosted-regtest":
      return place === "deployed"
        ? "LIGHTNING_OPERATOR_KEY=… npm run spike -- --env hosted-regtest --deployed https://YOUR-WORKER --seller 'https://A-SELLER/{n}'"
        : "npm run spike -- --env hosted-regtest";
    case "mainnet":
      return place === "deployed"
        ? "LIGHTNING_OPERATOR_KEY=… npm run spike -- --env mainnet --deployed https://YOUR-WORKER --seller 'https://A-SELLER/{n}' --backup age1…"
        : "BREEZ_API_KEY=… npm run spike -- --env mainnet --seller 'https://A-SELLER/{n}' --backup age1…";
  }
}

export const isEnvironment = (text: string | null): text is Environment => ENVIRONMENTS.some((name) => name === text);
