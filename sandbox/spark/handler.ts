/**
 * The hermetic Spark network as one request handler: three operators (gRPC-web under /op0 to /op2) and an SSP (GraphQL under /ssp). It opens no
 * socket and reads no clock of its own, so the same object stands behind a Node server, behind the SDK's in-process fetch hook, and inside a
 * Worker's isolate. Every call passes the same gates: count, faults before, session, work, faults after.
 */
import { SparkFaults, type CallFault } from "./faults.ts";
import { GraphqlError, readRequest, type Fields } from "./graphql.ts";
import { grpcFailure, grpcOk, readFrame, type HttpAnswer } from "./grpc-web.ts";
import type { LightningLeg } from "./lightning-leg.ts";
import type { MintOptions } from "./leaves.ts";
import { Operators } from "./operators.ts";
import { GrpcError, type SparkLedger } from "./operators-port.ts";
import { Sessions } from "./sessions.ts";
import type { SparkSandboxPorts, SspContext } from "./ssp-context.ts";
import { SspRequests } from "./ssp-requests.ts";
import { Ssp } from "./ssp.ts";
import { Webhooks, type WebhookPorts } from "./webhooks.ts";

export type { SparkSandboxPorts } from "./ssp-context.ts";

export interface SparkOptions {
  readonly ports: SparkSandboxPorts;
  readonly leg: LightningLeg;
  /** `light` leaves out the dear checks of signatures: for load, never for proof. */
  readonly checks: "full" | "light";
  /** The SSP's fee for a send: this much, sats (default 1), */
  readonly feeSats?: number;
  /** and parts per million of the amount, rounded up (default 0). */
  readonly feePpm?: number;
  /** How long a session lasts, ms. Default an hour. */
  readonly sessionMs?: number;
  /** How webhooks leave; without it nothing is delivered. */
  readonly deliver?: WebhookPorts["deliver"];
}

export interface SparkRequest {
  readonly path: string;
  readonly authorization: string | null;
  readonly body: Uint8Array;
}

/** The connection breaks: a front closes it, the in-process fetch rejects. */
export class SparkDropped extends Error {
  override readonly name = "SparkDropped";
}

export interface SparkConfig {
  readonly coordinatorIdentifier: string;
  readonly threshold: number;
  readonly operators: readonly {
    readonly id: number;
    readonly identifier: string;
    readonly identityPublicKey: string;
    readonly path: string;
  }[];
  readonly ssp: { readonly identityPublicKey: string; readonly path: string };
}

export interface SparkSandbox {
  /** Rejects with {@link SparkDropped} when the connection must break. */
  handle(request: SparkRequest): Promise<HttpAnswer>;
  /** For the SDK's fetch hook: any origin, the same paths. Rejects as a fetch does. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  readonly config: SparkConfig;
  readonly faults: SparkFaults;
  /**
   * The SSP sends leaves of these values to a wallet, which claims them when it syncs. `refundSequence`: how much timelock is left in them
   * (2000 when new, 100 less with each hop); at 100 the wallet has to renew. `nodeSequence`: the same of its node transaction. @returns the transfer's id
   */
  mint(identity: string, sats: readonly number[], options?: MintOptions): string;
  /** Sats a wallet can spend now, as the operators know it. */
  balance(identity: string): number;
  ledger(): SparkLedger;
  /** Differences in the books; empty when every sat is where it should be. */
  check(): readonly string[];
  /** Calls (`op0:query_nodes`, `ssp:UserRequest`) and checks made (`check:user_shares`). */
  counts(): Record<string, number>;
  /** Forgets the calls counted so far; the checks go on. */
  resetCalls(): void;
  /** All four hosts forget their sessions: the next call of each is unauthenticated. */
  dropSessions(): void;
  /** Runs what is due by the clock: expiry of HTLCs, swaps and held receives. Each call does so too, at most once a second. */
  tick(): void;
  close(): void;
}

const TICK_MS = 1_000;
const UNAUTHENTICATED = 16;
const INTERNAL = 13;
const INVALID = 3;

export function createSpark(options: SparkOptions): SparkSandbox {
  return new Spark(options);
}

