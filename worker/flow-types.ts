/** The seams of the purchase flow, the Worker's core: it awaits only these ports, so it runs in workerd, in tests and in simulation alike. */
import type { Code } from "../lightning/errors.ts";
import type { Msat } from "../lightning/msat.ts";
import type { Auth, Quote, WalletPort } from "../lightning/wallet-api.ts";

export interface FlowPorts {
  readonly wallet: WalletPort;
  /** One outbound request, redirects not followed. Rejects when the seller cannot be reached. */
  readonly fetch: (url: string, init: SellerRequest) => Promise<SellerResponse>;
  readonly clock: {
    now(): number;
    /** Cancellable timer: resolves after `ms`, or never once cancelled. */
    timer(ms: number): { readonly done: Promise<void>; cancel(): void };
  };
  readonly random: { uuid(): string };
  /** Work that may outlive the answer (delivery records). */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** `host:port` entries that local development allows, http and IP literals included; empty in production. */
  readonly localHosts: readonly string[];
}

export interface SellerRequest {
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | null;
  readonly signal: AbortSignal;
}

/** The part of a `Response` that the flow uses. */
export interface SellerResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
}

export interface FetchCall {
  readonly auth: Auth;
  readonly method: string;
  readonly url: string;
  /** The caller's headers for the seller, not yet filtered. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | null;
  readonly idempotencyKey: string | null;
  readonly maxMsat: Msat | null;
  readonly subject: string | null;
  /** The purchase that this call takes up again, with the same request: its credential is used and nothing is paid, whatever comes. */
  readonly resume?: string | null;
  /** How long the caller is willing to wait for a payment, ms. */
  readonly waitMs: number;
}

export type FlowAnswer =
  /** The seller's answer: its status, filtered headers and guarded stream. `unfulfilled`: paid for, but not a 2xx. */
  | {
      readonly kind: "answer";
      readonly status: "paid" | "cached" | "free" | "paid_unfulfilled";
      readonly response: SellerResponse;
      readonly purchaseId: string;
      readonly receiptId: string | null;
      readonly spentMsat: Msat;
    }
  | {
      readonly kind: "problem";
      readonly code: Code;
      readonly detail: string;
      readonly purchaseId: string;
      readonly receiptId: string | null;
      readonly quote?: Quote;
      readonly approvalId?: string;
    };

export type QuoteFlowAnswer =
  | { readonly kind: "quote"; readonly purchaseId: string; readonly quote: Quote }
  /** The seller asks for nothing, or a stored credential would be used. */
  | { readonly kind: "no_payment_needed"; readonly purchaseId: string; readonly because: "free" | "cached" }
  | {
      readonly kind: "problem";
      readonly code: Code;
      readonly detail: string;
      readonly purchaseId: string;
      readonly receiptId: string | null;
    };
