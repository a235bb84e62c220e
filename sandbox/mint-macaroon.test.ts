import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { mintMacaroon, verifyMacaroon } from "./mint-macaroon.ts";

const rootKey = new Uint8Array(32).fill(5);
const plan = {
  rootKey,
  paymentHash: "ab".repeat(32),
  tokenId: "cd".repeat(32),
  caveats: [
    { condition: "services", value: "joke:0" },
    { condition: "note", value: "x".repeat(200) },
  ],
};

describe("a minted macaroon", () => {
  it("has the bytes and the signature that go-macaroon writes, computed here by node:crypto", () => {
    const identifier = Buffer.from(`0000${plan.paymentHash}${plan.tokenId}`, "hex");
    const notes = ["services=joke:0", `note=${"x".repeat(200)}`].map((text) => Buffer.from(text));
    let key = createHmac("sha256", createHmac("sha256", "macaroons-key-generator").update(rootKey).digest()).update(identifier).digest();
    for (const note of notes) key = createHmac("sha256", key).update(note).digest();
    const expected = Buffer.concat([
      Buffer.from([2, 1, 4]),
      Buffer.from("lsat"),
      Buffer.from([2, 66]),
      identifier,
      Buffer.from([0, 2, 15]),
      notes[0] ?? Buffer.of(),
      Buffer.from([0, 2, 0xcd, 0x01]),
      notes[1] ?? Buffer.of(),
      Buffer.from([0, 0, 6, 32]),
      key,
    ]);
    expect(mintMacaroon(plan)).toBe(expected.toString("base64"));
  });

  it("is verified under its own root key alone, and only whole", () => {
    const token = mintMacaroon(plan);
    expect(verifyMacaroon(token, rootKey)).toBe(true);
    expect(verifyMacaroon(token, new Uint8Array(32))).toBe(false);
    const bytes = Buffer.from(token, "base64");
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      // The location is not under the signature, in any implementation.
      expect(verifyMacaroon(changed.toString("base64"), rootKey)).toBe(at >= 3 && at < 7);
      expect(verifyMacaroon(bytes.subarray(0, at).toString("base64"), rootKey)).toBe(false);
    }
    expect(verifyMacaroon("not base64", rootKey)).toBe(false);
    expect(verifyMacaroon("", rootKey)).toBe(false);
  });

  it("refuses ids that are not 32 bytes", () => {
    expect(() => mintMacaroon({ ...plan, paymentHash: "ab" })).toThrow(TypeError);
    expect(() => mintMacaroon({ ...plan, paymentHash: "zz".repeat(32) })).toThrow(TypeError);
    expect(() => mintMacaroon({ ...plan, tokenId: new Uint8Array(31) })).toThrow(TypeError);
    expect(mintMacaroon({ ...plan, tokenId: new Uint8Array(32).fill(0xcd) })).toBe(mintMacaroon(plan));
  });
});
