/**
 * The priced routes of the sandbox's seller. One list, two readers: the simulated gateway serves it, and
 * {@link renderServices} writes it as the `services:` section of a real Aperture's configuration, so that a differential test
 * compares like with like. Rules for Aperture 0.5.0: price at least 1 (0 means 1), timeout in whole seconds, anchored RE2.
 */
export interface RateLimit {
  readonly pathRegexp: string;
  readonly requests: number;
  /** Whole seconds; Aperture wants a duration string. */
  readonly perSeconds: number;
  readonly burst: number;
}

export interface Service {
  /** Used in caveats (`services=name:0`, `name_valid_until`): lower case letters, digits and `_`. */
  readonly name: string;
  /** A path that this service serves, for people and tests. */
  readonly path: string;
  /** Matched against the path alone, without the query. */
  readonly pathRegexp: string;
  readonly auth: "on" | "off";
  readonly priceSats: number;
  /** A credential's life in seconds; without it a credential lasts for ever. */
  readonly timeoutSeconds?: number;
  readonly capabilities?: string;
  readonly constraints?: Readonly<Record<string, string>>;
  /** Added to the request that goes upstream. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly rateLimits?: readonly RateLimit[];
}

export const SERVICES: readonly Service[] = [
  {
    name: "joke",
    path: "/joke",
    pathRegexp: "^/joke(/.*)?$",
    auth: "on",
    priceSats: 21,
    timeoutSeconds: 3600,
    capabilities: "read,tell",
    constraints: { joke_volume: "11" },
  },
  { name: "report", path: "/report", pathRegexp: "^/report$", auth: "on", priceSats: 42 },
  { name: "stream", path: "/stream", pathRegexp: "^/stream$", auth: "on", priceSats: 10 },
  {
    name: "expensive",
    path: "/expensive",
    pathRegexp: "^/expensive$",
    auth: "on",
    priceSats: 500_000,
    headers: { Authorization: "Bearer upstream" },
  },
  { name: "free", path: "/free", pathRegexp: "^/free$", auth: "off", priceSats: 1 },
  { name: "cheap", path: "/cheap", pathRegexp: "^/cheap(/.*)?$", auth: "on", priceSats: 1 },
  { name: "short", path: "/short", pathRegexp: "^/short$", auth: "on", priceSats: 5, timeoutSeconds: 5 },
  {
    name: "limited",
    path: "/limited",
    pathRegexp: "^/limited$",
    auth: "on",
    priceSats: 2,
    rateLimits: [{ pathRegexp: "^/limited$", requests: 3, perSeconds: 10, burst: 3 }],
  },
];

/**
 * The `services:` section for Aperture's YAML file, with a final newline.
 * @param address host:port of the upstream (see upstream.ts), spoken to over plain http
 */
export function renderServices(services: readonly Service[], address: string): string {
  return `services:\n${services.map((service) => renderService(service, address)).join("")}`;
}

function renderService(service: Service, address: string): string {
  const lines = [
    `- name: ${quote(service.name)}`,
    `  pathregexp: ${quote(service.pathRegexp)}`,
    `  address: ${quote(address)}`,
    `  protocol: "http"`,
    `  auth: ${quote(service.auth)}`,
    `  authscheme: "l402"`,
    `  price: ${service.priceSats}`,
  ];
  if (service.timeoutSeconds !== undefined) lines.push(`  timeout: ${service.timeoutSeconds}`);
  if (service.capabilities !== undefined) lines.push(`  capabilities: ${quote(service.capabilities)}`);
  lines.push(...renderMap("constraints", service.constraints), ...renderMap("headers", service.headers));
  if (service.rateLimits !== undefined) {
    lines.push("  ratelimits:");
    for (const limit of service.rateLimits) {
      lines.push(
        `    - pathregexp: ${quote(limit.pathRegexp)}`,
        `      requests: ${limit.requests}`,
        // A bare integer is refused or read as nanoseconds: always a duration string.
        `      per: ${quote(`${limit.perSeconds}s`)}`,
        `      burst: ${limit.burst}`,
      );
    }
  }
  return lines.map((line) => `  ${line}\n`).join("");
}

function renderMap(name: string, entries: Readonly<Record<string, string>> | undefined): string[] {
  if (entries === undefined) return [];
  return [`  ${name}:`, ...Object.entries(entries).map(([key, value]) => `    ${quote(key)}: ${quote(value)}`)];
}

/** A JSON string is a YAML double-quoted scalar. */
const quote = (text: string): string => JSON.stringify(text);
