/** One request to the seller, up to its headers; and what those headers ask of us. */
import type { FetchLimits } from "../lightning/wallet-api.ts";
import type { FlowPorts, SellerRequest, SellerResponse } from "./flow-types.ts";
import { within } from "./retry.ts";

export type Asked =
  | { readonly kind: "response"; readonly response: SellerResponse; readonly startedAt: number; readonly abort: () => void }
  | { readonly kind: "failed"; readonly code: "seller_unreachable" | "seller_timeout" };

/** Never throws: why a connection failed is the network's wording and stays here. */
export async function ask(ports: FlowPorts, url: string, request: Omit<SellerRequest, "signal">, limits: FetchLimits): Promise<Asked> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const startedAt = ports.clock.now();
  const flight = (async () => ports.fetch(url, { ...request, signal: controller.signal }))();
  try {
    const answer = await within(ports.clock, limits.headersMs, flight);
    if (answer.kind === "done") return { kind: "response", response: answer.value, startedAt, abort };
  } catch {
    return { kind: "failed", code: "seller_unreachable" };
  }
  abort();
  // It may answer all the same, and a body that nobody reads holds its connection.
  void flight.then(discard, () => undefined);
  return { kind: "failed", code: "seller_timeout" };
}

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
