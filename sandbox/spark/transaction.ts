/**
 * The transactions of a Spark leaf: version 3, one input, one paying output and maybe an anchor; never broadcast here, but serialized,
 * hashed (BIP341 key spend) and compared byte for byte with what wallets send.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToNumber, concatBytes, hexToBytes } from "./field.ts";
import { evenY, GENERATOR, multiply, parsePoint, taggedHash, xOnly, type Point } from "./points.ts";

export interface Output {
  /** Sats. */
  readonly value: number;
  readonly script: Uint8Array;
}
export interface Transaction {
  readonly version: number;
  readonly locktime: number;
  readonly input: { readonly txid: Uint8Array; readonly vout: number; readonly sequence: number };
  readonly outputs: readonly Output[];
}

/** Ephemeral anchor (pay to anchor): lets whoever broadcasts the transaction pay its fee by a child. */
export const ANCHOR: Output = { value: 0, script: hexToBytes("51024e73") };
/** What a transaction without an anchor leaves for its fee: 191 vB at 5 sat. */
export const DIRECT_FEE_SATS = 955;

const le = (value: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes.subarray(0, length);
};
const compactSize = (value: number): Uint8Array => (value < 253 ? Uint8Array.of(value) : concatBytes(Uint8Array.of(253), le(value, 2)));
const withSize = (bytes: Uint8Array): Uint8Array => concatBytes(compactSize(bytes.length), bytes);
const serializeOutput = (output: Output): Uint8Array => concatBytes(le(output.value, 8), withSize(output.script));
const outpoint = ({ input }: Transaction): Uint8Array => concatBytes(input.txid, le(input.vout, 4));

/** @param witness the single signature of a key spend; without it the legacy form, as it is signed and hashed to a txid */
export function serialize(transaction: Transaction, witness?: Uint8Array | null): Uint8Array {
  const signed = witness !== undefined && witness !== null;
  return concatBytes(
    le(transaction.version, 4),
    signed ? Uint8Array.of(0, 1) : new Uint8Array(0),
    Uint8Array.of(1),
    outpoint(transaction),
    Uint8Array.of(0),
    le(transaction.input.sequence, 4),
    compactSize(transaction.outputs.length),
    ...transaction.outputs.map(serializeOutput),
    signed ? concatBytes(Uint8Array.of(1), withSize(witness)) : new Uint8Array(0),
    le(transaction.locktime, 4),
  );
}

/** In the byte order of an outpoint (not the reversed one that people read). */
export const transactionId = (transaction: Transaction): Uint8Array => sha256(sha256(serialize(transaction)));

/** `apply fee` of the protocol: only where it leaves something. */
export const lessDirectFee = (sats: number): number => (sats > DIRECT_FEE_SATS ? sats - DIRECT_FEE_SATS : sats);

/** Spends output 0 of `parent`. With an anchor it pays the whole value on, without one it pays its own fee. */
export function spend(parent: Transaction, sequence: number, script: Uint8Array, kind: "anchored" | "direct"): Transaction {
  const value = outputOf(parent).value;
  return spendOutpoint(transactionId(parent), sequence, value, script, kind);
}

export function spendOutpoint(
  txid: Uint8Array,
  sequence: number,
  value: number,
  script: Uint8Array,
  kind: "anchored" | "direct",
): Transaction {
  const outputs = kind === "anchored" ? [{ value, script }, ANCHOR] : [{ value: lessDirectFee(value), script }];
  return { version: 3, locktime: 0, input: { txid, vout: 0, sequence }, outputs };
}

/** Output 0, the one that carries the leaf's money. */
export function outputOf(transaction: Transaction): Output {
  const output = transaction.outputs[0];
  if (output === undefined) throw new Error("transaction without an output");
  return output;
}

export interface TaprootKey {
  /** Scalar added to the internal key with even y. */
  readonly tweak: bigint;
  readonly outputKey: Point;
}

/** BIP341. `root` is empty for an output without scripts. */
export function taproot(internalKey: Point, root: Uint8Array = new Uint8Array(0)): TaprootKey {
  const even = evenY(internalKey);
  const tweak = bytesToNumber(taggedHash("TapTweak", xOnly(even), root));
  return { tweak, outputKey: even.add(multiply(GENERATOR, tweak)) };
}

export const taprootScript = (key: TaprootKey): Uint8Array => concatBytes(Uint8Array.of(0x51, 0x20), xOnly(key.outputKey));
export const payTo = (internalKey: Point, root?: Uint8Array): Uint8Array => taprootScript(taproot(internalKey, root));

/** BIP341 signature hash of the single input, key spend, SIGHASH_DEFAULT. */
export function sighash(transaction: Transaction, previous: Output): Uint8Array {
  return taggedHash(
    "TapSighash",
    Uint8Array.of(0, 0), // epoch, hash type
    le(transaction.version, 4),
    le(transaction.locktime, 4),
    sha256(outpoint(transaction)),
    sha256(le(previous.value, 8)),
    sha256(withSize(previous.script)),
    sha256(le(transaction.input.sequence, 4)),
    sha256(concatBytes(...transaction.outputs.map(serializeOutput))),
    Uint8Array.of(0), // key spend, no annex
    le(0, 4),
  );
}

/** NUMS point: an HTLC can be spent by its scripts only. */
const UNSPENDABLE = "0250929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";
/** Blocks after which the sender may take an HTLC back on chain. */
const HTLC_CSV = 2160;

/** Output of a Lightning HTLC: the receiver with the preimage, or the sender after {@link HTLC_CSV} blocks. */
export function htlcScript(paymentHash: Uint8Array, receiver: Point, sender: Point): Uint8Array {
  const push = (key: Point): Uint8Array => concatBytes(Uint8Array.of(0x20), xOnly(key));
  const leaf = (script: Uint8Array): Uint8Array => taggedHash("TapLeaf", Uint8Array.of(0xc0), withSize(script));
  // SHA256 <hash> EQUALVERIFY <receiver> CHECKSIG
  const hashLock = leaf(concatBytes(Uint8Array.of(0xa8, 0x20), paymentHash, Uint8Array.of(0x88), push(receiver), Uint8Array.of(0xac)));
  // <2160> CHECKSEQUENCEVERIFY DROP <sender> CHECKSIG
  const timeLock = leaf(concatBytes(Uint8Array.of(2), le(HTLC_CSV, 2), Uint8Array.of(0xb2, 0x75), push(sender), Uint8Array.of(0xac)));
  const [left, right] = bytesToNumber(hashLock) < bytesToNumber(timeLock) ? [hashLock, timeLock] : [timeLock, hashLock];
  return payTo(parsePoint(hexToBytes(UNSPENDABLE)), taggedHash("TapBranch", left, right));
}
