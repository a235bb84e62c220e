/**
 * Reads an export of receipts line by line, in constant memory, and trusts none of it: each line must be exactly a record, each id must be
 * the hash of its facts, and each chain value must continue the one before (invariant 14). A line that says the same member twice is
 * refused, because the reader that checks it and the one that shows it might take different ones.
 * What a chain cannot show is an end that is missing: compare the last number with the wallet's own count of receipts.
 */
import type { ReceiptRecord } from "./control-plane.ts";
import { GENESIS, chainHash, receiptId, type Receipt } from "./receipt.ts";

export type LineRead = { readonly ok: true; readonly record: ReceiptRecord } | { readonly ok: false; readonly why: string };

export interface ReceiptFault {
  readonly kind: "line" | "id" | "sequence" | "chain" | "wallet";
  readonly why: string;
}

export interface Checked {
  readonly count: number;
  /** Sequence numbers of the first and last receipt; null before there is one. */
  readonly first: number | null;
  readonly last: number | null;
  readonly walletId: string | null;
  /** The chain value after the last receipt: `start` for what follows. */
  readonly chain: string;
}

const no = (why: string): LineRead => ({ ok: false, why });
const MEMBERS = ["receiptId", "chain", "receipt"];
const CHAIN = /^[0-9a-f]{64}$/u;
const ID = /^rcpt_[0-9a-f]{64}$/u;

export function isChainValue(text: string): boolean {
  return CHAIN.test(text);
}

/** One line as a record, or why it is none. Only what checking needs is looked at here; the id vouches for the rest. */
export function readRecord(line: string): LineRead {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return no("this is not JSON; the export may have been cut off here");
  }
  if (!isObject(value)) return no("this is not a receipt record");
  if (typeof value["code"] === "string" && typeof value["title"] === "string")
    return no(`this is an error answer (${value["code"].slice(0, 60)}), not a receipt record`);
  const { receiptId, chain, receipt } = value;
  if (typeof receiptId !== "string" || !ID.test(receiptId)) return no("receiptId is missing or no receipt id");
  if (typeof chain !== "string" || !CHAIN.test(chain)) return no("chain is missing or no chain value");
  if (!isObject(receipt)) return no("receipt is missing");
  if (!Number.isSafeInteger(receipt["sequence"]) || (receipt["sequence"] as number) < 1) return no("receipt.sequence is no number from 1");
  if (typeof receipt["walletId"] !== "string") return no("receipt.walletId is missing");
  const stranger = Object.keys(value).find((key) => !MEMBERS.includes(key));
  if (stranger !== undefined) return no(`${JSON.stringify(stranger.slice(0, 60))} stands beside the receipt, and nothing vouches for it`);
  // Written as we write it, a line holds nothing twice; only other writings need the longer look.
  if (JSON.stringify(value) !== line && hasTwin(line)) return no("a member stands here twice");
  return { ok: true, record: { receiptId, chain, receipt: receipt as unknown as Receipt } };
}

/** Does an object in this valid JSON text name one member twice? */
function hasTwin(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/gu;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [piece] = match;
    if (piece === "{") open.push(new Set());
    else if (piece === "[") open.push(null);
    else if (piece === "}" || piece === "]") open.pop();
    else if (/^\s*:/u.test(text.slice(token.lastIndex, token.lastIndex + 64))) {
      const names = open.at(-1) ?? null;
      const name = JSON.parse(piece) as string;
      if (names?.has(name) === true) return true;
      names?.add(name);
    }
  }
  return false;
}

/** Checks one export, record after record. After a fault nothing that follows means anything. */
export class ChainCheck {
  readonly #fromGenesis: boolean;
  #count = 0;
  #first: number | null = null;
  #last: number | null = null;
  #walletId: string | null = null;
  #chain: string;

  /** @param start the chain value before the first line; 64 zeros for an export from the beginning */
  constructor(start = GENESIS) {
    this.#chain = start;
    this.#fromGenesis = start === GENESIS;
  }

  /** @returns the fault, or null when this record is right and in its place */
  next(record: ReceiptRecord): ReceiptFault | null {
    const { receipt } = record;
    const id = idOf(receipt);
    if (id === null) return { kind: "id", why: "the facts have no canonical form, so nothing hashes to this id" };
    if (id !== record.receiptId) return { kind: "id", why: "the facts do not hash to this id: one of them, or the id, was changed" };
    if (this.#walletId !== null && receipt.walletId !== this.#walletId) return { kind: "wallet", why: "this receipt is another wallet's" };
    const misplaced = this.#misplaced(receipt.sequence);
    if (misplaced !== null) return { kind: "sequence", why: misplaced };
    if (chainHash(this.#chain, record.receiptId) !== record.chain) {
      if (this.#last === null && !this.#fromGenesis) return { kind: "chain", why: "this chain value does not continue the given start" };
      return {
        kind: "chain",
        why: "this chain value does not continue the one before it: a receipt was replaced, or the chain value changed",
      };
    }
    this.#count += 1;
    this.#first ??= receipt.sequence;
    this.#last = receipt.sequence;
    this.#walletId = receipt.walletId;
    this.#chain = record.chain;
    return null;
  }

  get result(): Checked {
    return { count: this.#count, first: this.#first, last: this.#last, walletId: this.#walletId, chain: this.#chain };
  }

  /** From the beginning the numbers start at 1; from a later point only their steps are known. */
  #misplaced(sequence: number): string | null {
    const wanted = this.#last === null ? (this.#fromGenesis ? 1 : null) : this.#last + 1;
    if (wanted === null || sequence === wanted) return null;
    if (sequence < wanted) return `receipt ${sequence} stands after receipt ${wanted - 1}: it is here twice, or out of order`;
    const missing = sequence === wanted + 1 ? `receipt ${wanted} is missing` : `receipts ${wanted} to ${sequence - 1} are missing`;
    return this.#last === null
      ? `${missing}: an export that begins later needs the chain value before it as its start`
      : `${missing} before this line (a budget's own view leaves out the others' and cannot be checked)`;
  }
}

/** Also the id of what an attacker wrote: what has no canonical form has no id. */
export function idOf(receipt: Receipt): string | null {
  try {
    return receiptId(receipt);
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
