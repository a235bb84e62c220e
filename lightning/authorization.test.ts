import { describe, expect, it } from "vitest";
import { authorization } from "./authorization.ts";

const preimage = "0123456789abcdef".repeat(4);

describe("the credential's header", () => {
  it("is what Aperture's expression matches, whole", () => {
    for (const scheme of ["L402", "LSAT", "l402", "Lsat"]) {
      const line = authorization(scheme, "AgEE+/8=", preimage.toUpperCase());
      expect(line).toBe(`${scheme.toUpperCase()} AgEE+/8=:${preimage}`);
      expect(line).toMatch(/^(?:LSAT|L402) (?:.*?):(?:[a-f0-9]{64})$/u);
    }
  });

  it("carries the token exactly as it came", () => {
    for (const token of ["AgEE-_8", "AgEE-_8=", "AgEE+/8="])
      expect(authorization("L402", token, preimage)).toBe(`L402 ${token}:${preimage}`);
  });

  it.each([
    ["another scheme", "Bearer", "abc", preimage],
    ["a scheme with a line end", "L402\r\nX: y", "abc", preimage],
    ["a token with a line end", "L402", "abc\r\nX: y", preimage],
    ["a list of tokens", "L402", "abc,def", preimage],
    ["no token", "L402", "", preimage],
    ["a token over 64 KiB", "L402", "a".repeat(65_537), preimage],
    ["a short preimage", "L402", "abc", preimage.slice(1)],
    ["a long preimage", "L402", "abc", `${preimage}0`],
    ["a preimage with a line end", "L402", "abc", `${preimage}\n`],
    ["a preimage that is not hex", "L402", "abc", `${preimage.slice(1)}g`],
  ])("invariant 9: %s is never written, nor quoted in the error", (_, scheme, token, proof) => {
    expect(() => authorization(scheme, token, proof)).toThrow(TypeError);
    expect(() => authorization(scheme, token, proof)).toThrow(
      /^the (?:scheme of a credential is L402 or LSAT|token holds characters that no header value may carry|preimage is not 64 hex digits)$/u,
    );
  });
});
