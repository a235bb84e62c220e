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

/** One entry of a host list: an exact host name, or `*.` and a suffix; and a port (443 when left out). Written `host`, `host:port`, `*.host`. */
export type HostPattern = string;

export interface HostPolicy {
  /** `listed`: only what `allow` names. `any_public`: every public host that `block` does not name; one must choose it. */
  readonly mode: "listed" | "any_public";
  readonly allow: readonly HostPattern[];
  readonly block: readonly HostPattern[];
  /** In mode `listed`, what an unlisted host means. */
  readonly unknown: "deny" | "ask";
}

export interface HostCaps extends WindowCaps {
  readonly host: HostPattern;
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
