/**
 * How Aperture 0.5.0 reads and judges a credential (its l402/header.go, mint.go, satisfier.go), quirks kept: the scheme is
 * case-sensitive, the pattern is not anchored, of several Authorization lines only the last counts, base64 is standard
 * and padded, and only the `services` and `<name>_valid_until` caveats are enforced.
 */
import { createHash } from "node:crypto";
import { decodeMacaroon } from "../lightning/macaroon.ts";
import { verifyMacaroon } from "./mint-macaroon.ts";

export interface Credential {
  /** Standard padded base64. */
  readonly token: string;
  /** 64 lower-case hex digits. */
  readonly preimage: string;
}

type HeaderLines = readonly (readonly [string, string])[];
type Caveats = readonly { readonly condition: string; readonly value: string }[];

const AUTHORIZATION = /(LSAT|L402) (.*?):([a-f0-9]{64})/u;
const STANDARD_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u;

/** The credential in a request's header lines (names in lower case), or null where Aperture would see none. */
export function readCredential(headers: HeaderLines): Credential | null {
  const values = (name: string): string[] => headers.filter(([key]) => key === name).map(([, value]) => value);
  const authorization = values("authorization");
  if (authorization[0] !== undefined && authorization[0] !== "") {
    const match = AUTHORIZATION.exec(authorization.at(-1) ?? "");
    const token = match?.[2] ?? "";
    return match?.[3] !== undefined && token !== "" && STANDARD_BASE64.test(token) ? { token, preimage: match[3] } : null;
  }
  // The macaroon alone, in hex, with the preimage as a caveat that the client added.
  const bare = [values("grpc-metadata-macaroon")[0], values("macaroon")[0]].find((value) => value !== undefined && value !== "");
  if (bare === undefined || !/^(?:[0-9a-fA-F]{2})+$/u.test(bare)) return null;
  const token = Buffer.from(bare, "hex").toString("base64");
  const macaroon = decodeMacaroon(token);
  if (!macaroon.ok) return null;
  const preimage = macaroon.caveats.findLast(({ condition }) => condition === "preimage")?.value ?? "";
  return /^[0-9a-fA-F]{64}$/u.test(preimage) ? { token, preimage: preimage.toLowerCase() } : null;
}

/**
 * Would Aperture let this credential through to `service`?
 * @param rootKeyOf the secret under which a token of this id was minted
 * @param nowMs epoch ms
 * @returns the token id (for rate limits), or null for a refusal
 */
export function acceptCredential(
  credential: Credential,
  service: string,
  rootKeyOf: (tokenId: string) => Uint8Array,
  nowMs: number,
): string | null {
  const macaroon = decodeMacaroon(credential.token);
  if (!macaroon.ok) return null;
  if (createHash("sha256").update(credential.preimage, "hex").digest("hex") !== macaroon.paymentHash) return null;
  if (!verifyMacaroon(credential.token, rootKeyOf(macaroon.tokenId))) return null;
  const held = servicesAllow(macaroon.caveats, service) && stillValid(macaroon.caveats, `${service}_valid_until`, nowMs);
  return held ? macaroon.tokenId : null;
}

/** Each later `services` caveat may only narrow the one before, and the last must name the service. No such caveat: any service. */
function servicesAllow(caveats: Caveats, service: string): boolean {
  let allowed: readonly string[] | null = null;
  for (const { condition, value } of caveats) {
    if (condition !== "services") continue;
    const names: string[] = [];
    for (const entry of value.split(",")) {
      const match = /^([^:]+):([+-]?[0-9]+)$/u.exec(entry);
      if (match?.[1] === undefined) return false;
      names.push(match[1]);
    }
    const before: readonly string[] | null = allowed;
    if (before !== null && names.some((name) => !before.includes(name))) return false;
    allowed = names;
  }
  return allowed === null || allowed.includes(service);
}

/** Unix seconds; each later caveat may only shorten, and the instant itself is already too late. */
function stillValid(caveats: Caveats, name: string, nowMs: number): boolean {
  let until = Number.POSITIVE_INFINITY;
  for (const { condition, value } of caveats) {
    if (condition !== name) continue;
    if (!/^[+-]?[0-9]+$/u.test(value) || Number(value) > until) return false;
    until = Number(value);
  }
  return nowMs < until * 1000;
}
