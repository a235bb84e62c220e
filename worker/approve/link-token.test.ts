import { expect, test } from "vitest";
import fc from "fast-check";
import { readLinkToken, writeLinkToken } from "./link-token.ts";

const token = {
  owner: "main",
  walletId: "w_0123456789abcdef",
  link: { approvalId: "appr_00000000-0000-4000-8000-000000000000", expiresAt: 1_790_000_000_123, mac: "0f".repeat(32) },
};

test("a link reads back as it was written, and fits one path segment as it is", () => {
  const text = writeLinkToken(token);
  expect(readLinkToken(text)).toEqual(token);
  expect(encodeURIComponent(text)).toBe(text);
});

test.each([
  ["nothing", ""],
  ["another owner's escape", writeLinkToken({ ...token, owner: "main/w_0123456789abcdef" })],
  ["a wallet that is none", writeLinkToken({ ...token, walletId: "x" })],
  ["an approval that is none", writeLinkToken({ ...token, link: { ...token.link, approvalId: "appr_1" } })],
  ["a signature cut short", writeLinkToken(token).slice(0, -1)],
  ["a signature in capitals", writeLinkToken({ ...token, link: { ...token.link, mac: "0F".repeat(32) } })],
  ["a piece too many", `${writeLinkToken(token)}.x`],
  ["no expiry", writeLinkToken(token).replace(/\.[0-9a-z]{8}\./u, "..")],
  ["an expiry with a leading zero", writeLinkToken(token).replace(/\.([0-9a-z]{8})\./u, ".0$1.")],
  ["an expiry beyond counting", writeLinkToken(token).replace(/\.[0-9a-z]{8}\./u, ".zzzzzzzzzzz.")],
])("with %s it is no link", (_what, text) => {
  expect(readLinkToken(text)).toBeNull();
});

test("reading never throws, and what it accepts is written back to the same text", () => {
  const pieces = writeLinkToken(token).split(".");
  const piece = fc.oneof(fc.string({ maxLength: 70 }), fc.constantFrom(...pieces));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (parts) => {
      const text = parts.join(".");
      const read = readLinkToken(text);
      if (read !== null) expect(writeLinkToken(read)).toBe(text);
    }),
    { seed: 7, numRuns: 2000 },
  );
});
