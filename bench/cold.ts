/**
 * Two kinds of cold. After a restart: a new process, isolate and object on existing state. After idleness: workerd evicts an object
 * that nothing has called for ten seconds, and the next call constructs it, checks its schema and opens its record key again.
 */
import { Client, median } from "./load.ts";
import type { Rig } from "./rig.ts";

/** workerd's own limit is 10 s (server.c++, "evict after 10 seconds of inactivity"). */
export const EVICTED_AFTER_MS = 11_500;
const PATH = "/many/1";

export interface Cold {
  /** workerd started (its bundling included) until it listens. */
  readonly startMs: number;
  /** Then, until the first cached answer is whole. */
  readonly firstAnswerMs: number;
}

export async function coldStart(rig: Rig, key: string, times: number): Promise<Cold> {
  const starts: number[] = [];
  const firsts: number[] = [];
  await buyOnce(rig, [key]);
  for (let n = 0; n < times; n++) {
    starts.push(await rig.restart());
    firsts.push((await cached(rig, [key]))[0] ?? 0);
  }
  return { startMs: median(starts), firstAnswerMs: median(firsts) };
}

/** First and second cached answer of wallets whose objects have been evicted; the caller has left them alone for {@link EVICTED_AFTER_MS}. */
export async function coldObject(rig: Rig, keys: readonly string[]): Promise<{ readonly firstMs: number; readonly secondMs: number }> {
  return { firstMs: median(await cached(rig, keys)), secondMs: median(await cached(rig, keys)) };
}

/** So that each of these wallets has something cached. */
export async function buyOnce(rig: Rig, keys: readonly string[]): Promise<void> {
  const client = new Client(1, (status) => status === 200);
  for (const key of keys) await client.send(rig.purchase(key, PATH));
  client.close();
}

async function cached(rig: Rig, keys: readonly string[]): Promise<readonly number[]> {
  const client = new Client(1, (status, lightning) => status === 200 && lightning === "cached");
  try {
    return await client.alone((n) => rig.purchase(keys[n] ?? "", PATH), keys.length);
  } finally {
    client.close();
  }
}
