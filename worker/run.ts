/** One purchase while it is being made: what was asked, its line to the vault, and the few ways in which it can end. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { ERRORS, type Code } from "../lightning/errors.ts";
import { normaliseUrl, type SafeUrl } from "../lightning/url.ts";
import type { Credential, FetchLimits, OpenAnswer, Pending, Refusal } from "../lightning/wallet-api.ts";
import { ask, type Asked } from "./ask.ts";
import type { FetchCall, FlowAnswer, FlowPorts } from "./flow-types.ts";
import { headersForSeller, unconditional } from "./headers.ts";
import type { Reply } from "./retry.ts";
import { VaultLine } from "./vault-line.ts";

export interface Run {
  readonly ports: FlowPorts;
  readonly call: FetchCall;
  readonly url: SafeUrl;
  readonly line: VaultLine;
  /** Redirects that may still be followed. */
  readonly hopsLeft: number;
}

export type Answer = Extract<FlowAnswer, { kind: "answer" }>;
export type ProblemAnswer = Extract<FlowAnswer, { kind: "problem" }>;

/** The seller sent us elsewhere; what it did so for is settled once the end of the road is known. */
export interface Moved {
  readonly kind: "moved";
  readonly run: Run;
  readonly to: SafeUrl;
  readonly status: number;
  readonly credential: Credential | null;
}

/** How one address ends. */
export type Leg = Answer | ProblemAnswer | Moved;

/** CONNECT, TRACE and TRACK are not for `fetch`; anything else unheard of is more likely a mistake. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]);

/** The request as it will be sent, or why it will not be: decided before anybody is asked. */
export function begin(ports: FlowPorts, call: FetchCall, hopsLeft: number): Run | ProblemAnswer {
  const purchaseId = ports.random.uuid();
  const method = call.method.toUpperCase();
  const body = call.body === null || call.body.length === 0 ? null : call.body;
  if (!METHODS.has(method))
    return problem(purchaseId, "invalid_request", "method: not one of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE");
  if (body !== null && (method === "GET" || method === "HEAD"))
    return problem(purchaseId, "invalid_request", `body: a ${method} carries none`);
  const url = normaliseUrl(call.url, ports.localHosts);
  if (!url.ok) return problem(purchaseId, "url_not_allowed", url.detail);
  const sent = { ...call, method, body };
  return { ports, call: sent, url: url.value, line: new VaultLine(ports, sent, purchaseId), hopsLeft };
}

/** Step 1. @param ties what binds this request to others; a quote has none of it: it must neither take a key nor take up a purchase */
export function open(
  { call, url, line }: Run,
  ties: { readonly idempotencyKey: string | null; readonly resume: string | null },
): Promise<Reply<OpenAnswer>> {
  return line.open({ method: call.method, url: url.url, bodySha256: call.body === null ? null : bytesToHex(sha256(call.body)), ...ties });
}

/** Steps 2 and 4. */
export function visit({ ports, call, url }: Run, credential: Credential | null, limits: FetchLimits): Promise<Asked> {
  const headers = headersForSeller(deliverable(call, credential).headers, {
    idempotencyKey: call.idempotencyKey,
    authorization: credential?.authorization ?? null,
  });
  return ask(ports, url.url, { method: call.method, headers, body: call.body }, limits);
}

/** The call as it must be made for `credential` to be fulfilled. */
export function deliverable(call: FetchCall, credential: Credential | null): FetchCall {
  const hasServed = credential === null || (credential.hasServed ?? credential.status === "cached");
  return hasServed ? call : { ...call, headers: unconditional(call.method, call.headers) };
}

export function problem(
  purchaseId: string,
  code: Code,
  detail: string = ERRORS[code].title,
  receiptId: string | null = null,
): ProblemAnswer {
  return { kind: "problem", code, detail, purchaseId, receiptId };
}

/** The purchase ends here, unpaid: the object writes the receipt, the caller hears why. */
export async function fail(run: Run, code: Code, detail?: string): Promise<ProblemAnswer> {
  return problem(run.line.purchaseId, code, detail, await run.line.failed(code));
}

/** Paid for, and nothing to show for it. @param status the seller's, or 0 when it gave none */
export async function unfulfilled(run: Run, credential: Credential, status: number, why: string): Promise<ProblemAnswer> {
  const receiptId = await run.line.conclude({ kind: "unfulfilled", credentialId: credential.id, status });
  return problem(run.line.purchaseId, "paid_unfulfilled", why, receiptId ?? credential.receiptId);
}

/** The object's own no, or not yet, to a caller. */
export function declined(answer: Refusal | Pending): ProblemAnswer {
  switch (answer.kind) {
    case "refused": {
      const { code, detail, purchaseId, receiptId, quote, approvalId } = answer;
      return {
        ...problem(purchaseId, code, detail, receiptId),
        ...(quote === undefined ? {} : { quote }),
        ...(approvalId === undefined ? {} : { approvalId }),
      };
    }
    case "pending": {
      const other = answer.leaderId === answer.purchaseId ? "" : ` (under way as purchase ${answer.leaderId})`;
      return problem(answer.purchaseId, answer.code, `${ERRORS[answer.code].title}${other}`);
    }
  }
}
