/**
 * From a request to a {@link FetchCall}: the headers that steer a purchase. They are read in one place for the HTTP route and for the
 * service binding. Nothing here can widen what policy allows: `Lightning-Max-Sats` and `Lightning-Subject` only narrow, and
 * `Lightning-Resume` pays nothing at all.
 */
import { base64 } from "@scure/base";
import { MAX_MSAT, sats, type Msat } from "../lightning/msat.ts";
import { PURCHASE_ID, REQUEST_KEY, type FetchBody } from "../lightning/schema.ts";
import type { Auth } from "../lightning/wallet-api.ts";
import type { FetchCall } from "./flow-types.ts";

/** Longer than a payer's deadline, so that a caller who says nothing learns how it ended; shorter than what clients give up after. */
const DEFAULT_WAIT_MS = 35_000;
const MAX_WAIT_MS = 120_000;

export interface Steering {
  readonly idempotencyKey: string | null;
  readonly maxMsat: Msat | null;
  readonly subject: string | null;
  /** The purchase whose credential this request uses, paying nothing. */
  readonly resume: string | null;
  readonly waitMs: number;
}

export type SteeringResult = { readonly ok: true; readonly value: Steering } | { readonly ok: false; readonly detail: string };

/** @returns a fault that names the header, never its value */
export function readSteering(headers: { get(name: string): string | null }): SteeringResult {
  const idempotencyKey = headers.get("idempotency-key");
  if (idempotencyKey !== null && !REQUEST_KEY.test(idempotencyKey))
    return fault("Idempotency-Key: Expected 1 to 255 visible ASCII characters");
  const maxSats = headers.get("lightning-max-sats");
  let maxMsat: Msat | null = null;
  if (maxSats !== null) {
    if (!/^[1-9][0-9]{0,12}$/u.test(maxSats) || Number(maxSats) > MAX_MSAT / 1000)
      return fault("Lightning-Max-Sats: Expected a positive whole number of satoshi");
    maxMsat = sats(Number(maxSats));
  }
  const subject = headers.get("lightning-subject");
  if (subject !== null && !/^[\u0021-\u007e]{1,128}$/u.test(subject))
    return fault("Lightning-Subject: Expected 1 to 128 visible ASCII characters");
  const resume = headers.get("lightning-resume");
  if (resume !== null && !PURCHASE_ID.test(resume)) return fault("Lightning-Resume: Expected the id of a purchase");
  const wait = headers.get("lightning-wait-ms");
  if (wait !== null && !(/^[0-9]{1,6}$/u.test(wait) && Number(wait) <= MAX_WAIT_MS))
    return fault(`Lightning-Wait-Ms: Expected a whole number from 0 to ${MAX_WAIT_MS}`);
  return { ok: true, value: { idempotencyKey, maxMsat, subject, resume, waitMs: wait === null ? DEFAULT_WAIT_MS : Number(wait) } };
}

const fault = (detail: string): SteeringResult => ({ ok: false, detail });
const utf8 = new TextEncoder();

/** The call of a JSON body that has passed its schema. */
export function bodyCall(auth: Auth, asked: FetchBody, steering: Steering): FetchCall {
  let bytes: Uint8Array | null = null;
  if (asked.body !== undefined) bytes = utf8.encode(asked.body);
  else if (asked.bodyBase64 !== undefined) bytes = base64.decode(asked.bodyBase64);
  return {
    auth,
    method: asked.method ?? "GET",
    url: asked.url,
    headers: asked.headers === undefined ? [] : Object.entries(asked.headers),
    body: bytes,
    ...steering,
  };
}
