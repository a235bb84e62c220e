/**
 * A signed approval link as one path segment: `<owner>.<wallet id>.<approval id>.<expiry, base 36>.<mac>`. It is a capability like a key: it
 * names the object that can check it, and that object believes nothing but the signature (invariant 17 holds by its wallet's own
 * record key: under another owner or wallet the same signature is wrong). It holds no key, ends by itself, and decides once.
 */
import type { ApprovalLink } from "../../lightning/approval.ts";
import { APPROVAL_ID, OWNER, WALLET_ID } from "../../lightning/schema.ts";

export interface LinkToken {
  readonly owner: string;
  readonly walletId: string;
  readonly link: ApprovalLink;
}

const MAX_LENGTH = 250;

export function writeLinkToken({ owner, walletId, link }: LinkToken): string {
  return [owner, walletId, link.approvalId, link.expiresAt.toString(36), link.mac].join(".");
}

/** @returns null for anything that is not exactly what {@link writeLinkToken} writes */
export function readLinkToken(text: string): LinkToken | null {
  const parts = text.length > MAX_LENGTH ? [] : text.split(".");
  const [owner = "", walletId = "", approvalId = "", expiry = "", mac = ""] = parts;
  const formed = parts.length === 5 && OWNER.test(owner) && WALLET_ID.test(walletId) && APPROVAL_ID.test(approvalId);
  if (!formed || !/^[1-9a-z][0-9a-z]{0,10}$/u.test(expiry) || !/^[0-9a-f]{64}$/u.test(mac)) return null;
  const expiresAt = Number.parseInt(expiry, 36);
  return Number.isSafeInteger(expiresAt) ? { owner, walletId, link: { approvalId, expiresAt, mac } } : null;
}
