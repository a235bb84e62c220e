/** The requests of the differential test: every way to show a credential that some client has tried, and what Aperture 0.5.0 makes of it (facts: L402 §1.3, §6.1). */
import { attenuate } from "./attenuate.ts";
import type { RawRequest } from "./raw-http.ts";

/** Paid for at the seller that is asked. */
export interface Paid {
  /** Standard padded base64. */
  readonly token: string;
  /** 64 lower-case hex digits. */
  readonly preimage: string;
}

/** Services that are bought before the requests are sent. */
export const BOUGHT = ["/joke", "/cheap", "/report", "/stream", "/expensive"] as const;
export type Bought = Readonly<Record<(typeof BOUGHT)[number], Paid>>;

export interface Case {
  readonly name: string;
  readonly status: number;
  /** What is sent, given what was bought at this seller. */
  readonly request: (bought: Bought) => RawRequest;
}

type Lines = readonly (readonly [string, string])[];
const ask = (method: string, path: string, headers: Lines = [], body: string | null = null): RawRequest => ({
  method,
  path,
  headers,
  body,
});
const colon = (paid: Paid, scheme = "L402"): string => `${scheme} ${paid.token}:${paid.preimage}`;
const json: Lines = [["Content-Type", "application/json"]];
const plain = (name: string, status: number, request: RawRequest): Case => ({ name, status, request: () => request });

/** One Authorization line on /joke, made from what was paid for there. */
const joke = (name: string, status: number, value: (paid: Paid) => string): Case => ({
  name,
  status,
  request: (bought) => ask("GET", "/joke", [["Authorization", value(bought["/joke"])]]),
});
/** The macaroon alone, in hex, in one of the two headers for it. */
const bare = (header: string, name: string, status: number, hex: (paid: Paid) => string): Case => ({
  name: `${header}: ${name}`,
  status,
  request: (bought) => ask("GET", "/joke", [[header, hex(bought["/joke"])]]),
});
const hexOf = (token: string): string => Buffer.from(token, "base64").toString("hex");
const WRONG = "00".repeat(32);
const preimages =
  (choose: (right: string) => readonly string[]) =>
  (paid: Paid): string =>
    hexOf(choose(paid.preimage).reduce((token, preimage) => attenuate(token, `preimage=${preimage}`), paid.token));
const withPreimage = preimages((right) => [right]);
const narrowed =
  (...caveats: readonly string[]) =>
  (paid: Paid): string =>
    colon({ ...paid, token: caveats.reduce(attenuate, paid.token) });
/** Unix seconds: within the hour that a joke lasts, and far beyond it. */
const SOON = Math.floor(Date.now() / 1000) + 1800;
const FAR = 4_102_444_800;

