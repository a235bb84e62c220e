/** Making of ids and keys. A key's text exists in one answer only; what is kept is the hash of its last part. */
import { base64urlnopad } from "@scure/base";
import { secretHash } from "./principal.ts";

/** Cryptographically strong bytes, as a parameter. */
export type RandomBytes = (length: number) => Uint8Array;

export interface NewKey {
  readonly keyId: string;
  /** Shown once. */
  readonly text: string;
  readonly hash: string;
}

export function newWalletId(random: RandomBytes): string {
  return `w_${base36(random, 16)}`;
}

export function newAgentKey(random: RandomBytes, owner: string, walletId: string): NewKey {
  return newKey(random, `lwk.${owner}.${walletId}`);
}

export function newOperatorKey(random: RandomBytes, owner: string): NewKey {
  return newKey(random, `lwo.${owner}`);
}

export function newApproverKey(random: RandomBytes, owner: string): NewKey {
  return newKey(random, `lwa.${owner}`);
}

function newKey(random: RandomBytes, prefix: string): NewKey {
  const keyId = base36(random, 12);
  const secret = base64urlnopad.encode(random(32));
  return { keyId, text: `${prefix}.${keyId}.${secret}`, hash: secretHash(secret) };
}

/** Bytes from 252 up are thrown away: 252 is the largest multiple of 36, so every character is as likely as any other. */
function base36(random: RandomBytes, length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of random(length * 2)) {
      if (byte < 252 && text.length < length) text += (byte % 36).toString(36);
    }
  }
  return text;
}
