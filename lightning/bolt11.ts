/**
 * BOLT11 invoices: what an invoice really asks for, the only price that counts (invariant 7). Ours on `@scure/base`, because the
 * well-kept `light-bolt11-decoder` recovers no payee, verifies no signature and reads amounts and fields more loosely than money allows.
 * The public key costs an elliptic-curve recovery (about 1 ms) and decides nothing, so {@link payeeOf} is apart from {@link decodeBolt11}.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { bech32 } from "@scure/base";
import { isMsat, type Msat } from "./msat.ts";

export type Network = "mainnet" | "testnet" | "signet" | "regtest";

export interface Bolt11 {
  readonly network: Network;
  /** Millisatoshi; null when the invoice leaves the amount to the payer, which a caller here refuses. */
  readonly amountMsat: Msat | null;
  /** 64 lower-case hex digits. */
  readonly paymentHash: string;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Seconds; 3600 when the invoice names none. */
  readonly expirySeconds: number;
  /** Epoch milliseconds: from this instant on the invoice is not to be paid. */
  readonly expiresAt: number;
  /** The payee's own words: untrusted text, to be cleaned before it is shown. */
  readonly description: string | null;
  /** 64 hex digits, when the invoice carries a hash in place of the description. */
  readonly descriptionHash: string | null;
  /** 66 hex digits, what the `n` field claims; only {@link payeeOf} verifies it. */
  readonly payeeTag: string | null;
}

export type Bolt11Result =
  | { readonly ok: true; readonly invoice: Bolt11 }
  /** `invoice_amountless`: the amount is written as 0. `detail` never holds a part of the invoice. */
  | { readonly ok: false; readonly code: "invoice_malformed" | "invoice_amountless"; readonly detail: string };

const NETWORKS: Readonly<Record<string, Network>> = { bc: "mainnet", tb: "testnet", tbs: "signet", bcrt: "regtest" };
const DEFAULT_EXPIRY_S = 3600;
/** Far beyond any real expiry, and small enough that every instant stays a valid `Date`. */
const MAX_EXPIRY_S = 2 ** 40;
/** What fits one QR code is 7089 characters; longer ones exist only to cost us time. */
export const MAX_INVOICE_LENGTH = 8192;
const TIMESTAMP_WORDS = 7;
const SIGNATURE_WORDS = 104;
/** 21e6 BTC; {@link Msat} ends before it, so both bounds are checked where digits become a number. */
const SUPPLY_MSAT = 2_100_000_000_000_000_000n;
/** Even feature bits (BOLT 9, context 9) that payers meet: onion, payment secret, multi-part, blinded routes, payment metadata. AMP (30) is not here: its preimage proves nothing. */
const KNOWN_REQUIRED_FEATURES: ReadonlySet<number> = new Set([8, 14, 16, 24, 48]);

const P = 1;
const FEATURES = 5;
const EXPIRY = 6;
const DESCRIPTION = 13;
const SECRET = 16;
const PAYEE = 19;
const DESCRIPTION_HASH = 23;
/** Lengths in five-bit groups; a field of another length is skipped, as the specification asks. */
const FIXED_LENGTH: Readonly<Record<number, number>> = { [P]: 52, [SECRET]: 52, [PAYEE]: 53, [DESCRIPTION_HASH]: 52 };

interface Parts {
  readonly hrp: string;
  /** Five-bit groups without the signature. */
  readonly data: readonly number[];
  /** r (32) and s (32), then the recovery id. */
  readonly signature: Uint8Array;
}

/**
 * Decodes one invoice, in upper or lower case. Never throws. Verifies the checksum and the form of every field it reads, not the signature.
 * @param maxLength in characters; longer text is malformed
 */
