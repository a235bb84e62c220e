import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { MAX_CHALLENGE_LENGTH, parseChallenges, type Challenge } from "./challenge.ts";

/** Any code units, lone surrogates too; fast-check's own `binary` unit costs seconds to set up. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x17f }), fc.integer({ min: 0, max: 0xffff })), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));
type Plain = readonly [scheme: string, params: Readonly<Record<string, string>>, token68?: string];

/** The challenges as plain values, or the code of the refusal. */
const parse = (header: string): readonly Plain[] | string => {
  const result = parseChallenges(header);
  if (!result.ok) return result.code;
  return result.challenges.map(({ scheme, params, token68 }) =>
    token68 === undefined ? [scheme, Object.fromEntries(params)] : [scheme, Object.fromEntries(params), token68],
  );
};

describe("a list of challenges", () => {
  it("is split where Aperture's two lines and a Payment line were joined", () => {
    const header =
      'LSAT macaroon="AgEE+/==", invoice="lnbc1", L402 macaroon="AgEE+/==", invoice="lnbc1", Payment id="a", realm="x, y", method="lightning"';
    expect(parse(header)).toEqual([
      ["LSAT", { macaroon: "AgEE+/==", invoice: "lnbc1" }],
      ["L402", { macaroon: "AgEE+/==", invoice: "lnbc1" }],
      ["Payment", { id: "a", realm: "x, y", method: "lightning" }],
    ]);
  });

  it("RFC 9110 11.6.1: reads the specification's own example", () => {
    expect(parse('Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""')).toEqual([
      ["Basic", { realm: "simple" }],
      ["Newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
    ]);
  });

  it.each<readonly [string, string, readonly Plain[]]>([
    ["empty list elements", ', ,L402 token="a",,\t, invoice="b" ,', [["L402", { token: "a", invoice: "b" }]]],
    ["bad whitespace around the equals sign", 'L402 token \t= "a" , invoice\t=b', [["L402", { token: "a", invoice: "b" }]]],
    ["names in any case", 'l402 Token="a", INVOICE="b"', [["l402", { token: "a", invoice: "b" }]]],
    [
      "a scheme alone, first and last",
      "Negotiate, L402 token=a, Basic",
      [
        ["Negotiate", {}],
        ["L402", { token: "a" }],
        ["Basic", {}],
      ],
    ],
    [
      "token68 with padding",
      "Negotiate YWJj/+==, L402 token=a",
      [
        ["Negotiate", {}, "YWJj/+=="],
        ["L402", { token: "a" }],
      ],
    ],
    [
      "token68 with one equals sign",
      "Negotiate YWI=, L402 token=a",
      [
        ["Negotiate", {}, "YWI="],
        ["L402", { token: "a" }],
      ],
    ],
    ["token68 where a name has no value", "L402 token=", [["L402", {}, "token="]]],
    ["token68 without padding", "Negotiate abc", [["Negotiate", {}, "abc"]]],
    ["base64 that was left bare", "L402 macaroon=AgE/+w==, invoice=lnbc1", [["L402", { macaroon: "AgE/+w==", invoice: "lnbc1" }]]],
    [
      "escapes, quotes and commas in a string",
      String.raw`X a="\"b\\, c=\"d\", E f=\"g\"", L402 token="t"`,
      [
        ["X", { a: String.raw`"b\, c="d", E f="g"` }],
        ["L402", { token: "t" }],
      ],
    ],
    ["an empty string", 'L402 token="", invoice="b"', [["L402", { token: "", invoice: "b" }]]],
    [
      "text beyond ASCII in a string",
      'X a="für 1 €", L402 token="t"',
      [
        ["X", { a: "für 1 €" }],
        ["L402", { token: "t" }],
      ],
    ],
    ["several spaces after the scheme", 'L402   token="a"', [["L402", { token: "a" }]]],
  ])("reads %s", (_, header, expected) => {
    expect(parse(header)).toEqual(expected);
  });

  it.each(["", " ", ",", " , ,\t"])("says that nothing is there for %j", (header) => {
    expect(parse(header)).toBe("challenge_missing");
  });

  it.each([
    ["a parameter before any scheme", 'token="a", invoice="b"'],
    ["an unterminated string", 'L402 token="a, invoice="b"'],
    ["a string that ends in its escape", 'L402 token="a\\"'],
    ["parameters without a comma", 'L402 token="a" invoice="b"'],
    ["text after a string", 'L402 token="a"b, invoice="c"'],
    ["a missing value before a comma", "L402 invoice=a, token=, x=y"],
    ["a parameter after token68", "L402 abc==, token=a"],
    ["two token68", "Negotiate abc def"],
    ["a line feed", 'L402 token="a"\n, invoice="b"'],
    ["a carriage return in a string", 'L402 token="a\rb"'],
    ["a NUL", 'L402 token="a\0"'],
    ["a semicolon", 'L402 token="a"; invoice="b"'],
    ["a string where a scheme should be", '"L402" token="a"'],
    ["a scheme that is no token", "L(402) token=a"],
  ])("refuses %s", (_, header) => {
    expect(parse(header)).toBe("challenge_malformed");
  });
});

describe("parameters that bear money", () => {
  it.each(["macaroon", "token", "invoice", "version", "INVOICE"])(
    "%s twice in one L402 challenge is refused, even with one value",
    (name) => {
      expect(parse(`L402 x=y, ${name}="a", ${name.toLowerCase()}="a"`)).toBe("challenge_conflict");
      expect(parse(`lsat ${name}="a", z=1, ${name.toLowerCase()}="b"`)).toBe("challenge_conflict");
    },
  );

  it("macaroon and token may stand together only with one value", () => {
    expect(parse('L402 macaroon="a", token="b", invoice="c"')).toBe("challenge_conflict");
    expect(parse('L402 macaroon="a", token="a", invoice="c"')).toEqual([["L402", { macaroon: "a", token: "a", invoice: "c" }]]);
  });

  it("another parameter twice keeps its first value, and another scheme's parameters are its own affair", () => {
    expect(parse('L402 realm="a", realm="b", token="t"')).toEqual([["L402", { realm: "a", token: "t" }]]);
    expect(parse('Payment version="1", version="2", token="x", macaroon="y", L402 token="t"')).toEqual([
      ["Payment", { version: "1", token: "x", macaroon: "y" }],
      ["L402", { token: "t" }],
    ]);
  });

  it("names like those of Object's prototype are plain names", () => {
    const result = parseChallenges('L402 __proto__="a", constructor="b", tostring="c"');
    expect(result.ok && [...(result.challenges[0]?.params ?? [])]).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
      ["tostring", "c"],
    ]);
  });
});

