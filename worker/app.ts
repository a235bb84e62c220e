/**
 * The HTTP app. Routes answer with values; what they did not expect ends here, as one code and a request id. An unexpected error's
 * message may quote anything, a header value or a row, so neither the caller nor the log gets it: the log gets its name and its frames.
 */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { problemResponse } from "./answers.ts";
import type { Door, DoorEnv } from "./door.ts";
import { custodyRoutes } from "./routes/custody.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { approvePage } from "./routes/approve-page.ts";
import { dryRunRoutes } from "./routes/dry-run.ts";
import { moneyRoutes } from "./routes/money.ts";
import { ownerRoutes } from "./routes/owner.ts";
import { publicRoutes } from "./routes/public.ts";
import { purchaseRoutes } from "./routes/purchases.ts";
import { referenceRoutes } from "./routes/reference.ts";
import { ruleRoutes } from "./routes/rules.ts";
import { walletRoutes } from "./routes/wallets.ts";

export type App = (request: Request, door: Door) => Response | Promise<Response>;

function withRoutes(): Hono<DoorEnv> {
  const app = new Hono<DoorEnv>();
  purchaseRoutes(app);
  walletRoutes(app);
  ruleRoutes(app);
  dryRunRoutes(app);
  moneyRoutes(app);
  approvalRoutes(app);
  approvePage(app);
  ownerRoutes(app);
  custodyRoutes(app);
  publicRoutes(app);
  referenceRoutes(app);
  return app;
}

/** Every route, as `GET /v1/wallets/:walletId`, once each: what a test of rights or a description of the API has to cover. */
export function listRoutes(): readonly string[] {
  return [...new Set(withRoutes().routes.map(({ method, path }) => `${method} ${path}`))];
}

/** Built once per isolate; each request brings its own door. */
export function createApp(): App {
  const app = withRoutes();
  refuseOtherMethods(app);
  app.notFound(() => problemResponse("not_found"));
  app.onError((error, c) => {
    // Hono's own refusals: JSON that does not parse, for one.
    if (error instanceof HTTPException && error.status < 500) return problemResponse("invalid_request", "body: Expected JSON");
    return unexpected(error, c.env.door);
  });
  return (request, door) => app.fetch(request, { door });
}

/** The object was reset, overloaded or out of reach: nothing is broken here, and the same request may be sent again. */
function isOutOfReach(error: unknown): boolean {
  return (
    typeof error === "object" &&
    error !== null &&
    ["durableObjectReset", "retryable", "overloaded"].some((flag) => Reflect.get(error, flag) === true)
  );
}

/** @returns `internal` with a request id, under which the log has what may be told */
export function unexpected(error: unknown, door: Pick<Door, "log">): Response {
  const requestId = crypto.randomUUID();
  const outOfReach = isOutOfReach(error);
  door.log(outOfReach ? "object_out_of_reach" : "unexpected_error", {
    requestId,
    name: error instanceof Error ? error.name : typeof error,
    frames: frames(error),
  });
  return outOfReach
    ? problemResponse("control_plane_unavailable", undefined, { requestId })
    : problemResponse("internal", undefined, { requestId });
}

/** The stack without its message. */
function frames(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack
    .split("\n")
    .filter((line) => /^\s+at /u.test(line))
    .slice(0, 8)
    .join("|");
}

/** RFC 9110 section 15.5.6: a known path with another method is a 405 that names the right ones. */
function refuseOtherMethods(app: Hono<DoorEnv>): void {
  const methods = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set();
    methods.set(path, known.add(method));
    if (method === "GET") known.add("HEAD");
  }
  for (const [path, known] of methods) {
    const allow = [...known].toSorted().join(", ");
    app.all(path, () => problemResponse("method_not_allowed", `this route serves ${allow}`, { headers: { allow } }));
  }
}
