/**
 * The seller's half of a macaroon: V2 binary, as Aperture mints it. The encoder is written apart from the decoder in
 * `lightning/macaroon.ts`, so that one proves the other. The L402 repository's own tag table is wrong; these tags are
 * what go-macaroon writes: end 0, location 1, identifier 2, signature 6.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { base64 } from "@scure/base";

const VERSION = 2;
const END = 0;
const LOCATION = 1;
const IDENTIFIER = 2;
const SIGNATURE = 6;
/** go-macaroon derives the first key from the root key; the L402 text omits this step. */
const KEY_GENERATOR = new TextEncoder().encode("macaroons-key-generator");

export interface MacaroonPlan {
  /** 32 bytes, the seller's secret for this token. */
  readonly rootKey: Uint8Array;
  /** 64 hex digits. */
  readonly paymentHash: string;
  /** 32 bytes, or 64 hex digits. */
  readonly tokenId: Uint8Array | string;
  /** Aperture writes `lsat`, the default here. */
  readonly location?: string;
  readonly caveats: readonly { readonly condition: string; readonly value: string }[];
}

/** @returns the token in standard padded base64. @throws TypeError for ids that are not 32 bytes */
export function mintMacaroon(plan: MacaroonPlan): string {
  const identifier = new Uint8Array(66); // u16 version 0, payment hash, token id
  identifier.set(thirtyTwo(plan.paymentHash), 2);
  identifier.set(thirtyTwo(plan.tokenId), 34);
  const caveats = plan.caveats.map(({ condition, value }) => utf8(`${condition}=${value}`));
  const bytes = [
    VERSION,
    ...field(LOCATION, utf8(plan.location ?? "lsat")),
    ...field(IDENTIFIER, identifier),
    END,
    ...caveats.flatMap((caveat) => [...field(IDENTIFIER, caveat), END]),
    END,
    ...field(SIGNATURE, sign(plan.rootKey, identifier, caveats)),
  ];
  return base64.encode(Uint8Array.from(bytes));
}

/** Is this token, as received, one that `mintMacaroon` could have made under this root key? Never throws. */
export function verifyMacaroon(token: string, rootKey: Uint8Array): boolean {
  let bytes: Uint8Array;
  try {
    bytes = base64.decode(token);
  } catch {
    return false;
  }
  if (bytes[0] !== VERSION) return false;
  let at = 1;
  const caveats: Uint8Array[] = [];
  let identifier: Uint8Array | null = null;
  const next = (): { tag: number; body: Uint8Array } | null => {
    const tag = bytes[at++];
    if (tag === undefined) return null;
    if (tag === END) return { tag, body: new Uint8Array() };
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 21) return null;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (at + length > bytes.length) return null;
    const body = bytes.subarray(at, at + length);
    at += length;
    return { tag, body };
  };
  let part = next();
  if (part?.tag === LOCATION) part = next();
  if (part?.tag !== IDENTIFIER) return false;
  identifier = part.body;
  if (next()?.tag !== END) return false;
  for (part = next(); part?.tag === IDENTIFIER; part = next()) {
    caveats.push(part.body);
    if (next()?.tag !== END) return false;
  }
  if (part?.tag !== END) return false;
  const signature = next();
  if (signature?.tag !== SIGNATURE || at !== bytes.length) return false;
  return equal(signature.body, sign(rootKey, identifier, caveats));
}

function sign(rootKey: Uint8Array, identifier: Uint8Array, caveats: readonly Uint8Array[]): Uint8Array {
  let signature = hmac(sha256, hmac(sha256, KEY_GENERATOR, rootKey), identifier);
  for (const caveat of caveats) signature = hmac(sha256, signature, caveat);
  return signature;
}

function field(tag: number, body: Uint8Array): number[] {
  const length: number[] = [];
  for (let rest = body.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      length.push(rest);
      break;
    }
    length.push((rest & 0x7f) | 0x80);
  }
  return [tag, ...length, ...body];
}

function thirtyTwo(value: Uint8Array | string): Uint8Array {
  const bytes =
    typeof value === "string" ? Uint8Array.from(value.match(/[0-9a-f]{2}/giu) ?? [], (pair) => Number.parseInt(pair, 16)) : value;
  if (bytes.length !== 32 || (typeof value === "string" && value.length !== 64)) throw new TypeError("an id of 32 bytes is needed");
  return bytes;
}

/** In constant time, as a seller should compare signatures. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
