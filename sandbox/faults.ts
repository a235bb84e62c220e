/**
 * What goes wrong, on demand. A fault is set for the next payment, for one payment hash or for all payments to one route of
 * the seller, and is bound to a payment when that payment is first seen. Two layers take them: the node, and the wire
 * between executor and wallet.
 */
export const FAULT_KINDS = [
  "no_route",
  "hang",
  "answer_lost",
  "duplicate_answer",
  "wrong_preimage",
  "no_preimage",
  "late_settlement",
  "fail_late",
  "never_seen_then_paid",
  "fee_above_reserve",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** `late_settlement`, `fail_late`, `never_seen_then_paid`: after this many ms; without it, when released. */
  readonly afterMs?: number;
}

export type FaultLayer = "node" | "wire";

/** Where a fault happens. */
export function layerOf(kind: FaultKind): FaultLayer {
  switch (kind) {
    case "answer_lost":
    case "duplicate_answer":
    case "never_seen_then_paid":
      return "wire";
    case "no_route":
    case "hang":
    case "wrong_preimage":
    case "no_preimage":
    case "late_settlement":
    case "fail_late":
    case "fee_above_reserve":
      return "node";
  }
}

export function isFaultKind(value: unknown): value is FaultKind {
  return typeof value === "string" && (FAULT_KINDS as readonly string[]).includes(value);
}

export class Faults {
  readonly #next: Fault[] = [];
  readonly #byHash = new Map<string, Fault>();
  readonly #byRoute = new Map<string, { readonly fault: Fault; left: number }>();
  /** Payments already seen by a layer, and what is in store for them. */
  readonly #bound = new Map<string, Fault | null>();

  /** For the next payment nobody has seen yet; several queue up, one payment each. */
  forNext(fault: Fault): void {
    this.#next.push(fault);
  }

  forHash(paymentHash: string, fault: Fault): void {
    this.#byHash.set(paymentHash, fault);
  }

  /** @param times how many payments it hits; for ever when left out */
  forRoute(route: string, fault: Fault, times = Number.POSITIVE_INFINITY): void {
    this.#byRoute.set(route, { fault, left: times });
  }

  clear(): void {
    this.#next.length = 0;
    this.#byHash.clear();
    this.#byRoute.clear();
    this.#bound.clear();
  }

  /** The fault that this layer must now act out for this payment; taken once. */
  take(layer: FaultLayer, paymentHash: string, route: string | null): Fault | null {
    const planned = this.#bound.has(paymentHash) ? (this.#bound.get(paymentHash) ?? null) : this.#choose(paymentHash, route);
    if (layer === "node") {
      this.#bound.delete(paymentHash);
      return planned !== null && layerOf(planned.kind) === "node" ? planned : null;
    }
    const mine = planned !== null && layerOf(planned.kind) === "wire";
    // The node takes part in the same payment next, and must not draw another fault for it.
    this.#bound.set(paymentHash, mine ? null : planned);
    return mine ? planned : null;
  }

  #choose(paymentHash: string, route: string | null): Fault | null {
    const own = this.#byHash.get(paymentHash);
    if (own !== undefined) {
      this.#byHash.delete(paymentHash);
      return own;
    }
    const next = this.#next.shift();
    if (next !== undefined) return next;
    const onRoute = route === null ? undefined : this.#byRoute.get(route);
    if (onRoute === undefined || onRoute.left <= 0) return null;
    onRoute.left -= 1;
    return onRoute.fault;
  }
}
