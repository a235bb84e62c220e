import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { bech32 } from "@scure/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mintBolt11, type InvoicePlan } from "../sandbox/mint-bolt11.ts";
import { decodeBolt11, payeeOf, type Bolt11 } from "./bolt11.ts";

/** BOLT11, "Examples": all signed with this key, and nearly all for this hash. */
const SPEC_KEY = hexToBytes("e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734");
const SPEC_PAYEE = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad";
const SPEC_HASH = "0001020304050607080900010203040506070809000102030405060708090102";
const CAKE_HASH = "3925b6f67e2c340036ed12093dd44e0368df1b6ea26c53dbe4811f58fd5db8c1";
const HASH_FIELD = "pp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypq";
const CAKE_FIELD = "hp58yjmdan79s6qqdhdzgynm4zwqd5d7xmw5fk98klysy043l2ahrqs";

const COFFEE = `lnbc2500u1pvjluez${HASH_FIELD}dq5xysxxatsyp3k7enxv4jsxqzpuaztrnwngzn3kdzw5hydlzf03qdgm2hdq27cqv3agm2awhz5se903vruatfhq77w3ls4evs3ch9zw97j25emudupq63nyw24cg27h2rspfj9srp`;
const NONSENSE = `lnbc2500u1pvjluez${HASH_FIELD}dpquwpc4curk03c9wlrswe78q4eyqc7d8d0xqzpuyk0sg5g70me25alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45tftc9c5fh0nnqpnl2jfll544esqchsrny`;
const BEANS_SECRET = "sp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs";
const BEANS = `lnbc25m1pvjluez${HASH_FIELD}dq5vdhkven9v5sxyetpdees${BEANS_SECRET}9q5sqqqqqqqqqqqqqqqpqsq67gye39hfg3zd8rgc80k32tvy9xk2xunwm5lzexnvpx6fd77en8qaq424dxgt56cag2dpt359k3ssyhetktkpqh24jqnjyw6uqd08sgptq44qu`;
const q = (count: number): string => "q".repeat(count);
/** Unknown fields, and p, h, s and n of the wrong length. */
const BEANS_AND_IGNORED = `lnbc25m1pvjluez${HASH_FIELD}dq5vdhkven9v5sxyetpdees${BEANS_SECRET}9q5sqqqqqqqqqqqqqqqpqsq2qrqqqfppn${q(32)}ppn${q(51)}pp4${q(53)}hpn${q(51)}hp4${q(53)}spn${q(51)}sp4${q(53)}np5${q(52)}npk${q(54)}2jxxfsnucm4jf4zwtznpaxphce606fvhvje5x7d4gw7n73994hgs7nteqvenq8a4ml8aqtchv5d9pf7l558889hp4yyrqv6a7zpq9fgpskqhza`;
const PICO =
  "lnbc9678785340p1pwmna7lpp5gc3xfm08u9qy06djf8dfflhugl6p7lgza6dsjxq454gxhj9t7a0sd8dgfkx7cmtwd68yetpd5s9xar0wfjn5gpc8qhrsdfq24f5ggrxdaezqsnvda3kkum5wfjkzmfqf3jkgem9wgsyuctwdus9xgrcyqcjcgpzgfskx6eqf9hzqnteypzxz7fzypfhg6trddjhygrcyqezcgpzfysywmm5ypxxjemgw3hxjmn8yptk7untd9hxwg3q2d6xjcmtv4ezq7pqxgsxzmnyyqcjqmt0wfjjq6t5v4khxxqyjw5qcqp2rzjq0gxwkzc8w6323m55m4jyxcjwmy7stt9hwkwe2qxmy8zpsgg7jcuwz87fcqqeuqqqyqqqqlgqqqqn3qq9qn07ytgrxxzad9hc4xt3mawjjt8znfv8xzscs7007v9gh9j569lencxa8xeujzkxs0uamak9aln6ez02uunw6rd2ht2sqe4hz8thcdagpleym0j";

