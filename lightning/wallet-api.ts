/**
 * What the Worker and the Wallet object say to each other. Plain values only: they cross RPC by structured clone.
 * RPC changes only add. Three edges carry secrets (invariant 9): `PayRequest.challenge`, `Credential.authorization`, and the payer's preimage.
 */
import type { Code } from "./errors.ts";
import type { Msat } from "./msat.ts";

/** Who calls. A key is checked against its hash in the object; a binding's props are configuration and carry no secret. */
export type Auth =
  | { readonly kind: "agent_key"; readonly keyId: string; readonly secret: string }
  | { readonly kind: "binding"; readonly budget: string };

export interface OpenRequest {
  /** UUID made by the Worker before the first call; the same after a reset or a lost reply. */
  readonly purchaseId: string;
  readonly auth: Auth;
  readonly method: string;
  /** Normalised by `normaliseUrl` (lightning/url.ts): scheme://host[:port]/path[?query]. */
  readonly url: string;
  /** Hex, or null when the request has no body. */
  readonly bodySha256: string | null;
  readonly idempotencyKey: string | null;
  /** The caller's own limit, amount and fee together; can only narrow. */
  readonly maxMsat: Msat | null;
  readonly subject: string | null;
  /** How long this caller waits for a payment already under way, ms. */
  readonly waitMs: number;
  /** Resume: the same request sent again for a purchase that has paid. It uses that purchase's credential and pays nothing, whatever comes. */
  readonly resume?: string | null;
}

/** One credential, for one purchase and origin. */
export interface Credential {
  readonly id: string;
  /** The whole header value: `L402 <token>:<preimage>`. */
  readonly authorization: string;
  /** What `Lightning-Status` will say when the seller accepts it. */
  readonly status: "paid" | "cached";
  /** Whether a seller has answered it with a 2xx; absent from an object of an earlier release. */
  readonly hasServed?: boolean;
  readonly paymentHash: string;
  /** What this purchase cost, amount and fee together: 0 when cached. */
  readonly spentMsat: Msat;
  readonly receiptId: string;
}

/** Per-host limits for the seller's answer. Milliseconds and bytes. */
export interface FetchLimits {
  readonly headersMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
  readonly maxBytes: number;
}

export interface Refusal {
  readonly kind: "refused";
  readonly code: Code;
  readonly detail: string;
  readonly purchaseId: string;
  readonly receiptId: string | null;
  /** With `approval_required` and quotes: what would be paid. */
  readonly quote?: Quote;
  /** With `approval_required`: what a person has to decide about. It names the question; it answers nothing. */
  readonly approvalId?: string;
}

/** Nothing is decided yet, or a payment is under way. `code` is payment_pending or payment_unknown. */
export interface Pending {
  readonly kind: "pending";
  readonly code: "payment_pending" | "payment_unknown";
  readonly purchaseId: string;
  /** The purchase that holds the flight, when it is another one. */
  readonly leaderId: string;
}

export interface Quote {
  readonly origin: string;
  readonly amountMsat: Msat;
  readonly maxFeeMsat: Msat;
  readonly expiresAt: number;
  readonly scope: string;
  readonly binding: "verified" | "unverified";
  readonly description: string | null;
  readonly allowed: boolean;
  /** Why not, when `allowed` is false. */
  readonly code: Code | null;
}

export type OpenAnswer =
  /** Go to the seller, with the credential if there is one. */
  | { readonly kind: "fetch"; readonly purchaseId: string; readonly credential: Credential | null; readonly limits: FetchLimits }
  | Refusal
  | Pending;

export interface PayRequest {
  readonly purchaseId: string;
  readonly auth: Auth;
  /** The seller's WWW-Authenticate, all lines joined as `Headers.get` does. */
  readonly challenge: string;
  /** The credential the seller has just answered 401 or 402 to, when one was sent. */
  readonly refusedCredentialId: string | null;
  readonly waitMs: number;
}

export type PayAnswer = { readonly kind: "credential"; readonly credential: Credential; readonly limits: FetchLimits } | Refusal | Pending;

export type QuoteAnswer = { readonly kind: "quote"; readonly purchaseId: string; readonly quote: Quote } | Refusal;

/** How a purchase ended without a payment of its own. */
export type Conclusion =
  /** The seller answered without asking for money. */
  | { readonly kind: "free"; readonly status: number }
  /** The seller could not be asked, or asked for something we refuse before the vault sees it. */
  | { readonly kind: "failed"; readonly code: Code }
  /** The seller answered, but not with a 2xx, to a paid credential, and retries are used up. */
  | { readonly kind: "unfulfilled"; readonly credentialId: string; readonly status: number };

/** Step 5: may never arrive, and nothing depends on it. */
export interface Delivery {
  readonly purchaseId: string;
  /** The credential the seller accepted, or null for a free answer. */
  readonly credentialId: string | null;
  readonly status: number;
  readonly bytes: number;
  /** Hex sha256 of the bytes that passed, or null when cut before the first. */
  readonly sha256: string | null;
  readonly complete: boolean;
}

/** A purchase as its owner may see it: no secret, no query string. */
export interface PurchaseView {
  readonly purchaseId: string;
  readonly state: string;
  readonly code: Code | null;
  readonly budget: string;
  readonly method: string;
  readonly origin: string;
  readonly path: string;
  readonly amountMsat: Msat | null;
  readonly feeMsat: Msat | null;
  readonly paymentHash: string | null;
  readonly openedAt: number;
  /** When it is looked at again, and what for; both null when nothing is awaited any more. */
  readonly dueAt: number | null;
  readonly awaits: string | null;
  readonly receiptIds: readonly string[];
}

/** The calls of the purchase flow; the Wallet object implements it, the Worker's core calls it through a port. */
export interface WalletPort {
  open(request: OpenRequest): Promise<OpenAnswer>;
  pay(request: PayRequest): Promise<PayAnswer>;
  /** As `pay`, but decides only: nothing is reserved. */
  quote(request: PayRequest): Promise<QuoteAnswer>;
  conclude(auth: Auth, purchaseId: string, conclusion: Conclusion): Promise<{ readonly receiptId: string | null }>;
  delivered(auth: Auth, deliveries: readonly Delivery[]): Promise<void>;
}
