import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { msat } from "./msat.ts";
import type { Receipt } from "./receipt.ts";
import { CSV_COLUMNS, csvHeader, csvRow } from "./receipt-csv.ts";
import { newlyPaidMsat } from "./receipt-money.ts";

const PAID: Receipt = {
  version: 1,
  kind: "paid",
  sequence: 7,
  purchaseId: "p",
  walletId: "w_0123456789abcdef",
  owner: "main",
  budget: "daily",
  subject: null,
  at: "2026-11-22T12:00:00.000Z",
  method: "GET",
  origin: "https://a.example",
  path: "/",
  code: null,
  amountMsat: msat(21_001),
  feeMsat: msat(110),
  maxFeeMsat: msat(5000),
  paymentHash: "a".repeat(64),
  credentialId: "cred_1",
  binding: "verified",
  evidence: null,
  backend: "http-executor",
  epoch: 1,
  policyVersion: 3,
};

/** RFC 4180, read by hand: its grammar has two rules. */
function parse(text: string): string[][] {
  const rows: string[][] = [[]];
  for (let at = 0; at < text.length;) {
    let value = "";
    if (text[at] === '"') {
      for (at++; !(text[at] === '"' && text[at + 1] !== '"'); at++) {
        if (text[at] === '"') at++;
        value += text[at];
      }
      at++;
    } else while (at < text.length && text[at] !== "," && text[at] !== "\r") value += text[at++];
    rows.at(-1)?.push(value);
    if (text[at] === ",") {
      at++;
      if (at === text.length || text[at] === "\r") rows.at(-1)?.push("");
    }
    if (text[at] === "\r") {
      expect(text[at + 1]).toBe("\n");
      at += 2;
      if (at < text.length) rows.push([]);
    }
  }
  return rows;
}

function row(receipt: Partial<Receipt>, previous: Receipt | null = null): Readonly<Record<string, string>> {
  const cells = parse(csvRow({ receiptId: "rcpt_1", chain: "0".repeat(64), receipt: { ...PAID, ...receipt } }, previous))[0] ?? [];
  expect(cells).toHaveLength(CSV_COLUMNS.length);
  return Object.fromEntries(CSV_COLUMNS.map(([name], index) => [name, cells[index] ?? ""]));
}

describe("receipts as CSV", () => {
  it("has one header and one row of as many cells", () => {
    expect(parse(csvHeader())[0]).toEqual(CSV_COLUMNS.map(([name]) => name));
    expect(row({})).toMatchObject({ sequence: "7", kind: "paid", code: "", budget: "daily", receipt_id: "rcpt_1" });
  });

  it("every amount is an integer: msat exact, sat rounded up", () => {
    expect(row({})).toMatchObject({
      amount_msat: "21001",
      fee_msat: "110",
      max_fee_msat: "5000",
      spent_msat: "21111",
      amount_sat: "22",
      fee_sat: "1",
      spent_sat: "22",
    });
    expect(row({ kind: "denied", feeMsat: null })).toMatchObject({ amount_msat: "21001", fee_msat: "", spent_msat: "", spent_sat: "" });
  });

  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "%0A=1"])("a cell that begins with %j is defused", (text) => {
    expect(row({ subject: text })["subject"]).toBe(`'${text}`);
  });

  it.each([
    ["/a;=1+1", "/a;'=1+1"],
    ["/x;=cmd|'/C%20calc'!A0;y", "/x;'=cmd|'/C%20calc'!A0;y"],
    ["a; @x;-1;b", "a;' @x;'-1;b"],
    ["a;b=c", "a;b=c"],
    ["=a;=b", "'=a;'=b"],
  ])("where the list separator is a semicolon %j holds no formula either", (text, shown) => {
    expect(row({ path: text })["path"]).toBe(shown);
  });

  it("whatever strangers wrote comes back whole, and no cell can be taken for a formula", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('"', ",", "\r", "\n", "=", "-", "'", "a", " ", ";") }));
    fc.assert(
      fc.property(text, text, (subject, path) => {
        const cells = row({ subject, path });
        const parts = path.split(";");
        const whole = parts
          .map((part, at) => (at > 0 && /^\s*[=+\-@＝＋－＠]/u.test(parts.slice(at).join(";")) ? `'${part}` : part))
          .join(";");
        expect([whole, `'${whole}`]).toContain(cells["path"]);
        for (const value of Object.values(cells)) for (const part of value.split(";")) expect(part).not.toMatch(/^\s*[=+\-@]/u);
        for (const value of Object.values(cells)) expect(value).not.toMatch(/^\s*[=+\-@]/u);
      }),
    );
  });
});

describe("what a receipt says about money", () => {
  it.each([
    ["paid", {}, 21_111],
    ["late_settlement", {}, 21_111],
    ["withdrawn", {}, 21_111],
    ["resolved", {}, 21_111],
    ["resolved", { feeMsat: null }, null],
    ["unknown", { feeMsat: null }, null],
    ["denied", { feeMsat: null }, null],
    ["written_off", {}, null],
    ["unfulfilled", {}, null],
    ["cached", { amountMsat: msat(0), feeMsat: msat(0) }, null],
  ] as const)("%s %j: %s msat", (kind, facts, spent) => {
    expect(newlyPaidMsat({ ...PAID, kind, ...facts }, null)).toBe(spent);
  });

  it("a payment that was resolved with proof is counted once", () => {
    const resolved: Receipt = { ...PAID, kind: "resolved", sequence: 8 };
    expect(newlyPaidMsat(resolved, PAID)).toBeNull();
    expect(newlyPaidMsat(resolved, { ...PAID, purchaseId: "other" })).toBe(21_111);
    expect(newlyPaidMsat(resolved, { ...PAID, kind: "unknown", feeMsat: null })).toBe(21_111);
  });

  it("a payer of whole satoshi rounds the price up", () => {
    expect(newlyPaidMsat({ ...PAID, backend: "spark-wasm", feeMsat: msat(0) }, null)).toBe(22_000);
  });
});