const usual = {
  network: "mainnet",
  paymentHash: SPEC_HASH,
  timestamp: 1496314658,
  expirySeconds: 3600,
  descriptionHash: null,
  payeeTag: null,
};
const VALID: readonly (readonly [name: string, text: string, Readonly<Record<string, unknown>>])[] = [
  [
    "a donation of any amount",
    `lnbc1pvjluez${HASH_FIELD}dpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq8rkx3yf5tcsyz3d73gafnh3cax9rn449d9p5uxz9ezhhypd0elx87sjle52x86fux2ypatgddc6k63n7erqz25le42c4u4ecky03ylcqca784w`,
    { amountMsat: null, description: "Please consider supporting this project" },
  ],
  [
    "a cup of coffee within one minute",
    COFFEE,
    { amountMsat: 250_000_000, expirySeconds: 60, expiresAt: 1496314718000, description: "1 cup coffee" },
  ],
  ["a description that is not ASCII", NONSENSE, { amountMsat: 250_000_000, expirySeconds: 60, description: "ナンセンス 1杯" }],
  [
    "a hashed description",
    `lnbc20m1pvjluez${HASH_FIELD}${CAKE_FIELD}cc6gd6ql3jrc5yzme8v4ntcewwz5cnw92tz0pc8qcuufvq7khhr8wpald05e92xw006sq94mg8v2ndf4sefvf9sygkshp5zfem29trqq2yxxz7`,
    { amountMsat: 2_000_000_000, description: null, descriptionHash: CAKE_HASH },
  ],
  [
    "testnet, with a fallback address",
    `lntb20m1pvjluez${CAKE_FIELD}${HASH_FIELD}fpp3x9et2e20v6pu37c5d9vax37wxq72un98kmzzhznpurw9sgl2v0nklu2g4d0keph5t7tj9tcqd8rexnd07ux4uv2cjvcqwaxgj7v4uwn5wmypjd5n69z2xm3xgksg28nwht7f6zspwp3f9t`,
    { network: "testnet", amountMsat: 2_000_000_000, descriptionHash: CAKE_HASH },
  ],
  [
    "routing hints",
    `lnbc20m1pvjluez${HASH_FIELD}${CAKE_FIELD}fpp3qjmp7lwpagxun9pygexvgpjdc4jdj85fr9yq20q82gphp2nflc7jtzrcazrra7wwgzxqc8u7754cdlpfrmccae92qgzqvzq2ps8pqqqqqqpqqqqq9qqqvpeuqafqxu92d8lr6fvg0r5gv0heeeqgcrqlnm6jhphu9y00rrhy4grqszsvpcgpy9qqqqqqgqqqqq7qqzqj9n4evl6mr5aj9f58zp6fyjzup6ywn3x6sk8akg5v4tgn2q8g4fhx05wf6juaxu9760yp46454gpg5mtzgerlzezqcqvjnhjh8z3g2qqdhhwkj`,
    { amountMsat: 2_000_000_000, descriptionHash: CAKE_HASH },
  ],
  ["required features that are known", BEANS, { amountMsat: 2_500_000_000, description: "coffee beans" }],
  ["upper case", BEANS.toUpperCase(), { amountMsat: 2_500_000_000, description: "coffee beans" }],
  ["fields that must be ignored", BEANS_AND_IGNORED, { amountMsat: 2_500_000_000, description: "coffee beans" }],
];

/** Any code units, lone surrogates too; fast-check's own `binary` unit costs seconds to set up. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x17f }), fc.integer({ min: 0, max: 0xffff })), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));
const plan: InvoicePlan = {
  network: "regtest",
  amountMsat: 10_000,
  paymentHash: "ab".repeat(32),
  paymentSecret: new Uint8Array(32).fill(7),
  description: "L402",
  timestamp: 1_700_000_000,
  nodeSecretKey: SPEC_KEY,
};
const decoded = (text: string): Bolt11 => {
  const result = decodeBolt11(text);
  if (!result.ok) throw new Error(result.detail);
  return result.invoice;
};
const codeOf = (text: string): string => {
  const result = decodeBolt11(text);
  return result.ok ? "ok" : result.code;
};
/** The same words under another prefix, or other words, with a right checksum. */
const reencode = (text: string, change: (hrp: string, words: number[]) => readonly [string, number[]]): string => {
  const { prefix, words } = bech32.decode(text as `${string}1${string}`, false);
  const [hrp, changed] = change(prefix, words);
  return bech32.encode(hrp, changed, false);
};
const withAmount = (amount: string): string => reencode(mintBolt11({ ...plan, sign: false }), (_, words) => [`lnbc${amount}`, words]);
/** Fields put before the others, right after the timestamp. */
const withFields = (...fields: readonly (readonly [type: number, data: readonly number[]])[]): string =>
  reencode(mintBolt11({ ...plan, sign: false }), (hrp, words) => [
    hrp,
    [...words.slice(0, 7), ...fields.flatMap(([type, data]) => [type, data.length >> 5, data.length & 31, ...data]), ...words.slice(7)],
  ]);

