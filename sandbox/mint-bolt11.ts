/**
 * The seller's half of BOLT11: real invoices, signed as a node signs them. Written apart from the decoder in
 * `lightning/bolt11.ts`, so that one proves the other. A simulation that makes thousands may leave the signature out:
 * the checksum is right either way, and the wallet's decision never reads the payee.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bech32 } from "@scure/base";
import type { Network } from "../lightning/bolt11.ts";

export interface InvoicePlan {
  readonly network: Network;
  /** Millisatoshi; null asks for any amount. */
  readonly amountMsat: number | null;
  /** 64 hex digits. */
  readonly paymentHash: string;
  /** 32 bytes. */
  readonly paymentSecret: Uint8Array;
  /** At most 639 bytes of UTF-8. */
  readonly description: string;
  /** Unix seconds, below 2^35. */
  readonly timestamp: number;
  /** Left out: no `x` field, which readers take as 3600 s. */
  readonly expirySeconds?: number;
  /** 32 bytes; not used when `sign` is false. */
  readonly nodeSecretKey: Uint8Array;
  /** Blocks; Aperture's lnd writes 80, the default here. */
  readonly minFinalCltv?: number;
  /** false: a fixed dummy signature under a right checksum. */
  readonly sign?: boolean;
}

const PREFIX = { mainnet: "lnbc", testnet: "lntb", signet: "lntbs", regtest: "lnbcrt" } as const satisfies Record<Network, string>;
/** Feature bits 8 and 14 required (onion, payment secret), 17 offered (multi-part): five-bit groups, big-endian. */
const FEATURES = [0b00100, 0b10000, 0b01000, 0b00000];
/** r and s are small valid scalars, recovery id 0: well formed, and plainly nobody's. */
const DUMMY_SIGNATURE = Uint8Array.from({ length: 65 }, (_, i) => (i === 64 ? 0 : 1));

/** A BOLT11 invoice, lower case. @throws TypeError or RangeError for a plan that no invoice can express */
export function mintBolt11(plan: InvoicePlan): string {
  if (plan.paymentSecret.length !== 32) throw new TypeError("a payment secret of 32 bytes is needed");
  if (!/^[0-9a-f]{64}$/iu.test(plan.paymentHash)) throw new TypeError("a payment hash of 64 hex digits is needed");
  const hrp = PREFIX[plan.network] + amount(plan.amountMsat);
  const words = [
    ...number(plan.timestamp, 7),
    ...field(1, bech32.toWords(Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(plan.paymentHash.slice(2 * i, 2 * i + 2), 16)))),
    ...field(16, bech32.toWords(plan.paymentSecret)),
    ...field(13, bech32.toWords(new TextEncoder().encode(plan.description))),
    ...(plan.expirySeconds === undefined ? [] : field(6, number(plan.expirySeconds))),
    ...field(24, number(plan.minFinalCltv ?? 80)),
    ...field(5, FEATURES),
  ];
  const signature = plan.sign === false ? DUMMY_SIGNATURE : signWords(hrp, words, plan.nodeSecretKey);
  return bech32.encode(hrp, [...words, ...bech32.toWords(signature)], false);
}

/** Windows of 10 bits halve the cost of a signature; the table (about 0.2 s, once) is made with the first one. */
const SIGNING_WINDOW = 10;
let tableIsMade = false;

/** 64 bytes of r and s, then the recovery id. Noble signs low-s, and deterministically (RFC 6979). */
function signWords(hrp: string, words: readonly number[], secretKey: Uint8Array): Uint8Array {
  if (!tableIsMade) {
    secp256k1.Point.BASE.precompute(SIGNING_WINDOW, false);
    tableIsMade = true;
  }
  const recovered = secp256k1.sign(signedHash(hrp, words), secretKey, { prehash: false, format: "recovered" });
  const signature = new Uint8Array(65);
  signature.set(recovered.subarray(1));
  signature[64] = recovered[0] ?? 0; // noble puts the recovery id first, BOLT11 last
  return signature;
}

/** What is signed: the prefix as text, then the data part without signature, padded with 0 bits to whole bytes. */
function signedHash(hrp: string, words: readonly number[]): Uint8Array {
  const prefix = new TextEncoder().encode(hrp);
  const message = new Uint8Array(prefix.length + Math.ceil((words.length * 5) / 8));
  message.set(prefix);
  let at = prefix.length;
  let bits = 0;
  let buffer = 0;
  for (const word of words) {
    buffer = ((buffer << 5) | word) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      message[at++] = (buffer >> bits) & 0xff;
    }
  }
  if (bits > 0) message[at] = (buffer << (8 - bits)) & 0xff;
  return sha256(message);
}

/** The shortest form, as the specification asks of a writer. */
function amount(msat: number | null): string {
  if (msat === null) return "";
  if (!Number.isSafeInteger(msat) || msat < 0) throw new RangeError("not an amount in msat");
  for (const [multiplier, unit] of [
    ["", 1e11],
    ["m", 1e8],
    ["u", 1e5],
    ["n", 100],
  ] as const) {
    if (msat % unit === 0) return `${msat / unit}${multiplier}`;
  }
  return `${msat}0p`;
}

function field(type: number, data: readonly number[]): number[] {
  if (data.length > 1023) throw new RangeError("a field holds at most 1023 five-bit groups");
  return [type, data.length >> 5, data.length & 31, ...data];
}

/** Big-endian five-bit groups: as few as possible, or exactly `length`. */
function number(value: number, length?: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("not a whole number of seconds or blocks");
  const groups: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) groups.unshift(rest % 32);
  if (length === undefined) return groups.length === 0 ? [0] : groups;
  if (groups.length > length) throw new RangeError("the timestamp does not fit into 35 bits");
  return [...Array.from({ length: length - groups.length }, () => 0), ...groups];
}
