import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type Json } from "./jcs.ts";

/** Every JSON value that has a canonical form here: no fraction, nothing above 2^53, no lone surrogate. */
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Json>(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: "binary" }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: "binary", maxLength: 4 }), tie("value"), { maxKeys: 5 }),
  ),
})).value;

describe("RFC 8785", () => {
  it("section 3.2.3: keys sort by UTF-16 code units, not by code points", () => {
    // The RFC's own example: the emoji's first unit is U+D83D, so it stands before U+FB33 although its code point is higher.
    const given = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\u{1f600}": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    const values = [...canonicalJson(given).matchAll(/:"([^"]*)"/gu)].map(([, value]) => value);
    expect(values).toEqual([
      "Carriage Return",
      "One",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
  });

  it("section 3.2.2: strings escape what must be escaped, in its shortest form, and nothing else", () => {
    expect(canonicalJson({ string: '\u20ac$\u000f\nA\'B"\\\\"/' })).toBe('{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
    expect(canonicalJson("\b\t\f\u001f\u007f\u2028")).toBe('"\\b\\t\\f\\u001f\u007f\u2028"');
  });

  it("section 3.2.2: literals, nesting and empty containers", () => {
    expect(canonicalJson({ literals: [null, true, false], b: { z: [], a: {} }, a: -0 })).toBe(
      '{"a":0,"b":{"a":{},"z":[]},"literals":[null,true,false]}',
    );
    expect(canonicalJson([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0])).toBe("[9007199254740991,-9007199254740991,0]");
  });

  it("a key called __proto__ is a key like any other", () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":2}') as Json)).toBe('{"__proto__":2,"b":1}');
  });
});

describe("canonical JSON", () => {
  it("means the same value, and does not depend on the order in which members were written", () => {
    const reversed = (value: Json): Json => {
      if (typeof value !== "object" || value === null) return value;
      if (Array.isArray(value)) return (value as readonly Json[]).map(reversed);
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([key, member]) => [key, reversed(member)]),
      );
    };
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
        expect(canonicalJson(reversed(value))).toBe(text);
        // Not canonical, but the same value to any reader of JSON.
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "\ud800", ["\udc00"], { "\ud800": 1 }])(
    "refuses what has no canonical form here: %j",
    (value) => {
      expect(() => canonicalJson(value as Json)).toThrow(TypeError);
    },
  );

  it("refuses what is no JSON at all, instead of leaving it out", () => {
    for (const value of [undefined, { a: undefined }, [undefined], 1n, () => 1, Symbol("s")])
      expect(() => canonicalJson(value as unknown as Json)).toThrow(TypeError);
  });
});
