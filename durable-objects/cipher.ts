/** AES-256-GCM by `node:crypto`, which is synchronous in workerd as in Node: a row and its sealed bytes are written in one block. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat, type Cipher } from "../lightning/seal.ts";

const ALGORITHM = "aes-256-gcm";
const TAG_LENGTH = 16;

export const nodeCipher: Cipher = {
  seal(key, nonce, plain, aad) {
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_LENGTH });
    cipher.setAAD(aad);
    return concat(cipher.update(plain), cipher.final(), cipher.getAuthTag());
  },
  open(key, nonce, sealed, aad) {
    if (sealed.length < TAG_LENGTH) return null;
    // Whatever the engine dislikes (a nonce of another length, a wrong tag) means the same to us: it does not open.
    try {
      const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_LENGTH });
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_LENGTH));
      const first = decipher.update(sealed.subarray(0, sealed.length - TAG_LENGTH));
      try {
        return concat(first, decipher.final());
      } finally {
        first.fill(0);
      }
    } catch {
      return null;
    }
  },
};
