import { createCipheriv, createECDH, ECDH, hkdfSync } from "node:crypto";
import { expect, test } from "vitest";
import { eciesDecrypt, eciesEncrypt } from "./ecies.ts";
import { utf8 } from "./field.ts";
import { randomKeyPair } from "./points.ts";
import { seededRandom } from "../ports.ts";

const random = seededRandom("ecies");
const [receiver, other] = [randomKeyPair(random), randomKeyPair(random)];

test("what is sealed for a key opens with it, and is 97 bytes longer", () => {
  for (const length of [0, 1, 32, 1000]) {
    const message = random(length);
    const sealed = eciesEncrypt(receiver.point, message, random);
    expect(sealed.length).toBe(97 + length);
    expect(eciesDecrypt(receiver.secret, sealed)).toEqual(message);
  }
});

test("another key, a changed byte anywhere and a cut are refused", () => {
  const sealed = eciesEncrypt(receiver.point, utf8("a leaf's key"), random);
  expect(() => eciesDecrypt(other.secret, sealed)).toThrow();
  for (const at of [1, 64, 65, 80, 81, 96, 97, sealed.length - 1]) {
    const touched = sealed.slice();
    touched[at]! ^= 1;
    expect(() => eciesDecrypt(receiver.secret, touched), `byte ${at}`).toThrow();
  }
  expect(() => eciesDecrypt(receiver.secret, sealed.subarray(0, 96))).toThrow();
});

test("opens a ciphertext that Node's own primitives made", () => {
  const ephemeral = createECDH("secp256k1");
  const sent = ephemeral.generateKeys();
  const x = ephemeral.computeSecret(receiver.publicKey);
  // Node's ECDH gives x alone; the scheme hashes the whole point, so with one of the two candidates for y it opens, with the other not.
  const opened = [2, 3].map((parity) => {
    const shared = ECDH.convertKey(Buffer.concat([Buffer.of(parity), x]), "secp256k1", undefined, undefined, "uncompressed") as Buffer;
    const key = Buffer.from(hkdfSync("sha256", Buffer.concat([sent, shared]), Buffer.alloc(0), Buffer.alloc(0), 32));
    const nonce = random(16);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    const body = Buffer.concat([cipher.update("hello"), cipher.final()]);
    try {
      return Buffer.from(eciesDecrypt(receiver.secret, Buffer.concat([sent, nonce, cipher.getAuthTag(), body]))).toString();
    } catch {
      return null;
    }
  });
  expect(opened.filter((each) => each === "hello")).toHaveLength(1);
});
