/**
 * An answer with everything that must differ between two sellers put aside: tokens and invoices become what they say, the date becomes
 * a word. What is left has to be equal: status, header lines, parameters, caveats and their order, body. The capitals of header names do not count:
 * they say which HTTP server wrote them.
 */
import { expect } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { decodeMacaroon } from "../../lightning/macaroon.ts";
import type { RawAnswer } from "./raw-http.ts";

const CHALLENGE = /^(LSAT|L402) macaroon="([^"]*)", invoice="([^"]*)"$/u;
/** The connection belongs to the HTTP server, Go's or Node's, not to the gateway. */
const OF_THE_CONNECTION = new Set(["connection", "keep-alive"]);

export interface Challenge {
  readonly scheme: string;
  readonly token: string;
  readonly invoice: string;
}

/** The challenges of an answer, in order. A line that is written in another way than Aperture's fails the test. */
export function challenges(answer: RawAnswer): Challenge[] {
  return linesOf(answer, "www-authenticate").map((line) => {
    const [, scheme = "", token = "", invoice = ""] = CHALLENGE.exec(line) ?? [];
    expect(scheme, "a WWW-Authenticate line that is not written as Aperture writes it").not.toBe("");
    return { scheme, token, invoice };
  });
}

/** @param nowMs epoch ms at which the answer came */
export function shapeOf(answer: RawAnswer, nowMs: number): object {
  const offers = challenges(answer);
  return {
    status: answer.status,
    // By name, each name's lines in their own order.
    headers: answer.headers
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .filter(([name]) => !OF_THE_CONNECTION.has(name))
      .sort(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1))
      .map(([name, value]) => `${name}: ${valueShape(name, value)}`),
    challenges: offers.map((offer) => ({ scheme: offer.scheme, ...tokenShape(offer, nowMs), ...invoiceShape(offer.invoice, nowMs) })),
    // LSAT and L402 are two names of one offer.
    distinct: new Set(offers.map(({ token, invoice }) => `${token} ${invoice}`)).size,
    body: answer.body,
  };
}

function valueShape(name: string, value: string): string {
  if (name === "www-authenticate") return value.replaceAll(/"[^"]*"/gu, '"…"');
  return name === "date" ? "a date" : value;
}

function tokenShape({ token, invoice }: Challenge, nowMs: number): object {
  const macaroon = decodeMacaroon(token);
  const decoded = decodeBolt11(invoice);
  if (!macaroon.ok || !decoded.ok) throw new Error("a challenge cannot be decoded");
  return {
    alphabet: /^[A-Za-z0-9+/]+={0,2}$/u.test(token) ? "standard base64" : "other",
    padded: token.length % 4 === 0,
    bound: macaroon.paymentHash === decoded.invoice.paymentHash,
    location: macaroon.location,
    caveats: macaroon.caveats.map(
      ({ condition, value }) => `${condition}=${condition.endsWith("_valid_until") ? about(Number(value) - nowMs / 1000) : value}`,
    ),
  };
}

function invoiceShape(invoice: string, nowMs: number): object {
  const decoded = decodeBolt11(invoice);
  if (!decoded.ok) throw new Error(decoded.detail);
  const { network, amountMsat, timestamp, expirySeconds, description, descriptionHash, payeeTag } = decoded.invoice;
  return { network, amountMsat, age: about(nowMs / 1000 - timestamp), expirySeconds, description, descriptionHash, payeeTag };
}

/** Seconds, to the next ten: two sellers are asked a moment apart. */
const about = (seconds: number): string => `${Math.round(seconds / 10) * 10 + 0} s`;

function linesOf(answer: RawAnswer, name: string): string[] {
  return answer.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}