export const CASES: readonly Case[] = [
  plain("no credential", 402, ask("GET", "/joke")),
  plain("no credential, another path of the service", 402, ask("GET", "/joke/deeper?and=more")),
  plain("no credential, an escaped path", 402, ask("GET", "/jok%65/a%20b")),
  plain("no credential, HEAD", 402, ask("HEAD", "/joke")),
  plain("no credential, POST", 402, ask("POST", "/report", json, '{"a":1}')),
  plain("no credential, PUT without a body", 402, ask("PUT", "/report")),
  plain("no credential, a service without timeout and constraints", 402, ask("GET", "/cheap")),
  plain("no credential, a short timeout", 402, ask("GET", "/short")),
  plain("no credential, a large price", 402, ask("GET", "/expensive")),
  plain("no credential, a rate-limited service", 402, ask("GET", "/limited")),
  plain("no credential, gRPC", 200, ask("POST", "/joke", [["Content-Type", "application/grpc+proto"]])),

  plain("OPTIONS on a priced path", 200, ask("OPTIONS", "/joke")),
  plain("OPTIONS on an unknown path", 200, ask("OPTIONS", "/nothing")),
  plain(
    "OPTIONS with a credential's header announced",
    200,
    ask("OPTIONS", "/joke", [["Access-Control-Request-Headers", "authorization"]]),
  ),
  plain("an unknown path", 404, ask("GET", "/nothing")),
  plain("an unknown path, HEAD", 404, ask("HEAD", "/nothing")),
  plain("an unknown path, POST", 404, ask("POST", "/nothing", json, "{}")),
  plain("a priced path with more letters", 404, ask("GET", "/jokes")),
  plain("a priced path in capitals", 404, ask("GET", "/JOKE")),
  plain("a path with two slashes", 404, ask("GET", "//joke")),
  plain("a path that climbs into a priced one", 404, ask("GET", "/x/../joke")),
  plain("a path that climbs out of a priced one", 402, ask("GET", "/joke/../free")),
  plain("a query with a broken escape", 402, ask("GET", "/joke?x=%zz")),
  plain("auth off", 200, ask("GET", "/free")),
  plain("auth off, HEAD", 200, ask("HEAD", "/free")),
  plain("auth off, POST", 200, ask("POST", "/free", json, "{}")),
  plain("auth off, junk in Authorization", 200, ask("GET", "/free", [["Authorization", "L402 junk"]])),

  joke("L402 token:preimage", 200, (paid) => colon(paid)),
  joke("LSAT token:preimage", 200, (paid) => colon(paid, "LSAT")),
  joke("junk before", 200, (paid) => `xx ${colon(paid)}`),
  joke("junk before, without a space", 200, (paid) => `xx${colon(paid)}`),
  joke("junk after", 200, (paid) => `${colon(paid)}zz`),
  joke("a longer hex string after the colon", 200, (paid) => `${colon(paid)}abcd`),
  joke("a list with another scheme before", 200, (paid) => `Bearer a, ${colon(paid)}`),
  joke("a list with another scheme after", 200, (paid) => `${colon(paid)}, Bearer a`),
  joke("a list of the same twice", 200, (paid) => `${colon(paid)}, ${colon(paid, "LSAT")}`),
  joke("lower-case scheme", 402, (paid) => colon(paid, "l402")),
  joke("mixed-case scheme", 402, (paid) => colon(paid, "Lsat")),
  joke("two spaces", 402, ({ token, preimage }) => `L402  ${token}:${preimage}`),
  joke("a tab for the space", 402, ({ token, preimage }) => `L402\t${token}:${preimage}`),
  joke("a space after the colon", 402, ({ token, preimage }) => `L402 ${token}: ${preimage}`),
  joke("parameters", 402, ({ token, preimage }) => `L402 macaroon="${token}", preimage="${preimage}"`),
  joke("token= in the colon form", 402, ({ token, preimage }) => `L402 token="${token}":${preimage}`),
  joke("Bearer scheme", 402, (paid) => colon(paid, "Bearer")),
  joke("upper-case hex", 402, ({ token, preimage }) => `L402 ${token}:${preimage.toUpperCase()}`),
  joke("a short preimage", 402, ({ token, preimage }) => `L402 ${token}:${preimage.slice(0, 62)}`),
  joke("no preimage", 402, ({ token }) => `L402 ${token}`),
  joke("url-safe base64", 402, ({ token, preimage }) => `L402 ${urlSafe(token)}:${preimage}`),
  joke("padding too much", 402, ({ token, preimage }) => `L402 ${token}====:${preimage}`),
  joke("missing padding, or a character too few", 402, ({ token, preimage }) => `L402 ${unpadded(token)}:${preimage}`),
  joke("an empty token", 402, ({ preimage }) => `L402 :${preimage}`),
  joke("two macaroons", 402, ({ token, preimage }) => `L402 ${token},${token}:${preimage}`),
  joke("wrong preimage", 402, ({ token }) => `L402 ${token}:${WRONG}`),
  joke("a changed signature", 402, ({ token, preimage }) => `L402 ${changed(token)}:${preimage}`),
  joke("nothing", 402, () => ""),
  joke("junk", 402, () => "L402 junk"),

  joke("a caveat that narrows the time", 200, narrowed(`joke_valid_until=${SOON}`)),
  joke("a caveat that ends the time", 402, narrowed("joke_valid_until=1")),
  joke("a caveat that would widen the time", 402, narrowed(`joke_valid_until=${FAR}`)),
  joke("a time that is no number", 402, narrowed("joke_valid_until=tomorrow")),
  joke("another service's time", 200, narrowed("cheap_valid_until=1")),
  joke("a caveat that narrows to another service", 402, narrowed("services=cheap:0")),
  joke("a caveat that repeats the service", 200, narrowed("services=joke:0")),
  joke("a caveat that widens the services", 402, narrowed("services=joke:0,cheap:0")),
  joke("a services caveat without a tier", 402, narrowed("services=joke")),
  joke("an empty services caveat", 402, narrowed("services=")),
  joke("fewer capabilities, which nobody enforces", 200, narrowed("joke_capabilities=read")),
  joke("more capabilities, which nobody enforces", 200, narrowed("joke_capabilities=everything")),
  joke("an unknown caveat", 200, narrowed("moon=full")),
  joke("a caveat without an equals sign", 200, narrowed("nonsense")),

  ...["Grpc-Metadata-Macaroon", "Macaroon"].flatMap((header) => [
    bare(header, "with the preimage as a caveat", 200, withPreimage),
    bare(header, "in upper-case hex", 200, (paid) => withPreimage(paid).toUpperCase()),
    bare(header, "with the preimage in upper case", 200, ({ token, preimage }) =>
      hexOf(attenuate(token, `preimage=${preimage.toUpperCase()}`)),
    ),
    bare(header, "without the preimage", 402, ({ token }) => hexOf(token)),
    bare(header, "with a wrong preimage", 402, ({ token }) => hexOf(attenuate(token, `preimage=${WRONG}`))),
    bare(
      header,
      "with two preimages, the right one first",
      402,
      preimages((right) => [right, WRONG]),
    ),
    bare(
      header,
      "with two preimages, the right one last",
      200,
      preimages((right) => [WRONG, right]),
    ),
    bare(header, "in base64", 402, ({ token, preimage }) => attenuate(token, `preimage=${preimage}`)),
    bare(header, "junk", 402, () => "abc"),
  ]),
  {
    name: "an Authorization that is no credential hides a good macaroon header",
    status: 402,
    request: (bought) =>
      ask("GET", "/joke", [
        ["Authorization", "Bearer a"],
        ["Macaroon", withPreimage(bought["/joke"])],
      ]),
  },
  {
    name: "two Authorization lines, the good one last",
    status: 200,
    request: (bought) =>
      ask("GET", "/joke", [
        ["Authorization", "Bearer a"],
        ["Authorization", colon(bought["/joke"])],
      ]),
  },
  {
    name: "two Authorization lines, the good one first",
    status: 402,
    request: (bought) =>
      ask("GET", "/joke", [
        ["Authorization", colon(bought["/joke"])],
        ["Authorization", "Bearer a"],
      ]),
  },
  {
    name: "two Authorization lines, the first empty",
    status: 402,
    request: (bought) =>
      ask("GET", "/joke", [
        ["Authorization", ""],
        ["Authorization", colon(bought["/joke"])],
      ]),
  },

  {
    name: "the token on another path of its service",
    status: 200,
    request: (bought) => ask("GET", "/joke/deeper?x=1", [["Authorization", colon(bought["/joke"])]]),
  },
  {
    name: "the token of another service",
    status: 402,
    request: (bought) => ask("GET", "/joke", [["Authorization", colon(bought["/cheap"])]]),
  },
  {
    name: "the token on a path of no service",
    status: 404,
    request: (bought) => ask("GET", "/nothing", [["Authorization", colon(bought["/joke"])]]),
  },
  {
    name: "the token with the preimage of another",
    status: 402,
    request: (bought) => ask("GET", "/joke", [["Authorization", colon({ ...bought["/joke"], preimage: bought["/cheap"].preimage })]]),
  },
  { name: "paid, HEAD", status: 200, request: (bought) => ask("HEAD", "/joke", [["Authorization", colon(bought["/joke"])]]) },
  { name: "paid, OPTIONS", status: 200, request: (bought) => ask("OPTIONS", "/joke", [["Authorization", colon(bought["/joke"])]]) },
  {
    name: "paid, POST with a body",
    status: 200,
    request: (bought) => ask("POST", "/report", [...json, ["Authorization", colon(bought["/report"])]], '{"a":[1,2]}'),
  },
  {
    name: "paid, POST with a body that the resource refuses",
    status: 400,
    request: (bought) => ask("POST", "/report", [...json, ["Authorization", colon(bought["/report"])]], "{"),
  },
  {
    name: "paid, a stream of events",
    status: 200,
    request: (bought) => ask("GET", "/stream?events=3&everyMs=1", [["Authorization", colon(bought["/stream"])]]),
  },
  {
    name: "paid, a service with an Authorization of its own for the upstream",
    status: 200,
    request: (bought) => ask("GET", "/expensive", [["Authorization", colon(bought["/expensive"])]]),
  },
];

/** A macaroon's base64 has a `+` or `/` almost always; where it has not, the last character becomes one that only the other alphabet has. */
const urlSafe = (token: string): string =>
  /[+/]/u.test(token) ? token.replaceAll("+", "-").replaceAll("/", "_") : `${token.slice(0, -1)}-`;
const unpadded = (token: string): string => (token.endsWith("=") ? token.replace(/=+$/u, "") : token.slice(0, -1));

function changed(token: string): string {
  const bytes = Buffer.from(token, "base64");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return bytes.toString("base64");
}
