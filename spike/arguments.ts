/** What a run was asked to be, and whether it can begin at all. Pure: flags and environment in, a plan or a reason out. */
import { isEnvironment, factsOf, ENVIRONMENTS, type Environment } from "./environments.ts";

export interface SpikeFlags {
  readonly env: string | null;
  readonly deployed: string | null;
  readonly seller: string | null;
  readonly backup: string | null;
}

export interface Plan {
  readonly environment: Environment;
  readonly deployed: { readonly url: string; readonly operatorKey: string } | null;
  readonly sellerTemplate: string | null;
  readonly breezApiKey: string | null;
  readonly backupRecipient: string | null;
  /** Of a wallet that has money already. */
  readonly mnemonic: string | null;
  /** What must be given before anything is started, in one line; null when nothing. */
  readonly lacks: string | null;
}

export type Planned =
  | { readonly kind: "run"; readonly plan: Plan }
  | { readonly kind: "not_run"; readonly because: string }
  | { readonly kind: "usage"; readonly line: string };

const usage = (line: string): Planned => ({ kind: "usage", line });
const notRun = (because: string): Planned => ({ kind: "not_run", because });

export function planRun(flags: SpikeFlags, env: Readonly<Record<string, string | undefined>>): Planned {
  const set = (name: string): string | null => (env[name] === undefined || env[name] === "" ? null : env[name]);
  if (!isEnvironment(flags.env)) return usage(`--env is one of ${ENVIRONMENTS.join(", ")}.`);
  const environment = flags.env;
  const { needsKey } = factsOf(environment);
  if (environment === "sandbox" && (flags.deployed !== null || flags.seller !== null || flags.backup !== null))
    return usage("The sandbox is on this machine: it takes no --deployed, --seller or --backup.");
  if (flags.deployed !== null && !isHttps(flags.deployed)) return usage("--deployed is the https URL of a Worker.");
  if (flags.seller !== null && !(isHttps(flags.seller.replaceAll("{n}", "0")) && flags.seller.includes("{n}")))
    return usage("--seller is an https URL with {n} in it, where a number makes a resource of its own.");
  if (flags.backup !== null && !/^age1[a-z0-9]{58}$/u.test(flags.backup)) return usage("--backup is an age recipient: age1….");

  const breezApiKey = set("BREEZ_API_KEY");
  // A deployed Worker has a key of its own.
  if (needsKey && flags.deployed === null && breezApiKey === null) return notRun("no BREEZ_API_KEY");
  const operatorKey = set("LIGHTNING_OPERATOR_KEY");
  if (flags.deployed !== null && operatorKey === null) return notRun("no LIGHTNING_OPERATOR_KEY for the deployed Worker");
  return {
    kind: "run",
    plan: {
      environment,
      deployed: flags.deployed === null || operatorKey === null ? null : { url: flags.deployed, operatorKey },
      sellerTemplate: flags.seller,
      breezApiKey: needsKey ? breezApiKey : null,
      backupRecipient: flags.backup,
      mnemonic: environment === "sandbox" ? null : set("SPIKE_MNEMONIC"),
      lacks: lacking(flags, environment),
    },
  };
}

/** Said only once somebody is reached: on a machine without a network the network is what is missing. */
function lacking(flags: SpikeFlags, environment: Environment): string | null {
  if (flags.seller === null && (environment === "mainnet" || flags.deployed !== null))
    return "--seller is needed here: a Worker on mainnet, or elsewhere, reaches no seller on this machine.";
  if (flags.backup === null && environment === "mainnet")
    return "--backup is needed on mainnet, where a wallet without a backup pays nothing.";
  return null;
}

function isHttps(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === "https:";
}
