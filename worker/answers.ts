/**
 * Our own answers and the seller's, as HTTP. Every one says `no-store`: an answer that was paid for belongs to its caller alone, and a
 * refusal is true only now. Problem documents are RFC 9457; their words come from lightning/errors.ts and carry nothing of invariant 9.
 */
import { ERRORS, problem, type Code } from "../lightning/errors.ts";
import type { Quote } from "../lightning/wallet-api.ts";
import type { Result } from "../lightning/wallet-admin.ts";
import type { FlowAnswer } from "./flow-types.ts";

export interface ProblemFacts {
  readonly purchaseId?: string;
  readonly receiptId?: string | null;
  readonly quote?: Quote | undefined;
  readonly approvalId?: string;
  readonly approvalUrl?: string;
  readonly requestId?: string;
  /** Further headers, `Allow` for one. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal as the door's own code hands it up; the routes return it, `Refused` carries it through middleware. */
export function problemResponse(code: Code, detail?: string, facts: ProblemFacts = {}): Response {
  const { headers: extra, ...extensions } = facts;
  const { status, outcome } = ERRORS[code];
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "lightning-status": outcome,
    ...extra,
  });
  if (facts.purchaseId !== undefined) headers.set("lightning-purchase", facts.purchaseId);
  if (facts.receiptId !== undefined && facts.receiptId !== null) headers.set("lightning-receipt", facts.receiptId);
  if (facts.requestId !== undefined) headers.set("x-request-id", facts.requestId);
  const wait = retryAfter(code);
  if (wait !== null) headers.set("retry-after", String(wait));
  // RFC 9110 section 11.6.1: a 401 names the scheme to come back with.
  if (status === 401) headers.set("www-authenticate", "Bearer");
  return new Response(JSON.stringify(problem(code, detail, extensions)), { status, headers });
}

/**
 * What an agent is told when a person must decide: the question's name, and where a person reads how to answer it. Never a signed
 * link: with one in its hands the agent would approve itself (invariant 18).
 * @param base where people reach this Worker, or null when that is not known
 */
export function approvalFacts(
  { approvalId }: { readonly approvalId?: string },
  base: string | null,
): Pick<ProblemFacts, "approvalId" | "approvalUrl"> {
  if (approvalId === undefined) return {};
  return { approvalId, ...(base === null ? {} : { approvalUrl: `${base}/approve` }) };
}

/** The seller's answer, streamed, with ours beside it; or the problem. @param base as for {@link approvalFacts} */
export function flowResponse(answer: FlowAnswer, base: string | null): Response {
  if (answer.kind === "problem") {
    const { code, detail, purchaseId, receiptId, quote } = answer;
    return problemResponse(code, detail, { purchaseId, receiptId, quote, ...approvalFacts(answer, base) });
  }
  const { status, body, headers: theirs } = answer.response;
  const headers = new Headers(theirs);
  headers.set("cache-control", "no-store");
  headers.set("lightning-status", answer.status);
  headers.set("lightning-purchase", answer.purchaseId);
  headers.set("lightning-spent-msat", String(answer.spentMsat));
  if (answer.receiptId !== null) headers.set("lightning-receipt", answer.receiptId);
  return new Response(NULL_BODY.has(status) ? null : body, { status, headers });
}

export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", "cache-control": "no-store" } });
}

/** What a Wallet object answered, as HTTP. */
export function resultResponse<T>(result: Result<T>, show: (value: T) => unknown = (value) => value, status = 200): Response {
  return result.ok ? json(show(result.value), status) : problemResponse(result.code, result.detail);
}

/** A `Response` with one of these may hold no stream (Fetch standard, "null body status"). */
const NULL_BODY = new Set([204, 205, 304]);

/** Seconds. Only where waiting helps without anybody doing anything. */
function retryAfter(code: Code): number | null {
  if (!ERRORS[code].retryable) return null;
  if (code === "payment_pending") return 2;
  if (ERRORS[code].outcome === "pending") return 10;
  if (code === "payment_rate_exceeded") return 60;
  return ERRORS[code].status === 503 ? 5 : null;
}
