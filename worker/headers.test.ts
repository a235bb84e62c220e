import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PREIMAGE, TOKEN } from "./flow-fakes.ts";
import { echoes, headersForCaller, headersForSeller, portableHeaders, unconditional, type HeaderPair } from "./headers.ts";

const bare = { idempotencyKey: null, authorization: null };
const toSeller = (...headers: HeaderPair[]): Record<string, string> => Object.fromEntries(headersForSeller(headers, bare));
const toCaller = (headers: Record<string, string>, secret: string | null = null, bodiless = false): Record<string, string> =>
  Object.fromEntries(headersForCaller(new Headers(headers), { secret, bodiless }));
const SECRET = `L402 ${TOKEN}:${PREIMAGE}`;

describe("caller to seller", () => {
  test.each([
    ["GET", []],
    ["HEAD", []],
    ["PUT", ["If-None-Match", "If-Modified-Since"]],
    ["OPTIONS", ["If-None-Match", "If-Modified-Since"]],
  ])("a %s that must be delivered goes without the conditions of a cache, and with all that guard or narrow it", (method, kept) => {
    const others = ["If-Match", "If-Unmodified-Since", "If-Range", "Range", "Accept"];
    const headers = ["If-None-Match", "If-Modified-Since", ...others].map((name): HeaderPair => [name, "v"]);
    expect(unconditional(method, headers).map(([name]) => name)).toEqual([...kept, ...others]);
  });

  test.each([
    "Authorization",
    "Proxy-Authorization",
    "Cookie",
    "Cookie2",
    "Host",
    "Macaroon",
    "Grpc-Metadata-Macaroon",
    "Grpc-Metadata-X",
    "Proxy-Connection",
    "CF-Connecting-IP",
    "CF-Ray",
    "CF-Worker",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Real-IP",
    "X-Client-IP",
    "X-Original-URL",
    "X-HTTP-Method-Override",
    "X-Authorization",
    "X-Macaroon",
    "X-Set-Cookie",
    "Content-Length",
    "Expect",
    "Forwarded",
    "Via",
    "Origin",
    "Referer",
    "Lightning-Max-Sats",
    "Lightning-Subject",
    "Accept-Encoding",
    "Cache-Control",
  ])("invariant 16: a caller's %s stays behind", (name) => {
    expect(toSeller([name, "v"], [name.toLowerCase(), "w"], ["Accept", "text/html"])).toEqual({ accept: "text/html" });
  });

  test.each([
    "Accept",
    "Accept-Language",
    "Content-Type",
    "Content-Language",
    "User-Agent",
    "If-None-Match",
    "If-Match",
    "Range",
    "Idempotency-Key",
    "X-Api-Key",
    "Last-Event-ID",
  ])("%s passes", (name) => {
    expect(toSeller([name, " v "])).toEqual({ [name.toLowerCase()]: "v" });
  });

  test("what Connection names is hop-by-hop too", () => {
    expect(toSeller(["Connection", "close, X-Secret-Hop"], ["X-Secret-Hop", "1"], ["X-Other", "2"])).toEqual({ "x-other": "2" });
  });

  test("a value with a line end, or a name that is no token, is dropped whole", () => {
    expect(
      toSeller(["X-A", "1\r\nAuthorization: L402 x"], ["X-B\r\nHost: evil", "1"], ["X-C", "nul\u0000"], ["X-D", "\u20ac"], ["X-E", "fine"]),
    ).toEqual({ "x-e": "fine" });
  });

  test("invariant 9: a key of this service in a header does not reach the seller", () => {
    expect(toSeller(["X-Api-Key", "lwk.main.w_abcdefghijklmnop.k1.secret"], ["X-Other", "Bearer lwo.main.root.secret"])).toEqual({});
  });

  test("the first of several lines wins, and ours replace the caller's", () => {
    const headers = headersForSeller(
      [
        ["Content-Type", "a/b"],
        ["content-type", "c/d"],
        ["Idempotency-Key", "mine"],
      ],
      { idempotencyKey: "host's", authorization: SECRET },
    );
    expect(headers).toEqual([
      ["content-type", "a/b"],
      ["idempotency-key", "host's"],
      ["authorization", SECRET],
    ]);
  });

  test("whatever the caller sends, the platform accepts the result and it holds nothing forbidden", () => {
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom("X-Y", "accept", "AUTHORIZATION", "cookie", "Host", "CF-A", "Proxy-B", "macaroon", "Connection"),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.oneof(fc.string(), fc.string({ unit: "binary" })))), (pairs) => {
        const result = headersForSeller(pairs, bare);
        const accepted = new Headers(result.map(([key, value]): [string, string] => [key, value]));
        expect([...accepted].length).toBe(result.length);
        for (const [key] of result) expect(key).not.toMatch(/^(?:authorization|cookie|host|macaroon|connection|cf-|proxy-|grpc-)/u);
      }),
    );
  });

  test("what was meant for one origin does not follow to another", () => {
    expect(
      portableHeaders([
        ["X-Api-Key", "k"],
        ["Accept", "a"],
        ["Content-Type", "t"],
        ["Idempotency-Key", "i"],
      ]),
    ).toEqual([["Accept", "a"]]);
  });
});

describe("seller to caller", () => {
  test.each([
    "WWW-Authenticate",
    "Set-Cookie",
    "Proxy-Authenticate",
    "Authentication-Info",
    "Alt-Svc",
    "Connection",
    "Keep-Alive",
    "Transfer-Encoding",
    "Upgrade",
    "Trailer",
    "Lightning-Status",
    "Lightning-Receipt",
    "Lightning-Spent-Msat",
    "Lightning-Purchase",
    "X-Lightning-Status",
    "Access-Control-Allow-Origin",
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "Clear-Site-Data",
    "Refresh",
    "Cache-Control",
    "Expires",
    "Content-Encoding",
    "Content-Length",
    "X-Accel-Redirect",
    "X-Macaroon",
    "Payment-Receipt",
  ])("invariant 16: a seller's %s stays behind", (name) => {
    expect(toCaller({ [name]: "v", "Content-Type": "text/plain" })).toEqual({ "content-type": "text/plain" });
  });

  test("what describes the answer passes", () => {
    const described = {
      "content-type": "a/b",
      "content-disposition": "attachment",
      etag: '"1"',
      "retry-after": "3",
      location: "/made/1",
      "x-request-cost": "7",
    };
    expect(toCaller(described)).toEqual(described);
  });

  test("Content-Length passes only where there is no body to measure", () => {
    expect(toCaller({ "content-length": "12" }, null, true)).toEqual({ "content-length": "12" });
  });

  test("what Connection names is dropped", () => {
    expect(toCaller({ connection: "x-hop", "x-hop": "1", "x-end": "2" })).toEqual({ "x-end": "2" });
  });

  test("invariant 9: a header that echoes the credential is dropped, however it is written", () => {
    const echoed = {
      "x-a": SECRET,
      "x-b": PREIMAGE.toUpperCase(),
      "x-c": `t=${encodeURIComponent(TOKEN)}`,
      "x-d": TOKEN.toLowerCase(),
      "x-e": "fine",
    };
    expect(toCaller(echoed, SECRET)).toEqual({ "x-e": "fine" });
    expect(echoes("anything", null)).toBe(false);
  });
});
