import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { scan } from "./canary.ts";

const preimage = createHash("sha256").update("preimage").digest("hex");
const mnemonic = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
const token = createHash("sha512").update("token").digest("base64url");
const secrets = [
  { name: "preimage", text: preimage },
  { name: "mnemonic", text: mnemonic },
  { name: "token", text: token },
];
const bytes = Buffer.from(preimage, "hex");

test.each([
  ["as text", Buffer.from(`x${preimage}y`), "preimage"],
  ["in upper case", Buffer.from(preimage.toUpperCase()), "preimage"],
  ["as raw bytes", Buffer.concat([Buffer.from([1, 2]), bytes, Buffer.from([3])]), "preimage"],
  ["in base64", Buffer.from(bytes.toString("base64")), "preimage"],
  ["in base64url", Buffer.from(bytes.toString("base64url")), "preimage"],
  ...[1, 2, 3, 4].map(
    (n) =>
      [
        `in base64 behind ${n} other bytes`,
        Buffer.from(Buffer.concat([Buffer.alloc(n, 7), bytes, Buffer.from("!")]).toString("base64")),
        "preimage",
      ] as const,
  ),
  ["as hex of a text", Buffer.from(Buffer.from(mnemonic).toString("hex")), "mnemonic"],
  ["as base64 of a longer text", Buffer.from(Buffer.from(`{"m":"${mnemonic}"}`).toString("base64")), "mnemonic"],
  ["as the bytes of a base64url text", Buffer.from(token, "base64url"), "token"],
  ["as hex of those bytes", Buffer.from(Buffer.from(token, "base64url").toString("hex")), "token"],
] as const)("a secret is found %s", (_form, haystack, name) => {
  expect(scan(haystack, secrets)).toEqual([name]);
});

test("a secret at the very end is found, and one cut short is not", () => {
  expect(scan(Buffer.from(`xx${preimage}`), secrets)).toEqual(["preimage"]);
  expect(scan(Buffer.from(`xx${preimage.slice(0, -1)}`), secrets)).toEqual([]);
});

test("what is not there is not found", () => {
  expect(scan(Buffer.from(createHash("sha256").update(bytes).digest("hex")), secrets)).toEqual([]);
});
