/**
 * From a 402's header to the one offer we would pay. The offers are what the seller says, whoever reads it; the clock and the wallet's network
 * only rule the choice. Aperture says everything twice (LSAT, then L402), so the same offer repeated is one choice, and two lines that
 * contradict each other are no choice at all: nobody can tell which of them the seller would honour.
 */
import { decodeBolt11, type Bolt11, type Network } from "./bolt11.ts";
import { isL402, parseChallenges, type Challenge } from "./challenge.ts";
import type { Code } from "./errors.ts";
import { decodeMacaroon, isToken, services, validUntil, type Caveat } from "./macaroon.ts";
import type { Msat } from "./msat.ts";

export interface Offer {
  readonly scheme: "L402" | "LSAT";
  /** As received. Secret, as the invoice is (invariant 9). */
  readonly token: string;
  readonly invoice: string;
  /** From the invoice, never from an attribute (invariant 7). */
  readonly amountMsat: Msat;
  readonly paymentHash: string;
  readonly network: Network;
  /** The invoice's, epoch milliseconds. */
  readonly expiresAt: number;
  readonly caveats: readonly Caveat[];
  /** The token's, epoch milliseconds; null when it names none. */
  readonly validUntil: number | null;
  /** The services caveat as canonical text, or null. */
  readonly services: string | null;
  /** `verified`: the token names the invoice's payment hash (invariant 8). `unverified`: the token is opaque; policy decides. */
  readonly binding: "verified" | "unverified";
  /** The payee's words: untrusted text. */
  readonly description: string | null;
}

export interface Fault {
  readonly code: Code;
  /** For people; holds no part of a token or invoice. */
  readonly detail: string;
}

export interface Offers {
  /** Every coherent L402 and LSAT offer in the order of the header, payable now or not. */
  readonly offers: readonly Offer[];
  /** Schemes we do not pay, as written, in order. */
  readonly others: readonly string[];
  /** The cheapest payable offer, or null. */
  readonly choice: Offer | null;
  /** Why there is no choice: the first fault. */
  readonly error: Fault | null;
}

export interface OffersContext {
  /** The wallet's network; null compares nothing. */
  readonly network: Network | null;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Whether policy pays for opaque tokens. If not, one is chosen only where no bound token is offered, so that the refusal says why. */
  readonly opaque?: boolean;
}

/** Reads a joined `WWW-Authenticate` value; null or empty for an absent one. Never throws. */
export function readOffers(header: string | null, context: OffersContext): Offers {
  const parsed = parseChallenges(header ?? "");
  if (!parsed.ok) return { offers: [], others: [], choice: null, error: { code: parsed.code, detail: parsed.detail } };
  const offers: Offer[] = [];
  const others: string[] = [];
  const payable: Offer[] = [];
  let first: Fault | null = null;
  const seen = new Contradictions();
  for (const challenge of parsed.challenges) {
    if (!isL402(challenge.scheme)) {
      others.push(challenge.scheme);
      continue;
    }
    const read = readOffer(challenge, seen);
    if ("code" in read) {
      first ??= read;
      continue;
    }
    offers.push(read);
    const fault = unpayable(read, context);
    if (fault === null) payable.push(read);
    else first ??= fault;
  }
  if (seen.found !== null) return { offers, others, choice: null, error: seen.found };
  const bound = payable.filter((offer) => offer.binding === "verified");
  const choice = cheapest(context.opaque === false && bound.length > 0 ? bound : payable);
  if (choice !== null) return { offers, others, choice, error: null };
  return { offers, others, choice, error: first ?? { code: "challenge_unsupported", detail: "no L402 among the schemes offered" } };
}

/** Two lines that cannot both be true: one token with two invoices, or one payment hash with two amounts. */
class Contradictions {
  found: Fault | null = null;
  readonly #invoiceOf = new Map<string, string>();
  readonly #amountOf = new Map<string, Msat | null>();

  pair(token: string, invoice: string): void {
    const other = this.#invoiceOf.get(token);
    if (other !== undefined && other !== invoice.toLowerCase())
      this.found ??= { code: "challenge_conflict", detail: "one token is offered with two invoices" };
    this.#invoiceOf.set(token, invoice.toLowerCase());
  }

  amount({ paymentHash, amountMsat }: Bolt11): void {
    const other = this.#amountOf.get(paymentHash);
    if (other !== undefined && other !== amountMsat)
      this.found ??= { code: "challenge_conflict", detail: "one payment hash is offered with two amounts" };
    this.#amountOf.set(paymentHash, amountMsat);
  }
}

function readOffer({ scheme, params, token68 }: Challenge, seen: Contradictions): Offer | Fault {
  const malformed = (detail: string): Fault => ({ code: "challenge_malformed", detail });
  const version = params.get("version") ?? "0";
  if (version !== "0") return { code: "challenge_unsupported", detail: "a version of L402 that we do not know" };
  const token = params.get("macaroon") ?? params.get("token");
  const invoice = params.get("invoice");
  if (token68 !== undefined || token === undefined || invoice === undefined)
    return malformed("an L402 challenge needs a token and an invoice");
  if (!isToken(token)) return malformed("the token holds characters that no header value may carry");
  seen.pair(token, invoice);

  const decoded = decodeBolt11(invoice);
  if (!decoded.ok) return { code: decoded.code, detail: decoded.detail };
  const bolt11 = decoded.invoice;
  seen.amount(bolt11);
  const { amountMsat, paymentHash, network, expiresAt, description } = bolt11;
  if (amountMsat === null) return { code: "invoice_amountless", detail: "the invoice leaves the amount to the payer" };
  const macaroon = decodeMacaroon(token);
  if (macaroon.ok && macaroon.paymentHash !== paymentHash)
    return { code: "payment_hash_mismatch", detail: "the macaroon is bound to another payment" };
  const caveats = macaroon.ok ? macaroon.caveats : [];
  return {
    scheme: scheme.toUpperCase() === "LSAT" ? "LSAT" : "L402",
    token,
    invoice,
    amountMsat,
    paymentHash,
    network,
    expiresAt,
    caveats,
    validUntil: validUntil(caveats),
    services: services(caveats),
    binding: macaroon.ok ? "verified" : "unverified",
    description,
  };
}

/** Why this wallet, now, may not pay an offer that is otherwise in order. */
function unpayable(offer: Offer, { network, now }: OffersContext): Fault | null {
  if (network !== null && offer.network !== network)
    return { code: "invoice_network_mismatch", detail: `the invoice is for ${offer.network}, the wallet pays on ${network}` };
  if (offer.expiresAt <= now)
    return { code: "invoice_expired", detail: `the invoice expired at ${new Date(offer.expiresAt).toISOString()}` };
  if (offer.validUntil !== null && offer.validUntil <= now) {
    return { code: "invoice_expired", detail: `the token stopped being valid at ${new Date(offer.validUntil).toISOString()}` };
  }
  return null;
}

/** The lowest price; at one price a bound token before an opaque one, L402 before LSAT, then the seller's order. */
function cheapest(payable: readonly Offer[]): Offer | null {
  const rank = (offer: Offer): number => (offer.binding === "verified" ? 0 : 2) + (offer.scheme === "L402" ? 0 : 1);
  let best: Offer | null = null;
  for (const offer of payable) {
    if (best === null || offer.amountMsat < best.amountMsat || (offer.amountMsat === best.amountMsat && rank(offer) < rank(best)))
      best = offer;
  }
  return best;
}
