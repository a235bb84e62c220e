/**
 * A real Lightning network on loopback: btcd on regtest, a payer and a seller (lnd) with a channel, and Aperture in front of the
 * sandbox's upstream. Real binaries, worthless coins. The payer's address must exist before btcd starts to mine for it, so all
 * three start twice; 450 blocks, because segwit and taproot become active on btcd's regtest only after some hundreds.
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOnLoopback, type Listening } from "../http-server.ts";
import { realPorts } from "../ports.ts";
import { SERVICES, type Service } from "../services.ts";
import { upstreamHandler } from "../upstream.ts";
import { startAperture, type Aperture } from "./aperture.ts";
import { btcd, type Btcd } from "./btcd.ts";
import { buildRegtest, type Binaries } from "./build.ts";
import { holdChildren, type Child, type Children } from "./children.ts";
import { payerConnection } from "./lnd.ts";
import { field } from "./lnd-payment.ts";
import { lndProcess, synced, type LndProcess } from "./lnd-process.ts";
import { base64OfHex, expectOk, text, type LndConnection, type LndRest } from "./lnd-rest.ts";

const BLOCKS = 450;
/** All on the payer's side: it has to afford the dearest route and still show what "too big" is. Below lnd's 16,777,215 sat without wumbo. */
export const CHANNEL_SATS = 16_000_000;

export interface Regtest {
  /** Aperture, `http://127.0.0.1:<port>`. */
  readonly sellerUrl: string;
  readonly upstreamUrl: string;
  readonly aperture: Aperture;
  /** Admin connections, for tests and for what main.ts prints. */
  readonly payer: LndRest;
  readonly seller: LndRest;
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
export async function startRegtest({ dir = tmpdir(), services = SERVICES, onProgress = () => {} }: RegtestOptions = {}): Promise<Regtest> {
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
    const nodes = await startNodes(children, build.binaries, home, stage);
    const [payer, seller] = [nodes.payer.rest(), nodes.seller.rest()];
    open.push(payer, seller);
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
      payerConnection: payerRights,
      startedMs: Math.round(performance.now() - started),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startNodes(
  children: Children,
  binaries: Binaries,
  home: string,
  stage: (what: string) => void,
): Promise<{ payer: LndProcess; seller: LndProcess }> {
  const chain = await btcd(children, binaries.btcd, home);
  let btcdChild = await chain.start(null);
  const payer = await lndProcess("payer", children, binaries.lnd, home, chain);
  const seller = await lndProcess("seller", children, binaries.lnd, home, chain);

  // The seller is started for company: most of a first start is the wallet's key derivation, and there are two cores.
  const first = await Promise.all([payer.start(), seller.start()]);
  const address = text(await expectOk(payer.rest().call("/v1/newaddress")), "address");
  await Promise.all(first.map((child) => child.stop()));
  await btcdChild.stop();
  stage("the payer has an address to mine for");

  btcdChild = await chain.start(address);
  await chain.mine(BLOCKS);
  stage(`${BLOCKS} blocks mined`);

  const [payerChild, sellerChild] = await Promise.all([payer.start(), seller.start()]);
  await Promise.all([payerChild.until("chain", () => synced(payer.rest())), sellerChild.until("chain", () => synced(seller.rest()))]);
  await payerChild.until(
    "funds",
    async () => text(await expectOk(payer.rest().call("/v1/balance/blockchain")), "confirmed_balance") !== "0",
  );
  stage("both nodes are in sync");

  await openChannel(chain, { payer, payerChild, seller, sellerChild });
  stage("the channel is active");
  return { payer, seller };
}

async function openChannel(
  chain: Btcd,
  {
    payer,
    payerChild,
    seller,
    sellerChild,
  }: { readonly payer: LndProcess; readonly payerChild: Child; readonly seller: LndProcess; readonly sellerChild: Child },
): Promise<void> {
  const key = text(await expectOk(seller.rest().call("/v1/getinfo")), "identity_pubkey");
  await expectOk(payer.rest().call("/v1/peers", { addr: { pubkey: key, host: `127.0.0.1:${seller.peerPort}` }, perm: true }));
  const order = { node_pubkey: base64OfHex(key), local_funding_amount: String(CHANNEL_SATS), sat_per_vbyte: "2" };
  // Refused until the two have said hello to each other; asked again, it opens one channel only, since a refusal opens none.
  await payerChild.until("channel opening", async () => (await payer.rest().call("/v1/channels", order)).kind === "ok");
  await chain.mine(3);
  const active = async (node: LndProcess) => {
    const channels = field(await expectOk(node.rest().call("/v1/channels?active_only=true")), "channels");
    return Array.isArray(channels) && channels.length === 1;
  };
  await Promise.all([payerChild.until("active channel", () => active(payer)), sellerChild.until("active channel", () => active(seller))]);
  // Active is not yet usable: the payer's router learns of its own channel a moment later, and until then has "insufficient balance".
  await payerChild.until("route", async () => (await payer.rest().call(`/v1/graph/routes/${key}/1000`)).kind === "ok");
}

const hostOf = (listening: Listening) => `127.0.0.1:${listening.port}`;
