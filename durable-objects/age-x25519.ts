/** X25519 by WebCrypto, for age: the engine has it, and a library's would cost the Worker 10 KB gzip. */
import type { AgePorts } from "../lightning/age.ts";

const X25519 = { name: "X25519" } as const;

export const agePorts: AgePorts = {
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  agree: async (recipient) => {
    const own = await crypto.subtle.generateKey(X25519, false, ["deriveBits"]);
    if (!("privateKey" in own)) throw new Error("X25519 makes pairs of keys");
    try {
      const peer = await crypto.subtle.importKey("raw", Uint8Array.from(recipient), X25519, false, []);
      // The generated types call the member `$public`; the engine, as the standard (RFC 8410 by way of WebCrypto), calls it `public`.
      const parameters: { name: string; public: CryptoKey } = { name: "X25519", public: peer };
      const secret = new Uint8Array(await crypto.subtle.deriveBits(parameters, own.privateKey, 256));
      const share = await crypto.subtle.exportKey("raw", own.publicKey);
      return share instanceof ArrayBuffer ? { share: new Uint8Array(share), secret } : null;
    } catch {
      // A point of low order: engines refuse it here instead of answering with zeros.
      return null;
    }
  },
};
