/**
 * The payer of topology B: orders go to an executor over HTTP (docs/executor.md). Unknown is not failed (invariant 4): a
 * timeout, a broken connection, any status but 200 and any answer that is not exactly what the protocol says become
 * `unknown`, for the order may have been taken up all the same; even a refused connection, since a proxy in between may have
 * refused it after sending. Reasons are fixed words and carry no secret. Nothing is logged, nothing is retried here.
 */
import { isMsat, type Msat } from "../lightning/msat.ts";
import type { FailureCode, OperationRef, Payer, PayerStatus, PaymentOrder, PaymentOutcome } from "../lightning/payer.ts";

export interface HttpExecutorOptions {
  /** http(s) origin, with or without a path prefix. */
  readonly baseUrl: string;
  readonly token: string;
  /** For a whole call, its answer's body included. Keep it above the 10 s within which a payer answers. */
  readonly timeoutMs: number;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** The network this wallet is on. An executor on another one counts as offline. */
  readonly network?: string;
  /** Whom invoices are made for; without it this payer receives nothing. */
  readonly walletId?: string;
}

interface InvoiceOrder {
  readonly walletId: string;
  readonly amountMsat: Msat;
  readonly description: string;
}

type Answer = { readonly ok: true; readonly fields: Readonly<Record<string, unknown>> } | { readonly ok: false; readonly reason: string };

const MAX_ANSWER_BYTES = 64 * 1024;
const FAILURE_CODES: Readonly<Record<FailureCode, true>> = {
  insufficient_funds: true,
  no_route: true,
  invoice_expired: true,
  fee_over_cap: true,
  backend_unavailable: true,
  spender_superseded: true,
  payment_failed: true,
};
/** Longer than any invoice with routing hints; BOLT11 text is one alphabet in one letter case. */
const BOLT11 = /^(?:ln[a-z0-9]{1,8000}|LN[A-Z0-9]{1,8000})$/u;
const MALFORMED: PaymentOutcome = { kind: "unknown", reason: "answer_malformed" };

/** @throws TypeError for a base URL that is not http or https */
export function httpExecutor(options: HttpExecutorOptions): Payer {
  const base = new URL(options.baseUrl);
  if (base.protocol !== "https:" && base.protocol !== "http:") throw new TypeError("the executor's base URL must be http or https");
  base.search = "";
  base.hash = "";
  const prefix = base.href.replace(/\/+$/u, "");
  const post = (path: string, body: PaymentOrder | OperationRef | InvoiceOrder): Promise<Answer> =>
    call(options, `${prefix}${path}`, JSON.stringify(body));
  const { walletId } = options;

  return {
    backend: "http-executor",
    granularity: "msat",

    async pay(order) {
      const { walletId, epoch, operationId, bolt11, paymentHash, amountMsat, maxFeeMsat, deadline } = order;
      return readOutcome(
        await post("/v1/pay", { walletId, epoch, operationId, bolt11, paymentHash, amountMsat, maxFeeMsat, deadline }),
        operationId,
      );
    },

    async lookup(operation) {
      return readOutcome(await post("/v1/lookup", refOf(operation)), operation.operationId);
    },

    async cancel(operation) {
      const answer = await post("/v1/cancel", refOf(operation));
      // Only a plain yes, about this very operation, is a fence.
      return answer.ok && answer.fields["kind"] === "fenced" && answer.fields["operationId"] === operation.operationId
        ? "fenced"
        : "cannot_fence";
    },

    async status() {
      return readStatus(await call(options, `${prefix}/v1/status`, null), options.network ?? null);
    },

    // Whether it is the invoice that was asked for, by amount and network, is for the wallet to check: an executor's word is no proof.
    ...(walletId === undefined
      ? {}
      : {
          async receive(amountMsat: Msat, description: string) {
            const answer = await post("/v1/invoice", { walletId, amountMsat, description });
            const bolt11 = answer.ok ? answer.fields["bolt11"] : null;
            return typeof bolt11 === "string" && BOLT11.test(bolt11) ? { bolt11 } : null;
          },
        }),
  };
}

/** A caller may hold more than a reference; only what the protocol names leaves. */
function refOf({ walletId, epoch, operationId, paymentHash }: OperationRef): OperationRef {
  return { walletId, epoch, operationId, paymentHash };
}

