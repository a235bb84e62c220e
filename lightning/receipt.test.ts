import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { ReceiptRecord } from "./control-plane.ts";
import type { Msat } from "./msat.ts";
import { chainHash, GENESIS, receiptId, verifyChain, type Receipt } from "./receipt.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

const FACTS: Receipt = {
  version: 1,
  kind: "paid",
  sequence: 1,
  purchaseId: "00000000-0000-4000-8000-000000000001",
  walletId: "w_0123456789abcdef",
  owner: "main",
  budget: "agents",
  subject: null,
  at: "2027-01-15T08:00:00.000Z",
  method: "GET",
  origin: "https://seller.example",
  path: "/joke",
  code: null,
  amountMsat: 21_000 as Msat,
  feeMsat: 12 as Msat,
  maxFeeMsat: 3000 as Msat,
  paymentHash: "ab".repeat(32),
  credentialId: "cred_1",
  binding: "verified",
  evidence: null,
  backend: "http-executor",
  epoch: 1,
  policyVersion: 3,
};

/** Another value of the same kind for every fact there is. */
const OTHER: { readonly [K in keyof Receipt]: unknown } = {
  version: 2,
  kind: "late_settlement",
  sequence: 2,
  purchaseId: "00000000-0000-4000-8000-000000000002",
  walletId: "w_0123456789abcdee",
  owner: "other",
  budget: "agent",
  subject: "u1",
  at: "2027-01-15T08:00:00.001Z",
  method: "POST",
  origin: "https://seller.example:8443",
  path: "/joke/",
  code: "payment_failed",
  amountMsat: 21_001,
  feeMsat: 0,
  maxFeeMsat: null,
  paymentHash: "ab".repeat(31) + "ac",
  credentialId: null,
  binding: "unverified",
  evidence: "approved by ann",
  backend: "spark-wasm",
  epoch: 2,
  policyVersion: 4,
};

function chain(length: number): ReceiptRecord[] {
  const records: ReceiptRecord[] = [];
  for (let sequence = 1; sequence <= length; sequence++) {
    const receipt = { ...FACTS, sequence, purchaseId: `p${sequence}` };
    const id = receiptId(receipt);
    records.push({ receiptId: id, chain: chainHash(records.at(-1)?.chain ?? GENESIS, id), receipt });
  }
  return records;
}

describe("a receipt's id", () => {
  it("invariant 14: is the same for the same facts, in whatever order they were written", () => {
    const reversed = Object.fromEntries(Object.entries(FACTS).toReversed()) as unknown as Receipt;
    expect(receiptId(reversed)).toBe(receiptId(FACTS));
    expect(receiptId(FACTS)).toMatch(/^rcpt_[0-9a-f]{64}$/u);
  });

  it("invariant 14: is what any other program would make of the facts (here: Python), so that exports verify for ever", () => {
    expect(receiptId(FACTS)).toBe("rcpt_45b241ef7f64384a2864242cb641833471b0e8db1a714284cdcbcf788479309a");
    expect(chainHash(GENESIS, receiptId(FACTS))).toBe("3c867f6215afcee6c42c29cbc583a41c34233b3c8d23195e6745d48c1ae7f8f5");
  });

  it.each(Object.keys(OTHER) as (keyof Receipt)[])("invariant 14: another %s is another id", (key) => {
    expect(receiptId({ ...FACTS, [key]: OTHER[key] })).not.toBe(receiptId(FACTS));
  });
});

describe("verifyChain", () => {
  it("accepts a whole chain, an empty one, and a part that starts from the value before it", () => {
    const records = chain(6);
    expect(verifyChain(records)).toBeNull();
    expect(verifyChain([])).toBeNull();
    expect(verifyChain(records.slice(3), records[2]?.chain)).toBeNull();
  });

  it("invariant 14: finds any one fact changed in any one receipt", () => {
    const keys = Object.keys(OTHER) as (keyof Receipt)[];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(), fc.constantFrom(...keys), (length, where, key) => {
        const records = chain(length);
        const index = where % length;
        const record = records[index];
        if (record === undefined) throw new Error("there is one");
        const value = key === "sequence" ? 99 : OTHER[key];
        records[index] = { ...record, receipt: { ...record.receipt, [key]: value } };
        expect(verifyChain(records)).toEqual({ line: index + 1, fault: "id" });
        // With its id mended, the chain still tells.
        records[index] = {
          ...record,
          receipt: { ...record.receipt, [key]: value },
          receiptId: receiptId({ ...record.receipt, [key]: value }),
        };
        expect(verifyChain(records)).toEqual({ line: index + 1, fault: "chain" });
      }),
    );
  });

  it("invariant 14: finds any one receipt taken out, but for the last, which only a count can miss", () => {
    for (let index = 0; index < 5; index++) expect(verifyChain(chain(6).toSpliced(index, 1))).toEqual({ line: index + 1, fault: "chain" });
  });

  it("invariant 14: finds any two receipts swapped, one told twice, and one put in", () => {
    for (let a = 0; a < 5; a++) {
      for (let b = a + 1; b < 5; b++) {
        const records = chain(5);
        const [first, second] = [records[a], records[b]];
        if (first === undefined || second === undefined) throw new Error("there are two");
        expect(verifyChain(records.with(a, second).with(b, first))).toEqual({ line: a + 1, fault: "chain" });
        expect(verifyChain(records.toSpliced(b, 0, first))).toEqual({ line: b + 1, fault: "chain" });
      }
    }
  });

  it("invariant 14: a gap in the numbers is found even where somebody chained over it", () => {
    const [first] = chain(1);
    if (first === undefined) throw new Error("there is one");
    const receipt = { ...FACTS, sequence: 3 };
    const id = receiptId(receipt);
    expect(verifyChain([first, { receiptId: id, chain: chainHash(first.chain, id), receipt }])).toEqual({ line: 2, fault: "sequence" });
  });

  it("invariant 14: from the beginning, the first number is 1", () => {
    const receipt = { ...FACTS, sequence: 2 };
    const id = receiptId(receipt);
    expect(verifyChain([{ receiptId: id, chain: chainHash(GENESIS, id), receipt }])).toEqual({ line: 1, fault: "sequence" });
  });

  it("an export that somebody spoilt with what no receipt holds is a fault, not an exception", () => {
    const records = chain(2);
    for (const spoilt of [
      { ...FACTS, amountMsat: 0.5 as Msat },
      { ...FACTS, path: "\ud800" },
      { ...FACTS, path: undefined as unknown as string },
    ]) {
      expect(verifyChain([{ ...(records[0] as ReceiptRecord), receipt: spoilt }])).toEqual({ line: 1, fault: "id" });
    }
  });
});
