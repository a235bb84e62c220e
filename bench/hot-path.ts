/**
 * The cached purchase through Worker and object, receipt and all; the same request with the credential in hand; and the bare floor
 * (Worker, one object call with one durable row, fetch). The three take turns in short rounds, so that whatever else the machine does
 * falls on all of them: the ratios hold where the single numbers do not.
 */
import { join } from "node:path";
import { startWorkerd } from "../sandbox/runtime/workerd.ts";
import { Client, median, quantile, type Right, type Target } from "./load.ts";
import type { Rig } from "./rig.ts";

export const PARALLEL = 32;
const PATH = "/many/1";
const isOk: Right = (status) => status === 200;
const isCached: Right = (status, lightning) => status === 200 && lightning === "cached";
const isPaid: Right = (status, lightning) => status === 200 && lightning === "paid";

export interface Way {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** With 32 in parallel, all on one wallet: the median round. */
  readonly perSecond: number;
}

export interface HotPath {
  readonly direct: Way;
  readonly floor: Way;
  readonly cached: Way;
}

export async function hotPath(
  rig: Rig,
  size: { readonly rounds: number; readonly alone: number; readonly together: number },
): Promise<HotPath> {
  const credential = await rig.buyByHand(PATH);
  const [key = ""] = await rig.keys(1);
  const buyer = new Client(1, isPaid);
  await buyer.send(rig.purchase(key, PATH));
  buyer.close();

  const url = rig.sellerUrl + PATH;
  const floorWorker = await startWorkerd({
    dir: join(rig.dir, "floor"),
    wrangler: join(import.meta.dirname, "floor-worker/wrangler.toml"),
    vars: { AUTHORIZATION: credential },
  });
  const ways = {
    direct: new Turn({ url, method: "GET", headers: { authorization: credential }, body: null }, isOk),
    floor: new Turn(
      { url: floorWorker.url, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ url }) },
      isOk,
    ),
    cached: new Turn(rig.purchase(key, PATH), isCached),
  };
  try {
    for (const way of Object.values(ways)) await way.warmUp(size.together);
    for (let round = 0; round < size.rounds; round++) {
      for (const way of Object.values(ways)) await way.round(size.alone, size.together);
    }
    return { direct: ways.direct.result(), floor: ways.floor.result(), cached: ways.cached.result() };
  } finally {
    for (const way of Object.values(ways)) way.close();
    await floorWorker.close();
  }
}

class Turn {
  readonly #target: Target;
  readonly #client: Client;
  readonly #times: number[] = [];
  readonly #rates: number[] = [];

  constructor(target: Target, right: Right) {
    this.#target = target;
    this.#client = new Client(PARALLEL, right);
  }

  async warmUp(requests: number): Promise<void> {
    await this.#client.together(() => this.#target, requests, PARALLEL);
  }

  async round(alone: number, together: number): Promise<void> {
    this.#times.push(...(await this.#client.alone(() => this.#target, alone)));
    this.#rates.push(await this.#client.together(() => this.#target, together, PARALLEL));
  }

  result(): Way {
    return { p50Ms: median(this.#times), p95Ms: quantile(this.#times, 0.95), perSecond: median(this.#rates) };
  }

  close(): void {
    this.#client.close();
  }
}
