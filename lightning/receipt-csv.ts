/**
 * Receipts as CSV (RFC 4180), for spreadsheets and ledgers. Much of a receipt was chosen by strangers (a path, a subject, a host), so
 * what a spreadsheet would take for a formula is defused with an apostrophe in front: a whole cell, and what follows a semicolon. Amounts
 * are integers: msat are exact; sat are rounded up, one by one, so sums belong to the msat columns.
 */
import type { ReceiptRecord } from "./control-plane.ts";
import { ceilToSat, isMsat, type Msat } from "./msat.ts";
import type { Receipt } from "./receipt.ts";
import { newlyPaidMsat } from "./receipt-money.ts";

type Cell = string | number | null;

/** Name, meaning, content; in the order of the columns. New columns are only ever added at the end. */
export const CSV_COLUMNS = [
  ["sequence", "position in the wallet's chain, from 1", ({ receipt }) => receipt.sequence],
  ["at", "instant of the outcome, RFC 3339 in UTC", ({ receipt }) => receipt.at],
  ["kind", "what was decided or became known: paid, cached, free, denied, failed, unknown, …", ({ receipt }) => receipt.kind],
  ["code", "why, where there is a why", ({ receipt }) => receipt.code],
  ["wallet_id", "the wallet", ({ receipt }) => receipt.walletId],
  ["owner", "its owner", ({ receipt }) => receipt.owner],
  ["budget", "the budget that was charged", ({ receipt }) => receipt.budget],
  ["subject", "the end user or run that the caller named", ({ receipt }) => receipt.subject],
  ["purchase_id", "the purchase", ({ receipt }) => receipt.purchaseId],
  ["method", "HTTP method", ({ receipt }) => receipt.method],
  ["origin", "scheme, host and port of the seller", ({ receipt }) => receipt.origin],
  ["path", "path without query", ({ receipt }) => receipt.path],
  ["amount_msat", "price, millisatoshi", ({ receipt }) => receipt.amountMsat],
  ["fee_msat", "routing fee, millisatoshi; empty while it is not known", ({ receipt }) => receipt.feeMsat],
  ["max_fee_msat", "routing fee that was set aside at most, millisatoshi", ({ receipt }) => receipt.maxFeeMsat],
  [
    "spent_msat",
    "what left the wallet, price and fee, millisatoshi; once a payment, so this column may be added up",
    ({ receipt }, previous) => newlyPaidMsat(receipt, previous),
  ],
  ["amount_sat", "price, whole satoshi, rounded up", ({ receipt }) => wholeSat(receipt.amountMsat)],
  ["fee_sat", "routing fee, whole satoshi, rounded up", ({ receipt }) => wholeSat(receipt.feeMsat)],
  ["spent_sat", "spent_msat in whole satoshi, rounded up", ({ receipt }, previous) => wholeSat(newlyPaidMsat(receipt, previous))],
  ["payment_hash", "of the Lightning payment", ({ receipt }) => receipt.paymentHash],
  ["credential_id", "name of the stored credential, not the credential", ({ receipt }) => receipt.credentialId],
  ["binding", "verified: the token is bound to the payment", ({ receipt }) => receipt.binding],
  ["evidence", "who decided and on what grounds, where a person did", ({ receipt }) => receipt.evidence],
  ["backend", "what paid", ({ receipt }) => receipt.backend],
  ["epoch", "which spender of the wallet", ({ receipt }) => receipt.epoch],
  ["policy_version", "the wallet's policy at that time", ({ receipt }) => receipt.policyVersion],
  ["receipt_id", "hash of the facts", ({ receiptId }) => receiptId],
  ["chain", "chain value up to and with this receipt", ({ chain }) => chain],
] as const satisfies readonly (readonly [
  name: string,
  meaning: string,
  content: (record: ReceiptRecord, previous: Receipt | null) => Cell,
])[];

const wholeSat = (amount: Msat | null): number | null => (amount === null || !isMsat(amount) ? null : ceilToSat(amount) / 1000);

export function csvHeader(): string {
  return line(CSV_COLUMNS.map(([name]) => name));
}

/** @param previous the receipt before this one in the same export, or null */
export function csvRow(record: ReceiptRecord, previous: Receipt | null): string {
  return line(CSV_COLUMNS.map(([, , content]) => content(record, previous)));
}

const line = (cells: readonly Cell[]): string => `${cells.map(cell).join(",")}\r\n`;

/** RFC 4180 section 2: quotes around whatever holds a quote, a comma or a line break, and each quote within is doubled. */
function cell(content: Cell): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "number") return String(content);
  // OWASP, "CSV Injection": the first character decides whether a spreadsheet evaluates the cell; some skip leading blanks.
  const begun = /^[\s\u00a0]*[=+\-@\t\r|%＝＋－＠]/u.test(content) ? `'${content}` : content;
  // Where the list separator is a semicolon (most of Europe) a spreadsheet parts the line there, quotes or not: each part is a cell's beginning.
  const text = begun.replaceAll(/;(?=[\s\u00a0]*[=+\-@＝＋－＠])/gu, ";'");
  return /[",\r\n]/u.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}
