/**
 * The outside world on one machine: a seller (L402 gateway), a Lightning node, an executor and, where asked for, a Spark network whose SSP
 * pays with that same node. All in one process, each server on its own loopback port. No real money moves; invoices and signatures are real.
 */
import { ZERO, sats, type Msat } from "../lightning/msat.ts";
import { adminHandler } from "./admin.ts";
import { startExecutor } from "./executor-http.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { headerLines, listenOnLoopback, readBody, sendResponse } from "./http-server.ts";
import type { Ledger } from "./ledger.ts";
import { SimulatedNode } from "./node.ts";
import { realPorts, seededRandom, type SandboxPorts } from "./ports.ts";
import type { SparkChecks, SparkWorld } from "./spark-world.ts";

export interface SandboxOptions {
  /** The seller's port; 0 or left out for a free one. */
  readonly port?: number;
  readonly executorPort?: number;
  readonly adminPort?: number;
  readonly network?: "regtest";
  /** The same seed gives the same keys, tokens and preimages. Left out: real randomness. */
  readonly seed?: string;
  /** How long a payment is in flight, ms. */
  readonly latencyMs?: number;
  /** Default 10,000,000 sat. */
  readonly balanceMsat?: Msat;
  /** Default 0.1 sat. */
  readonly feeBaseMsat?: Msat;
  /** Default 500. */
  readonly feePpm?: number;
  /** `false`: dummy signatures, many more challenges per second. */
  readonly signInvoices?: boolean;
  /** The executor answers `pending` after this many ms. */
  readonly answerWithinMs?: number;
  readonly executorToken?: string;
  /** A Spark network too, whose SSP's Lightning node is this sandbox's. */
  readonly spark?: { readonly checks: SparkChecks; readonly port?: number };
}

/** What the simulated world and the regtest one have in common. */
export interface PaymentWorld {
  readonly sellerUrl: string;
  readonly executorUrl: string;
  readonly executorToken: string;
  /** null where none was asked for. */
  readonly spark: SparkWorld | null;
  /** What the payer's node did: the executor's, and the SSP's. */
  ledger(): Promise<Ledger>;
  close(): Promise<void>;
}

export interface Sandbox extends PaymentWorld {
  readonly adminUrl: string;
  readonly node: SimulatedNode;
  readonly gateway: Gateway;
  /** Lets everything go that hangs: payments in flight, withheld proofs, orders held back by the wire. */
  release(paymentHash?: string | null, as?: "settled" | "failed"): number;
  /** Moves the seller's clock forward: credentials age, invoices and orders do not. */
  advance(ms: number): void;
}

const MAX_SELLER_BODY = 4 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** @throws the listen error (`EADDRINUSE`), with nothing left open */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const ports = realPorts(options.seed === undefined ? undefined : seededRandom(options.seed));
  let skew = 0;
  const sellersPorts: SandboxPorts = { ...ports, now: () => ports.now() + skew };
  const node = new SimulatedNode(ports, {
    network: options.network ?? "regtest",
    balanceMsat: options.balanceMsat ?? sats(10_000_000),
    feeBaseMsat: options.feeBaseMsat ?? (100 as Msat),
    feePpm: options.feePpm ?? 500,
    latencyMs: options.latencyMs ?? ZERO,
    signInvoices: options.signInvoices ?? true,
  });
  const gateway = createGateway(node, sellersPorts);
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => void (await Promise.all(open.splice(0).map((server) => server.close())));
  try {
    const seller = await listenOnLoopback((request, response) => {
      const answer = async (): Promise<void> => {
        const body = request.method === "GET" || request.method === "HEAD" ? NOTHING : await readBody(request, MAX_SELLER_BODY);
        if (body === null) {
          response.writeHead(413, { connection: "close" }).end();
          return;
        }
        const remoteAddress = request.socket.remoteAddress ?? "";
        await sendResponse(
          response,
          await gateway.handle({
            method: request.method ?? "GET",
            url: request.url ?? "/",
            headers: headerLines(request),
            body,
            remoteAddress,
          }),
        );
      };
      answer().catch(() => response.destroy());
    }, options.port ?? 0);
    open.push(seller);
    const executor = await startExecutor({
      node,
      ports,
      port: options.executorPort ?? 0,
      takeFault: (paymentHash) => node.faults.take("wire", paymentHash, node.routeOf(paymentHash)),
      version: "sandbox",
      ...(options.executorToken === undefined ? {} : { token: options.executorToken }),
      ...(options.answerWithinMs === undefined ? {} : { answerWithinMs: options.answerWithinMs }),
    });
    open.push(executor);
    const release = (paymentHash: string | null = null, as: "settled" | "failed" = "settled"): number =>
      executor.deliver(paymentHash) + node.release(paymentHash, as);
    const advance = (ms: number): void => {
      skew += ms;
    };
    const admin = await listenOnLoopback(
      adminHandler({ node, ledger: () => node.ledger(), seen: () => gateway.seen(), release, advance }),
      options.adminPort ?? 0,
    );
    open.push(admin);
    const spark = options.spark === undefined ? null : await sparkOver(node, ports, options.spark);
    if (spark !== null) open.push(spark);
    return {
      sellerUrl: seller.url,
      executorUrl: executor.url,
      executorToken: executor.token,
      adminUrl: admin.url,
      spark,
      node,
      gateway,
      ledger: () => Promise.resolve(node.ledger()),
      release,
      advance,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Loaded only where it is wanted: the curve's arithmetic is most of what it weighs. */
async function sparkOver(
  node: SimulatedNode,
  ports: SandboxPorts,
  options: { readonly checks: SparkChecks; readonly port?: number },
): Promise<SparkWorld> {
  const [{ startSparkWorld }, { SimulatedLeg }] = await Promise.all([import("./spark-world.ts"), import("./spark/simulated-leg.ts")]);
  const leg = new SimulatedLeg(node, ports);
  return startSparkWorld({ ports, leg, payInvoice: (bolt11, amountSats) => leg.payInvoice(bolt11, amountSats), ...options });
}
