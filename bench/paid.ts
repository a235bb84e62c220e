/** Paid purchases per second: every one meets a 402 on a path that was never bought, decides, reserves, pays and redeems. */
import { Client, median } from "./load.ts";
import type { Rig } from "./rig.ts";

const PARALLEL = 32;
/** A path that this run has not bought; 1 is the hot path's. */
let path = 1;

/** @returns purchases per second, the median of the rounds */
export async function paidPerSecond(
  rig: Rig,
  keys: readonly string[],
  size: { readonly rounds: number; readonly purchases: number },
): Promise<number> {
  const client = new Client(PARALLEL, (status, lightning) => status === 200 && lightning === "paid");
  const buy = (n: number) => rig.purchase(keys[n % keys.length] ?? "", `/many/${++path}`);
  const rates: number[] = [];
  try {
    await client.together(buy, Math.max(keys.length, 50), PARALLEL);
    for (let round = 0; round < size.rounds; round++) rates.push(await client.together(buy, size.purchases, PARALLEL));
    return median(rates);
  } finally {
    client.close();
  }
}
