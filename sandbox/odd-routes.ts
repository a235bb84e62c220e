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
  | "no_services";

export interface OddRoute extends Service {
  readonly quirk: Quirk;
}

const odd = (name: string, priceSats: number, quirk: Quirk, auth: "on" | "off" = "on"): OddRoute => ({ name, path: `/${name}`, pathRegexp: `^/${name}$`, auth, priceSats, quirk });

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
  // ?bytes=N and ?ms=N
  odd("huge", 3, "none"),
  odd("slow", 4, "none"),
];
