import { expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "./field.ts";
import { parseTransaction } from "./parse-transaction.ts";
import { evenY, parsePoint, verifySchnorr, xOnly } from "./points.ts";
import { htlcScript, outputOf, payTo, serialize, sighash, spend, taproot, transactionId } from "./transaction.ts";

/**
 * A leaf of a test wallet, public parts only. Its refund was built and signed by the SDK (rust-bitcoin and its FROST), the other shares are the
 * operators': that the signature verifies over our signature hash says that both hash alike.
 */
const NODE =
  "0300000001ea9ee87616f688c18ab8cdabf0d6f79669bb435afdabd47894e36a10d909010e0000000000d00700000200100000000000002251203cd0b05ed8534781387bdb9cce57c1f0893914a0f99743b4ada424beaa3e5d0100000000000000000451024e7300000000";
const REFUND =
  "03000000000101b14bd060d74dc040918931953bf56ea1b17dfbf87aaa55bea7395416d0881d7200000000006c0700000200100000000000002251202ccaaf8cc712c0d5cb71aa6faf8f55de8022597731c4ba2497fd311b899b3d0400000000000000000451024e7301404d76b83d403eb3ccc43a40228a0cf7bc935ba7e81d86d9de3fce17bf7e50d093e3dfa63b43d76aa7325489e94c24d915ec70b09be82667b38640f6353121e5de00000000";
const VERIFYING = "03a88125751e8c529b0dba817a078309aa8d2d42fe7fcbb43c7b71c58581187d3f";
const SIGNATURE = REFUND.slice(-8 - 128, -8);

test("a refund that the SDK signed verifies over our signature hash", () => {
  const node = parseTransaction(hexToBytes(NODE));
  const refund = parseTransaction(hexToBytes(REFUND));
  const key = taproot(parsePoint(hexToBytes(VERIFYING)));
  expect(bytesToHex(outputOf(node).script)).toBe(`5120${bytesToHex(xOnly(key.outputKey))}`);
  const verify = (transaction: typeof refund): boolean =>
    verifySchnorr(hexToBytes(SIGNATURE), sighash(transaction, outputOf(node)), xOnly(evenY(key.outputKey)));
  expect(verify(refund)).toBe(true);
  expect(verify({ ...refund, locktime: 1 })).toBe(false);
  expect(verify({ ...refund, input: { ...refund.input, sequence: 1901 } })).toBe(false);
  expect(verify({ ...refund, outputs: refund.outputs.slice(0, 1) })).toBe(false);
});

test("parsing and serializing give the same bytes, and spending the node gives its refund", () => {
  const node = parseTransaction(hexToBytes(NODE));
  const refund = parseTransaction(hexToBytes(REFUND));
  expect(bytesToHex(serialize(node))).toBe(NODE);
  expect(bytesToHex(serialize(refund, hexToBytes(SIGNATURE)))).toBe(REFUND);
  expect(bytesToHex(transactionId(node))).toBe(bytesToHex(refund.input.txid));
  expect(spend(node, 1900, outputOf(refund).script, "anchored")).toEqual(refund);
});

test("a transaction without an anchor leaves 955 sat for its fee, unless that is all it has", () => {
  const node = parseTransaction(hexToBytes(NODE));
  const script = outputOf(node).script;
  expect(spend(node, 1950, script, "direct").outputs).toEqual([{ value: 4096 - 955, script }]);
  const small = { ...node, outputs: [{ value: 955, script }] };
  expect(spend(small, 1950, script, "direct").outputs).toEqual([{ value: 955, script }]);
});

test("cut, lengthened and many-input transactions are refused", () => {
  const bytes = hexToBytes(NODE);
  for (const length of [0, 3, 4, 40, bytes.length - 1]) expect(() => parseTransaction(bytes.subarray(0, length))).toThrow();
  expect(() => parseTransaction(hexToBytes(`${NODE}00`))).toThrow();
  expect(() => parseTransaction(hexToBytes(`0300000002${NODE.slice(10)}`))).toThrow();
});

test("taproot outputs are BIP341's (its first wallet vector)", () => {
  const internal = parsePoint(hexToBytes("02d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d"));
  expect(taproot(internal).tweak.toString(16)).toBe("b86e7be8f39bab32a6f2c0443abbc210f0edac0e2c53d501b36b64437d9c6c70");
  expect(bytesToHex(payTo(internal))).toBe("512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343");
});

test("an HTLC's output depends on the hash and on who is who", () => {
  const [a, b] = [
    parsePoint(hexToBytes(VERIFYING)),
    parsePoint(hexToBytes("02d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d")),
  ];
  const scripts = [
    htlcScript(new Uint8Array(32), a, b),
    htlcScript(new Uint8Array(32), b, a),
    htlcScript(new Uint8Array(32).fill(1), a, b),
  ];
  expect(new Set(scripts.map(bytesToHex)).size).toBe(3);
});
