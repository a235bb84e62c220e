/**
 * The Spark network on a loopback port, for wallets in another process (workerd, above all), and a door for their tests under /admin. The door
 * needs a bearer token and a loopback Host, so that neither a web page nor the wallet's own code can open it by accident. The only file here
 * that knows node:http.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { equalHex } from "../../lightning/constant-time.ts";
import { listenOnLoopback, readBody, sendJson } from "../http-server.ts";
import { isLie, type CallFault, type FaultRule, type PayMode } from "./faults.ts";
import { isFields, type Fields } from "./graphql.ts";
import { SparkDropped, type SparkSandbox } from "./handler.ts";
import type { OutsidePayment } from "./simulated-leg.ts";

export interface SparkHttp {
  /** `http://127.0.0.1:<port>`: operators and SSP stand under the paths of {@link SparkSandbox.config}. */
  readonly url: string;
  /** `<url>/admin` */
  readonly adminUrl: string;
  readonly adminToken: string;
  close(): Promise<void>;
}

export interface SparkHttpOptions {
  /** How a stranger pays a wallet's invoice: `POST /admin/pay`. */
  readonly payInvoice?: (bolt11: string, amountSats?: number) => Promise<OutsidePayment>;
}

/** A claim of some hundred leaves is a message of megabytes. */
const MAX_BODY = 32 * 1024 * 1024;
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?$/u;

/** @throws the listen error (`EADDRINUSE`). Closing the front leaves the sandbox as it is. */
export async function startSparkHttp(sandbox: SparkSandbox, port = 0, options: SparkHttpOptions = {}): Promise<SparkHttp> {
  const adminToken = randomBytes(32).toString("hex");
  const server = await listenOnLoopback((request, response) => {
    const serve = request.url?.startsWith("/admin") === true ? admin : network;
    serve({ request, response, sandbox, options, adminToken }).catch(() => response.destroy());
  }, port);
  return { url: server.url, adminUrl: `${server.url}/admin`, adminToken, close: server.close };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly sandbox: SparkSandbox;
  readonly options: SparkHttpOptions;
  readonly adminToken: string;
}

async function network({ request, response, sandbox }: Exchange): Promise<void> {
  const body = await readBody(request, MAX_BODY);
  if (body === null) return void response.writeHead(413, { connection: "close" }).end();
  try {
    const answer = await sandbox.handle({
      path: new URL(request.url ?? "/", "http://sandbox.invalid").pathname,
      authorization: request.headers.authorization ?? null,
      body,
    });
    response.writeHead(answer.status, { ...answer.headers, "content-length": answer.body.byteLength }).end(answer.body);
  } catch (error) {
    if (!(error instanceof SparkDropped)) throw error;
    request.socket.destroy();
  }
}

type Reply = { readonly status: number; readonly body: unknown };
const ok = (body: unknown = { ok: true }): Reply => ({ status: 200, body });
const invalid = (detail: string): Reply => ({ status: 400, body: { code: "invalid_request", detail } });

/**
 * `GET /admin/state` {config, ledger, differences, counts} · `POST /admin/mint` {identity, sats: []} · `POST /admin/pay` {bolt11, amountSats?} ·
 * `POST /admin/faults` a {@link FaultRule} · `POST /admin/ssp` {payMode?, slowMs?, fees?: [], lies?: []} · `DELETE /admin/faults` ·
 * `POST /admin/release` · `POST /admin/drop-sessions` · `POST /admin/tick` · `POST /admin/reset-calls`
 */
async function admin({ request, response, sandbox, options, adminToken }: Exchange): Promise<void> {
  const token = /^Bearer ([0-9a-f]{64})$/u.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (!LOOPBACK.test(request.headers.host ?? "") || !equalHex(token, adminToken))
    return sendJson(response, 403, { code: "forbidden", detail: "a loopback host and the admin token are needed" });
  const body = await readBody(request, MAX_BODY);
  if (body === null) return sendJson(response, 413, { code: "request_too_large", detail: "too large" });
  const fields = readFields(body);
  const reply = fields === null ? invalid("the body is not a JSON object") : await act(request, fields, sandbox, options);
  sendJson(response, reply.status, reply.body);
}

