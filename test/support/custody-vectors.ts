/**
 * Fixed vectors for what is at rest: an envelope, a wrapped record key and a sealed record, as bytes. Three ciphers must make and open
 * exactly these (WebCrypto, `node:crypto`, noble): what one runtime has written, every other can read. They may never change; a new
 * form gets a new version number.
 */
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Envelope } from "../../lightning/envelope.ts";

/** BIP-39's own test vector for zero entropy: worthless and known to everybody. */
export const MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

export const KEK_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
export const BINDING = { walletId: "wallet-1", owner: "owner-1", network: "regtest" } as const;
export const CREATED_AT = 1_700_000_000_000;

/** A generator that is not random: n bytes counting up from the last. */
export function countingRandom(from = 0): (length: number) => Uint8Array<ArrayBuffer> {
  let next = from;
  return (length) => Uint8Array.from({ length }, () => next++ & 0xff);
}

export const ENVELOPE: Envelope = {
  version: 1,
  walletId: "wallet-1",
  owner: "owner-1",
  network: "regtest",
  purpose: "mnemonic",
  kekVersion: "v1",
  wrappedDataKey: "wMHCw8TFxsfIycrLIGkFRFNdsHmw8NeJHoHGeXxC0QwI1ymNEvpxMQtAQYlsSue53qIZ9BvWPK/gW3cq",
  nonce: "QEFCQ0RFRkdISUpL",
  ciphertext:
    "ozbc7zQZqyszUDFG4SU/UnLs/O2RL8n+D5z1bgSFoSKrcX5wUrPPBiz1XOr5v93Pv/qIXtmFvt0fhqgOQso6MVSCyeZxTFIii34wSlTtCEdpJkKA0dyWsyBTSeVUTIoN0Es/FakUX5Awy2bgRw==",
  createdAt: CREATED_AT,
};

/** What each ciphertext of the envelope authenticates, written out so that a change of the binding is seen. */
export const CONTENT_AAD =
  '{"network":"regtest","owner":"owner-1","part":"content","purpose":"mnemonic","version":1,"walletId":"wallet-1"}';
export const DATA_KEY_AAD =
  '{"kekVersion":"v1","network":"regtest","owner":"owner-1","part":"data-key","purpose":"mnemonic","version":1,"walletId":"wallet-1"}';
export const RECORD_KEY_AAD = '{"kekVersion":"v1","part":"record-key","purpose":"record","version":1,"walletId":"wallet-1"}';

export const RECORD_KEY = { id: 258, bytes: hexToBytes("80".repeat(32)) };
export const WRAPPED_RECORD_KEY = "wMHCw8TFxsfIycrLgMin5/f4Ft4YWX0isixo1szzY7+8Yp86qkPLirf9/zYuKDWGGgOt/KSJQ1LyKAJB";
export const RECORD_CONTEXT = "payment/00000000-0000-4000-8000-000000000000";
export const RECORD_NONCE = countingRandom(0xa0)(12);
export const RECORD_PLAIN = utf8ToBytes("0201036c6e64");
export const SEALED_RECORD = "010102a0a1a2a3a4a5a6a7a8a9aaabbeb492a311602259a126dd9b79c16b3fe3f031c3f38ef2a718b49f21";

/** The envelope after a rotation of the key-encryption key: 32 bytes counting down from 0xff, version 2; the wrapping nonce again c0 c1 …. */
export const KEK_2_BASE64 = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
export const REWRAPPED: Envelope = {
  ...ENVELOPE,
  kekVersion: "v2",
  wrappedDataKey: "wMHCw8TFxsfIycrLN/4b/LXqBvLk3LHEXCcBuUIoueBRPNQ7JL6o2zm8p9SSAoot0gsf6al973UkevNI",
};

/** And after a rotation of the data key, made with both versions at hand: data key and content nonce count up from 60. */
export const REENCRYPTED: Envelope = {
  ...ENVELOPE,
  kekVersion: "v2",
  wrappedDataKey: "wMHCw8TFxsfIycrLd75bvPWqRrKknPGEHGdB+QJo+aARfJR7ZP7om3n855QF63LR8q+pA1uZEXDhAUCQ",
  nonce: "gIGCg4SFhoeIiYqL",
  ciphertext:
    "Q128dxvsOsHxDuSNlqA17g90i2AL4A3Jl5t3RCstyVTliWITvtw8yT8xbFunuij3tRA6ZL6Yz4Z2FaqDJSklrOz8rfWdElb2+3cy+q8sMjCEdKtVSo5GX9pZVHfOKS7rt4Nk8E1rrvnHLbSdIg==",
};
