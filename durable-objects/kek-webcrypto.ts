/**
 * Key-encryption keys from the secret store: WALLET_KEK_V1, WALLET_KEK_V2, … , each 32 bytes in base64. The highest version wraps; every
 * version present can be unwrapped with. They are imported non-extractable, so after this nothing in the isolate can read them back.
 * One bad entry refuses the whole ring: falling back to an older version without a word would undo a rotation.
 *
 * A wrapped key: nonce (12) ‖ AES-256-GCM ciphertext and tag.
 */
import { base64 } from "@scure/base";
import type { Kek, KeyRing } from "../lightning/kek.ts";
import { KEY_LENGTH, NONCE_LENGTH, concat } from "../lightning/seal.ts";

export type KeyRingResult =
  | { readonly ok: true; readonly value: KeyRing }
  | { readonly ok: false; readonly code: "envelope_unopenable"; readonly detail: string };

const NAME = /^WALLET_KEK_V([1-9]\d{0,5})$/u;
const ALGORITHM = "AES-GCM";

type Random = (length: number) => Uint8Array<ArrayBuffer>;
const strong: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

/**
 * @param env the Worker's environment; members with other names are not looked at. A value is the text itself, or a Secrets Store binding
 * @param random for nonces; only tests give their own
 */
export async function webCryptoKeks(env: object, random: Random = strong): Promise<KeyRingResult> {
  const refused = (detail: string): KeyRingResult => ({ ok: false, code: "envelope_unopenable", detail });
  const keks: { readonly number: number; readonly kek: Kek }[] = [];
  for (const [name, value] of Object.entries(env)) {
    const number = NAME.exec(name)?.[1];
    if (number === undefined) continue;
    const key = decodeKey(await text(value));
    if (key === null) return refused(`${name} is not 32 bytes in base64`);
    keks.push({ number: Number(number), kek: await importKek(`v${number}`, key, random) });
  }
  const current = keks.toSorted((a, b) => b.number - a.number)[0]?.kek;
  if (current === undefined)
    return refused("no key-encryption key is configured: set the secret WALLET_KEK_V1 to 32 random bytes in base64");
  return { ok: true, value: { current, find: (version) => keks.find(({ kek }) => kek.version === version)?.kek ?? null } };
}

async function importKek(version: string, raw: Uint8Array, random: Random): Promise<Kek> {
  const key = await crypto.subtle.importKey("raw", raw, ALGORITHM, false, ["encrypt", "decrypt"]);
  raw.fill(0);
  return {
    version,
    async wrap(plain, aad) {
      const iv = random(NONCE_LENGTH);
      return concat(iv, new Uint8Array(await crypto.subtle.encrypt({ name: ALGORITHM, iv, additionalData: aad }, key, plain)));
    },
    async unwrap(wrapped, aad) {
      const parameters = { name: ALGORITHM, iv: wrapped.subarray(0, NONCE_LENGTH), additionalData: aad };
      try {
        return new Uint8Array(await crypto.subtle.decrypt(parameters, key, wrapped.subarray(NONCE_LENGTH)));
      } catch {
        return null;
      }
    },
  };
}

/** Fails as "not a key": a store that cannot be read and a wrong value are one thing to whoever needs the key. */
async function text(value: unknown): Promise<string | null> {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || !("get" in value) || typeof value.get !== "function") return null;
  try {
    const read: unknown = await value.get();
    return typeof read === "string" ? read : null;
  } catch {
    return null;
  }
}

function decodeKey(value: string | null): Uint8Array | null {
  if (value === null) return null;
  try {
    const bytes = base64.decode(value.trim());
    return bytes.length === KEY_LENGTH ? bytes : null;
  } catch {
    return null;
  }
}