describe("the examples of BOLT11", () => {
  it.each(VALID)("reads %s, and recovers its payee", (_, text, expected) => {
    expect(decoded(text)).toMatchObject({ ...usual, ...expected });
    expect(payeeOf(text)).toBe(SPEC_PAYEE);
  });

  it("reads an amount in pico-bitcoin and an expiry of a week", () => {
    expect(decoded(PICO)).toMatchObject({
      amountMsat: 967_878_534,
      timestamp: 1572468703,
      expirySeconds: 604_800,
      paymentHash: "462264ede7e14047e9b249da94fefc47f41f7d02ee9b091815a5506bc8abf75f",
    });
    expect(payeeOf(PICO)).toBe(SPEC_PAYEE);
  });

  it.each([
    [
      "a required feature nobody knows",
      `lnbc25m1pvjluez${HASH_FIELD}dq5vdhkven9v5sxyetpdees${BEANS_SECRET}9q4psqqqqqqqqqqqqqqqpqsqq40wa3khl49yue3zsgm26jrepqr2eghqlx86rttutve3ugd05em86nsefzh4pfurpd9ek9w2vp95zxqnfe2u7ckudyahsa52q66tgzcp6t2dyk`,
    ],
    ["a wrong checksum", `${NONSENSE.slice(0, -1)}t`],
    ["no separator", NONSENSE.slice(NONSENSE.indexOf("1") + 1)],
    ["mixed case", NONSENSE.replace("lnbc", "LNBC")],
    ["a text that is too short", `lnbc1pvjluez${HASH_FIELD}dpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6na6hlh`],
    [
      "an unknown multiplier",
      `lnbc2500x1pvjluez${HASH_FIELD}dq5xysxxatsyp3k7enxv4jsxqzpujr6jxr9gq9pv6g46y7d20jfkegkg4gljz2ea2a3m9lmvvr95tq2s0kvu70u3axgelz3kyvtp2ywwt0y8hkx2869zq5dll9nelr83zzqqpgl2zg`,
    ],
    [
      "a fraction of a millisatoshi",
      `lnbc2500000001p1pvjluez${HASH_FIELD}dq5xysxxatsyp3k7enxv4jsxqzpu7hqtk93pkf7sw55rdv4k9z2vj050rxdr6za9ekfs3nlt5lr89jqpdmxsmlj9urqumg0h9wzpqecw7th56tdms40p2ny9q4ddvjsedzcplva53s`,
    ],
  ])("refuses %s", (_, text) => {
    expect(codeOf(text)).toBe("invoice_malformed");
  });

  it("knows no payee for a signature that is not recoverable", () => {
    const text = `lnbc2500u1pvjluez${HASH_FIELD}dq5xysxxatsyp3k7enxv4jsxqzpuaxtrnwngzn3kdzw5hydlzf03qdgm2hdq27cqv3agm2awhz5se903vruatfhq77w3ls4evs3ch9zw97j25emudupq63nyw24cg27h2rspk28uwq`;
    expect(payeeOf(text)).toBeNull();
  });
});

