import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, it } from "vitest";
import { decodeBolt11, payeeOf } from "../lightning/bolt11.ts";
import { mintBolt11, type InvoicePlan } from "./mint-bolt11.ts";

const plan: InvoicePlan = {
  network: "regtest",
  amountMsat: 21_000,
  paymentHash: "12".repeat(32),
  paymentSecret: new Uint8Array(32),
  description: "L402",
  timestamp: 1_700_000_000,
  nodeSecretKey: new Uint8Array(32).fill(3),
};

describe("a minted invoice", () => {
  it("is signed by the node's key, the same bytes each time", () => {
    expect(payeeOf(mintBolt11(plan))).toBe(bytesToHex(secp256k1.getPublicKey(plan.nodeSecretKey)));
    expect(mintBolt11(plan)).toBe(mintBolt11(plan));
  });

  it("without a signature asks for the same, under a right checksum, and is not that key's", () => {
    const unsigned = mintBolt11({ ...plan, sign: false });
    expect(decodeBolt11(unsigned)).toEqual(decodeBolt11(mintBolt11(plan)));
    expect(payeeOf(unsigned)).not.toBe(bytesToHex(secp256k1.getPublicKey(plan.nodeSecretKey)));
  });

  it.each([
    [100_000_000_000, "lnbcrt1"],
    [100_000_000, "lnbcrt1m"],
    [1_000_000, "lnbcrt10u"],
    [1000, "lnbcrt10n"],
    [1, "lnbcrt10p"],
    [null, "lnbcrt"],
  ])("writes %s msat in the shortest form, %s", (amountMsat, prefix) => {
    const text = mintBolt11({ ...plan, amountMsat, sign: false });
    expect(text.slice(0, text.lastIndexOf("1"))).toBe(prefix);
  });

  it.each([
    ["a fraction", { amountMsat: 0.5 }],
    ["a negative amount", { amountMsat: -1 }],
    ["a short payment hash", { paymentHash: "ab" }],
    ["a short secret", { paymentSecret: new Uint8Array(31) }],
    ["a timestamp beyond 35 bits", { timestamp: 2 ** 35 }],
    ["a description over 639 bytes", { description: "x".repeat(640) }],
  ])("refuses %s", (_, change) => {
    expect(() => mintBolt11({ ...plan, ...change, sign: false })).toThrow();
    expect(() => mintBolt11({ ...plan, sign: false })).not.toThrow();
  });
});
