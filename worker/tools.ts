/** What a model's tool call gets back: plain values, bounded text, the outcome under the same names as in HTTP. */
import { ERRORS, problem, type Code, type Outcome, type Problem } from "../lightning/errors.ts";
import type { Quote } from "../lightning/wallet-api.ts";
import type { FlowAnswer, QuoteFlowAnswer } from "./flow-types.ts";
import { approvalFacts } from "./answers.ts";
import { preview } from "./preview.ts";

/** What the host of a model adds to its call, as the headers of `POST /v1/fetch` do; an Idempotency-Key is the tool call's id. */
export interface HostOptions {
  readonly idempotencyKey?: string;
  readonly maxSats?: number;
  readonly subject?: string;
  /** The id of a purchase that has paid: the same request again uses its credential and pays nothing. */
  readonly resume?: string;
  readonly waitMs?: number;
}

export interface ToolAnswer {
  readonly ok: true;
  readonly status: "paid" | "cached" | "free" | "paid_unfulfilled";
  /** The seller's HTTP status. */
  readonly httpStatus: number;
  readonly contentType: string | null;
  /** Null when the answer is not text. */
  readonly text: string | null;
  readonly truncated: boolean;
  readonly purchaseId: string;
  readonly receiptId: string | null;
  readonly spentMsat: number;
}

export interface ToolProblem {
  readonly ok: false;
  readonly status: Outcome;
  readonly problem: Problem;
  readonly purchaseId: string | null;
  readonly receiptId: string | null;
  readonly quote: Quote | null;
}

export type ToolQuote =
  | { readonly ok: true; readonly purchaseId: string; readonly paymentNeeded: true; readonly quote: Quote }
  | { readonly ok: true; readonly purchaseId: string; readonly paymentNeeded: false; readonly because: "free" | "cached" };

/** @param base where people reach this Worker, or null; a model is shown that address and the question's name, never a link that decides */
export async function toolAnswer(answer: FlowAnswer, base: string | null): Promise<ToolAnswer | ToolProblem> {
  if (answer.kind === "problem") return toolProblem(answer.code, answer.detail, { ...answer, ...approvalFacts(answer, base) });
  const { purchaseId, receiptId, spentMsat, status, response } = answer;
  return { ok: true, status, httpStatus: response.status, ...(await preview(response)), purchaseId, receiptId, spentMsat };
}

export function toolQuote(answer: QuoteFlowAnswer): ToolQuote | ToolProblem {
  switch (answer.kind) {
    case "problem":
      return toolProblem(answer.code, answer.detail, answer);
    case "quote":
      return { ok: true, purchaseId: answer.purchaseId, paymentNeeded: true, quote: answer.quote };
    case "no_payment_needed":
      return { ok: true, purchaseId: answer.purchaseId, paymentNeeded: false, because: answer.because };
  }
}

export function toolProblem(
  code: Code,
  detail: string,
  facts: {
    readonly purchaseId?: string;
    readonly receiptId?: string | null;
    readonly quote?: Quote | undefined;
    readonly approvalId?: string;
    readonly approvalUrl?: string;
  } = {},
): ToolProblem {
  const { approvalId, approvalUrl } = facts;
  const extensions = { ...(approvalId === undefined ? {} : { approvalId }), ...(approvalUrl === undefined ? {} : { approvalUrl }) };
  return {
    ok: false,
    status: ERRORS[code].outcome,
    problem: problem(code, detail, extensions),
    purchaseId: facts.purchaseId ?? null,
    receiptId: facts.receiptId ?? null,
    quote: facts.quote ?? null,
  };
}
