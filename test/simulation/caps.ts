/**
 * Invariant 3, computed anew from the payments themselves and never from the wallet's own sums: reservations count in full, a
 * settled payment with its fee, as far as that was reserved. A fee above its reserve is booked as it is, and pauses the wallet.
 * Where a window begins is reckoned here too: with the product's own word for it a wrong boundary would be wrong on both sides.
 */
import type { WindowCaps } from "../../lightning/policy.ts";
import type { Paying } from "./mirror.ts";

export interface Holder {
  readonly name: string;
  readonly caps: WindowCaps & { readonly perPaymentMsat?: number; readonly paymentsPerMinute?: number };
  readonly holds: (row: Paying) => boolean;
}

const weight = (row: Paying): number =>
  row.charge_msat + (row.payment_state === "settled" ? Math.min(row.fee_msat ?? 0, row.reserve_msat) : row.reserve_msat);

/** The start of the calendar window around an instant, read off its date: `2027-01-15T08:00` cut to so many characters and filled up again. */
const begins = (at: number, cut: "13" | "10" | "7"): number => {
  const date = new Date(at).toISOString().slice(0, Number(cut));
  return Date.parse(cut === "13" ? `${date}:00:00.000Z` : cut === "10" ? `${date}T00:00:00.000Z` : `${date}-01T00:00:00.000Z`);
};

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
      ["the hour", caps.hourMsat, begins(last, "13")],
      ["the day", caps.dayMsat, begins(last, "10")],
      ["the month", caps.monthMsat, begins(last, "7")],
      ...(caps.rolling ?? []).map(({ windowMs, capMsat }) => [`${windowMs} ms`, capMsat, last - windowMs] as const),
    ];
    for (const [window, cap, start] of windows) {
      if (cap === undefined) continue;
      let sum = 0;
      for (const row of mine) if (row.reserved_at >= start) sum += weight(row);
      if (sum > cap) return `invariant 3: ${name} holds ${sum} msat for ${window}, its cap is ${cap}`;
    }
    const lately = mine.filter(({ reserved_at }) => reserved_at >= last - 60_000).length;
    if (lately > (caps.paymentsPerMinute ?? Infinity))
      return `invariant 3: ${name} has ${lately} payments in a minute, allowed are ${caps.paymentsPerMinute}`;
    const dear = mine.find((row) => row.charge_msat + row.reserve_msat > (caps.perPaymentMsat ?? Infinity));
    if (dear !== undefined)
      return `invariant 7: ${name} holds ${dear.charge_msat + dear.reserve_msat} msat for one payment, its cap is ${caps.perPaymentMsat}`;
  }
  return null;
}
