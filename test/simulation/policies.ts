/** What a run's wallet may spend and where. Drawn once for each run; caps are low enough to bind in many runs, high enough to let most purchases through. */
import type { Choice } from "./choice.ts";
import { sats, type Msat } from "../../lightning/msat.ts";
import type { HostSettings, Policy, SubjectCaps } from "../../lightning/policy.ts";

export const SELLER = "https://seller.example";
export const OTHER = "https://other.example:8443";
/** Its tokens work once, and it does not say so. */
export const ONCE = "https://once.example";
/** Its tokens work once, and policy knows. */
export const NEVER = "https://never.example";
/** On nobody's list: in some runs a person is asked, in others it is refused. */
export const UNLISTED = "https://unlisted.example";

/** Each of these takes a token a single time. */
export const ONE_SHOT: ReadonlySet<string> = new Set([ONCE, NEVER]);

export interface Policies {
  readonly wallet: Policy;
  readonly budgets: ReadonlyMap<string, Policy>;
  /** Is a person asked about a host that is not listed? */
  readonly asksHosts: boolean;
}

/** @param purchases how many the run makes: caps grow with it */
export function drawPolicies(choice: Choice, purchases: number): Policies {
  const asksHosts = choice.oneIn(3);
  const opaque = choice.oneIn(2) ? "allow" : "deny";
  const hostSettings: HostSettings[] = [{ host: "never.example", reuse: "never" }];
  const hosts = {
    mode: "listed",
    allow: ["seller.example", "other.example:8443", "once.example", "never.example"],
    block: [],
    unknown: asksHosts ? "ask" : "deny",
  } as const;
  const base = {
    hosts,
    hostSettings,
    fee: { floorMsat: 3000 as Msat, ppm: 10_000 },
    opaqueTokens: opaque,
    network: "regtest",
    approvalMs: choice.pick([60_000, 900_000] as [number, number]),
  } as const;
  const perSubject: SubjectCaps = {
    perPaymentMsat: sats(50),
    totalMsat: sats(2 * purchases),
    rolling: [{ windowMs: 60_000, capMsat: sats(120) }],
  };
  const approvalAboveMsat = sats(choice.pick([10, 35, 1000, 1000]));
  return {
    asksHosts,
    wallet: {
      ...base,
      perPaymentMsat: sats(80),
      hourMsat: sats(choice.pick([10, 25]) * purchases),
      perHost: [
        { host: "seller.example", hourMsat: sats(8 * purchases), totalMsat: sats(12 * purchases) },
        { host: "once.example", perPaymentMsat: sats(45) },
      ],
      totalMsat: sats(14 * purchases),
      rolling: [{ windowMs: 90_000, capMsat: sats(choice.pick([400, 4000])) }],
    },
    budgets: new Map<string, Policy>([
      [
        "alpha",
        {
          ...base,
          dayMsat: sats(choice.pick([5, 9]) * purchases),
          monthMsat: sats(8 * purchases),
          paymentsPerMinute: choice.pick([3, 15, 60, 60]),
          perHost: [{ host: "other.example:8443", perPaymentMsat: sats(50), dayMsat: sats(2 * purchases) }],
          perSubject,
          ...(choice.oneIn(2) ? { approvalAboveMsat } : {}),
        },
      ],
      ["beta", { ...base, totalMsat: sats(6 * purchases), pathPrefixes: ["/plain/a"], approvalAboveMsat, opaqueTokens: "deny" }],
    ]),
  };
}
