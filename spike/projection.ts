/**
 * Receipts of two runs of one flow are equal, but for what cannot be: names drawn at random, the time, the seller's own invoice, and what is
 * made of them. A projection is named and says of each fact that it leaves out why; what it does not name must be the same, to the byte.
 */
import { canonicalJson, type Json } from "../lightning/jcs.ts";
import type { Receipt } from "../lightning/receipt.ts";

export type LeftOut = Readonly<Partial<Record<keyof Receipt, string>>>;

const RANDOM: LeftOut = {
  purchaseId: "a UUID made for each request",
  walletId: "each run has a wallet of its own, with a random name",
  at: "the time",
  paymentHash: "the seller makes a fresh invoice for each purchase",
  credentialId: "a random name",
};

/** Each run in a wallet of its own, the same resource each time: even the number in the chain must be the same. */
export const SAME_REQUEST: { readonly name: string; readonly leftOut: LeftOut } = { name: "same-request", leftOut: RANDOM };

/** All runs in one wallet, where each wallet costs a person's trouble to fund: each buys a resource of its own. */
export const SAME_SHAPE: { readonly name: string; readonly leftOut: LeftOut } = {
  name: "same-shape",
  leftOut: {
    ...RANDOM,
    sequence: "the runs follow each other in one chain",
    path: "each run buys a resource of its own",
    feeMsat: "a real route's fee varies",
  },
};

/** @returns the projected receipt in its one canonical form */
export function project(receipt: Receipt, leftOut: LeftOut): string {
  const kept = Object.entries(receipt).filter(([name]) => !Object.hasOwn(leftOut, name));
  return canonicalJson(Object.fromEntries(kept) as Json);
}

/**
 * How many runs differ from the first one, and in which facts.
 * @param runs the receipts of each run, in order
 */
export function differences(
  runs: readonly (readonly Receipt[])[],
  leftOut: LeftOut,
): { readonly runs: number; readonly facts: readonly string[] } {
  const facts = new Set<string>();
  let differing = 0;
  const [first = []] = runs;
  for (const run of runs.slice(1)) {
    if (run.length !== first.length) facts.add("number of receipts");
    const odd =
      run.length !== first.length || run.some((receipt, index) => project(receipt, leftOut) !== project(first[index] ?? receipt, leftOut));
    if (!odd) continue;
    differing += 1;
    for (const [index, receipt] of run.entries())
      for (const name of namesThatDiffer(receipt, first[index])) if (!Object.hasOwn(leftOut, name)) facts.add(name);
  }
  return { runs: differing, facts: [...facts].toSorted() };
}

function namesThatDiffer(receipt: Receipt, other: Receipt | undefined): readonly string[] {
  if (other === undefined) return [];
  return Object.entries(receipt)
    .filter(
      ([name, value]) =>
        canonicalJson((value ?? null) as Json) !== canonicalJson(((other as unknown as Record<string, unknown>)[name] ?? null) as Json),
    )
    .map(([name]) => name);
}
