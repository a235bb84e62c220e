/**
 * The sandbox's seller: an L402 gateway that answers as Aperture 0.5.0 does (its proxy/proxy.go; a differential test in
 * `test/regtest` holds the two side by side). A pure handler: clock, randomness and the node are parameters. A bad credential
 * is never 401: it is 402 with a new invoice, as is no credential at all.
 */
import { createHash } from "node:crypto";
import type { PlainResponse } from "./http-server.ts";
import { createChallengeMinter } from "./challenge-minter.ts";
import { acceptCredential, readCredential } from "./credential.ts";
import type { SimulatedNode } from "./node.ts";
import { ODD_ROUTES, type OddRoute } from "./odd-routes.ts";
import type { SandboxPorts } from "./ports.ts";
import { RateLimiter } from "./rate-limit.ts";
import { SERVICES, type Service } from "./services.ts";
import { TokenUses } from "./token-uses.ts";
import { askedWaitMs, serveUpstream } from "./upstream.ts";

export interface GatewayRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Header lines in order, names in lower case. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly remoteAddress: string;
}

/** What this seller has seen, so that a test can say that a request never came. */
export interface SellerSeen {
  readonly requests: number;
  /** 402 answers, each with a fresh invoice. */
  readonly challenges: number;
  /** Requests let through to a priced resource. */
  readonly accepted: number;
  /** Requests with a credential that was refused. */
  readonly refused: number;
  readonly byRoute: Readonly<Record<string, number>>;
}

export interface Gateway {
  handle(request: GatewayRequest): PlainResponse | Promise<PlainResponse>;
  seen(): SellerSeen;
}

const CORS: readonly (readonly [string, string])[] = [
  ["Access-Control-Allow-Headers", "Authorization, Grpc-Metadata-macaroon, WWW-Authenticate, Payment-Receipt"],
  ["Access-Control-Allow-Methods", "GET, POST, OPTIONS"],
  ["Access-Control-Allow-Origin", "*"],
  ["Access-Control-Expose-Headers", "WWW-Authenticate, Payment-Receipt"],
];
const OPAQUE = /^L402 ([A-Za-z0-9_-]+):([a-f0-9]{64})$/u;
const GRPC_INTERNAL = "13";
const GRPC_RESOURCE_EXHAUSTED = "8";

interface Route {
  readonly service: OddRoute;
  readonly path: RegExp;
}

export function createGateway(
  node: SimulatedNode,
  ports: SandboxPorts,
  services: readonly Service[] = SERVICES,
  oddRoutes: readonly OddRoute[] = ODD_ROUTES,
): Gateway {
  const minter = createChallengeMinter(node, ports);
  const limiter = new RateLimiter();
  const uses = new TokenUses();
  const route = (service: OddRoute): Route => ({ service, path: new RegExp(service.pathRegexp, "u") });
  const routes = [...services.map((service) => route({ ...service, quirk: "none" })), ...oddRoutes.map(route)];
  const counts = { requests: 0, challenges: 0, accepted: 0, refused: 0 };
  const byRoute = new Map<string, number>();

  /** @returns the client's key for rate limits, or null where the request must pay */
  function accepted({ service }: Route, request: GatewayRequest): string | null {
    if (service.quirk === "refuses_credentials") return null;
    if (service.quirk === "opaque_token") {
      const match = OPAQUE.exec(request.headers.findLast(([name]) => name === "authorization")?.[1] ?? "");
      const paymentHash = match?.[1] === undefined ? null : minter.openOpaque(match[1]);
      const proven = createHash("sha256")
        .update(match?.[2] ?? "", "hex")
        .digest("hex");
      return paymentHash !== null && proven === paymentHash ? `token:${paymentHash}` : null;
    }
    const credential = readCredential(request.headers);
    const tokenId = credential === null ? null : acceptCredential(credential, service.name, minter.rootKeyOf, ports.now());
    if (tokenId === null || !isInTheMood(service, tokenId)) return null;
    return `token:${tokenId}`;
  }

  /** A good token, and yet: sellers that count how often they have seen it. */
  function isInTheMood({ quirk, uses: most, refusals }: OddRoute, tokenId: string): boolean {
    if (quirk === "counts_uses") return uses.presented(tokenId) <= (most ?? 1);
    if (quirk === "moody") return uses.presented(tokenId) > (refusals ?? 1);
    return true;
  }

  return {
    seen: () => ({ ...counts, byRoute: Object.fromEntries(byRoute) }),

    handle(request) {
      counts.requests += 1;
      if (request.method === "OPTIONS") return direct(request, 200, "", CORS);
      const path = pathOf(request.url);
      const found = path === null ? undefined : routes.find((candidate) => candidate.path.test(path));
      const name = found?.service.name ?? "unknown";
      byRoute.set(name, (byRoute.get(name) ?? 0) + 1);
      if (found === undefined || path === null)
        return direct({ headers: [] }, path === null ? 400 : 404, path === null ? "400 Bad Request" : "404 page not found", []);

      if (found.service.quirk !== "slow_always") return judge(found, path, request);
      return new Promise((resolve) => void ports.timer(askedWaitMs(request.url), () => resolve(judge(found, path, request))));
    },
  };

  function judge(found: Route, path: string, request: GatewayRequest): PlainResponse | Promise<PlainResponse> {
    let client = `ip:${request.remoteAddress}`;
    if (found.service.auth === "on") {
      const token = accepted(found, request);
      if (token === null) {
        if (request.headers.some(([header]) => header === "authorization" || header === "macaroon" || header === "grpc-metadata-macaroon"))
          counts.refused += 1;
        counts.challenges += 1;
        const lines = minter.challenge(found.service, found.service.quirk).map((line) => ["Www-Authenticate", line] as const);
        return direct(request, 402, "payment required", [...CORS, ["Cache-Control", "no-store"], ...lines]);
      }
      counts.accepted += 1;
      client = token;
    }
    const wait = limiter.check(found.service.rateLimits ?? [], path, client, ports.now());
    if (wait !== null)
      return direct(request, 429, "rate limit exceeded", [...CORS, ["Retry-After", String(wait)]], GRPC_RESOURCE_EXHAUSTED);
    return forward(request);
  }

  function forward(request: GatewayRequest): PlainResponse | Promise<PlainResponse> {
    const answer = serveUpstream(request, ports);
    const withCors = (response: PlainResponse): PlainResponse => ({ ...response, headers: [...response.headers, ...CORS] });
    return answer instanceof Promise ? answer.then(withCors) : withCors(answer);
  }
}

/** The decoded path, as Go's `URL.Path`; null where the escapes are broken. */
function pathOf(url: string): string | null {
  try {
    return decodeURIComponent(url.split("?", 1)[0] ?? "");
  } catch {
    return null;
  }
}

/** Aperture's own answers: Go's `http.Error` for HTTP; for gRPC 200 with the truth in two headers. */
function direct(
  request: Pick<GatewayRequest, "headers">,
  status: number,
  text: string,
  headers: readonly (readonly [string, string])[],
  grpcStatus: string = GRPC_INTERNAL,
): PlainResponse {
  const isGrpc = request.headers.some(([name, value]) => name === "content-type" && value.startsWith("application/grpc"));
  if (isGrpc) {
    return {
      status: 200,
      headers: [...headers, ["Content-Type", "application/grpc"], ["Grpc-Message", text], ["Grpc-Status", grpcStatus]],
      body: new Uint8Array(0),
    };
  }
  return {
    status,
    headers: [...headers, ["Content-Type", "text/plain; charset=utf-8"], ["X-Content-Type-Options", "nosniff"]],
    body: Buffer.from(`${text}\n`),
  };
}
