/**
 * One request to the seller, up to its headers; and what those headers ask of us.
 *
 * A body that is announced as small comes along at once. In workerd a body that passes through a stream made in JavaScript costs
 * about 0.15 ms of processor time more than bytes in hand (raw workerd, 2026-11), a third of what this flow adds to a bare
 * fetch; a refused answer that is read to its end leaves its connection fit for the next; and a seller that breaks off in the
 * middle has not answered, so the retries after a payment cover it. An event stream announces no length and is never held.
 */
import type { FetchLimits } from "../lightning/wallet-api.ts";
import type { FlowPorts, SellerRequest, SellerResponse } from "./flow-types.ts";
import { within } from "./retry.ts";

export type Asked =
  | {
      readonly kind: "response";
      readonly response: SellerResponse;
      /** The small body, taken from `response`; null when it is still to be streamed, or there is none. */
      readonly whole: Uint8Array | null;
      readonly startedAt: number;
      readonly abort: () => void;
    }
  | { readonly kind: "failed"; readonly code: "seller_unreachable" | "seller_timeout" };

const SMALL_BYTES = 16_384;

/** Never throws: why a connection failed is the network's wording and stays here. */
export async function ask(ports: FlowPorts, url: string, request: Omit<SellerRequest, "signal">, limits: FetchLimits): Promise<Asked> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const startedAt = ports.clock.now();
  const flight = (async () => ports.fetch(url, { ...request, signal: controller.signal }))();
  try {
    const answer = await within(ports.clock, Math.min(limits.headersMs, limits.totalMs), flight);
    if (answer.kind === "done") {
      const response = answer.value;
      if (!isStatus(response.status)) {
        discard(response);
        return { kind: "failed", code: "seller_unreachable" };
      }
      if (response.body === null || !isSmall(request.method, response, limits))
        return { kind: "response", response, whole: null, startedAt, abort };
      const whole = await collect(ports.clock, response.body, limits, startedAt + limits.totalMs);
      if (whole !== null)
        return { kind: "response", response: { status: response.status, headers: response.headers, body: null }, whole, startedAt, abort };
    }
  } catch {
    return { kind: "failed", code: "seller_unreachable" };
  }
  abort();
  // It may answer all the same, and a body that nobody reads holds its connection.
  void flight.then(discard, () => undefined);
  return { kind: "failed", code: "seller_timeout" };
}

/** A small body may come slowly too: as long as it comes, and by `until`. Null: it did not. @throws when the seller breaks off */
async function collect(
  clock: FlowPorts["clock"],
  body: ReadableStream<Uint8Array>,
  { idleMs }: FetchLimits,
  until: number,
): Promise<Uint8Array | null> {
  const reader = body.getReader();
  let whole: Uint8Array = new Uint8Array();
  for (;;) {
    const next = await within(clock, Math.min(idleMs, until - clock.now()), reader.read());
    if (next.kind === "late") {
      void reader.cancel().catch(() => undefined);
      return null;
    }
    const { done, value } = next.value;
    if (done) return whole;
    if (whole.length === 0) whole = value;
    else {
      const longer = new Uint8Array(whole.length + value.length);
      longer.set(whole);
      longer.set(value, whole.length);
      whole = longer;
    }
  }
}

/** What a final answer may have (RFC 9110 section 15); engines hand up others too, which no `Response` of ours could carry on. */
const isStatus = (status: number): boolean => status >= 200 && status <= 599;

/** A Content-Length counts bytes before decoding, so an encoded body may be any size. */
function isSmall(method: string, { status, headers }: SellerResponse, { maxBytes }: FetchLimits): boolean {
  const announced = headers.get("content-length");
  if (announced === null || !/^[0-9]+$/u.test(announced) || headers.has("content-encoding") || isBodiless(method, status)) return false;
  return Number(announced) <= Math.min(SMALL_BYTES, maxBytes);
}

/** Answers that never have a body, whatever their Content-Length says (RFC 9110 section 6.4.1). */
export const isBodiless = (method: string, status: number): boolean =>
  method === "HEAD" || status === 204 || status === 205 || status === 304;

/** Lets go of an answer whose body is not wanted. */
export function discard(response: SellerResponse): void {
  if (response.body !== null) void response.body.cancel().catch(() => undefined);
}

export type Demand =
  /** An answer like any other. */
  | { readonly kind: "none" }
  /** Pay, says the seller; to whom sent a credential: this one is not good. */
  | { readonly kind: "payment"; readonly challenge: string }
  /** The same, without a challenge to pay. */
  | { readonly kind: "unpayable" };

/**
 * 402 asks for payment; so does 401 with an L402 challenge, and any 401 to a credential (L402 protocol: "present but invalid";
 * Aperture answers 402 with a new invoice there). Another 401 is the seller's own business.
 */
export function demandOf(response: SellerResponse, sentCredential: boolean): Demand {
  if (response.status !== 402 && response.status !== 401) return { kind: "none" };
  const challenge = response.headers.get("www-authenticate") ?? "";
  if (response.status === 402) return challenge === "" ? { kind: "unpayable" } : { kind: "payment", challenge };
  if (/(?:^|,)[ \t]*(?:L402|LSAT)[ \t]/iu.test(challenge)) return { kind: "payment", challenge };
  return sentCredential ? { kind: "unpayable" } : { kind: "none" };
}
