import { hexToBytes } from "@noble/hashes/utils.js";
import { base64 } from "@scure/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mintMacaroon } from "../sandbox/mint-macaroon.ts";
import { decodeMacaroon, isToken, services, validUntil, type Caveat } from "./macaroon.ts";

/** Any code units, lone surrogates too; fast-check's own `binary` unit costs seconds to set up. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x17f }), fc.integer({ min: 0, max: 0xffff })), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));
const hash = "ab".repeat(32);
const tokenId = "cd".repeat(32);
const caveat = (condition: string, value: string): Caveat => ({ condition, value });
const caveats = [
  caveat("services", "joke:0"),
  caveat("joke_capabilities", "read,tell"),
  caveat("joke_valid_until", "1700000000"),
  caveat("empty", ""),
  caveat("a", "b=c"),
];
const token = mintMacaroon({ rootKey: new Uint8Array(32), paymentHash: hash, tokenId, caveats });
/** Hand-made bytes, as base64. */
const bytes = (...parts: readonly (string | readonly number[])[]): string =>
  base64.encode(Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...hexToBytes(part)] : part))));
const IDENTIFIER = [2, 66, 0, 0, ...hexToBytes(hash), ...hexToBytes(tokenId)];
const SIGNATURE = [6, 32, ...new Uint8Array(32)];

describe("a macaroon", () => {
  it("says which payment it is bound to, and its caveats in order", () => {
    expect(decodeMacaroon(token)).toEqual({ ok: true, paymentHash: hash, tokenId, location: "lsat", caveats });
  });

  it("is read in both alphabets, with and without padding", () => {
    const url = token.replaceAll("+", "-").replaceAll("/", "_");
    for (const written of [url, token.replace(/=+$/u, ""), url.replace(/=+$/u, "")])
      expect(decodeMacaroon(written)).toEqual(decodeMacaroon(token));
  });

  it("is read byte by byte as the V2 format says, with a third party's caveat passed over", () => {
    const thirdParty = [1, 1, 120, 2, 1, 121, 4, 1, 122, 0];
    expect(decodeMacaroon(bytes([2], IDENTIFIER, [0], thirdParty, [2, 3, 97, 61, 98, 0], [0], SIGNATURE))).toEqual({
      ok: true,
      paymentHash: hash,
      tokenId,
      location: null,
      caveats: [caveat("a", "b")],
    });
  });

  it("may carry a caveat longer than 127 bytes", () => {
    const long = caveat("note", "x".repeat(20_000));
    const minted = mintMacaroon({ rootKey: new Uint8Array(32), paymentHash: hash, tokenId, caveats: [long] });
    expect(decodeMacaroon(minted)).toMatchObject({ ok: true, caveats: [long] });
  });

  it.each([
    ["an empty text", ""],
    ["a text that is not base64", "not base64!"],
    ["an impossible length", "AAAAA"],
    ["V1", base64.encode(new TextEncoder().encode("0014location lsat\n"))],
    ["JSON", base64.encode(new TextEncoder().encode("{}"))],
    ["another identifier version", bytes([2], [2, 66, 0, 1], hash, tokenId, [0, 0], SIGNATURE)],
    ["a longer identifier", bytes([2], [2, 67, 0, 0], hash, tokenId, [7, 0, 0], SIGNATURE)],
    ["a shorter identifier", bytes([2], [2, 34, 0, 0], hash, [0, 0], SIGNATURE)],
    ["no identifier", bytes([2, 0, 0], SIGNATURE)],
    ["no signature", bytes([2], IDENTIFIER, [0, 0])],
    ["a short signature", bytes([2], IDENTIFIER, [0, 0, 6, 1, 0])],
    ["bytes after the signature", bytes([2], IDENTIFIER, [0, 0], SIGNATURE, [0])],
    ["two macaroons", bytes([2], IDENTIFIER, [0, 0], SIGNATURE, [2], IDENTIFIER, [0, 0], SIGNATURE)],
    ["an endless length", bytes([2, 2, 255, 255, 255, 255, 255, 15])],
    ["caveats that never end", bytes([2], IDENTIFIER, [0], [2, 1, 97, 0])],
  ])("%s is opaque", (_, text) => {
    expect(decodeMacaroon(text)).toEqual({ ok: false });
  });

  it("cut anywhere is opaque", () => {
    const whole = base64.decode(token);
    for (let length = 0; length < whole.length; length++)
      expect(decodeMacaroon(base64.encode(whole.slice(0, length)))).toEqual({ ok: false });
  });

  it("never throws, on any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (random) => typeof decodeMacaroon(base64.encode(random)).ok === "boolean"));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        (random) => typeof decodeMacaroon(bytes([2], IDENTIFIER, [0], [...random])).ok === "boolean",
      ),
    );
    fc.assert(fc.property(anyText, (random) => typeof decodeMacaroon(random).ok === "boolean"));
  });

  it("what is minted is read back", () => {
    const text = anyText.map((given) => given.toWellFormed());
    const list = fc.array(fc.record({ condition: text.filter((name) => !name.includes("=")), value: text }), { maxLength: 5 });
    fc.assert(
      fc.property(list, text, (given, location) => {
        expect(decodeMacaroon(mintMacaroon({ rootKey: new Uint8Array(32), paymentHash: hash, tokenId, location, caveats: given }))).toEqual(
          { ok: true, paymentHash: hash, tokenId, location, caveats: given },
        );
      }),
    );
  });
});

