/**
 * Which headers pass between caller and seller (invariant 16): an allowlist each way, so that a header nobody thought of stays
 * behind. The price is that a seller's odd header without `x-` is dropped; add it here by name once somebody needs it.
 *
 * Caching headers do not come back: what was paid for must not be kept by a shared cache on the way. Nor does
 * `Content-Encoding`: the platform has decoded the body before we see it (fetch standard, "handle content codings").
 */
export type HeaderPair = readonly [name: string, value: string];

/** Asked of any host, so these follow a redirect to another origin. */
const PORTABLE: ReadonlySet<string> = new Set([
  "accept",
  "accept-language",
  "user-agent",
  "range",
  // Dropping a precondition would turn a guarded PUT into a blind one.
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  // How an event stream is taken up again (HTML, "server-sent events").
  "last-event-id",
]);
const TO_SELLER: ReadonlySet<string> = new Set([...PORTABLE, "content-type", "content-language", "idempotency-key"]);
/** `x-*` passes, except what names a hop, an address or another method, and what carries somebody's credential. */
const X_TO_SELLER_NOT =
  /^x-(?:forwarded|real-ip|client-ip|cluster-client-ip|true-client|remote|original|rewrite|proxy|host|http-method|method-override|accel|sendfile|envoy|cf-)|authorization|macaroon|cookie|preimage/u;
/** A key of this service, put into a header by mistake, would hand the wallet to the seller. */
const OUR_KEY = /\blw[kao]\.[a-z0-9-]{1,40}\./u;

const TO_CALLER: ReadonlySet<string> = new Set([
  "content-type",
  "content-language",
  "content-disposition",
  "content-range",
  "content-location",
  "accept-ranges",
  "etag",
  "last-modified",
  "date",
  "link",
  "location",
  "retry-after",
  "allow",
  "ratelimit",
  "ratelimit-policy",
  "ratelimit-limit",
  "ratelimit-remaining",
  "ratelimit-reset",
]);
const X_TO_CALLER_NOT = /^x-(?:accel|sendfile|forwarded|lightning|middleware)|authorization|macaroon|cookie|preimage|invoice/u;

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/u;
/** Field values (RFC 9110 section 5.5): anything else, CR and LF above all, could begin a header of its own. */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/u;

export interface ToSeller {
  /** Replaces the caller's own, if any. */
  readonly idempotencyKey: string | null;
  /** The whole credential line, or null. */
  readonly authorization: string | null;
}

/** What the seller gets: the caller's permitted headers, lower-cased, one line a name, and at most one credential. */
export function headersForSeller(headers: readonly HeaderPair[], { idempotencyKey, authorization }: ToSeller): readonly HeaderPair[] {
  const passed = new Map<string, string>();
  const hop = namedByConnection(headers);
  for (const [rawName, rawValue] of headers) {
    const name = rawName.toLowerCase();
    const value = rawValue.trim();
    const allowed = TO_SELLER.has(name) || (name.startsWith("x-") && !X_TO_SELLER_NOT.test(name));
    // The first of several wins: two content types are a way to be read differently by two parsers.
    if (!allowed || passed.has(name) || hop.has(name) || !TOKEN.test(name) || !VALUE.test(value) || OUR_KEY.test(value)) continue;
    passed.set(name, value);
  }
  if (idempotencyKey !== null) passed.set("idempotency-key", idempotencyKey);
  if (authorization !== null) passed.set("authorization", authorization);
  return [...passed];
}

/** Answered 304, these bring nothing; without them a GET or HEAD gets the whole answer, which is always a right one (RFC 9110 section 13.1). */
const OF_A_CACHE: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

/**
 * A credential that has not served yet is to be fulfilled, and only a 2xx fulfils: a caller who has the answer already would else have
 * paid for none, and a seller who did nothing wrong would owe one. Other methods keep theirs: there they guard what is written.
 */
export function unconditional(method: string, headers: readonly HeaderPair[]): readonly HeaderPair[] {
  return method === "GET" || method === "HEAD" ? headers.filter(([name]) => !OF_A_CACHE.has(name.toLowerCase())) : headers;
}

/** What may follow a redirect to another origin: a caller's `x-api-key` was meant for the first one. */
export function portableHeaders(headers: readonly HeaderPair[]): readonly HeaderPair[] {
  return headers.filter(([name]) => PORTABLE.has(name.toLowerCase()));
}

/**
 * What the caller gets of the seller's headers. None of `WWW-Authenticate`, `Set-Cookie`, hop-by-hop, `Alt-Svc`, CORS or
 * `Lightning-*` is on the list, so a seller can neither leak a challenge nor forge our word.
 * @param secret the credential sent; a header that echoes any part of it is dropped (invariant 9)
 * @param bodiless the answer has no body (HEAD, 204, 304), so its Content-Length describes another one and may pass
 */
export function headersForCaller(
  headers: Headers,
  { secret, bodiless }: { readonly secret: string | null; readonly bodiless: boolean },
): Headers {
  const passed = new Headers();
  const pairs = [...headers];
  const hop = namedByConnection(pairs);
  for (const [rawName, value] of pairs) {
    const name = rawName.toLowerCase();
    const allowed =
      TO_CALLER.has(name) || (name === "content-length" && bodiless) || (name.startsWith("x-") && !X_TO_CALLER_NOT.test(name));
    if (allowed && !hop.has(name) && !echoes(value, secret)) passed.append(name, value);
  }
  return passed;
}

/** Does `text` hold the token or the preimage of this credential line (`L402 <token>:<preimage>`), in any letter case or percent-encoded? */
export function echoes(text: string, secret: string | null): boolean {
  if (secret === null) return false;
  const line = secret.slice(secret.indexOf(" ") + 1);
  const colon = line.lastIndexOf(":");
  const haystack = text.toLowerCase();
  const decoded = haystack.replace(/%([0-9a-f]{2})/gu, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)).toLowerCase());
  return [line.slice(0, colon), line.slice(colon + 1)].some(
    (part) => part !== "" && (haystack.includes(part.toLowerCase()) || decoded.includes(part.toLowerCase())),
  );
}

/** RFC 9110 section 7.6.1: what `Connection` names is hop-by-hop too. */
function namedByConnection(headers: readonly HeaderPair[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [name, value] of headers) {
    if (name.toLowerCase() === "connection") for (const one of value.split(",")) names.add(one.trim().toLowerCase());
  }
  return names;
}