export function decodeBolt11(text: string, maxLength: number = MAX_INVOICE_LENGTH): Bolt11Result {
  const parts = split(text, maxLength);
  if (typeof parts === "string") return malformed(parts);
  const head = readPrefix(parts.hrp);
  if (!head.ok) return head;
  const fields = readFields(parts.data);
  if (typeof fields === "string") return malformed(fields);
  const unknown = unknownFeature(fields.get(FEATURES));
  if (unknown !== null) return malformed(`the invoice requires feature ${unknown}, which we do not know`);

  const paymentHash = bytesOf(fields.get(P));
  const descriptionHash = bytesOf(fields.get(DESCRIPTION_HASH));
  const payeeTag = bytesOf(fields.get(PAYEE));
  const description = bytesOf(fields.get(DESCRIPTION));
  if (
    paymentHash === undefined ||
    descriptionHash === undefined ||
    payeeTag === undefined ||
    description === undefined ||
    bytesOf(fields.get(SECRET)) === undefined
  ) {
    return malformed("a field is padded with bits that are not 0");
  }
  if (paymentHash === null) return malformed("there is no payment hash");
  const expirySeconds = fields.has(EXPIRY) ? integer(fields.get(EXPIRY) ?? []) : DEFAULT_EXPIRY_S;
  if (expirySeconds > MAX_EXPIRY_S) return malformed("the expiry is beyond any calendar");
  const timestamp = integer(parts.data.slice(0, TIMESTAMP_WORDS));
  return {
    ok: true,
    invoice: {
      network: head.network,
      amountMsat: head.amountMsat,
      paymentHash: bytesToHex(paymentHash),
      timestamp,
      expirySeconds,
      expiresAt: (timestamp + expirySeconds) * 1000,
      description: description === null ? null : new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(description),
      descriptionHash: descriptionHash === null ? null : bytesToHex(descriptionHash),
      payeeTag: payeeTag === null ? null : bytesToHex(payeeTag),
    },
  };
}

/**
 * The payee's public key, 66 hex digits: recovered from the signature, or the `n` field when the signature is that key's.
 * null for text that is no invoice and for a signature that is nobody's. About 1 ms; never throws.
 */
export function payeeOf(text: string): string | null {
  const parts = split(text, MAX_INVOICE_LENGTH);
  if (typeof parts === "string" || !readPrefix(parts.hrp).ok) return null;
  const fields = readFields(parts.data);
  if (typeof fields === "string") return null;
  const tag = bytesOf(fields.get(PAYEE));
  if (tag === undefined) return null;
  const { signature } = parts;
  const hash = signedHash(parts);
  try {
    if (tag !== null) {
      return secp256k1.verify(signature.subarray(0, 64), hash, tag, { prehash: false }) ? bytesToHex(tag) : null;
    }
    const recovered = new Uint8Array(65);
    recovered[0] = signature[64] ?? 0; // noble wants the recovery id first, BOLT11 writes it last
    recovered.set(signature.subarray(0, 64), 1);
    return bytesToHex(secp256k1.recoverPublicKey(recovered, hash, { prehash: false }));
  } catch {
    return null; // noble throws for r or s out of range, and for points that are not on the curve
  }
}

/** Checksum, case and lengths; a string says what is wrong. */
function split(text: string, maxLength: number): Parts | string {
  if (text.length > maxLength) return `the invoice is longer than ${maxLength} characters`;
  const decoded = bech32.decodeUnsafe(text, false); // the last "1" separates; mixed case and a wrong checksum give undefined
  if (decoded === undefined) return "not bech32 with a right checksum";
  const { prefix: hrp, words } = decoded;
  if (words.length < TIMESTAMP_WORDS + SIGNATURE_WORDS) return "the invoice is too short";
  const signature = bytesOf(words.slice(-SIGNATURE_WORDS));
  if (signature === undefined || signature === null || (signature[64] ?? 4) > 3) return "the signature has no valid recovery id";
  return { hrp, data: words.slice(0, -SIGNATURE_WORDS), signature };
}

type Head = { readonly ok: true; readonly network: Network; readonly amountMsat: Msat | null } | Extract<Bolt11Result, { ok: false }>;

