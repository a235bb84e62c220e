import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "./field.ts";
import {
  bool,
  bytes,
  int,
  mapOf,
  mapOfBytes,
  message,
  nested,
  optionalInt,
  repeated,
  repeatedBytes,
  repeatedInt,
  repeatedText,
  text,
} from "./protobuf.ts";

const Inner = message({ a: int(1), b: text(2) });
const All = message({
  number: int(1),
  flag: bool(2),
  word: text(3),
  blob: bytes(4),
  inner: nested(5, Inner),
  inners: repeated(6, Inner),
  words: repeatedText(7),
  blobs: repeatedBytes(8),
  numbers: repeatedInt(9),
  maybe: optionalInt(10),
  byName: mapOf(11, Inner),
  blobByName: mapOfBytes(60),
});

const inner = fc.record({ a: fc.maxSafeInteger(), b: fc.string() });
const name = fc.string({ maxLength: 5 });
const blob = fc.uint8Array({ maxLength: 300 });
const all = fc.record({
  number: fc.maxSafeInteger(),
  flag: fc.boolean(),
  word: fc.string(),
  blob,
  inner: fc.option(inner, { nil: undefined }),
  inners: fc.array(inner),
  words: fc.array(fc.string()),
  blobs: fc.array(blob),
  numbers: fc.array(fc.nat()),
  maybe: fc.option(fc.nat(), { nil: undefined }),
  byName: fc.array(fc.tuple(name, inner)).map((entries) => new Map(entries)),
  blobByName: fc.array(fc.tuple(name, blob)).map((entries) => new Map(entries)),
});

test("what is encoded decodes to itself", () => {
  fc.assert(
    fc.property(all, (value) => {
      expect(All.decode(All.encode(value))).toEqual(value);
    }),
  );
});

test("the bytes are protobuf's: the examples of its documentation", () => {
  expect(bytesToHex(message({ a: int(1) }).encode({ a: 150 }))).toBe("089601");
  expect(bytesToHex(message({ b: text(2) }).encode({ b: "testing" }))).toBe("120774657374696e67");
  expect(bytesToHex(message({ c: nested(3, message({ a: int(1) })) }).encode({ c: { a: 150 } }))).toBe("1a03089601");
  expect(message({ f: repeatedInt(6) }).decode(hexToBytes("3206038e029ea705")).f).toEqual([3, 270, 86942]);
  expect(message({ a: int(1) }).decode(hexToBytes("08feffffffffffffffff01")).a).toBe(-2);
});

test("proto3 defaults are left out, an optional 0 is not", () => {
  expect(All.encode({ number: 0, flag: false, word: "", blob: new Uint8Array(0), words: [] }).length).toBe(0);
  expect(bytesToHex(All.encode({ maybe: 0 }))).toBe("5000");
  expect(All.decode(new Uint8Array(0)).maybe).toBeUndefined();
});

test("unknown fields of every wire type are skipped", () => {
  const Small = message({ number: int(1) });
  const unknown = ["f001ffffffff0f", "f1010102030405060708", "f20103aabbcc", "f50101020304"].join("");
  expect(Small.decode(hexToBytes(`${unknown}0807${unknown}`)).number).toBe(7);
});

test("cut bytes, a group and a field of another type are refused", () => {
  for (const hex of ["08", "08ff", "1205746573", "12ffffffffffffffffff01", "0b", "3d0102", "0a0101", "ff"]) {
    expect(() => message({ number: int(1), word: text(2) }).decode(hexToBytes(hex)), hex).toThrow();
  }
});
