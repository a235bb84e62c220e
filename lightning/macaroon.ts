/**
 * What a buyer may read in a token: the payment hash it is bound to, and caveats. Only the seller can verify a macaroon, and a buyer need not:
 * a token that lies is refused by the seller, and the payment hash is compared with the invoice's (invariant 8).
 * V2 binary, as Aperture mints it. The tag table in the L402 repository's macaroon-spec.md is wrong; these are go-macaroon's.
 * Anything else (V1, JSON, other identifiers, a list of macaroons) is opaque: no error, but nothing is known about it.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { base64 } from "@scure/base";

export interface Caveat {
  readonly condition: string;
  readonly value: string;
}

export type MacaroonResult =
  /** Hashes and ids are 64 lower-case hex digits. */
  | {
      readonly ok: true;
      readonly paymentHash: string;
      readonly tokenId: string;
      readonly location: string | null;
      readonly caveats: readonly Caveat[];
    }
  | { readonly ok: false };

const VERSION = 2;
const END = 0;
const LOCATION = 1;
const IDENTIFIER = 2;
const VERIFICATION_ID = 4;
const SIGNATURE = 6;
/** u16 version 0, 32 bytes payment hash, 32 bytes token id. */
const IDENTIFIER_LENGTH = 66;
const OPAQUE: MacaroonResult = { ok: false };

/** RFC 9110 token68: base64, base64url, a JWT. Commas (a list of macaroons), spaces and line ends are not in it, so that it can be put into a header. */
export function isToken(text: string): boolean {
  return text.length > 0 && text.length <= 65_536 && /^[A-Za-z0-9+/_.~-]+={0,2}$/u.test(text);
}

/** Reads a V2 macaroon with a version 0 identifier; `ok: false` is an opaque token. Never throws. */
export function decodeMacaroon(token: string): MacaroonResult {
  const bytes = isToken(token) ? fromBase64(token) : null;
  if (bytes === null) return OPAQUE;
  const reader = new Reader(bytes);
  if (reader.byte() !== VERSION) return OPAQUE;
  let part = reader.part();
  let location: string | null = null;
  if (part?.tag === LOCATION) {
    location = text(part.body);
    part = reader.part();
  }
  if (part?.tag !== IDENTIFIER || part.body.length !== IDENTIFIER_LENGTH || part.body[0] !== 0 || part.body[1] !== 0) return OPAQUE;
  const identifier = part.body;
  if (reader.part()?.tag !== END) return OPAQUE;
  const caveats: Caveat[] = [];
  for (part = reader.part(); part?.tag !== END; part = reader.part()) {
    if (part?.tag === LOCATION) part = reader.part();
    if (part?.tag !== IDENTIFIER) return OPAQUE;
    const condition = part.body;
    part = reader.part();
    const thirdParty = part?.tag === VERIFICATION_ID;
    if (thirdParty) part = reader.part();
    if (part?.tag !== END) return OPAQUE;
    if (!thirdParty) caveats.push(caveatOf(text(condition))); // a third party's condition is a cipher text
  }
  const signature = reader.part();
  if (signature?.tag !== SIGNATURE || signature.body.length !== 32 || !reader.atEnd) return OPAQUE;
  return { ok: true, paymentHash: bytesToHex(identifier.subarray(2, 34)), tokenId: bytesToHex(identifier.subarray(34)), location, caveats };
}

/**
 * The services a token opens, as canonical text (`name:tier`, sorted, each once, joined by commas): the scope of a credential.
 * Repeated caveats narrow: what all of them name. null when no caveat names a service that can be read.
 */
export function services(caveats: readonly Caveat[]): string | null {
  let allowed: readonly string[] | null = null;
  for (const { condition, value } of caveats) {
    if (condition !== "services") continue;
    const named = new Set(
      value
        .split(",")
        .map((entry) => entry.trim())
        .filter((entry) => /^[\x21-\x7e]+$/u.test(entry)),
    );
    allowed = allowed === null ? [...named] : allowed.filter((entry) => named.has(entry));
  }
  return allowed === null || allowed.length === 0 ? null : [...allowed].sort().join(",");
}

/**
 * Until when the seller accepts the token, epoch milliseconds: the earliest of all `<service>_valid_until` and `valid_until` caveats (unix seconds,
 * so that repetition narrows). null when there is none; one that is no number of seconds is skipped, as every unknown caveat is.
 */
export function validUntil(caveats: readonly Caveat[]): number | null {
  let earliest: number | null = null;
  for (const { condition, value } of caveats) {
    if (condition !== "valid_until" && !condition.endsWith("_valid_until")) continue;
    if (!/^[0-9]{1,12}$/u.test(value)) continue; // 12 digits stay within the range of `Date`
    const at = Number(value) * 1000;
    earliest = earliest === null ? at : Math.min(earliest, at);
  }
  return earliest;
}

/** `condition=value`, split at the first "=" and not trimmed, as Aperture reads it. */
function caveatOf(line: string): Caveat {
  const equals = line.indexOf("=");
  return equals < 0 ? { condition: line, value: "" } : { condition: line.slice(0, equals), value: line.slice(equals + 1) };
}

function fromBase64(token: string): Uint8Array | null {
  const bare = token.replace(/=+$/u, "").replaceAll("-", "+").replaceAll("_", "/");
  try {
    return base64.decode(bare.padEnd(Math.ceil(bare.length / 4) * 4, "="));
  } catch {
    return null; // an impossible length, or stray bits at the end
  }
}

class Reader {
  #at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number | null {
    return this.#bytes[this.#at++] ?? null;
  }

  /** A tag and its field, or null where the bytes end too early. */
  part(): { readonly tag: number; readonly body: Uint8Array } | null {
    const tag = this.byte();
    if (tag === null) return null;
    if (tag === END) return { tag, body: new Uint8Array() };
    const length = this.#varint();
    if (length === null || this.#at + length > this.#bytes.length) return null;
    const body = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return { tag, body };
  }

  #varint(): number | null {
    let value = 0;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte();
      if (byte === null) return null;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return null;
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes);