/** One request under one deadline. Never throws. */
async function call(options: HttpExecutorOptions, url: string, body: string | null): Promise<Answer> {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => {
      resolve({ ok: false, reason: "timeout" });
      controller.abort();
    }, options.timeoutMs);
  });
  try {
    return await Promise.race([exchange(options, url, body, controller.signal), late]);
  } catch {
    // The error's text may quote the request; it goes no further.
    return { ok: false, reason: "connection" };
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(options: HttpExecutorOptions, url: string, body: string | null, signal: AbortSignal): Promise<Answer> {
  const headers: Record<string, string> = { authorization: `Bearer ${options.token}`, accept: "application/json" };
  if (body !== null) headers["content-type"] = "application/json";
  // Called as a plain function: workerd's fetch refuses to be another object's method.
  const { fetch } = options;
  const response = await fetch(url, { method: body === null ? "GET" : "POST", headers, body, redirect: "manual", signal });
  if (response.status !== 200) {
    // Left unread, a body would hold its connection.
    await response.body?.cancel().catch(() => {});
    return { ok: false, reason: response.status === 401 || response.status === 403 ? "unauthorized" : `http_${response.status}` };
  }
  const text = await readCapped(response);
  if (text === null) return { ok: false, reason: "answer_too_large" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: "answer_malformed" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { ok: false, reason: "answer_malformed" };
  return { ok: true, fields: value as Readonly<Record<string, unknown>> };
}

async function readCapped(response: Response): Promise<string | null> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > MAX_ANSWER_BYTES) {
      await reader.cancel().catch(() => {});
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function readOutcome(answer: Answer, operationId: string): PaymentOutcome {
  if (!answer.ok) return { kind: "unknown", reason: answer.reason };
  const { fields } = answer;
  // An answer to another request, by a mixed-up connection or cache, says nothing about this one.
  if (fields["operationId"] !== operationId) return { kind: "unknown", reason: "answer_for_another_operation" };
  switch (fields["kind"]) {
    case "settled":
      return readSettled(fields, operationId);
    case "failed":
      // Only a failure that says it is definite may release money.
      return fields["definite"] === true && typeof fields["code"] === "string"
        ? { kind: "failed", code: failureCode(fields["code"]), definite: true }
        : MALFORMED;
    case "pending":
      return { kind: "pending" };
    case "never_seen": {
      const { asOf } = fields;
      return typeof asOf === "number" && Number.isSafeInteger(asOf) && asOf >= 0 ? { kind: "never_seen", asOf } : { kind: "never_seen" };
    }
    case "unknown":
      return { kind: "unknown", reason: reasonOf(fields["reason"]) };
    default:
      return MALFORMED;
  }
}

function readSettled(fields: Readonly<Record<string, unknown>>, operationId: string): PaymentOutcome {
  const { preimage, feeMsat, settledAt, reference } = fields;
  if (preimage !== null && (typeof preimage !== "string" || !/^[0-9a-f]{64}$/iu.test(preimage))) return MALFORMED;
  if (!isMsat(feeMsat) || typeof settledAt !== "number" || !Number.isSafeInteger(settledAt) || settledAt < 0) return MALFORMED;
  const proof = preimage === null ? null : preimage.toLowerCase();
  return { kind: "settled", preimage: proof, feeMsat, settledAt, reference: referenceOf(reference, proof) ?? operationId };
}

/** References are shown in receipts: plain words only, and never the proof in disguise. */
function referenceOf(reference: unknown, preimage: string | null): string | null {
  if (typeof reference !== "string" || !/^[A-Za-z0-9_.:-]{1,128}$/u.test(reference)) return null;
  return preimage !== null && reference.toLowerCase().includes(preimage) ? null : reference;
}

function failureCode(code: string): FailureCode {
  return Object.hasOwn(FAILURE_CODES, code) ? (code as FailureCode) : "payment_failed";
}

/** An executor's reason is a short word of the protocol; anything longer could carry what must not be kept. */
function reasonOf(reason: unknown): string {
  return typeof reason === "string" && /^[a-z_]{1,40}$/u.test(reason) ? reason : "unknown";
}

function readStatus(answer: Answer, expectedNetwork: string | null): PayerStatus {
  const offline: PayerStatus = {
    backend: "http-executor",
    online: false,
    spendableMsat: null,
    network: expectedNetwork,
    lastPaymentAt: null,
    version: null,
  };
  if (!answer.ok || typeof answer.fields["online"] !== "boolean") return offline;
  const { online, spendableMsat, network, lastPaymentAt, version } = answer.fields;
  const named = typeof network === "string" && /^[a-z0-9-]{1,32}$/u.test(network) ? network : null;
  const right = expectedNetwork === null || named === expectedNetwork;
  return {
    backend: "http-executor",
    online: online && right,
    spendableMsat: online && right && isMsat(spendableMsat) ? spendableMsat : null,
    network: named,
    lastPaymentAt: typeof lastPaymentAt === "number" && Number.isSafeInteger(lastPaymentAt) && lastPaymentAt >= 0 ? lastPaymentAt : null,
    version: typeof version === "string" && /^[A-Za-z0-9_.+-]{1,64}$/u.test(version) ? version : null,
  };
}
