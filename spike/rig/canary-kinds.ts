/**
 * Which kinds of secret the rig can know in a place, and so look for. What it cannot know was not looked for: a scan that found nothing is
 * then no pass, and none of a kind that it should have seen is a fault of the rig.
 */

export interface SeenBy {
  /** The proxy before the Spark network. */
  readonly tap: boolean;
  /** A seller of ours, or a proxy before one. */
  readonly seller: boolean;
}

export interface Coverage {
  /** Should have been seen, and were not. */
  readonly missing: readonly string[];
  /** Cannot be known here. */
  readonly unknowable: readonly string[];
}

const AT_PURCHASE = ["preimage", "macaroon", "invoice"] as const;

/** @param kinds of which at least one was seen */
export function coverageOf({ tap, seller }: SeenBy, kinds: ReadonlySet<string>): Coverage {
  // The tap sees preimages and invoices too, but a macaroon passes between Worker and seller only.
  const knowable = (kind: (typeof AT_PURCHASE)[number]): boolean => seller || (tap && kind !== "macaroon");
  const wanted = ["mnemonic", "data key", ...AT_PURCHASE.filter(knowable), ...(tap ? ["session token"] : [])];
  return {
    missing: wanted.filter((kind) => !kinds.has(kind)),
    unknowable: AT_PURCHASE.filter((kind) => !knowable(kind)),
  };
}