function readPrefix(hrp: string): Head {
  const match = /^ln(bcrt|bc|tbs|tb)(?:([0-9]+)([munp]?))?$/u.exec(hrp);
  const network = NETWORKS[match?.[1] ?? ""];
  if (match === null || network === undefined) return malformed("unknown network, or an amount that cannot be read");
  const digits = match[2];
  if (digits === undefined) return { ok: true, network, amountMsat: null };
  if (digits === "0") return { ok: false, code: "invoice_amountless", detail: "the invoice asks for 0" };
  if (digits.startsWith("0")) return malformed("the amount has leading zeros");
  if (digits.length > 20) return malformed("the amount is more than there is");
  const count = BigInt(digits);
  const amount = scale(count, match[3] ?? "");
  if (amount === null) return malformed("the amount is finer than a millisatoshi");
  const amountMsat = Number(amount);
  if (amount > SUPPLY_MSAT || !isMsat(amountMsat)) return malformed("the amount is more than there is, or than can be counted exactly");
  return { ok: true, network, amountMsat };
}

/** Millisatoshi, exact, or null for a fraction of one. */
function scale(count: bigint, multiplier: string): bigint | null {
  switch (multiplier) {
    case "m":
      return count * 100_000_000n;
    case "u":
      return count * 100_000n;
    case "n":
      return count * 100n;
    case "p":
      return count % 10n === 0n ? count / 10n : null;
    default:
      return count * 100_000_000_000n;
  }
}

/** The first field of each type, and of the right length: the most preferred stands first. */
function readFields(data: readonly number[]): ReadonlyMap<number, readonly number[]> | string {
  const fields = new Map<number, readonly number[]>();
  let at = TIMESTAMP_WORDS;
  while (at < data.length) {
    const type = data[at];
    const high = data[at + 1];
    const low = data[at + 2];
    if (type === undefined || high === undefined || low === undefined) return "a field is cut short";
    const length = high * 32 + low;
    at += 3;
    if (at + length > data.length) return "a field is cut short";
    const fixed = FIXED_LENGTH[type];
    if (!fields.has(type) && (fixed === undefined || fixed === length)) fields.set(type, data.slice(at, at + length));
    at += length;
  }
  return fields;
}

/** Whole bytes of five-bit groups; null for no field, undefined for padding that is too long or not 0. */
function bytesOf(words: readonly number[] | undefined): Uint8Array | null | undefined {
  if (words === undefined) return null;
  // fromWords refuses both kinds of bad padding, and wants an array it may own
  const bytes = bech32.fromWordsUnsafe([...words]);
  return bytes instanceof Uint8Array ? bytes : undefined;
}

/** Big-endian; Infinity is possible for absurd lengths and is caught by the caller's bound. */
function integer(words: readonly number[]): number {
  let value = 0;
  for (const word of words) value = value * 32 + word;
  return value;
}

/** The lowest required (even) feature bit that nobody here knows, or null. */
function unknownFeature(words: readonly number[] | undefined): number | null {
  if (words === undefined) return null;
  for (let group = 0; group < words.length; group++) {
    const word = words[words.length - 1 - group] ?? 0;
    for (let bit = 0; bit < 5; bit++) {
      const feature = group * 5 + bit;
      if (((word >> bit) & 1) === 1 && feature % 2 === 0 && !KNOWN_REQUIRED_FEATURES.has(feature)) return feature;
    }
  }
  return null;
}

/** sha256 of the prefix as text and the data part padded with 0 bits to whole bytes (BOLT11, "signature"). */
function signedHash({ hrp, data }: Parts): Uint8Array {
  let bits = "";
  for (const word of data) bits += word.toString(2).padStart(5, "0");
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "0");
  const bytes = Uint8Array.from({ length: bits.length / 8 }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2));
  return sha256(hexToBytes(bytesToHex(new TextEncoder().encode(hrp)) + bytesToHex(bytes)));
}

function malformed(detail: string): Extract<Bolt11Result, { ok: false }> {
  return { ok: false, code: "invoice_malformed", detail };
}
