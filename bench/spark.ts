/**
 * What Spark in the vault costs: a send in the object, warm and cold, against the same SDK in Node on the same sandbox, whose operators check
 * everything; what a live wallet weighs; and how soon a send that an eviction interrupted is settled. Object and Node take turns in blocks, so
 * that a busy minute of the machine meets both. The sandbox is a process of its own and costs both sides the same: compare the ratio.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { entropyToMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { decodeBolt11 } from "../lightning/bolt11.ts";
import { sats } from "../lightning/msat.ts";
import type { PaymentOrder } from "../lightning/payer.ts";
import { startWorkerd, type RunningWorkerd } from "../sandbox/runtime/workerd.ts";
import { residentBytes } from "../spike/rig/processes.ts";
import { atMost, type Figure } from "./figures.ts";
import { median, quantile } from "./load.ts";
import { NodeSdk } from "./spark-node.ts";
import { startSparkBenchWorld, type SparkBenchWorld } from "./spark-world.ts";
import type { BenchAnswer, BenchCall } from "./spark-worker/index.ts";

export interface SparkSize {
  readonly discarded: number;
  readonly warm: number;
  readonly cold: number;
  readonly wallets: number;
  readonly recoveries: number;
}

export const FULL_SPARK: SparkSize = { discarded: 5, warm: 100, cold: 15, wallets: 12, recoveries: 8 };
export const QUICK_SPARK: SparkSize = { discarded: 2, warm: 20, cold: 4, wallets: 4, recoveries: 2 };

export interface SparkBench {
  readonly ranAt: string;
  /** Load averages of the machine over 1, 5 and 15 minutes, before and after: above the number of cores the figures are not worth much. */
  readonly load: { readonly before: readonly number[]; readonly after: readonly number[] };
  readonly figures: readonly Figure[];
}

const PRICE_SATS = 20;
const SSP_FEE_SATS = 1;
const BLOCK = 10;
/** Claimed in one sync at most: each takes its time, and a call of the payer's has a deadline. */
const CLAIM = 20;
const DEADLINE_MS = 60_000;
/** Where a send is interrupted: the operators hold the transfer and the SSP was never asked; or it was, and nobody heard its answer. */
const CUTS = [
  ["rescue", "initiate_preimage_swap_v3", "the SSP was not asked yet"],
  ["asked", "RequestLightningSend", "the SSP was asked"],
] as const;

