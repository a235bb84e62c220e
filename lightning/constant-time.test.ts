import { expect, it } from "vitest";
import { equalBytes, equalHex } from "./constant-time.ts";

it("equal values are equal, and a difference anywhere or in length is found", () => {
  const hash = "5f".repeat(32);
  expect(equalHex(hash, hash)).toBe(true);
  for (let index = 0; index < hash.length; index += 1)
    expect(equalHex(hash, `${hash.slice(0, index)}0${hash.slice(index + 1)}`)).toBe(false);
  for (const other of ["", hash.slice(1), `${hash}0`]) expect([equalHex(hash, other), equalHex(other, hash)]).toEqual([false, false]);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  for (const other of [[], [1], [1, 3], [0, 2], [1, 2, 0]]) expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.from(other))).toBe(false);
});
