/** Redirects: each is a new URL that begins again without the credential (invariant 16); only what is safe to repeat is followed. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { normaliseUrl, type SafeUrl } from "../lightning/url.ts";
import type { FetchCall } from "./flow-types.ts";
import { echoes, portableHeaders } from "./headers.ts";

export const MAX_HOPS = 3;

const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export type Hop =
  | { readonly kind: "none" }
  | { readonly kind: "follow"; readonly url: SafeUrl }
  /** `why` names no more of the target than its origin. */
  | { readonly kind: "refuse"; readonly why: string };

export interface Redirected {
  readonly status: number;
  readonly location: string | null;
  readonly method: string;
  readonly from: SafeUrl;
  readonly hopsLeft: number;
  readonly localHosts: readonly string[];
  /** The credential that was sent: it must not come back inside a URL, where it would be journalled. */
  readonly secret: string | null;
}

export function hopOf({ status, location, method, from, hopsLeft, localHosts, secret }: Redirected): Hop {
  // Without a Location it is an answer like any other (fetch standard, "HTTP-redirect fetch").
  if (!STATUSES.has(status) || location === null) return { kind: "none" };
  if (method !== "GET" && method !== "HEAD") return { kind: "refuse", why: `a ${method} is not sent again to another address` };
  if (hopsLeft === 0) return { kind: "refuse", why: `more than ${MAX_HOPS} redirects` };
  if (echoes(location, secret)) return { kind: "refuse", why: "the address contains the credential" };
  if (!URL.canParse(location, from.url)) return { kind: "refuse", why: "the address cannot be read" };
  const next = normaliseUrl(new URL(location, from.url).href, localHosts);
  if (!next.ok) return { kind: "refuse", why: `to an address that may not be fetched: ${next.detail}` };
  if (from.origin.startsWith("https:") && next.value.origin.startsWith("http:")) return { kind: "refuse", why: "from https to http" };
  return { kind: "follow", url: next.value };
}

/**
 * The same call at the next address: a request of its own, so under an idempotency key of its own, which is the same one
 * when the whole call is sent again and meets the same redirect.
 */
export function callAt(call: FetchCall, from: SafeUrl, to: SafeUrl): FetchCall {
  const { idempotencyKey, headers } = call;
  return {
    ...call,
    url: to.url,
    body: null,
    headers: (from.origin === to.origin ? headers : portableHeaders(headers)).filter(([name]) => name.toLowerCase() !== "idempotency-key"),
    idempotencyKey: idempotencyKey === null ? null : `redirect-${bytesToHex(sha256(utf8ToBytes(`${idempotencyKey}\n${to.url}`)))}`,
  };
}
