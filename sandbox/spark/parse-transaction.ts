/** Reads the transactions wallets send: one input, with or without a witness. */
import type { Output, Transaction } from "./transaction.ts";

/** @throws Error if the bytes are not one whole transaction with exactly one input */
export function parseTransaction(bytes: Uint8Array): Transaction {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error("transaction is cut off");
    at += length;
    return bytes.slice(at - length, at);
  };
  const number = (length: 1 | 2 | 4): number => {
    const start = at;
    take(length);
    return length === 1 ? view.getUint8(start) : length === 2 ? view.getUint16(start, true) : view.getUint32(start, true);
  };
  const size = (): number => {
    const first = number(1);
    if (first > 253) throw new Error("transaction too large");
    return first < 253 ? first : number(2);
  };

  const version = number(4);
  const segwit = bytes[at] === 0;
  if (segwit) take(2);
  if (size() !== 1) throw new Error("a Spark transaction has one input");
  const txid = take(32);
  const vout = number(4);
  take(size());
  const sequence = number(4);
  const outputs: Output[] = [];
  for (let count = size(); count > 0; count--) {
    const start = at;
    take(8);
    outputs.push({ value: Number(view.getBigUint64(start, true)), script: take(size()) });
  }
  if (segwit) for (let items = size(); items > 0; items--) take(size());
  const locktime = number(4);
  if (at !== bytes.length) throw new Error("bytes after the transaction");
  return { version, locktime, input: { txid, vout, sequence }, outputs };
}
