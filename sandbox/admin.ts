/**
 * The sandbox's own door, for tests and people in other processes: read the ledger, make things go wrong, let go of what
 * hangs. Loopback only, and only under a loopback Host, so that a web page cannot reach it by rebinding a name.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { isMsat } from "../lightning/msat.ts";
import { isFaultKind, type Fault } from "./faults.ts";
import { readBody, sendJson } from "./http-server.ts";
import type { Ledger } from "./ledger.ts";
import type { SimulatedNode } from "./node.ts";
import type { SellerSeen } from "./gateway.ts";
import { readJsonObject } from "./order-json.ts";

export interface AdminTarget {
  readonly node: SimulatedNode;
  ledger(): Ledger;
  seen(): SellerSeen;
  /** Lets everything go that hangs, in the node and on the wire. @returns how many payments and orders moved */
  release(paymentHash: string | null, as: "settled" | "failed"): number;
  /** Moves the seller's clock forward: credentials age. */
  advance(ms: number): void;
}

type Fields = Readonly<Record<string, unknown>>;
type Reply = { readonly status: number; readonly body: unknown };

const MAX_BODY = 16 * 1024;
const ok = (body: unknown = { ok: true }): Reply => ({ status: 200, body });
const invalid = (detail: string): Reply => ({ status: 400, body: { code: "invalid_request", detail } });

/**
 * `GET /ledger` {node, seller} · `POST /faults` {kind, afterMs?, and one of next: true | paymentHash | route (times?)} ·
 * `DELETE /faults` · `POST /release` {paymentHash?, as?: "settled" | "failed"} · `POST /balance` {balanceMsat} ·
 * `POST /advance` {ms}
 */
export function adminHandler(target: AdminTarget): RequestListener {
  return (request, response) => {
    handle(request, response, target).catch(() => response.destroy());
  };
}

async function handle(request: IncomingMessage, response: ServerResponse, target: AdminTarget): Promise<void> {
  if (!/^(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?$/u.test(request.headers.host ?? ""))
    return sendJson(response, 403, { code: "forbidden", detail: "loopback only" });
  const body = await readBody(request, MAX_BODY);
  if (body === null) return sendJson(response, 413, { code: "request_too_large", detail: `at most ${MAX_BODY} bytes` });
  const reply = act(`${request.method ?? ""} ${request.url ?? ""}`, body.byteLength === 0 ? {} : readJsonObject(body), target);
  sendJson(response, reply.status, reply.body);
}

function act(what: string, fields: Fields | null, target: AdminTarget): Reply {
  if (fields === null) return invalid("the body is not a JSON object");
  switch (what) {
    case "GET /ledger":
      return ok({ node: target.ledger(), seller: target.seen() });
    case "POST /faults":
      return setFault(fields, target);
    case "DELETE /faults":
      target.node.faults.clear();
      return ok();
    case "POST /release": {
      const { paymentHash = null, as = "settled" } = fields;
      if ((paymentHash !== null && typeof paymentHash !== "string") || (as !== "settled" && as !== "failed"))
        return invalid("paymentHash or as");
      return ok({ released: target.release(paymentHash, as) });
    }
    case "POST /balance":
      if (!isMsat(fields["balanceMsat"])) return invalid("balanceMsat");
      target.node.setBalance(fields["balanceMsat"]);
      return ok();
    case "POST /advance":
      if (!isMsat(fields["ms"])) return invalid("ms");
      target.advance(fields["ms"]);
      return ok();
    default:
      return { status: 404, body: { code: "not_found", detail: "no such route" } };
  }
}

function setFault(fields: Fields, { node }: AdminTarget): Reply {
  const { kind, afterMs, next, paymentHash, route, times } = fields;
  if (!isFaultKind(kind)) return invalid("kind");
  if (afterMs !== undefined && !isMsat(afterMs)) return invalid("afterMs");
  if (times !== undefined && !isMsat(times)) return invalid("times");
  const fault: Fault = afterMs === undefined ? { kind } : { kind, afterMs };
  if (next === true) node.faults.forNext(fault);
  else if (typeof paymentHash === "string") node.faults.forHash(paymentHash, fault);
  else if (typeof route === "string") node.faults.forRoute(route, fault, times);
  else return invalid("one of next, paymentHash, route");
  return ok();
}