async function act(request: IncomingMessage, fields: Fields, sandbox: SparkSandbox, { payInvoice }: SparkHttpOptions): Promise<Reply> {
  switch (`${request.method ?? ""} ${request.url ?? ""}`) {
    case "GET /admin/state":
      return ok({ config: sandbox.config, ledger: sandbox.ledger(), differences: sandbox.check(), counts: sandbox.counts() });
    case "POST /admin/mint": {
      const { identity, sats } = fields;
      if (typeof identity !== "string" || !/^0[23][0-9a-f]{64}$/u.test(identity)) return invalid("identity");
      if (!Array.isArray(sats) || sats.length === 0 || !sats.every((value) => isCount(value) && value > 0)) return invalid("sats");
      return ok({ transferId: sandbox.mint(identity, sats as number[]) });
    }
    case "POST /admin/pay": {
      const { bolt11, amountSats = 0 } = fields;
      if (typeof bolt11 !== "string" || !isCount(amountSats)) return invalid("bolt11 or amountSats");
      if (payInvoice === undefined) return { status: 404, body: { code: "not_found", detail: "this network has no outside payer" } };
      const { kind, ...rest } = await payInvoice(bolt11, amountSats);
      // The preimage is the stranger's proof, and no business of a test's log.
      return ok("code" in rest ? { kind, code: rest.code } : { kind });
    }
    case "POST /admin/faults": {
      const rule = readRule(fields);
      if (typeof rule === "string") return invalid(rule);
      sandbox.faults.add(rule);
      return ok();
    }
    case "DELETE /admin/faults":
      sandbox.faults.clear();
      return ok();
    case "POST /admin/release":
      sandbox.faults.release();
      return ok();
    case "POST /admin/ssp":
      return setSsp(fields, sandbox);
    case "POST /admin/drop-sessions":
      sandbox.dropSessions();
      return ok();
    case "POST /admin/tick":
      sandbox.tick();
      return ok();
    case "POST /admin/reset-calls":
      sandbox.resetCalls();
      return ok();
    default:
      return { status: 404, body: { code: "not_found", detail: "no such route" } };
  }
}

function setSsp(fields: Fields, { faults }: SparkSandbox): Reply {
  const { payMode, slowMs, fees = [], lies = [] } = fields;
  if (payMode !== undefined && !isPayMode(payMode)) return invalid("payMode");
  if (slowMs !== undefined && !isCount(slowMs)) return invalid("slowMs");
  if (!Array.isArray(fees) || !fees.every(isCount)) return invalid("fees");
  if (!Array.isArray(lies) || !lies.every(isLie)) return invalid("lies");
  if (payMode !== undefined) faults.payMode = payMode;
  if (slowMs !== undefined) faults.slowMs = slowMs;
  faults.nextFees(...fees);
  for (const lie of lies) faults.lie(lie);
  return ok();
}

/** @returns the rule, or what is wrong with it */
function readRule({ side, call, times, operator, ...rest }: Fields): FaultRule | string {
  if (side !== "operators" && side !== "ssp") return "side";
  if (typeof call !== "string" || !/^(?:\*|[A-Za-z0-9_]{1,80})$/u.test(call)) return "call";
  if (times !== undefined && !isCount(times)) return "times";
  if (operator !== undefined && !isCount(operator)) return "operator";
  const fault = readFault(isFields(rest["fault"]) ? rest["fault"] : {});
  if (typeof fault === "string") return fault;
  return { side, call, fault, ...(times === undefined ? {} : { times }), ...(operator === undefined ? {} : { operator }) };
}

function readFault({ kind, when, ms, code, status }: Fields): CallFault | string {
  if (kind === "delay") return isCount(ms) ? { kind, ms } : "fault.ms";
  if (when !== "before" && when !== "after") return "fault.when";
  switch (kind) {
    case "hang":
    case "drop":
      return { kind, when };
    case "grpc_error":
      return isCount(code) && code > 0 && code <= 16 ? { kind, when, code } : "fault.code";
    case "http_error":
      return isCount(status) && status >= 400 && status <= 599 ? { kind, when, status } : "fault.status";
    default:
      return "fault.kind";
  }
}

const PAY_MODES: Readonly<Record<PayMode, true>> = { ok: true, fail: true, hang: true, slow: true };

function isPayMode(value: unknown): value is PayMode {
  return typeof value === "string" && Object.hasOwn(PAY_MODES, value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function readFields(body: Uint8Array): Fields | null {
  if (body.byteLength === 0) return {};
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    return isFields(parsed) ? parsed : null;
  } catch {
    return null;
  }
}