describe("an invoice's amount", () => {
  it.each([
    ["1", 100_000_000_000],
    ["10n", 1000],
    ["1500n", 150_000],
    ["1m", 100_000_000],
    ["1u", 100_000],
    ["1n", 100],
    ["10p", 1],
    ["90071", 9_007_100_000_000_000],
    ["90071992547409910p", 9_007_199_254_740_991],
  ])("invariant 7: lnbc%s asks for %d msat", (amount, msat) => {
    expect(decoded(withAmount(amount))).toMatchObject({ network: "mainnet", amountMsat: msat });
  });

  it("is null when the payer may choose it", () => {
    expect(decoded(withAmount("")).amountMsat).toBeNull();
  });

  it.each(["0", "00", "01u", "0n"])("invariant 7: %s is not an amount to pay", (amount) => {
    expect(codeOf(withAmount(amount))).toBe(["0", "0n"].includes(amount) ? "invoice_amountless" : "invoice_malformed");
  });

  it.each([
    "90072",
    "90071992547409920p",
    "21000001",
    "99999999999999999999",
    "9".repeat(60),
    "1p",
    "11p",
    "1k",
    "u",
    "-1",
    "1.5u",
    "1 u",
    "1uu",
    "１u",
  ])("invariant 7: an amount written %s is refused", (amount) => {
    const hrp = `lnbc${amount}`;
    const text = /^[!-~]+$/u.test(hrp) ? withAmount(amount) : withAmount("10n").replace("lnbc10n", hrp);
    expect(codeOf(text)).toBe("invoice_malformed");
  });

  it("is separated by the last 1 of the text", () => {
    expect(decoded(withAmount("11"))).toMatchObject({ amountMsat: 1_100_000_000_000 });
  });
});

describe("an invoice's fields", () => {
  it.each(["lnxx", "lnbcx", "bc", "ln", "lntbx10u", "lnbcr"])("invariant 7: the prefix %s is no network of ours", (prefix) => {
    expect(codeOf(reencode(mintBolt11({ ...plan, sign: false }), (_, words) => [prefix, words]))).toBe("invoice_malformed");
  });

  it("expires 3600 s after its timestamp when it does not say", () => {
    expect(decoded(mintBolt11({ ...plan, sign: false }))).toMatchObject({ expirySeconds: 3600, expiresAt: 1_700_003_600_000 });
  });

  it("takes the first of a repeated field, and skips one of the wrong length", () => {
    const words = (byte: number): number[] => bech32.toWords(new Uint8Array(32).fill(byte));
    expect(decoded(withFields([1, words(1)])).paymentHash).toBe("01".repeat(32));
    expect(decoded(withFields([1, words(1).slice(1)])).paymentHash).toBe(plan.paymentHash);
    expect(decoded(withFields([6, [1]], [6, [2]])).expirySeconds).toBe(1);
    expect(decoded(withFields([6, []])).expirySeconds).toBe(0);
  });

  it.each([
    ["an expiry beyond any calendar", [6, Array.from({ length: 20 }, () => 31)]],
    ["an expiry too long for a number", [6, Array.from({ length: 1023 }, () => 31)]],
    ["padding that is not 0", [1, [...bech32.toWords(new Uint8Array(32)).slice(0, -1), 1]]],
    ["a description that is no whole number of bytes", [13, [1]]],
    ["a required feature nobody knows", [5, [1]]],
  ] as const)("refuses %s", (_, field) => {
    expect(codeOf(withFields(field as readonly [number, readonly number[]]))).toBe("invoice_malformed");
  });

  it("refuses a field cut short, and an invoice without payment hash", () => {
    const cut = (end: number): string =>
      reencode(mintBolt11({ ...plan, sign: false }), (hrp, words) => [hrp, [...words.slice(0, end), ...words.slice(-104)]]);
    expect(codeOf(cut(7))).toBe("invoice_malformed");
    expect(codeOf(cut(7 + 2))).toBe("invoice_malformed");
    expect(codeOf(cut(7 + 20))).toBe("invoice_malformed");
    expect(codeOf(cut(7 + 55))).toBe("ok");
  });

  it("refuses a text over the length cap", () => {
    const text = mintBolt11({ ...plan, sign: false });
    expect(decodeBolt11(text, text.length).ok).toBe(true);
    expect(decodeBolt11(text, text.length - 1)).toMatchObject({ ok: false, code: "invoice_malformed" });
  });

  it("invariant 9: says what is wrong without quoting the invoice", () => {
    const text = mintBolt11({ ...plan, sign: false });
    const result = decodeBolt11(`${text.slice(0, -1)}${text.endsWith("q") ? "p" : "q"}`);
    expect(result).toEqual({ ok: false, code: "invoice_malformed", detail: "not bech32 with a right checksum" });
  });
});

