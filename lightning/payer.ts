/** What pays: the seed's WalletExecutionService. Implemented by the HTTP executor, by Spark in the object, and by the sandbox's node. */
import type { Msat } from "./msat.ts";

export type Backend = "http-executor" | "spark-wasm";

/** An order to pay one invoice once. Every payer refuses an order that arrives after its deadline, and an epoch below the highest it has seen. */
export interface PaymentOrder {
  readonly walletId: string;
  readonly epoch: number;
  /** UUID, the payer's idempotency key. */
  readonly operationId: string;
  readonly bolt11: string;
  /** 64 lower-case hex digits. */
  readonly paymentHash: string;
  readonly amountMsat: Msat;
  readonly maxFeeMsat: Msat;
  /** Epoch milliseconds. */
  readonly deadline: number;
}

export interface OperationRef {
  readonly walletId: string;
  readonly epoch: number;
  readonly operationId: string;
  readonly paymentHash: string;
}

/** Codes a payer may give for a definite failure; anything else is mapped to `payment_failed`. */
export type FailureCode =
  | "insufficient_funds"
  | "no_route"
  | "invoice_expired"
  | "fee_over_cap"
  | "backend_unavailable"
  | "spender_superseded"
  | "payment_failed";

export type PaymentOutcome =
  /** `preimage` is 64 hex digits, or null where the backend cannot give it. The core checks it; a payer's word is no proof. */
  | {
      readonly kind: "settled";
      readonly preimage: string | null;
      readonly feeMsat: Msat;
      readonly settledAt: number;
      readonly reference: string;
    }
  | { readonly kind: "failed"; readonly code: FailureCode; readonly definite: true }
  /** `resumable`: nothing more will happen by itself; {@link Payer.resume} may bring it to an end. */
  | { readonly kind: "pending"; readonly resumable?: true }
  | { readonly kind: "unknown"; readonly reason: string }
  /** Not a failure: the order may still be on its way. Final only after a fence, or if asked after the order's deadline plus a grace. */
  /** `asOf`: the payer's own clock when it looked, epoch ms. With it a caller whose clock was set forwards does not take "not yet" for "never". */
  | { readonly kind: "never_seen"; readonly asOf?: number };

/** Why a payer that answers is not to be relied on; each has a line in the runbook. */
export type Degradation =
  /** Balances cannot be known: not every operator answered. */
  | "not_synced"
  /** Payments are not listed any more, although balances are: outcomes may stay unknown until the payer's provider mends it. */
  | "payment_list_stuck"
  /** The key opens another wallet than the one that was stored here. Nothing is paid. */
  | "identity_mismatch"
  /** The deployment's configuration forbids paying with this wallet (network, missing API key, no backup on mainnet). Nothing is paid. */
  | "misconfigured";

/** What {@link Payer.prepare} found: nothing has been sent, so a refusal releases. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly code: FailureCode };

export interface PayerStatus {
  readonly backend: Backend;
  readonly online: boolean;
  /** What can be spent now; null when the backend did not say. Never a balance that was not asked for now. */
  readonly spendableMsat: Msat | null;
  readonly network: string | null;
  readonly lastPaymentAt: number | null;
  readonly version: string | null;
  /** Absent or empty: nothing to report. */
  readonly degraded?: readonly Degradation[];
}

export interface Payer {
  readonly backend: Backend;
  /** `sat`: the payer sends whole satoshi and rounds up; what counts against a budget is what leaves the wallet. */
  readonly granularity: "msat" | "sat";
  /**
   * Makes ready what `pay` needs (envelope opened, wasm built, balance synced) and finds what can be refused before anything is sent.
   * Called between block one and block two of invariant 1; moves no money. Absent: always ready.
   */
  prepare?(order: Omit<PaymentOrder, "deadline">): Promise<Readiness>;
  /** Answers within 10 s, with `pending` if nothing better. */
  pay(order: PaymentOrder): Promise<PaymentOutcome>;
  /** Asks; never moves money. */
  lookup(operation: OperationRef): Promise<PaymentOutcome>;
  /** The same operation again, where `lookup` said `resumable`: only through block two of invariant 1. Absent: there is nothing to resume. */
  resume?(order: PaymentOrder): Promise<PaymentOutcome>;
  /** Kept durably: a later `pay` with this operation id is refused. */
  cancel(operation: OperationRef): Promise<"fenced" | "cannot_fence">;
  status(): Promise<PayerStatus>;
  /** Makes an invoice that pays into this wallet; absent where the backend cannot. */
  receive?(amountMsat: Msat, description: string): Promise<{ readonly bolt11: string } | null>;
  /**
   * What must be done from time to time without anybody asking (taking in what has arrived, keeping change small). Called by the alarm while
   * the wallet is active; moves nothing out. @returns when it wants to be called again, epoch ms, or null
   */
  maintain?(): Promise<number | null>;
  /** The open key and all that was built with it leave memory: disabled, rotated, paused or moved. What is under way becomes `unknown`. */
  forget?(): void;
}
