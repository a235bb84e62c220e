/**
 * Invariant 3, computed anew from the payments themselves and never from the wallet's own sums: reservations count in full, a
 * settled payment with its fee, as far as that was reserved. A fee above its reserve is booked as it is, and pauses the wallet.
 */
import { dayStart, hourStart, monthStart } from "../../lightning/decide.ts";
import type { WindowCaps } from "../../lightning/policy.ts";
import type { Paying } from "./mirror.ts";

export interface Holder {
  readonly name: string;
  readonly caps: WindowCaps;
  readonly holds: (row: Paying) => boolean;
}

const weight = (row: Paying): number =>
  row.charge_msat + (row.payment_state === "settled" ? Math.min(row.fee_msat ?? 0, row.reserve_msat) : row.reserve_msat);

/** @param rows all payments. @returns what is overfull, or null */
export function overfull(holders: readonly Holder[], rows: readonly Paying[]): string | null {
  // What a payer denied and settled all the same was released by then: no cap could hold it.
  const counted = rows.filter(
    (row) => row.payment_state !== "released" && row.kind === "purchase" && row.receipts?.includes("late_settlement") !== true,
  );
  for (const { name, caps, holds } of holders) {
    const mine = counted.filter(holds);
    if (mine.length === 0) continue;
    let last = 0;
    for (const { reserved_at } of mine) last = Math.max(last, reserved_at);
    const windows: readonly (readonly [string, number | undefined, number])[] = [
      ["all time", caps.totalMsat, -Infinity],
      ["the hour", caps.hourMsat, hourStart(last)],
      ["the day", caps.dayMsat, dayStart(last)],
      ["the month", caps.monthMsat, monthStart(last)],
      ...(caps.rolling ?? []).map(({ windowMs, capMsat }) => [`${windowMs} ms`, capMsat, last - windowMs] as const),
    ];
    for (const [window, cap, start] of windows) {
      if (cap === undefined) continue;
      let sum = 0;
      for (const row of mine) if (row.reserved_at >= start) sum += weight(row);
      if (sum > cap) return `invariant 3: ${name} holds ${sum} msat for ${window}, its cap is ${cap}`;
    }
  }
  return null;
}
