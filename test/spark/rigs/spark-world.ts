/**
 * One hermetic Spark network and the sellers behind it, in this process: operators, SSP, the Lightning node that pays for it. Requests come in
 * by {@link SparkWorld.fetch}, are counted, and meet `onRequest` first: there a test loses them, loses their answers, or ends the payer's life.
 */
import { randomUUID } from "node:crypto";
import type { SparkSettings } from "../../../durable-objects/spark/ports.ts";
import { sats } from "../../../lightning/msat.ts";
import { SimulatedNode } from "../../../sandbox/node.ts";
import { realPorts } from "../../../sandbox/ports.ts";
import { createSpark, type SparkSandbox } from "../../../sandbox/spark/handler.ts";
import { SimulatedLeg } from "../../../sandbox/spark/simulated-leg.ts";

/** Nothing listens there: requests end in {@link SparkWorld.fetch}. */
const BASE = "http://127.0.0.1:1";

/** What becomes of one request. */
export type Fate =
  | "pass"
  /** It never arrives. */
  | "lose_request"
  /** It arrives, and its answer does not. */
  | "lose_reply";

export interface SparkWorldOptions {
  readonly checks: "full" | "light";
}

export class SparkWorld {
  readonly node: SimulatedNode;
  readonly sandbox: SparkSandbox;
  readonly settings: SparkSettings;
  /** Calls so far, `query_nodes` or `RequestLightningSend`. */
  readonly calls: string[] = [];
  onRequest: (call: string, request: Request) => Fate = () => "pass";
  /** What the answer to this call waits for; null: nothing. */
  onHeld: (call: string) => Promise<void> | null = () => null;
  /** The answer to this call is a made Response without a `url`: reqwest parses that, and panics on the empty one. */
  onUrl: (call: string) => "whole" | "missing" = () => "whole";
  /** Replaces an answer on its way back; null leaves it. */
  onReply: (call: string, text: string) => string | null = () => null;
  /** Milliseconds by which the network's clock is ahead of the machine's. */
  ahead = 0;

  constructor({ checks }: SparkWorldOptions) {
    const real = realPorts();
    const ports = { ...real, now: () => real.now() + this.ahead };
    this.node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1_000_000_000) });
    const leg = new SimulatedLeg(this.node, ports);
    this.sandbox = createSpark({ ports: { ...ports, uuid: randomUUID }, leg, checks });
    this.settings = settingsOf(this.sandbox, BASE);
  }

  async fetch(request: Request): Promise<Response> {
    const call = await nameOf(request);
    this.calls.push(call);
    const fate = this.onRequest(call, request);
    if (fate === "lose_request") throw new TypeError("network connection lost");
    const response = await this.sandbox.fetch(request);
    await this.onHeld(call);
    if (fate === "lose_reply") throw new TypeError("network connection lost");
    if (this.onUrl(call) === "missing") return new Response(await response.arrayBuffer(), response);
    const text = call.startsWith("op") ? null : this.onReply(call, await response.clone().text());
    return text === null ? response : withUrl(new Response(text, { status: response.status, headers: response.headers }), request.url);
  }

  invoice(amountSats: number): { readonly bolt11: string; readonly paymentHash: string } {
    return this.node.createInvoice({ amountMsat: sats(amountSats), description: "a test's invoice" });
  }

  /** Times money left the Lightning node for this hash. */
  settlements(paymentHash: string): number {
    return this.node.ledger().payments.find((payment) => payment.paymentHash === paymentHash)?.settlements ?? 0;
  }

  close(): void {
    this.sandbox.close();
  }
}

/** @param base where a front of the sandbox listens */
export function settingsOf({ config }: Pick<SparkSandbox, "config">, base: string): SparkSettings {
  return {
    network: "regtest",
    apiKey: null,
    operators: {
      coordinator: config.coordinatorIdentifier,
      threshold: config.threshold,
      operators: config.operators.map(({ id, identifier, identityPublicKey, path }) => ({
        id,
        identifier,
        identityPublicKey,
        address: `${base}${path}`,
      })),
      ssp: {
        baseUrl: `${base}${config.ssp.path}`,
        identityPublicKey: config.ssp.identityPublicKey,
        schemaEndpoint: "graphql/spark/rc",
      },
    },
  };
}

/** `op0:query_nodes`, or the SSP's operation. */
async function nameOf(request: Request): Promise<string> {
  const rpc = /\/(op[0-9])\/[^/]+\/([a-z0-9_]+)$/u.exec(new URL(request.url).pathname);
  if (rpc !== null) return `${rpc[1]}:${rpc[2]}`;
  const body = (await request.clone().json()) as { readonly operationName?: string };
  return body.operationName ?? "unnamed";
}

/** reqwest parses `response.url` and panics on the empty one of a made Response. */
export function withUrl(response: Response, url: string): Response {
  Object.defineProperty(response, "url", { value: url });
  return response;
}
