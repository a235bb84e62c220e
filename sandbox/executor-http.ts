/**
 * The executor's door: the wire protocol of docs/executor.md over any {@link LightningNode}, on loopback. In the sandbox the
 * wire breaks on demand (wire.ts); here that is a destroyed connection, or a whole second answer down the same one.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { OperationRef, PaymentOrder, PaymentOutcome } from "../lightning/payer.ts";
import { createExecutor, type Executor, type ExecutorOptions, type OperationConflict } from "./executor.ts";
import type { Fault } from "./faults.ts";
import { listenOnLoopback, readBody, sendJson, type Listening } from "./http-server.ts";
import type { LightningNode } from "./lightning-node.ts";
import { readInvoiceOrder, readJsonObject, readOperationRef, readOrder, type Parsed } from "./order-json.ts";
import { realPorts, type SandboxPorts } from "./ports.ts";
import { createWire } from "./wire.ts";

export interface ExecutorServerOptions extends ExecutorOptions {
  readonly node: LightningNode;
  /** 0 or left out: a free port. */
  readonly port?: number;
  /** The bearer token; a random one when left out. */
  readonly token?: string;
  readonly ports?: SandboxPorts;
  /** The fault that the wire must act out for a payment order seen for the first time. */
  readonly takeFault?: (paymentHash: string) => Fault | null;
}

export interface ExecutorServer extends Listening {
  readonly token: string;
  readonly executor: Executor;
  /** Lets orders arrive that the wire has held back. @param paymentHash null for all @returns how many */
  deliver(paymentHash: string | null): number;
}

const MAX_BODY = 64 * 1024;

/** @throws the listen error (`EADDRINUSE`) */
export async function startExecutor(options: ExecutorServerOptions): Promise<ExecutorServer> {
  const ports = options.ports ?? realPorts();
  const token = options.token ?? Buffer.from(ports.random(32)).toString("base64url");
  const tokenDigest = digest(`Bearer ${token}`);
  const executor = createExecutor(options.node, ports, options);
  const wire = createWire(executor, ports, options.takeFault ?? (() => null));

  async function pay(order: PaymentOrder, response: ServerResponse): Promise<void> {
    const heard = await wire.pay(order);
    if (heard.kind === "nothing") {
      response.destroy();
      return;
    }
    if (heard.times === 2) response.once("finish", () => response.req.socket.write(rawAnswer(answerOf(heard.outcome, order))));
    answer(response, heard.outcome, order);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const presented = request.headers.authorization ?? "";
    if (!timingSafeEqual(digest(presented), tokenDigest)) return refuse(response, 401, "unauthorized", "no valid bearer token");
    const path = (request.url ?? "/").split("?", 1)[0];
    const method = path === "/v1/status" ? "GET" : "POST";
    if (path !== "/v1/status" && path !== "/v1/pay" && path !== "/v1/lookup" && path !== "/v1/cancel" && path !== "/v1/invoice")
      return refuse(response, 404, "not_found", "no such route");
    if (request.method !== method) return refuse(response, 405, "method_not_allowed", `use ${method}`, { allow: method });
    if (path === "/v1/status") return sendJson(response, 200, await executor.status());
    const body = await readBody(request, MAX_BODY);
    if (body === null) return refuse(response, 413, "request_too_large", `at most ${MAX_BODY} bytes`, { connection: "close" });
    const fields = readJsonObject(body);
    if (fields === null) return refuse(response, 400, "invalid_request", "the body is not a JSON object");
    switch (path) {
      case "/v1/pay":
        return withParsed(response, readOrder(fields), (order) => pay(order, response));
      case "/v1/lookup":
        return withParsed(response, readOperationRef(fields), async (operation) =>
          answer(response, await executor.lookup(operation), operation),
        );
      case "/v1/cancel":
        return withParsed(response, readOperationRef(fields), async (operation) => {
          sendJson(response, 200, { kind: await executor.cancel(operation), operationId: operation.operationId });
        });
      case "/v1/invoice":
        return withParsed(response, readInvoiceOrder(fields), async (order) => {
          const made = await executor.invoice(order);
          if (made === null) refuse(response, 503, "node_unreachable", "the node made no invoice");
          else sendJson(response, 200, { bolt11: made.bolt11 });
        });
    }
  }

  const listening = await listenOnLoopback((request, response) => {
    handle(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, "internal", "the executor is broken");
    });
  }, options.port ?? 0);
  return {
    ...listening,
    token,
    executor,
    deliver: (paymentHash) => wire.deliver(paymentHash),
    async close() {
      wire.close();
      await listening.close();
    },
  };
}

async function withParsed<T>(response: ServerResponse, parsed: Parsed<T>, then: (value: T) => Promise<void>): Promise<void> {
  if (parsed.ok) await then(parsed.value);
  else refuse(response, 400, "invalid_request", `field ${parsed.field} is missing or malformed`);
}

/** The operation's id stands in every answer: a client can tell an answer that belongs to another request. */
function answerOf(outcome: PaymentOutcome | OperationConflict, operation: Pick<OperationRef, "operationId">): object {
  return { ...outcome, operationId: operation.operationId };
}

function answer(response: ServerResponse, outcome: PaymentOutcome | OperationConflict, operation: Pick<OperationRef, "operationId">): void {
  if (outcome.kind === "operation_conflict") refuse(response, 409, "operation_conflict", "this operation id belongs to another order");
  else sendJson(response, 200, answerOf(outcome, operation));
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(response, status, { code, detail }, headers);
}

/** A whole second response, as a broken proxy would send it down the same connection. */
function rawAnswer(value: object): string {
  const body = JSON.stringify(value);
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Digests have one length, so that a comparison in constant time is possible. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
