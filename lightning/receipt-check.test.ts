import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReceiptRecord } from "./control-plane.ts";
import { msat } from "./msat.ts";
import { GENESIS, chainHash, receiptId, verifyChain, type Receipt } from "./receipt.ts";
import { ChainCheck, readRecord } from "./receipt-check.ts";

const FACTS: Receipt = {
  version: 1,
  kind: "denied",
  sequence: 1,
  purchaseId: "p",
  walletId: "w_0123456789abcdef",
  owner: "main",
  budget: "daily",
  subject: null,
  at: "2026-11-22T12:00:00.000Z",
  method: "GET",
  origin: "https://a.example",
  path: "/",
  code: "amount_over_cap",
  amountMsat: msat(1000),
  feeMsat: null,
  maxFeeMsat: null,
  paymentHash: null,
  credentialId: null,
  binding: null,
  evidence: null,
  backend: "http-executor",
  epoch: 1,
  policyVersion: 1,
};

function chain(count: number, change: (receipt: Receipt) => Receipt = (receipt) => receipt): ReceiptRecord[] {
  const records: ReceiptRecord[] = [];
  for (let sequence = 1; sequence <= count; sequence++) {
    const receipt = change({ ...FACTS, sequence, purchaseId: `p${sequence}` });
    const id = receiptId(receipt);
    records.push({ receiptId: id, chain: chainHash(records.at(-1)?.chain ?? GENESIS, id), receipt });
  }
  return records;
}

/** The first fault as `<line> <kind>`, or null. */
function check(records: readonly ReceiptRecord[], start?: string): string | null {
  const checker = new ChainCheck(start);
  for (const [index, record] of records.entries()) {
    const fault = checker.next(record);
    if (fault !== null) return `${index + 1} ${fault.kind}`;
  }
  return null;
}

const five = chain(5);
const at = (index: number): ReceiptRecord => {
  const record = five[index];
  if (record === undefined) throw new Error("no such record");
  return record;
};

describe("invariant 14: a chain of receipts", () => {
  it("is right from the beginning, and from any point with the chain value before it", () => {
    expect(check(five)).toBeNull();
    expect(check(five.slice(2), at(1).chain)).toBeNull();
  });

  it("tells what was checked", () => {
    const checker = new ChainCheck();
    for (const record of five) checker.next(record);
    expect(checker.result).toEqual({ count: 5, first: 1, last: 5, walletId: FACTS.walletId, chain: at(4).chain });
  });

  it.each([
    ["a fact was changed", five.with(2, { ...at(2), receipt: { ...at(2).receipt, amountMsat: msat(1) } }), "3 id"],
    ["a fact was added", five.with(2, { ...at(2), receipt: { ...at(2).receipt, note: "x" } as Receipt }), "3 id"],
    ["a fact has no canonical form", five.with(2, { ...at(2), receipt: { ...at(2).receipt, amountMsat: 0.5 as never } }), "3 id"],
    ["an id was changed", five.with(2, { ...at(2), receiptId: at(1).receiptId }), "3 id"],
    ["a chain value was changed", five.with(2, { ...at(2), chain: "f".repeat(64) }), "3 chain"],
    ["a receipt is missing", five.toSpliced(2, 1), "3 sequence"],
    ["a receipt stands twice", five.toSpliced(2, 0, at(1)), "3 sequence"],
    ["two receipts changed places", [at(0), at(2), at(1), at(3), at(4)], "2 sequence"],
    ["the beginning is missing", five.slice(1), "1 sequence"],
    ["one was replaced by another with a right id", five.with(2, { ...at(2), ...rewritten(at(2)) }), "3 chain"],
    ["another wallet's receipt follows", [...five, ...chain(6, (receipt) => ({ ...receipt, walletId: "w_other" })).slice(5)], "6 wallet"],
  ])("shows where %s", (_what, records, fault) => {
    expect(check(records)).toBe(fault);
  });

  it("does not begin in the middle without the right start", () => {
    expect(check(five.slice(2), at(2).chain)).toBe("1 chain");
  });

  it("agrees with the check of a whole list, whatever single thing is changed", () => {
    const anyChange = fc.record({ index: fc.nat(4), how: fc.constantFrom("drop", "twice", "swap", "fact", "chain", "none") });
    fc.assert(
      fc.property(anyChange, ({ index, how }) => {
        const changed = [...five];
        if (how === "drop") changed.splice(index, 1);
        if (how === "twice") changed.splice(index, 0, at(index));
        if (how === "swap") changed.splice(index, 2, ...changed.slice(index, index + 2).toReversed());
        if (how === "fact") changed[index] = { ...at(index), receipt: { ...at(index).receipt, path: "/other" } };
        if (how === "chain") changed[index] = { ...at(index), chain: "0".repeat(64) };
        expect(check(changed) === null).toBe(verifyChain(changed) === null);
      }),
    );
  });
});

/** A changed receipt with its own right id, in the old place. */
function rewritten(record: ReceiptRecord): Pick<ReceiptRecord, "receiptId" | "receipt"> {
  const receipt = { ...record.receipt, amountMsat: msat(1) };
  return { receipt, receiptId: receiptId(receipt) };
}

describe("a line", () => {
  const line = JSON.stringify(at(0));
  const why = (text: string): string | null => {
    const read = readRecord(text);
    return read.ok ? null : read.why;
  };

  it("is read as it was written, also with other spacing", () => {
    expect(readRecord(line)).toEqual({ ok: true, record: at(0) });
    expect(readRecord(JSON.stringify(at(0), null, 1).replaceAll("\n", " "))).toEqual({ ok: true, record: at(0) });
  });

  it.each([
    ["that was cut", line.slice(0, -5), /cut off/u],
    ["that is no object", "[]", /not a receipt record/u],
    [
      "that is an error answer",
      '{"type":"urn:x","title":"No valid key was presented","status":401,"code":"unauthorized"}',
      /error answer \(unauthorized\)/u,
    ],
    ["without an id", line.replace("receiptId", "id"), /receiptId/u],
    ["without a chain value", line.replace(/"chain":"[0-9a-f]{64}"/u, '"chain":"0"'), /chain/u],
    ["without facts", JSON.stringify({ ...at(0), receipt: null }), /receipt is missing/u],
    ["with a number that is none", line.replace('"sequence":1', '"sequence":1.5'), /sequence/u],
    ["with something beside the receipt", JSON.stringify({ ...at(0), amountMsat: 5 }), /"amountMsat" stands beside/u],
    ["with a fact twice", line.replace('"amountMsat":1000', '"amountMsat":1,"amountMsat":1000'), /twice/u],
    ["with a fact twice, once in escapes", line.replace('"amountMsat":1000', '"amount\\u004dsat":1,"amountMsat":1000'), /twice/u],
    ["with a member twice", line.replace('{"receiptId"', '{"chain":"x","receiptId"'), /twice/u],
  ])("%s is none", (_what, text, expected) => {
    expect(why(text)).toMatch(expected);
  });

  it("never throws, whatever it holds", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `${json}${json}`),
        ),
        (text) => {
          readRecord(text);
          expect(true).toBe(true);
        },
      ),
    );
  });
});