describe("a token's charset", () => {
  it.each(["abc", "AB+/", "AB-_", "YQ==", "YWI=", "eyJh.eyJi.c2ln"])("%s can be put into a header", (text) =>
    expect(isToken(text)).toBe(true),
  );
  it.each(["", "=", "a,b", "a b", "a\r\nX: y", "a\n", "a\0", "a=b", "a===", "a:b", "é", '"'])("%j cannot", (text) =>
    expect(isToken(text)).toBe(false),
  );
});

describe("services", () => {
  it.each<readonly [string, readonly Caveat[], string | null]>([
    ["no caveat", [], null],
    ["another caveat", [caveat("joke_services", "a:0")], null],
    ["one service", [caveat("services", "joke:0")], "joke:0"],
    ["several, in any order and repeated", [caveat("services", "b:1, a:0,b:1,")], "a:0,b:1"],
    ["a repeated caveat, which narrows", [caveat("services", "a:0,b:0"), caveat("services", "b:0,c:0")], "b:0"],
    ["nothing left", [caveat("services", "a:0"), caveat("services", "b:0")], null],
    ["nothing readable", [caveat("services", "\u0007,")], null],
  ])("of %s", (_, list, expected) => {
    expect(services(list)).toBe(expected);
  });
});

describe("valid until", () => {
  it.each<readonly [string, readonly Caveat[], number | null]>([
    ["no caveat", [], null],
    ["a service's own", [caveat("joke_valid_until", "1700000000")], 1_700_000_000_000],
    ["a plain one", [caveat("valid_until", "1700000000")], 1_700_000_000_000],
    [
      "several: the earliest, later ones cannot widen",
      [caveat("a_valid_until", "20"), caveat("b_valid_until", "10"), caveat("a_valid_until", "30")],
      10_000,
    ],
    ["0", [caveat("valid_until", "0")], 0],
    ["names that only look alike", [caveat("invalid_until", "5"), caveat("valid_until_x", "5"), caveat("xvalid_until", "5")], null],
    [
      "values that are no seconds",
      [
        caveat("valid_until", "soon"),
        caveat("valid_until", "-1"),
        caveat("valid_until", ""),
        caveat("valid_until", "1e9"),
        caveat("valid_until", "9".repeat(13)),
      ],
      null,
    ],
  ])("of %s", (_, list, expected) => {
    expect(validUntil(list)).toBe(expected);
  });
});
