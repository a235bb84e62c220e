/**
 * Approval (invariant 18): a one-use grant by somebody who is not the agent. It names one request (method, URL, body hash, and so
 * its origin) of one budget and subject, a maximum with the fee, and an expiry; it reserves nothing and overrides no cap. The agent
 * sends the same request again, and a fresh challenge at or below the maximum is decided afresh.
 */
import type { Code } from "./errors.ts";
import type { Msat } from "./msat.ts";

export type ApprovalState = "pending" | "granted" | "rejected" | "used" | "expired";

/** As people see it: what would be bought, for whom, for how much at most. No invoice, no query string. */
export interface ApprovalView {
  readonly approvalId: string;
  readonly state: ApprovalState;
  readonly budget: string;
  readonly subject: string | null;
  readonly method: string;
  readonly origin: string;
  readonly path: string;
  readonly amountMsat: Msat;
  /** Amount and fee together: what the seller's quote would have reserved, and what a grant allows unless the approver lowers it. */
  readonly maxMsat: Msat;
  readonly because: "amount" | "host";
  /** The seller's own words on the invoice: untrusted text. */
  readonly description: string | null;
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly decidedAt: number | null;
  readonly decidedBy: string | null;
  /** The purchase that used it. */
  readonly usedBy: string | null;
}

/** Of a list: newest first, and what is older is asked for by the last one's id. */
export const APPROVALS_PAGE = 200;

export type Verdict = "approve" | "reject";

/** What a signed link carries; the object checks the signature in constant time, the expiry, and that nothing has been decided. */
export interface ApprovalLink {
  readonly approvalId: string;
  readonly expiresAt: number;
  /** 64 hex digits: HMAC-SHA256 under a key derived from the wallet's record key. */
  readonly mac: string;
}

export type ApprovalFault = Extract<
  Code,
  "not_found" | "invalid_request" | "forbidden" | "already_exists" | "approval_expired" | "envelope_unopenable"
>;
