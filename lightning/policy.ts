/**
 * Spending policy. A wallet has one, each of its budgets has one; a payment must pass both, and whichever is narrower wins.
 * Amounts are msat, fees included. An absent cap does not limit; an absent host list allows nothing (invariant 12).
 */
import { sats, type Msat } from "./msat.ts";
import type { Network } from "./bolt11.ts";

/** What may leave within one window. Calendar windows are UTC; `rolling` looks back from now. */
export interface WindowCaps {
  readonly hourMsat?: Msat;
  readonly dayMsat?: Msat;
  readonly monthMsat?: Msat;
  readonly totalMsat?: Msat;
  readonly rolling?: readonly { readonly windowMs: number; readonly capMsat: Msat }[];
}

/** One entry of a host list: an exact host name, or `*.` and a suffix; and a port (443 when left out, but see `block`). Written `host`, `host:port`, `*.host`. */
export type HostPattern = string;

export interface HostPolicy {
  /** `listed`: only what `allow` names. `any_public`: every public host that `block` does not name; one must choose it. */
  readonly mode: "listed" | "any_public";
  readonly allow: readonly HostPattern[];
  /** Wins over `allow`. An entry without a port blocks every port of its host. */
  readonly block: readonly HostPattern[];
  /** In mode `listed`, what an unlisted host means. */
  readonly unknown: "deny" | "ask";
}

export interface HostCaps extends WindowCaps {
  readonly host: HostPattern;
  readonly perPaymentMsat?: Msat;
}

/** How one seller is treated, beyond what is spent there. Milliseconds and bytes; what is left out has the deployment's default. */
export interface HostSettings {
  readonly host: HostPattern;
  /** `auto`: a token is used again until the seller is seen to take each only once. `never`: every request buys its own. `always`: never learned. */
  readonly reuse?: "auto" | "always" | "never";
  readonly headersMs?: number;
  readonly idleMs?: number;
  readonly totalMs?: number;
  readonly maxBytes?: number;
}

export interface SubjectCaps extends WindowCaps {
  readonly perPaymentMsat?: Msat;
}

export interface FeeCap {
  /** The cap is the larger of the two. */
  readonly floorMsat: Msat;
  /** Parts per million of the amount: 10,000 is one per cent. */
  readonly ppm: number;
}

export interface Policy extends WindowCaps {
  readonly perPaymentMsat?: Msat;
  readonly paymentsPerMinute?: number;
  /** At or above this (amount and fee reserve), a person must approve. */
  readonly approvalAboveMsat?: Msat;
  readonly hosts: HostPolicy;
  readonly perHost?: readonly HostCaps[];
  /** Caps for each end user or run that a caller names with `Lightning-Subject`; a budget's matter: a wallet's policy with them is refused. */
  readonly perSubject?: SubjectCaps;
  readonly hostSettings?: readonly HostSettings[];
  /** How long a person has for an approval, and then the agent to use it, ms. The shorter of wallet and budget; 15 minutes where neither says. */
  readonly approvalMs?: number;
  /** The wallet's status says so when less than this can be spent. */
  readonly lowBalanceMsat?: Msat;
  readonly fee: FeeCap;
  /** Tokens that are no macaroon we can read: the invoice cannot be bound to them (invariant 8). */
  readonly opaqueTokens: "deny" | "allow";
  readonly network: Network;
  /** `scope` of a token without a services caveat: the longest of these path prefixes that matches, else the exact path. */
  readonly pathPrefixes?: readonly string[];
}

/** For a first wallet: 100 sat a call, 1,000 a day, approval above 50, unknown host: ask. */
export function starterPolicy(network: Network, allow: readonly HostPattern[] = []): Policy {
  return {
    perPaymentMsat: sats(100),
    dayMsat: sats(1000),
    approvalAboveMsat: sats(50),
    paymentsPerMinute: 30,
    hosts: { mode: "listed", allow, block: [], unknown: "ask" },
    fee: { floorMsat: sats(5), ppm: 10_000 },
    opaqueTokens: "deny",
    network,
  };
}
