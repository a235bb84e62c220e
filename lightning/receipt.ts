/**
 * Every decision leaves a receipt (invariant 14). Its id hashes the facts, so the same facts give the same bytes; the chain
 * hash beside it binds it to all receipts of the wallet before it. A receipt carries no secret: it may be shown and exported.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Code } from "./errors.ts";
import { canonicalJson, type Json } from "./jcs.ts";
import type { Msat } from "./msat.ts";

export type ReceiptKind =
  | "paid"
  | "cached"
  | "free"
  | "denied"
  | "failed"
  | "unknown"
  | "unfulfilled"
  /** Only of what a receipt had called unfulfilled or written off before. */
  | "fulfilled"
  | "late_settlement"
  | "granted"
  | "rejected"
  | "expired"
  | "withdrawn"
  | "resolved"
  | "written_off";

/** The facts. Every member is always present, null where it has no meaning, so that the form never varies. */
export interface Receipt {
  readonly version: 1;
  readonly kind: ReceiptKind;
  /** Position in the wallet's chain, from 1. */
  readonly sequence: number;
  readonly purchaseId: string;
  readonly walletId: string;
  readonly owner: string;
  readonly budget: string;
  readonly subject: string | null;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  readonly method: string;
  /** scheme://host[:port] */
  readonly origin: string;
  /** Path without query: a query may carry the caller's own secrets. */
  readonly path: string;
  readonly code: Code | null;
  readonly amountMsat: Msat | null;
  readonly feeMsat: Msat | null;
  readonly maxFeeMsat: Msat | null;
  readonly paymentHash: string | null;
  /** Name of the stored credential used or bought; not the credential. */
  readonly credentialId: string | null;
  readonly binding: "verified" | "unverified" | null;
  /** Who decided, and on what grounds, where a person did: an approver's name, an operator's words. */
  readonly evidence: string | null;
  readonly backend: string;
  readonly epoch: number;
  readonly policyVersion: number;
}

/** Chain value before the first receipt: 64 zeros. */
export const GENESIS = "0".repeat(64);

/** The facts' one form (RFC 8785): what is stored, exported and hashed. */
export function canonicalFacts(receipt: Receipt): string {
  return canonicalJson(receipt as unknown as Json);
}

/** `rcpt_` and the hex sha256 of the facts' canonical form. */
export function receiptId(receipt: Receipt, canonical = canonicalFacts(receipt)): string {
  return `rcpt_${sha256Hex(canonical)}`;
}

/** Hex sha256 over the previous chain value and this receipt's id. */
export function chainHash(previous: string, id: string): string {
  return sha256Hex(`${previous}:${id}`);
}

export type ChainFault = { readonly line: number; readonly fault: "id" | "chain" | "sequence" };

/** Checks an export in chain order; `start` is the chain value before its first line. Returns the first fault, or null. */
export function verifyChain(
  records: readonly { readonly receiptId: string; readonly chain: string; readonly receipt: Receipt }[],
  start = GENESIS,
): ChainFault | null {
  let previous = start;
  for (const [index, record] of records.entries()) {
    const line = index + 1;
    if (idOf(record.receipt) !== record.receiptId) return { line, fault: "id" };
    if (chainHash(previous, record.receiptId) !== record.chain) return { line, fault: "chain" };
    // From the beginning the numbers start at 1; from a later point only their steps are known.
    const before = records[index - 1]?.receipt.sequence ?? (start === GENESIS ? 0 : null);
    if (before !== null && record.receipt.sequence !== before + 1) return { line, fault: "sequence" };
    previous = record.chain;
  }
  return null;
}

/** An export may hold anything at all: what has no canonical form has no id either, and that is a fault like any other. */
function idOf(receipt: Receipt): string | null {
  try {
    return receiptId(receipt);
  } catch {
    return null;
  }
}

function sha256Hex(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}
