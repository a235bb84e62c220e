/** Sellers that misbehave, each under a route of its own. Only the simulated gateway has them: no real Aperture does this. */
import type { Service } from "./services.ts";

export type Quirk =
  | "none"
  | "expired_invoice"
  | "hash_mismatch"
  | "opaque_token"
  | "amountless_invoice"
  | "malformed_challenge"
  | "wrong_network"
  /** Takes payment, and answers every credential with a new 402. */
  | "refuses_credentials"
  /** Says nothing of services: the token is good for the path that it was bought for, and every path is a purchase of its own. */
  | "no_services"
  /** Takes each token `uses` times; after that it is a stranger's: 402 with a new invoice. */
  | "counts_uses"
  /** The invoice lives {@link BRIEF_SECONDS}; whoever is not quick pays nobody. */
  | "brief_invoice"
  /** Every answer, the 402 too, takes `?ms=N` (default 1,500): a seller that is slow before anything is paid. */
  | "slow_always"
  /** Refuses a token that was paid for `refusals` times, and from then on takes it. */
  | "moody";

export interface OddRoute extends Service {
  readonly quirk: Quirk;
  /** With `counts_uses`. */
  readonly uses?: number;
  /** With `moody`. */
  readonly refusals?: number;
}

/** Life of a `brief_invoice`, seconds. */
export const BRIEF_SECONDS = 3;

const odd = (name: string, priceSats: number, quirk: Quirk, auth: "on" | "off" = "on"): OddRoute => ({
  name,
  path: `/${name}`,
  pathRegexp: `^/${name}$`,
  auth,
  priceSats,
  quirk,
});

export const ODD_ROUTES: readonly OddRoute[] = [
  odd("expired", 8, "expired_invoice"),
  odd("mismatch", 8, "hash_mismatch"),
  odd("opaque", 8, "opaque_token"),
  odd("amountless", 8, "amountless_invoice"),
  odd("broken", 8, "malformed_challenge"),
  odd("mainnet", 8, "wrong_network"),
  odd("refuses", 8, "refuses_credentials"),
  // 500 after payment
  odd("fails", 7, "none"),
  // 302 to /joke: without payment, and after payment
  odd("redirect", 1, "none", "off"),
  odd("moved", 6, "none"),
  // /many/<n>: as many scopes as one likes, at one price
  { name: "many", path: "/many/1", pathRegexp: "^/many/[0-9]+$", auth: "on", priceSats: 10, quirk: "no_services" },
  // ?bytes=N and ?ms=N: the 402 comes at once, what was paid for takes its time
  odd("huge", 3, "none"),
  odd("slow", 4, "none"),
  odd("sluggish", 4, "slow_always"),
  // Any path below is the same service, and so takes the same token, as long as it lasts.
  { ...odd("once", 9, "counts_uses"), pathRegexp: "^/once(/.*)?$", uses: 1 },
  { ...odd("thrice", 9, "counts_uses"), pathRegexp: "^/thrice(/.*)?$", uses: 3 },
  odd("brief", 8, "brief_invoice"),
  // As often as a buyer's first try and its three repetitions.
  { ...odd("moody", 8, "moody"), refusals: 4 },
];
