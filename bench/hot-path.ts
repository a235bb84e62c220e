/** The cached purchase through Worker and object, against the same request with the credential in hand, and against the bare floor. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { startWorkerd } from "../sandbox/runtime/workerd.ts";
import { latency, throughput, type Answer, type Target } from "./load.ts";
import type { Rig } from "./rig.ts";

const PARALLEL = 32;

export interface HotPath {
  readonly direct: Way;
  readonly floor: Way;
  readonly cached: Way;
  /** ms at p50. */
  readonly overDirectMs: number;
  /** Ratio of p50s, in one run. */
  readonly overFloor: number;
}

interface Way {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly perSecond: number;
}

export async function hotPath(rig: Rig, requests: number): Promise<HotPath> {
  const url = `${rig.sellerUrl}/hot`;
  const credential = await buyByHand(rig, url);
  const [agent] = await rig.agents(1);
  if (agent === undefined) throw new Error("no agent");
  const floorWorker = await startWorkerd({ dir: join(rig.dir, "floor"), wrangler: join(import.meta.dirname, "floor-worker/wrangler.toml"), vars: { AUTHORIZATION: credential } });
  try {
    const body = JSON.stringify({ url });
    const direct: Target = { url, method: "GET", headers: { authorization: credential }, body: null };
    const floor: Target = { url: floorWorker.url, method: "POST", headers: { "content-type": "application/json" }, body };
    const cached = rig.purchase(agent, "/hot");
    const bought = await throughput(() => cached, 1, 1, ({ lightning }) => lightning === "paid");
    if (!(bought > 0)) throw new Error("the first purchase was not made");
    const ways = {
      direct: await way(direct, requests, ({ status }) => status === 200),
      floor: await way(floor, requests, ({ status }) => status === 200),
      cached: await way(cached, requests, ({ status, lightning }) => status === 200 && lightning === "cached"),
    };
    return { ...ways, overDirectMs: ways.cached.p50Ms - ways.direct.p50Ms, overFloor: ways.cached.p50Ms / ways.floor.p50Ms };
  } finally {
    await floorWorker.close();
  }
}

async function way(target: Target, requests: number, right: (answer: Answer) => boolean): Promise<Way> {
  const alone = await latency(() => target, requests, right);
  return { ...alone, perSecond: await throughput(() => target, requests * 4, PARALLEL, right) };
}

/** What an agent without Lightning Worker would do: pay the invoice itself and build the header. */
async function buyByHand(rig: Rig, url: string): Promise<string> {
  const asked = await fetch(url);
  const challenge = asked.headers.get("www-authenticate") ?? "";
  const [, token = "", bolt11 = ""] = /macaroon="([^"]+)", invoice="([^"]+)"/u.exec(challenge) ?? [];
  const preimage = await rig.payByHand(bolt11);
  const hash = createHash("sha256").update(preimage, "hex").digest("hex");
  if (hash.length !== 64) throw new Error("no proof");
  return `L402 ${token}:${preimage}`;
}