describe("size and time", () => {
  const filled = (length: number, head: string, unit: string, tail = ""): string =>
    (head + unit.repeat(length)).slice(0, length - tail.length) + tail;

  it("64 KiB is read, one character more is refused", () => {
    expect(parse(filled(MAX_CHALLENGE_LENGTH, 'L402 token="', "a", '"'))).toHaveLength(1);
    expect(parse(filled(MAX_CHALLENGE_LENGTH + 1, 'L402 token="', "a", '"'))).toBe("challenge_too_large");
  });

  it("invariant 9: a refusal quotes nothing of the header", () => {
    for (const header of ['L402 token="s3cret', "s3cret s3cret s3cret", 'L402 token="s3cret", token="s3cret"', "s3cret=s3cret"]) {
      const result = parseChallenges(header);
      expect(result.ok).toBe(false);
      expect(JSON.stringify(result)).not.toContain("s3cret");
    }
  });

  const hostile: readonly (readonly [string, (length: number) => string])[] = [
    ["commas", (n) => ",".repeat(n)],
    ["spaces", (n) => filled(n, "a", " ", "!\0")],
    ["an endless string", (n) => filled(n, 'L402 a="', "x")],
    ["an endless string of escapes", (n) => filled(n, 'L402 a="', '\\"')],
    ["backslashes", (n) => filled(n, 'L402 a="', "\\")],
    ["one long token", (n) => filled(n, "", "a", "\0")],
    ["equals signs", (n) => filled(n, "a ", "=")],
    ["one-letter schemes", (n) => filled(n, "", "a,")],
    ["schemes with token68", (n) => filled(n, "", "a b=,")],
    ["many parameters of one name", (n) => filled(n, "a ", "b=c,")],
    ["values that end wrongly", (n) => filled(n, "a ", "b = c d")],
    ["quotes", (n) => filled(n, "a b=", '"')],
    ["names and blanks before a comma", (n) => filled(n, "", "a   ,")],
    ["a long value with a wrong end", (n) => filled(n, "a b=", "c", " d")],
    ["an open string after each parameter", (n) => filled(n, "a ", 'b="c",d="')],
  ];
  /** Characters the parser's expressions look at: what a match consumes, and for a string that is never closed all the rest. */
  const steps = (header: string): number => {
    const exec = Reflect.get(RegExp.prototype, "exec") as RegExp["exec"];
    let looked = 0;
    const spy = vi.spyOn(RegExp.prototype, "exec").mockImplementation(function count(this: RegExp, text: string) {
      const from = this.lastIndex;
      const found = exec.call(this, text);
      looked += 1 + (found?.[0].length ?? (text[from] === '"' ? text.length - from : 0));
      return found;
    });
    parseChallenges(header);
    spy.mockRestore();
    return looked;
  };
  it.each(hostile)("64 KiB of %s take no more than linear time", (_, make) => {
    const header = make(MAX_CHALLENGE_LENGTH);
    expect(header.length).toBe(MAX_CHALLENGE_LENGTH);
    // Six looks at each character at most; two nested passes would be thousands. The clock only guards the expressions themselves.
    expect(steps(header)).toBeLessThanOrEqual(6 * header.length);
    const start = performance.now();
    parseChallenges(header);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("any header", () => {
  const pieces = fc.constantFrom(
    "L402",
    "LSAT",
    "Payment",
    " ",
    "  ",
    ",",
    ", ",
    "=",
    " = ",
    '"',
    '\\"',
    "\\",
    "macaroon",
    "token",
    "invoice",
    "version",
    'a="b"',
    "x==",
    "\t",
    "\r\n",
    "é",
    "\0",
  );

  it("never throws, and says one of five things", () => {
    const known = ["challenge_malformed", "challenge_too_large", "challenge_missing", "challenge_conflict"];
    const check = (header: string): boolean => {
      const result = parse(header);
      return typeof result === "string" ? known.includes(result) : result.length > 0;
    };
    fc.assert(fc.property(anyText, check));
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => check(parts.join(""))),
      { numRuns: 500 },
    );
  });

  const TCHAR = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const token = fc.string({ unit: fc.constantFrom(...TCHAR), minLength: 1, maxLength: 12 });
  const quotable = fc.string({ unit: fc.constantFrom(...TCHAR, " ", "\t", ",", "=", '"', "\\", "/", "é"), maxLength: 20 });
  const blank = fc.constantFrom("", " ", "\t ");
  const comma = fc.tuple(blank, fc.constantFrom(",", ",,", ", ,"), blank).map((parts) => parts.join(""));
  const param = fc.record({ name: token, value: quotable, bare: fc.boolean(), before: blank, after: blank });
  const challenge = fc.record({
    scheme: token.filter((name) => !/^(?:l402|lsat)$/iu.test(name)),
    params: fc.uniqueArray(param, { maxLength: 4, selector: ({ name }) => name.toLowerCase() }),
    token68: fc.option(fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,20}={0,2}$/u), { nil: undefined }),
  });

  it("a generated list is read back as it was written", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(challenge, comma), { minLength: 1, maxLength: 4 }), (list) => {
        const expected: Challenge[] = [];
        let header = "";
        for (const [{ scheme, params, token68 }, separator] of list) {
          const asToken68 = params.length === 0 && token68 !== undefined;
          const written = params.map(({ name, value, bare, before, after }) => {
            const isToken = value.length > 0 && [...value].every((character) => TCHAR.includes(character));
            return `${name}${before}=${after}${bare && isToken ? value : `"${value.replace(/["\\]/gu, "\\$&")}"`}`;
          });
          header +=
            [scheme, ...(asToken68 ? [` ${token68}`] : written.length === 0 ? [] : [` ${written.join(separator)}`])].join("") + separator;
          const map = new Map(params.map(({ name, value }) => [name.toLowerCase(), value]));
          expected.push(asToken68 ? { scheme, params: map, token68 } : { scheme, params: map });
        }
        expect(parseChallenges(header)).toEqual({ ok: true, challenges: expected });
      }),
      { numRuns: 300 },
    );
  });
});
