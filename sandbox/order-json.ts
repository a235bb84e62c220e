/** Reads the executor's request bodies (docs/executor.md). A wrong field is named, its value never repeated: it may be an invoice. */
import { isMsat, type Msat } from "../lightning/msat.ts";
import type { OperationRef, PaymentOrder } from "../lightning/payer.ts";

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly field: string };

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const text =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === "string" && pattern.test(value);
const count: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const REF_CHECKS: Readonly<Record<keyof OperationRef, Check>> = {
  walletId: text(/^[\x21-\x7e]{1,200}$/u),
  epoch: count,
  operationId: text(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/iu),
  paymentHash: text(/^[0-9a-f]{64}$/u),
};

const ORDER_CHECKS: Readonly<Record<keyof PaymentOrder, Check>> = {
  ...REF_CHECKS,
  bolt11: text(/^(?:ln[a-z0-9]{1,8000}|LN[A-Z0-9]{1,8000})$/u),
  amountMsat: (value) => isMsat(value) && value > 0,
  maxFeeMsat: isMsat,
  deadline: count,
};

export interface InvoiceOrder {
  readonly walletId: string;
  readonly amountMsat: Msat;
  readonly description: string;
}

const INVOICE_CHECKS: Readonly<Record<keyof InvoiceOrder, Check>> = {
  walletId: REF_CHECKS.walletId,
  amountMsat: ORDER_CHECKS.amountMsat,
  // BOLT11's `d` field holds at most 639 bytes.
  description: (value) => typeof value === "string" && value.isWellFormed() && Buffer.byteLength(value) <= 639 && !/\p{Cc}/u.test(value),
};

/** Body bytes to an object, or null. */
export function readJsonObject(body: Uint8Array): Fields | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(body));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

export function readOrder(fields: Fields): Parsed<PaymentOrder> {
  return check(fields, ORDER_CHECKS);
}

export function readOperationRef(fields: Fields): Parsed<OperationRef> {
  return check(fields, REF_CHECKS);
}

export function readInvoiceOrder(fields: Fields): Parsed<InvoiceOrder> {
  return check(fields, INVOICE_CHECKS);
}

function check<T>(fields: Fields, checks: Readonly<Record<keyof T & string, Check>>): Parsed<T> {
  const value: Record<string, unknown> = {};
  for (const [field, passes] of Object.entries<Check>(checks)) {
    if (!passes(fields[field])) return { ok: false, field };
    value[field] = fields[field];
  }
  return { ok: true, value: value as T };
}