/** @throws Error with one line when something does not start, a send fails, or the books differ in the end */
export async function measureSpark(size: SparkSize): Promise<SparkBench> {
  const before = loadavg();
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-bench-"));
  const world = await startSparkBenchWorld();
  let worker: RunningWorkerd | null = null;
  try {
    worker = await startWorkerd({
      dir,
      wrangler: join(import.meta.dirname, "spark-worker/wrangler.toml"),
      vars: { SPARK_NETWORK_CONFIG: JSON.stringify(world.network) },
    });
    const rig = new SparkRig(world, worker);
    // Weighed first, while the process has nothing behind it that its allocator could hand out again.
    const weighed = await memory(rig, size.wallets);
    const figures = [...(await sends(rig, size)), ...weighed, ...(await recoveries(rig, size.recoveries))];
    const { differences, mostSettlements, settled } = await world.books();
    const wanted = 2 * (size.discarded + size.warm + size.cold) + 1 + size.wallets + CUTS.length * size.recoveries;
    if (differences.length > 0 || mostSettlements > 1 || settled !== wanted)
      throw new Error(`the books differ: ${differences[0] ?? `${settled} settled of ${wanted}`}`);
    return { ranAt: new Date().toISOString(), load: { before, after: loadavg() }, figures };
  } finally {
    await worker?.kill("SIGKILL");
    world.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

class SparkRig {
  readonly world: SparkBenchWorld;
  readonly #worker: RunningWorkerd;

  constructor(world: SparkBenchWorld, worker: RunningWorkerd) {
    this.world = world;
    this.#worker = worker;
  }

  /** @throws Error with what the Worker wrote last, when the object died or refused */
  async ask(wallet: string, call: BenchCall): Promise<BenchAnswer> {
    const answer = await this.#post(wallet, call);
    if (answer.status !== 200)
      throw new Error(`${call.call} in the object: ${this.#worker.stderr().trim().split("\n").at(-1) ?? answer.status}`);
    return (await answer.json()) as BenchAnswer;
  }

  /** A call in which the object dies. @throws Error when it lived */
  async fatal(wallet: string, call: BenchCall): Promise<void> {
    const { status } = await this.#post(wallet, call);
    if (status === 200) throw new Error(`${call.call}: the object did not die`);
  }

  async orders(wallet: string, count: number): Promise<readonly PaymentOrder[]> {
    return (await this.world.invoices(count, PRICE_SATS)).map((bolt11) => {
      const read = decodeBolt11(bolt11);
      if (!read.ok || read.invoice.amountMsat === null) throw new Error("the sandbox's invoice is none");
      const { paymentHash, amountMsat } = read.invoice;
      const order = { walletId: wallet, epoch: 1, operationId: randomUUID(), bolt11, paymentHash, amountMsat };
      return { ...order, maxFeeMsat: sats(10), deadline: Date.now() + DEADLINE_MS };
    });
  }

  /** So many sends' worth of exact leaves. */
  async fund(identity: string, leaves: number, sync: () => Promise<unknown>): Promise<void> {
    for (let left = leaves; left > 0; left -= CLAIM) {
      await this.world.mint(
        identity,
        Array.from({ length: Math.min(left, CLAIM) }, () => PRICE_SATS + SSP_FEE_SATS),
      );
      await sync();
    }
  }

  residentBytes(): number | null {
    return residentBytes(this.#worker.pid);
  }

  #post(wallet: string, call: BenchCall): Promise<Response> {
    return fetch(`${this.#worker.url}/${wallet}`, { method: "POST", body: JSON.stringify(call) });
  }
}

async function sends(rig: SparkRig, { discarded, warm, cold }: SparkSize): Promise<readonly Figure[]> {
  const wallet = "sender";
  const status = (): Promise<BenchAnswer> => rig.ask(wallet, { call: "status" });
  const entropy = crypto.getRandomValues(new Uint8Array(16));
  const settings = { network: "regtest", apiKey: null, operators: rig.world.network } as const;
  const node = new NodeSdk(settings, entropyToMnemonic(entropy, wordlist));
  try {
    const total = discarded + warm + cold;
    await rig.fund((await status()).identity, total, status);
    await rig.fund(await node.open(), total, () => node.sync());
    const inObject = async (count: number): Promise<readonly number[]> =>
      (await rig.ask(wallet, { call: "sends", orders: await rig.orders(wallet, count) })).ms;
    const inNode = async (count: number): Promise<readonly number[]> => {
      const times: number[] = [];
      for (const { bolt11 } of await rig.orders(wallet, count)) times.push(await timed(() => node.send(bolt11)));
      return times;
    };
    await inObject(discarded);
    await inNode(discarded);
    const [object, inside]: [number[], number[]] = [[], []];
    for (let left = warm; left > 0; left -= BLOCK) {
      object.push(...(await inObject(Math.min(left, BLOCK))));
      inside.push(...(await inNode(Math.min(left, BLOCK))));
    }
    const [coldObject, coldNode]: [number[], number[]] = [[], []];
    for (let n = 0; n < cold; n++) {
      await rig.fatal(wallet, { call: "die" });
      const orders = await rig.orders(wallet, 1);
      // From outside: a new object begins before its own clock could.
      coldObject.push(await timed(() => rig.ask(wallet, { call: "sends", orders })));
      await node.drop();
      const [bolt11 = ""] = (await rig.orders(wallet, 1)).map((order) => order.bolt11);
      coldNode.push(await timed(() => node.open().then(() => node.send(bolt11))));
    }
    return [
      time("spark_warm_object_p50", "warm send in the object: p50", median(object)),
      time("spark_warm_object_p95", "warm send in the object: p95", quantile(object, 0.95)),
      time("spark_warm_node_p50", "the same SDK in Node: p50", median(inside)),
      time("spark_warm_node_p95", "the same SDK in Node: p95", quantile(inside, 0.95)),
      {
        id: "spark_warm_ratio",
        name: "object over Node, warm, at p50",
        value: median(object) / median(inside),
        unit: "times",
        goal: atMost(1.2),
      },
      { ...time("spark_cold_object", "object gone, to paid: p50", median(coldObject)), goal: atMost(700) },
      time("spark_cold_node", "the same in Node, instance gone: p50", median(coldNode)),
      {
        id: "spark_cold_ratio",
        name: "object over Node, cold, at p50",
        value: median(coldObject) / median(coldNode),
        unit: "times",
        goal: null,
      },
    ];
  } finally {
    await node.close();
  }
}

/** Wallets that have synced, claimed and paid; workerd's resident memory before and after, not counting the first, which brings the compiled code. */
async function memory(rig: SparkRig, wallets: number): Promise<readonly Figure[]> {
  let before: number | null = null;
  const wasm: number[] = [];
  for (let n = 0; n <= wallets; n++) {
    const wallet = `weighed-${n}`;
    const status = (): Promise<BenchAnswer> => rig.ask(wallet, { call: "status" });
    await rig.fund((await status()).identity, 1, status);
    wasm.push((await rig.ask(wallet, { call: "sends", orders: await rig.orders(wallet, 1) })).memory ?? 0);
    if (n === 0) before = rig.residentBytes();
  }
  const after = rig.residentBytes();
  const bytes = (id: string, name: string, value: number): Figure => ({ id, name, value, unit: "bytes", goal: null });
  return [
    bytes("spark_wallet_wasm", "wasm memory of a live wallet: largest", Math.max(...wasm)),
    // Only Linux tells.
    ...(before === null || after === null
      ? []
      : [bytes("spark_wallet_rss", `resident memory a live wallet, of ${wallets}`, (after - before) / wallets)]),
  ];
}

async function recoveries(rig: SparkRig, times: number): Promise<readonly Figure[]> {
  const wallet = "interrupted";
  const status = (): Promise<BenchAnswer> => rig.ask(wallet, { call: "status" });
  await rig.fund((await status()).identity, CUTS.length * times, status);
  const figures: Figure[] = [];
  for (const [id, after, where] of CUTS) {
    const took: number[] = [];
    for (let n = 0; n < times; n++) {
      const [order] = await rig.orders(wallet, 1);
      if (order === undefined) throw new Error("no order was made");
      await rig.fatal(wallet, { call: "send_and_die", order, after });
      took.push(await timed(() => rig.ask(wallet, { call: "recover", order })));
    }
    figures.push(time(`spark_recovery_${id}`, `evicted in a send, ${where}: to settled, p50`, median(took)));
  }
  return figures;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function time(id: string, name: string, value: number): Figure {
  return { id, name, value, unit: "ms", goal: null };
}
