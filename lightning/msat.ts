/**
 * Money is an integer count of millisatoshi. A branded safe integer, because SQLite in a Durable Object refuses
 * BigInt; 2^53 - 1 msat is about 90,000 BTC. Everything that adds goes through here, so that no sum can round.
 */
declare const brand: unique symbol;
export type Msat = number & { readonly [brand]: "Msat" };

export const MAX_MSAT = Number.MAX_SAFE_INTEGER as Msat;
export const ZERO = 0 as Msat;
const MSAT_PER_SAT = 1000;

export function isMsat(value: unknown): value is Msat {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** @throws RangeError for anything but an integer from 0 to 2^53 - 1: a caller's bug, not a user's input. */
export function msat(value: number): Msat {
  if (!isMsat(value)) throw new RangeError("not an amount in msat");
  return value;
}

/** @param value whole satoshi @throws RangeError when the product is not an {@link Msat} */
export function sats(value: number): Msat {
  return msat(value * MSAT_PER_SAT);
}

/** Sum of amounts. @throws RangeError on overflow, so a cap is never passed by wrapping or rounding. */
export function add(...amounts: readonly Msat[]): Msat {
  let sum = 0;
  for (const amount of amounts) sum = msat(sum + amount);
  return sum as Msat;
}

/** @throws RangeError when the result would be negative. */
export function subtract(a: Msat, b: Msat): Msat {
  return msat(a - b);
}

/** The next whole satoshi: what leaves a wallet whose payer cannot send fractions. */
export function ceilToSat(amount: Msat): Msat {
  return msat(Math.ceil(amount / MSAT_PER_SAT) * MSAT_PER_SAT);
}

/** The whole satoshi in it: the most that a payer without fractions may take of a limit. */
export function floorToSat(amount: Msat): Msat {
  return msat(amount - (amount % MSAT_PER_SAT));
}

/** For people: `1234` msat is "1.234 sat". */
export function formatSats(amount: Msat): string {
  const whole = Math.floor(amount / MSAT_PER_SAT);
  const rest = amount % MSAT_PER_SAT;
  return rest === 0 ? `${whole} sat` : `${whole}.${String(rest).padStart(3, "0").replace(/0+$/, "")} sat`;
}
