/**
 * The error taxonomy: every refusal and failure a caller can meet, with what it means for him. Codes are stable names
 * (only ever added); the wording may change. One exhaustive mapper, {@link problem}, turns a code into HTTP.
 */
export type Outcome = "denied" | "approval_required" | "pending" | "failed" | "paid_unfulfilled";

interface Entry {
  /** HTTP status of our own answer. */
  readonly status: number;
  /** `Lightning-Status` of our own answer. */
  readonly outcome: Outcome;
  /** May the very same request succeed later, sent again unchanged, without risk of a second payment? */
  readonly retryable: boolean;
  readonly title: string;
  /** What the caller, or the person behind him, can do now. */
  readonly fix: string;
}

const policy = (title: string, fix: string): Entry => ({ status: 403, outcome: "denied", retryable: false, title, fix });
const seller = (title: string, fix: string, retryable = false): Entry => ({ status: 502, outcome: "failed", retryable, title, fix });
const request = (status: number, title: string, fix: string): Entry => ({ status, outcome: "denied", retryable: false, title, fix });

export const ERRORS = {
  // who is calling, and with what
  unauthorized: request(401, "No valid key was presented", "Send `Authorization: Bearer <key>` with a key of this wallet."),
  forbidden: request(403, "This principal may not do that", "Use a key with the needed right; agents fetch, operators configure."),
  not_found: request(404, "There is no such thing here", "Check the id; another owner's things are not shown."),
  method_not_allowed: request(405, "This method is not served here", "See the `Allow` header for the methods of this route."),
  invalid_request: request(400, "The request is not valid", "Mend the named field and send it again."),
  request_too_large: request(413, "The request body is too large", "Send a smaller body; the limit is in `detail`."),
  idempotency_conflict: request(
    409,
    "This Idempotency-Key belongs to another request",
    "Use a new Idempotency-Key for a new method, URL or body.",
  ),
  already_exists: request(409, "That exists already", "Read it, or choose another name."),

  // where the request wants to go
  url_not_allowed: policy("This URL may not be fetched", "Use https and a public host name, without user info or IP address."),
  redirect_refused: seller("The seller's redirect was not followed", "Request the final URL yourself, if you trust it."),
  response_too_large: seller("The seller's answer exceeded the byte cap", "Ask for less, or have the cap of this host raised."),
  seller_unreachable: seller("The seller could not be reached", "Try again later; nothing was paid for this request.", true),
  seller_timeout: { ...seller("The seller did not answer in time", "Try again; a stored credential is used again.", true), status: 504 },

  // the policy_denied family
  host_not_allowlisted: policy("This host is not on the allowlist", "Have an operator add host and port to the policy's allowlist."),
  host_blocked: policy("This host is blocked", "An operator blocked this host on purpose."),
  amount_over_cap: policy(
    "The price is over the cap for one payment",
    "Have an operator raise the per-payment cap, or find a cheaper resource.",
  ),
  amount_over_call_limit: policy("The price is over this call's own limit", "Raise `Lightning-Max-Sats`, or leave it out."),
  window_cap_exceeded: policy(
    "This payment would exceed the wallet's cap for the window",
    "Wait for the next window, or have an operator raise the cap.",
  ),
  budget_exceeded: policy(
    "This payment would exceed the budget of this key",
    "Wait for the next window, or have an operator raise this budget.",
  ),
  subject_cap_exceeded: policy(
    "This payment would exceed what this subject may spend",
    "Wait for the next window, or have an operator raise the caps for subjects.",
  ),
  host_cap_exceeded: policy(
    "This payment would exceed the cap for this host",
    "Wait for the next window, or have an operator raise the host's cap.",
  ),
  payment_rate_exceeded: {
    ...policy("Too many payments in the last minute", "Wait a minute and send it again."),
    status: 429,
    retryable: true,
  },
  fee_over_cap: policy("The routing fee needed is over the fee cap", "Have an operator raise the fee cap."),
  approval_required: {
    ...policy("A person must approve this payment", "Ask a person to approve it, then send the same request again."),
    outcome: "approval_required",
  },
  global_pause_active: policy("All payments are paused", "Wait until the operators end the pause."),
  owner_kill_switch_active: policy("The owner has stopped all payments", "Ask the owner."),
  wallet_disabled: policy("This wallet is disabled", "Ask the operator to enable it."),
  wallet_paused: policy("This wallet is paused", "An operator must look at why and resume it; see the wallet's status."),
  budget_disabled: policy("This budget is disabled", "Ask the operator."),
  policy_unreadable: policy("The policy cannot be read, so nothing is paid", "An operator must write a valid policy."),
  spender_superseded: policy("Another spender has taken over this wallet", "Ask the operator; this instance pays nothing any more."),
  control_plane_unavailable: {
    ...policy("The control plane cannot be asked, so nothing is paid", "Try again in a few seconds."),
    status: 503,
    retryable: true,
  },
  envelope_unopenable: {
    ...policy("The wallet's keys cannot be opened, so nothing is paid", "An operator must check the key-encryption key."),
    status: 503,
  },

  // what the seller asks
  challenge_missing: seller("The seller answered 402 without a challenge", "Tell the seller; there is nothing to pay."),
  challenge_malformed: seller("The seller's challenge cannot be read", "Tell the seller; nothing was paid."),
  challenge_unsupported: seller("The seller asks for a payment scheme we do not pay", "This seller offers no L402; nothing was paid."),
  challenge_conflict: seller("The seller's challenge contradicts itself", "Tell the seller; nothing was paid."),
  challenge_too_large: seller("The seller's challenge is over 64 KiB", "Tell the seller; nothing was paid."),
  opaque_token_refused: policy("The token is opaque and policy does not allow it", "Have an operator allow opaque tokens for this wallet."),
  payment_hash_mismatch: seller("Macaroon and invoice name different payment hashes", "Do not trust this seller; nothing was paid."),
  payment_hash_reused: seller(
    "This invoice was already used for something else",
    "Unless `detail` says that it is paid, send the request again to get a fresh invoice; nothing was paid now.",
    true,
  ),
  invoice_malformed: seller("The invoice cannot be read", "Tell the seller; nothing was paid."),
  invoice_amountless: seller("The invoice names no amount", "We pay only invoices with an amount; nothing was paid."),
  invoice_expired: seller("The invoice has expired", "Send the request again to get a fresh invoice.", true),
  invoice_network_mismatch: seller("The invoice is for another network", "This wallet pays on another Bitcoin network."),

  // paying
  insufficient_funds: {
    status: 409,
    outcome: "failed",
    retryable: false,
    title: "The wallet has too little money",
    fix: "Fund the wallet, then send the request again.",
  },
  no_route: seller("No route to the seller's node was found", "Try again later; nothing was paid.", true),
  backend_unavailable: { ...seller("The payment backend is not available", "Try again later; nothing was paid.", true), status: 503 },
  payment_failed: seller("The payment failed", "Nothing was paid; send the request again to try anew.", true),
  payment_pending: {
    status: 503,
    outcome: "pending",
    retryable: true,
    title: "The payment is under way",
    fix: "Send the same request again in a moment; it is not paid twice.",
  },
  payment_unknown: {
    status: 504,
    outcome: "pending",
    retryable: true,
    title: "It is not yet known whether the payment went through",
    fix: "Send the same request again later; it is not paid twice.",
  },
  preimage_mismatch: {
    status: 502,
    outcome: "pending",
    retryable: false,
    title: "The proof of payment does not match the invoice",
    fix: "An operator must look; the amount counts as spent.",
  },
  preimage_unavailable: {
    status: 502,
    outcome: "pending",
    retryable: false,
    title: "The payment settled but its proof is not available",
    fix: "An operator must look; the amount counts as spent.",
  },
  approval_rejected: policy("A person has rejected this payment", "Do not ask again for the same; ask the person why."),
  approval_expired: policy("Nobody approved this payment in time", "Send the same request again to ask anew."),
  withdrawal_refused: request(409, "The withdrawal was not made", "See `detail`; nothing was sent."),
  not_supported: request(501, "The payment backend cannot do this", "Use another way, or another backend."),
  purchase_cancelled: {
    status: 409,
    outcome: "failed",
    retryable: true,
    title: "The purchase was cancelled before anything was sent",
    fix: "Send the request again.",
  },

  // paid, and then
  paid_unfulfilled: {
    status: 502,
    outcome: "paid_unfulfilled",
    retryable: true,
    title: "Paid, but the seller has not delivered",
    fix: "Send the same request again; the paid credential is used and nothing more is paid.",
  },
  credential_refused: {
    status: 502,
    outcome: "paid_unfulfilled",
    retryable: false,
    title: "The seller refuses the credential this request paid for",
    fix: "Take it up with the seller; a new request needs a new Idempotency-Key.",
  },

  internal: {
    status: 500,
    outcome: "failed",
    retryable: true,
    title: "Something is broken on our side",
    fix: "Try again; if it stays, tell the operator the request id.",
  },
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof ERRORS;

export function isCode(value: unknown): value is Code {
  return typeof value === "string" && Object.hasOwn(ERRORS, value);
}

/** An RFC 9457 problem document. `detail` is for people and must never carry what invariant 9 lists. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: Code;
  readonly detail: string;
  readonly retryable: boolean;
  readonly fix: string;
  readonly [extension: string]: unknown;
}

/** The one mapper from a code to what HTTP callers see. */
export function problem(code: Code, detail?: string, extensions: Readonly<Record<string, unknown>> = {}): Problem {
  const { status, title, retryable, fix } = ERRORS[code];
  return { type: `urn:lightning-worker:error:${code}`, title, status, code, detail: detail ?? title, retryable, fix, ...extensions };
}