class Spark implements SparkSandbox {
  readonly config: SparkConfig;
  readonly faults: SparkFaults;
  readonly #ports: SparkSandboxPorts;
  readonly #operators: Operators;
  readonly #sessions: Sessions;
  readonly #ssp: Ssp;
  readonly #calls = new Map<string, number>();
  readonly #timers = new Set<() => void>();
  #closed = false;
  #tickedAt = Number.NEGATIVE_INFINITY;

  constructor({ ports, leg, checks, feeSats = 1, feePpm = 0, sessionMs = 3_600_000, deliver }: SparkOptions) {
    this.#ports = ports;
    this.#operators = new Operators({ ports, checks });
    this.faults = new SparkFaults(this.#operators.lies);
    this.#sessions = new Sessions(ports, sessionMs);
    const later = this.#later.bind(this);
    const context: SspContext = {
      ports,
      operators: this.#operators,
      leg,
      requests: new SspRequests(),
      faults: this.faults,
      webhooks: new Webhooks({
        now: ports.now,
        uuid: ports.uuid,
        later,
        deliver: deliver ?? (() => Promise.resolve(true)),
      }),
      fee: (amountSats) => this.faults.takeFee() ?? feeSats + Math.ceil((amountSats * feePpm) / 1_000_000),
      later,
      closed: () => this.#closed,
    };
    this.#ssp = new Ssp(context, this.#sessions);
    const operators = this.#operators.identities.map(({ index, identifier, identityPublicKey }) => ({
      id: index,
      identifier,
      identityPublicKey,
      path: `/op${index}`,
    }));
    this.config = {
      coordinatorIdentifier: operators[0]!.identifier,
      threshold: this.#operators.threshold,
      operators,
      ssp: { identityPublicKey: this.#operators.ssp.identityPublicKey, path: "/ssp" },
    };
  }

  async handle({ path, authorization, body }: SparkRequest): Promise<HttpAnswer> {
    if (this.#closed) throw new SparkDropped("the sandbox is closed");
    if (this.#ports.now() - this.#tickedAt >= TICK_MS) this.tick();
    const rpc = /^\/op([0-9])\/(spark[a-z_]*\.[A-Za-z]+)\/([a-z0-9_]{1,80})$/u.exec(path);
    if (rpc !== null) {
      const operator = Number(rpc[1]);
      if (operator >= this.config.operators.length) return json(404, { error: "no such operator" });
      return this.#gate("operators", `op${operator}`, rpc[3]!, operator, () => this.#rpc(operator, rpc[3]!, authorization, body));
    }
    if (path === "/ssp" || path.startsWith("/ssp/")) return this.#graphql(authorization, body);
    return json(404, { error: "not found" });
  }

  async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const { signal } = request;
    const aborted = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason as Error);
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => {});
    const body = new Uint8Array(await request.arrayBuffer());
    const work = this.handle({ path: new URL(request.url).pathname, authorization: request.headers.get("authorization"), body });
    work.catch(() => {});
    let answer: HttpAnswer;
    try {
      answer = await Promise.race([work, aborted]);
    } catch (error) {
      // What a fetch says of a broken connection.
      throw error instanceof SparkDropped ? new TypeError("network connection lost") : error;
    }
    // A copy: a Response may not be made from a view of a shared buffer's type.
    const response = new Response(Uint8Array.from(answer.body), { status: answer.status, headers: answer.headers });
    // reqwest parses response.url and panics on the empty one of a made Response.
    Object.defineProperty(response, "url", { value: request.url });
    return response;
  }

  mint(identity: string, sats: readonly number[], options?: MintOptions): string {
    return this.#operators.mint(identity, sats, options);
  }

  balance(identity: string): number {
    return this.#operators.balance(identity);
  }

  ledger(): SparkLedger {
    return this.#operators.ledger();
  }

  check(): readonly string[] {
    return this.#operators.check();
  }

  counts(): Record<string, number> {
    const counts: Record<string, number> = Object.fromEntries(this.#calls);
    for (const [name, times] of Object.entries(this.#operators.counts())) counts[`check:${name}`] = times;
    return counts;
  }

  resetCalls(): void {
    this.#calls.clear();
  }

  dropSessions(): void {
    this.#sessions.drop();
  }

  tick(): void {
    this.#tickedAt = this.#ports.now();
    this.#operators.tick(this.#tickedAt);
  }

  close(): void {
    this.#closed = true;
    this.#ssp.close();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.faults.release();
  }

  async #graphql(authorization: string | null, body: Uint8Array): Promise<HttpAnswer> {
    const request = readRequest(body);
    if (request === null) return json(400, { error: "not a GraphQL request" });
    const token = authorization?.startsWith("Bearer ") === true ? authorization.slice("Bearer ".length) : null;
    return this.#gate("ssp", "ssp", request.operation, null, async () => {
      try {
        const data = await this.#ssp.handle(request.operation, request.variables, token);
        return data === null ? json(401, { error: "unauthorized" }) : json(200, { data });
      } catch (error) {
        if (!(error instanceof GraphqlError)) throw error;
        return json(200, { data: null, errors: [{ message: error.message }] });
      }
    });
  }

  // eslint-disable-next-line require-await -- a throw must become a rejection
  async #rpc(operator: number, method: string, token: string | null, body: Uint8Array): Promise<HttpAnswer> {
    const host = `op${operator}`;
    try {
      const message = readFrame(body);
      if (message === null) throw new GrpcError(INVALID, "not one uncompressed gRPC-web message");
      if (method === "get_challenge") return grpcOk(this.#operators.getChallenge(operator, message));
      if (method === "verify_challenge") {
        const { token: opened, expiresAt } = this.#sessions.open(host, this.#operators.verifyChallenge(operator, message).identity);
        return grpcOk(this.#operators.encodeSession(opened, expiresAt));
      }
      const identity = this.#sessions.identity(host, token);
      if (identity === null) throw new GrpcError(UNAUTHENTICATED, "no session");
      return grpcOk(this.#operators.call(method, operator, identity, message));
    } catch (error) {
      if (error instanceof GrpcError) return grpcFailure(error);
      throw error;
    }
  }

  /** A bug of the sandbox answers as one: loudly in the counts, and to the client as gRPC Internal or HTTP 500. */
  async #gate(
    side: "operators" | "ssp",
    host: string,
    call: string,
    operator: number | null,
    work: () => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    this.#count(`${host}:${call}`);
    const faults = this.faults.take(side, call, operator);
    for (const fault of faults) if (fault.kind === "delay") await this.#pause(fault.ms);
    for (const fault of faults) {
      const answer = await this.#meet(fault, "before");
      if (answer !== null) return answer;
    }
    let answer: HttpAnswer;
    try {
      answer = await work();
    } catch (error) {
      this.#count(`bug:${host}:${call}`);
      const message = error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
      answer = side === "operators" ? grpcFailure({ code: INTERNAL, message }) : json(500, { error: message });
    }
    for (const fault of faults) {
      const lost = await this.#meet(fault, "after");
      if (lost !== null) return lost;
    }
    return answer;
  }

  async #meet(fault: CallFault, now: "before" | "after"): Promise<HttpAnswer | null> {
    if (fault.kind === "delay" || fault.when !== now) return null;
    switch (fault.kind) {
      case "hang":
        return this.faults.hang(() => new SparkDropped("released"));
      case "drop":
        throw new SparkDropped("dropped on demand");
      case "grpc_error":
        return grpcFailure({ code: fault.code, message: fault.message ?? `injected ${now} the work` });
      case "http_error":
        return json(fault.status, { error: `injected ${now} the work` });
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#later(ms, resolve));
  }

  #later(ms: number, job: () => void): void {
    if (this.#closed) return;
    const cancel = this.#ports.timer(ms, () => {
      this.#timers.delete(cancel);
      job();
    });
    this.#timers.add(cancel);
  }

  #count(name: string): void {
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1);
  }
}

function json(status: number, value: Fields): HttpAnswer {
  return { status, headers: { "content-type": "application/json" }, body: new TextEncoder().encode(JSON.stringify(value)) };
}
