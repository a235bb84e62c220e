import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { add, ceilToSat, floorToSat, formatSats, isMsat, MAX_MSAT, msat, sats, subtract, type Msat } from "./msat.ts";

const amount = fc.oneof(fc.maxSafeNat(), fc.nat(5000), fc.constantFrom(0, 1, 999, 1000, 1001, Number.MAX_SAFE_INTEGER)).map(msat);
const MAX = BigInt(Number.MAX_SAFE_INTEGER);

describe("an amount", () => {
  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -Number.MAX_SAFE_INTEGER])("is never %d", (value) => {
    expect(isMsat(value)).toBe(false);
    expect(() => msat(value)).toThrow(RangeError);
  });

  it.each(["1", null, undefined, 1n, {}, []])("is never of another type (%s)", (value) => {
    expect(isMsat(value)).toBe(false);
  });

  it("in satoshi is a thousand times as many msat, and an overflow is refused", () => {
    expect(sats(21)).toBe(21_000);
    expect(() => sats(Number.MAX_SAFE_INTEGER)).toThrow(RangeError);
  });
});

describe("arithmetic", () => {
  it("a sum is exact or refused: it never wraps and never rounds", () => {
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 6 }), (amounts) => {
        const exact = amounts.reduce((sum, each) => sum + BigInt(each), 0n);
        if (exact <= MAX) expect(BigInt(add(...amounts))).toBe(exact);
        else expect(() => add(...amounts)).toThrow(RangeError);
      }),
    );
  });

  it("a difference is exact, or refused when it would be negative", () => {
    fc.assert(
      fc.property(amount, amount, (a, b) => {
        if (a >= b) expect(BigInt(subtract(a, b))).toBe(BigInt(a) - BigInt(b));
        else expect(() => subtract(a, b)).toThrow(RangeError);
      }),
    );
  });

  it("one msat more than the most there is, is refused", () => {
    expect(add(MAX_MSAT)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => add(MAX_MSAT, 1 as Msat)).toThrow(RangeError);
  });

  it("invariant 3: rounding to whole satoshi goes up, exactly, by less than one satoshi", () => {
    fc.assert(
      fc.property(amount, (value) => {
        const exact = ((BigInt(value) + 999n) / 1000n) * 1000n;
        if (exact <= MAX) expect(BigInt(ceilToSat(value))).toBe(exact);
        else expect(() => ceilToSat(value)).toThrow(RangeError);
      }),
    );
  });

  it("rounding down never exceeds, and misses by less than one satoshi", () => {
    fc.assert(
      fc.property(amount, (value) => {
        expect(BigInt(floorToSat(value))).toBe((BigInt(value) / 1000n) * 1000n);
      }),
    );
  });

  it("rounding is exact where a division in floating point is at its coarsest", () => {
    const top = Math.floor(Number.MAX_SAFE_INTEGER / 1000) * 1000;
    for (let below = 1; below <= 2000; below++) expect(ceilToSat(msat(top - below))).toBe(top - Math.floor(below / 1000) * 1000);
  });
});

describe("wording", () => {
  it.each([
    [0, "0 sat"],
    [1, "0.001 sat"],
    [1234, "1.234 sat"],
    [1200, "1.2 sat"],
    [21_000, "21 sat"],
    [Number.MAX_SAFE_INTEGER, "9007199254740.991 sat"],
  ])("%d msat is %s", (value, text) => {
    expect(formatSats(msat(value))).toBe(text);
  });
});
