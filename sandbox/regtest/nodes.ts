/**
 * The Lightning nodes of a network and the channels between them. `direct`: payer and seller share a channel, the quickest start. `routed`:
 * a router stands between, which takes a fee as strangers do, and holds coins on its side of the payer's channel, so that it can also pay in.
 * One node owns all coins and opens every channel: only one address can be mined for, and it must exist before btcd starts to mine.
 */
import type { Btcd } from "./btcd.ts";
import type { Child, Children } from "./children.ts";
import { field } from "./lnd-payment.ts";
import { lndProcess, synced, type LndProcess } from "./lnd-process.ts";
import { base64OfHex, expectOk, text } from "./lnd-rest.ts";

/** Segwit and taproot become active on btcd's regtest only after some hundreds. */
const BLOCKS = 450;
/** Below lnd's 16,777,215 sat without wumbo. */
export const CHANNEL_SATS = 16_000_000;
/** Of the channel between router and payer, what the payer begins with; the rest is the router's, to pay in with. */
export const PAYER_SATS = 10_000_000;

export type Topology = "direct" | "routed";
export type NodeName = "payer" | "router" | "seller";

interface Plan {
  readonly nodes: readonly NodeName[];
  /** Has all coins, and opens all channels. */
  readonly miner: NodeName;
  readonly channels: readonly { readonly to: NodeName; readonly pushSats: number }[];
  /** A channel is used by its two ends after the first confirmation, and told to others after the sixth (BOLT 7). */
  readonly confirmations: number;
  /** Who has to find a way to whom before the network is ready. */
  readonly routes: readonly { readonly from: NodeName; readonly to: NodeName }[];
}

const PLANS: Readonly<Record<Topology, Plan>> = {
  direct: {
    nodes: ["payer", "seller"],
    miner: "payer",
    // All on the payer's side: it has to afford the dearest route and still show what "too big" is.
    channels: [{ to: "seller", pushSats: 0 }],
    confirmations: 3,
    routes: [{ from: "payer", to: "seller" }],
  },
  routed: {
    nodes: ["payer", "router", "seller"],
    miner: "router",
    channels: [
      { to: "payer", pushSats: PAYER_SATS },
      { to: "seller", pushSats: 0 },
    ],
    confirmations: 7,
    routes: [
      { from: "payer", to: "seller" },
      { from: "router", to: "payer" },
    ],
  },
};

export interface Nodes {
  readonly payer: LndProcess;
  readonly seller: LndProcess;
  /** null in a direct network. */
  readonly router: LndProcess | null;
}

interface Started {
  readonly node: LndProcess;
  readonly child: Child;
}

/** @throws Error one sentence and the tail of the log of the program that failed */
export async function startNodes(
  topology: Topology,
  { children, chain, lnd, dir }: { readonly children: Children; readonly chain: Btcd; readonly lnd: string; readonly dir: string },
  stage: (what: string) => void,
): Promise<Nodes> {
  const plan = PLANS[topology];
  const nodes = new Map<NodeName, LndProcess>();
  for (const name of plan.nodes) nodes.set(name, await lndProcess(name, children, lnd, dir, chain));
  let btcdChild = await chain.start(null);

  // The others are started for company: most of a first start is the wallet's key derivation, and there are two cores.
  const first = await startAll(nodes);
  const address = text(await expectOk(of(first, plan.miner).node.rest().call("/v1/newaddress")), "address");
  await Promise.all([...first.values()].map(({ child }) => child.stop()));
  await btcdChild.stop();
  stage(`the ${plan.miner} has an address to mine for`);

  btcdChild = await chain.start(address);
  await chain.mine(BLOCKS);
  stage(`${BLOCKS} blocks mined`);

  const running = await startAll(nodes);
  await Promise.all([...running.values()].map(({ node, child }) => child.until("chain", () => synced(node.rest()))));
  const miner = of(running, plan.miner);
  const balance = () => expectOk(miner.node.rest().call("/v1/balance/blockchain"));
  await miner.child.until("funds", async () => text(await balance(), "confirmed_balance") !== "0");
  stage(`${running.size === 2 ? "both" : `all ${running.size}`} nodes are in sync`);

  await openChannels(chain, plan, running);
  stage(plan.channels.length === 1 ? "the channel is active" : "the channels are active, and known to all");
  return { payer: of(running, "payer").node, seller: of(running, "seller").node, router: running.get("router")?.node ?? null };
}

async function startAll(nodes: ReadonlyMap<NodeName, LndProcess>): Promise<Map<NodeName, Started>> {
  const started = [...nodes].map(async ([name, node]) => [name, { node, child: await node.start() }] as const);
  return new Map(await Promise.all(started));
}

function of(nodes: ReadonlyMap<NodeName, Started>, name: NodeName): Started {
  const found = nodes.get(name);
  if (found === undefined) throw new Error(`this network has no ${name}`);
  return found;
}

async function openChannels(chain: Btcd, plan: Plan, running: ReadonlyMap<NodeName, Started>): Promise<void> {
  const miner = of(running, plan.miner);
  // One after another: each spends change of the one before, which one wallet must not choose twice.
  for (const { to, pushSats } of plan.channels) {
    const peer = of(running, to).node;
    const key = await keyOf(peer);
    await expectOk(miner.node.rest().call("/v1/peers", { addr: { pubkey: key, host: `127.0.0.1:${peer.peerPort}` }, perm: true }));
    const order = {
      node_pubkey: base64OfHex(key),
      local_funding_amount: String(CHANNEL_SATS),
      push_sat: String(pushSats),
      sat_per_vbyte: "2",
    };
    // Refused until the two have said hello to each other; asked again, it opens one channel only, since a refusal opens none.
    await miner.child.until("channel opening", async () => (await miner.node.rest().call("/v1/channels", order)).kind === "ok");
  }
  await chain.mine(plan.confirmations);

  const count = (name: NodeName): number =>
    name === plan.miner ? plan.channels.length : plan.channels.filter(({ to }) => to === name).length;
  const active = async (name: NodeName, node: LndProcess): Promise<boolean> => {
    const channels = field(await expectOk(node.rest().call("/v1/channels?active_only=true")), "channels");
    return Array.isArray(channels) && channels.length === count(name);
  };
  await Promise.all([...running].map(([name, { node, child }]) => child.until("active channel", () => active(name, node))));
  // Active is not yet usable: a router learns even of its own channel a moment later, and until then has "insufficient balance".
  for (const { from, to } of plan.routes) {
    const { node, child } = of(running, from);
    const key = await keyOf(of(running, to).node);
    await child.until(`route to ${to}`, async () => (await node.rest().call(`/v1/graph/routes/${key}/1000`)).kind === "ok");
  }
}

const keyOf = async (node: LndProcess): Promise<string> => text(await expectOk(node.rest().call("/v1/getinfo")), "identity_pubkey");
