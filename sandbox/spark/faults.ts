/**
 * What goes wrong on the Spark network, on demand. A rule names one RPC of the operators (`query_nodes`) or one operation of the SSP
 * (`RequestLightningSend`) and what becomes of its calls: before the work (nothing was done) or after it (all was done, and the caller never
 * learns). Beside the rules stand the SSP's ways of paying, its fees, and the lies that a network could tell a wallet.
 */
import type { OperatorLie } from "./operators-port.ts";

/** Before the work: it never happens. After: it is done, and its answer is lost. */
export type When = "before" | "after";

export type CallFault =
  /** The answer comes `ms` later; the work begins after the delay. */
  | { readonly kind: "delay"; readonly ms: number }
  /** No answer at all, until the caller leaves or {@link SparkFaults.clear} breaks the connection. */
  | { readonly kind: "hang"; readonly when: When }
  /** A gRPC status code (operators only). The text is what the client shows: never a secret. */
  | { readonly kind: "grpc_error"; readonly when: When; readonly code: number; readonly message?: string }
  /** An HTTP status with a JSON body. */
  | { readonly kind: "http_error"; readonly when: When; readonly status: number }
  /** The connection breaks. */
  | { readonly kind: "drop"; readonly when: When };

export interface FaultRule {
  readonly side: "operators" | "ssp";
  /** An RPC's or operation's name; `*` for all of that side. */
  readonly call: string;
  readonly fault: CallFault;
  /** How many calls it hits; all of them when left out. */
  readonly times?: number;
  /** 0 to 2: this operator only. */
  readonly operator?: number;
}

/** How the SSP pays: at once, refuses, never answers for as long as this stands, or begins `slowMs` later. */
export type PayMode = "ok" | "fail" | "hang" | "slow";

/** Lies of the SSP; those of the operators are {@link OperatorLie}. */
export type SspLie =
  /** A preimage that does not hash to the invoice's payment hash. */
  | "preimage"
  /** A paid send is said to have cost 999 sat. */
  | "fee"
  /** An invoice for another payment hash than the wallet asked for. */
  | "receive_hash"
  /** An invoice for one sat more than the wallet asked for. */
  | "receive_amount";

export type Lie = OperatorLie | SspLie;

const SSP_LIES: Readonly<Record<SspLie, true>> = { preimage: true, fee: true, receive_hash: true, receive_amount: true };
const OPERATOR_LIES: Readonly<Record<OperatorLie, true>> = {
  verifying_key: true,
  refund_disagrees: true,
  owner: true,
  value: true,
  secret_cipher: true,
  leaf_signature: true,
  signature_share: true,
  htlc_without_expiry: true,
};

export function isLie(value: unknown): value is Lie {
  return typeof value === "string" && (Object.hasOwn(SSP_LIES, value) || Object.hasOwn(OPERATOR_LIES, value));
}

interface Standing {
  readonly rule: FaultRule;
  left: number;
}

export class SparkFaults {
  payMode: PayMode = "ok";
  /** With `payMode` "slow": how long the SSP waits before it pays, ms. */
  slowMs = 3_000;
  readonly sspLies = new Set<SspLie>();
  readonly #operatorLies: Set<OperatorLie>;
  readonly #rules = new Set<Standing>();
  readonly #fees: number[] = [];
  readonly #hung = new Set<() => void>();

  /** @param operatorLies the set that the operators read */
  constructor(operatorLies: Set<OperatorLie>) {
    this.#operatorLies = operatorLies;
  }

  /** @returns a function that takes the rule back */
  add(rule: FaultRule): () => void {
    const standing: Standing = { rule, left: rule.times ?? Number.POSITIVE_INFINITY };
    this.#rules.add(standing);
    return () => void this.#rules.delete(standing);
  }

  /** What the SSP asks for its next payments, in sats: one value for each question (an estimate, or an order), then the usual fee again. */
  nextFees(...sats: readonly number[]): void {
    this.#fees.push(...sats);
  }

  takeFee(): number | null {
    return this.#fees.shift() ?? null;
  }

  /** Tells the lie until it is taken back. @returns a function that takes it back */
  lie(lie: Lie): () => void {
    if (isSspLie(lie)) {
      this.sspLies.add(lie);
      return () => void this.sspLies.delete(lie);
    }
    this.#operatorLies.add(lie);
    return () => void this.#operatorLies.delete(lie);
  }

  /** Takes back rules, fees, lies and the way of paying, and breaks the connections of calls that hang. */
  clear(): void {
    this.#rules.clear();
    this.#fees.length = 0;
    this.sspLies.clear();
    this.#operatorLies.clear();
    this.payMode = "ok";
    this.release();
  }

  /** Breaks the connections of calls that hang; the rules stand. */
  release(): void {
    for (const drop of this.#hung) drop();
  }

  /** The faults that this call must meet, in the order they were set; each is used up by one. @param operator null for the SSP */
  take(side: FaultRule["side"], call: string, operator: number | null): readonly CallFault[] {
    const met: CallFault[] = [];
    for (const standing of this.#rules) {
      const { rule } = standing;
      if (rule.side !== side || (rule.call !== "*" && rule.call !== call)) continue;
      if (rule.operator !== undefined && rule.operator !== operator) continue;
      standing.left -= 1;
      if (standing.left <= 0) this.#rules.delete(standing);
      met.push(rule.fault);
    }
    return met;
  }

  /** Never resolves; rejects with what `gone` makes once the hanging calls are let go. */
  hang(gone: () => Error): Promise<never> {
    return new Promise((_, reject) => {
      const drop = (): void => {
        this.#hung.delete(drop);
        reject(gone());
      };
      this.#hung.add(drop);
    });
  }
}

function isSspLie(lie: Lie): lie is SspLie {
  return Object.hasOwn(SSP_LIES, lie);
}
