/**
 * Key-encryption keys from the secret store: WALLET_KEK_V1, WALLET_KEK_V2, … , each 32 bytes in base64. The highest version wraps; every
 * version present can be unwrapped with. They are imported non-extractable, so after this nothing in the isolate can read them back.
 * One bad entry refuses the whole ring: falling back to an older version without a word would undo a rotation.
 *
 * A wrapped key: nonce (12) ‖ AES-256-GCM ciphertext and tag.
 */
import { base64 } from "@scure/base";
import type { Kek, KeyRing, SpenderKek } from "../lightning/kek.ts";
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
  keks.sort((a, b) => a.number - b.number);
  const current = keks.at(-1)?.kek;
  if (current === undefined)
    return refused("no key-encryption key is configured: set the secret WALLET_KEK_V1 to 32 random bytes in base64");
  return {
    ok: true,
    value: {
      current,
      versions: keks.map(({ kek }) => kek.version),
      find: (version) => keks.find(({ kek }) => kek.version === version)?.kek ?? null,
    },
  };
}

export type SpenderKekResult =
  | { readonly ok: true; readonly value: SpenderKek }
  | { readonly ok: false; readonly code: "envelope_unopenable" | "not_found"; readonly detail: string };

/**
 * The key of another spender, such as SPENDER_KEK_EXECUTOR_V1 for `executor`; the highest version is taken. It is imported for encryption
 * alone: whoever moves a wallet to that spender cannot open it afterwards (design, Custody: wrapped for that spender's KEK alone).
 * @param spender `[a-z0-9-]`, as in the name, in lower case and with `-` for `_`
 */
export async function webCryptoSpenderKek(env: object, spender: string, random: Random = strong): Promise<SpenderKekResult> {
  const prefix = `SPENDER_KEK_${spender.toUpperCase().replaceAll("-", "_")}_V`;
  const found = Object.entries(env)
    .map(([name, value]) => ({
      number: Number((name.startsWith(prefix) && /^[1-9]\d{0,5}$/u.exec(name.slice(prefix.length))?.[0]) || 0),
      name,
      value: value as unknown,
    }))
    .toSorted((a, b) => a.number - b.number)
    .at(-1);
  if (found === undefined || found.number === 0)
    return { ok: false, code: "not_found", detail: `no key of this spender is configured: set the secret ${prefix}1` };
  const raw = decodeKey(await text(found.value));
  if (raw === null) return { ok: false, code: "envelope_unopenable", detail: `${found.name} is not 32 bytes in base64` };
  const key = await crypto.subtle.importKey("raw", raw, ALGORITHM, false, ["encrypt"]);
  raw.fill(0);
  return { ok: true, value: { version: `${spender}/v${found.number}`, wrap: wrapWith(key, random) } };
}

async function importKek(version: string, raw: Uint8Array, random: Random): Promise<Kek> {
  const key = await crypto.subtle.importKey("raw", raw, ALGORITHM, false, ["encrypt", "decrypt"]);
  raw.fill(0);
  return {
    version,
    wrap: wrapWith(key, random),
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

const wrapWith =
  (key: CryptoKey, random: Random): Kek["wrap"] =>
  async (plain, aad) => {
    const iv = random(NONCE_LENGTH);
    return concat(iv, new Uint8Array(await crypto.subtle.encrypt({ name: ALGORITHM, iv, additionalData: aad }, key, plain)));
  };

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
