/**
 * A real Lightning network on loopback: btcd on regtest, a payer and a seller (lnd) with a channel or with a router between them, and
 * Aperture in front of the sandbox's upstream. Real binaries, worthless coins. An address must exist before btcd starts to mine for it, so
 * all nodes and the chain start twice.
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOnLoopback, type Listening } from "../http-server.ts";
import { realPorts } from "../ports.ts";
import { SERVICES, type Service } from "../services.ts";
import { upstreamHandler } from "../upstream.ts";
import { startAperture, type Aperture } from "./aperture.ts";
import { btcd } from "./btcd.ts";
import { buildRegtest } from "./build.ts";
import { holdChildren } from "./children.ts";
import { payerConnection } from "./lnd.ts";
import type { LndConnection, LndRest } from "./lnd-rest.ts";
import { startNodes, type Topology } from "./nodes.ts";

export interface Regtest {
  /** Aperture, `http://127.0.0.1:<port>`. */
  readonly sellerUrl: string;
  readonly upstreamUrl: string;
  readonly aperture: Aperture;
  /** Admin connections, for tests and for what main.ts prints. */
  readonly payer: LndRest;
  readonly seller: LndRest;
  /** The node between them, which can pay both; null in a direct network. */
  readonly router: LndRest | null;
  /** The payer again, with a macaroon that can send, track and read the balance, and nothing else: what an executor gets. */
  readonly payerConnection: LndConnection;
  /** How long the start took, build not counted. */
  readonly startedMs: number;
  /** Ends every process and removes the folder. */
  close(): Promise<void>;
}

export interface RegtestOptions {
  /** A folder to put the network's own folder in; default is the system's temporary one. */
  readonly dir?: string;
  readonly services?: readonly Service[];
  /** Default `direct`: about 8 s. `routed` has a third node and takes longer. */
  readonly topology?: Topology;
  /** One line per stage, without a prefix. */
  readonly onProgress?: (line: string) => void;
}

/** Go is missing or too old, or the build failed: a reason to skip, not a bug. `message` is one line. */
export class RegtestUnavailable extends Error {
  override readonly name = "RegtestUnavailable";
}

/**
 * Builds what is not built, then starts everything: about 8 s with a warm cache.
 * @throws RegtestUnavailable when the binaries cannot be had
 * @throws Error one sentence and the tail of the log of the program that failed; nothing is left running
 */
export async function startRegtest({
  dir = tmpdir(),
  services = SERVICES,
  topology = "direct",
  onProgress = () => {},
}: RegtestOptions = {}): Promise<Regtest> {
  const build = await buildRegtest(onProgress);
  if (build.kind === "unavailable") throw new RegtestUnavailable(build.reason);

  const started = performance.now();
  const stage = (what: string) => onProgress(`${((performance.now() - started) / 1000).toFixed(1)} s ${what}`);
  mkdirSync(dir, { recursive: true });
  const home = mkdtempSync(join(dir, "lightning-worker-regtest-"));
  const children = holdChildren(home);
  const open: { close(): void | Promise<void> }[] = [];
  const close = async () => {
    for (const resource of open) await resource.close();
    await children.close();
  };
  try {
    const upstream = await listenOnLoopback(upstreamHandler(realPorts()));
    open.push(upstream);
    const chain = await btcd(children, build.binaries.btcd, home);
    const nodes = await startNodes(topology, { children, chain, lnd: build.binaries.lnd, dir: home }, stage);
    const [payer, seller, router] = [nodes.payer.rest(), nodes.seller.rest(), nodes.router?.rest() ?? null];
    open.push(payer, seller, ...(router === null ? [] : [router]));
    const aperture = await startAperture(children, build.binaries.aperture, home, {
      seller: nodes.seller,
      upstream: hostOf(upstream),
      services,
    });
    stage("Aperture serves");
    const payerRights = await payerConnection(payer);
    return {
      sellerUrl: aperture.url,
      upstreamUrl: upstream.url,
      aperture,
      payer,
      seller,
      router,
      payerConnection: payerRights,
      startedMs: Math.round(performance.now() - started),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const hostOf = (listening: Listening) => `127.0.0.1:${listening.port}`;