describe("the payee", () => {
  it("is the key that signed", () => {
    const key = new Uint8Array(32).fill(9);
    expect(payeeOf(mintBolt11({ ...plan, nodeSecretKey: key }))).toBe(bytesToHex(secp256k1.getPublicKey(key)));
  });

  it("is the n field where the signature is that key's, and nobody where it is not", () => {
    // The n field is part of what is signed: an invoice that carries it under another's signature proves nothing.
    const claimed = withFields([19, bech32.toWords(hexToBytes(SPEC_PAYEE))]);
    expect(decoded(claimed).payeeTag).toBe(SPEC_PAYEE);
    expect(payeeOf(claimed)).toBeNull();
    const { prefix, words } = bech32.decode(claimed as `${string}1${string}`, false);
    const signed = signAs(SPEC_KEY, prefix, words.slice(0, -104));
    expect(payeeOf(signed)).toBe(SPEC_PAYEE);
  });
});

describe("any text", () => {
  const invoices = fc.record({
    network: fc.constantFrom("mainnet", "testnet", "signet", "regtest"),
    amountMsat: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    description: anyText.map((text) => text.toWellFormed()),
    timestamp: fc.integer({ min: 0, max: 2 ** 35 - 1 }),
    expirySeconds: fc.option(fc.integer({ min: 0, max: 2 ** 31 }), { nil: undefined }),
  });

  it("what is minted is decoded as it was meant", () => {
    fc.assert(
      fc.property(invoices, ({ network, amountMsat, hash, description, timestamp, expirySeconds }) => {
        const text = mintBolt11({
          ...plan,
          network,
          amountMsat,
          paymentHash: bytesToHex(hash),
          description,
          timestamp,
          sign: false,
          ...(expirySeconds === undefined ? {} : { expirySeconds }),
        });
        const expiry = expirySeconds ?? 3600;
        const expected = {
          network,
          amountMsat,
          paymentHash: bytesToHex(hash),
          timestamp,
          expirySeconds: expiry,
          expiresAt: (timestamp + expiry) * 1000,
          description,
          descriptionHash: null,
          payeeTag: null,
        };
        expect(decoded(text)).toEqual(expected);
        expect(decoded(text.toUpperCase())).toEqual(expected);
      }),
    );
  });

  it("every corruption of a single character is detected", () => {
    const text = mintBolt11({ ...plan, amountMsat: 1_230_000, sign: false });
    const accepted: string[] = [];
    for (let at = 0; at < text.length; at++) {
      for (const character of "qpzry9x8gf2tvdw0s3jn54khce6mua7l1bQ é") {
        if (character !== text[at] && codeOf(text.slice(0, at) + character + text.slice(at + 1)) === "ok")
          accepted.push(`${character} at ${at}`);
      }
    }
    expect(accepted).toEqual([]);
  });

  it("never throws, on any text or any words under a right checksum", () => {
    fc.assert(fc.property(anyText, (text) => codeOf(text) !== "ok" && payeeOf(text) === null));
    const words = fc.array(fc.integer({ min: 0, max: 31 }), { maxLength: 300 });
    fc.assert(
      fc.property(fc.constantFrom("lnbc", "lnbcrt10n", "lntbs0", "x"), words, (hrp, data) => {
        const text = bech32.encode(hrp, data, false);
        payeeOf(text);
        return ["ok", "invoice_malformed", "invoice_amountless"].includes(codeOf(text));
      }),
    );
  });
});

/** An invoice of these words, signed; the padding of the signed bytes is redone here, apart from both of ours. */
function signAs(key: Uint8Array, hrp: string, words: readonly number[]): string {
  const bits = words.map((word) => word.toString(2).padStart(5, "0")).join("");
  const bytes = (bits.padEnd(Math.ceil(bits.length / 8) * 8, "0").match(/.{8}/gu) ?? []).map((byte) => Number.parseInt(byte, 2));
  const signature = secp256k1.sign(Uint8Array.from([...new TextEncoder().encode(hrp), ...bytes]), key, { format: "recovered" });
  return bech32.encode(hrp, [...words, ...bech32.toWords(Uint8Array.from([...signature.subarray(1), signature[0] ?? 0]))], false);
}
