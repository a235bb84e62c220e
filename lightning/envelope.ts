/**
 * Envelope v1: how a wallet's mnemonic is kept (design, Custody). A random data key encrypts the mnemonic; a key-encryption key, which cannot
 * be exported, wraps the data key. Both carry, as additional data, what they are for. The reader builds that from its own row, never from
 * the envelope: so another wallet's envelope, put in the place of ours, does not open.
 *
 * The key version is bound by the wrapping alone, so that a rotation of the key-encryption key re-wraps and leaves the ciphertext as it is.
 * The record key, separate from the mnemonic's, is wrapped directly: `wrapRecordKey`.
 */
import { base64 } from "@scure/base";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { canonicalJson } from "./jcs.ts";
import { KEY_LENGTH, NONCE_LENGTH, type Cipher } from "./seal.ts";
import type { Kek, KeyRing } from "./kek.ts";
import type { Network } from "./bolt11.ts";

/** Whose mnemonic it is, by the reader's own knowledge. */
export interface EnvelopeBinding {
  readonly walletId: string;
  readonly owner: string;
  readonly network: Network;
}

/** Safe to store and to send, as JSON. Bytes are base64, padded. */
export interface Envelope extends EnvelopeBinding {
  readonly version: 1;
  readonly purpose: "mnemonic";
  readonly kekVersion: string;
  readonly wrappedDataKey: string;
  readonly nonce: string;
  readonly ciphertext: string;
  /** Epoch ms. For people: it decides nothing, and is not bound. */
  readonly createdAt: number;
  /** Epoch ms at which a backup of this mnemonic left the house; absent when none did. Not bound either. */
  readonly backedUpAt?: number;
}

export interface SealPorts {
  readonly cipher: Cipher;
  readonly kek: Kek;
  /** Cryptographically strong. */
  readonly random: (length: number) => Uint8Array;
}

export interface OpenPorts {
  readonly cipher: Cipher;
  readonly keks: KeyRing;
}

export type Opened<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: "envelope_unopenable"; readonly detail: string };

/** Seals a mnemonic. The bytes given are overwritten before this returns, whatever happens. */
export async function sealEnvelope(ports: SealPorts, binding: EnvelopeBinding, mnemonic: Uint8Array, createdAt: number): Promise<Envelope> {
  const { walletId, owner, network } = binding;
  const dataKey = ports.random(KEY_LENGTH);
  const nonce = ports.random(NONCE_LENGTH);
  try {
    const ciphertext = ports.cipher.seal(dataKey, nonce, mnemonic, contentBinding(binding));
    const wrapped = await ports.kek.wrap(dataKey, dataKeyBinding(binding, ports.kek.version));
    return {
      version: 1,
      walletId,
      owner,
      network,
      purpose: "mnemonic",
      kekVersion: ports.kek.version,
      wrappedDataKey: base64.encode(wrapped),
      nonce: base64.encode(nonce),
      ciphertext: base64.encode(ciphertext),
      createdAt,
    };
  } finally {
    dataKey.fill(0);
    mnemonic.fill(0);
  }
}

/**
 * Opens an envelope for one use: `use` gets the mnemonic as bytes, and they are overwritten when it is done.
 * An envelope of another wallet, owner or network, a changed one, and one whose key is not here are all `envelope_unopenable`.
 */
export async function openEnvelope<T>(
  ports: OpenPorts,
  envelope: Envelope,
  binding: EnvelopeBinding,
  use: (mnemonic: Uint8Array) => T | Promise<T>,
): Promise<Opened<T>> {
  const dataKey = await unwrapDataKey(ports.keks, envelope, binding);
  if (!dataKey.ok) return dataKey;
  const nonce = base64.decode(envelope.nonce);
  const mnemonic = ports.cipher.open(dataKey.value, nonce, base64.decode(envelope.ciphertext), contentBinding(binding));
  dataKey.value.fill(0);
  if (mnemonic === null) return unopenable("its content does not authenticate for this wallet");
  try {
    return { ok: true, value: await use(mnemonic) };
  } finally {
    mnemonic.fill(0);
  }
}

/**
 * Rotation of the key-encryption key, and the move to another spender: the same data key, wrapped by `to` alone. The ciphertext stays as it is.
 * Where `to` is our own it is read back, since it is to replace the only copy; of another spender's we can only hope.
 * Nobody but the holder of `to` can open what this returns, so the caller keeps the old envelope until the new one is stored.
 */
export async function rewrapEnvelope(
  keks: KeyRing,
  to: Pick<Kek, "version" | "wrap">,
  envelope: Envelope,
  binding: EnvelopeBinding,
): Promise<Opened<Envelope>> {
  const dataKey = await unwrapDataKey(keks, envelope, binding);
  if (!dataKey.ok) return dataKey;
  try {
    const aad = dataKeyBinding(binding, to.version);
    const wrapped = await to.wrap(dataKey.value, aad);
    const ours = keks.find(to.version);
    if (ours !== null) {
      const again = await ours.unwrap(wrapped, aad);
      const same = again !== null && equalBytes(again, dataKey.value);
      again?.fill(0);
      if (!same) return unopenable("its data key was wrapped and does not unwrap");
    }
    return { ok: true, value: { ...envelope, kekVersion: to.version, wrappedDataKey: base64.encode(wrapped) } };
  } finally {
    dataKey.value.fill(0);
  }
}

/**
 * Rotation of the data key: the mnemonic encrypted anew, under a new data key wrapped by the current key-encryption key.
 * The answer is to replace the only copy, so it is opened again and compared before it is given out.
 */
export async function reencryptEnvelope(
  ports: Omit<SealPorts, "kek"> & OpenPorts,
  envelope: Envelope,
  binding: EnvelopeBinding,
): Promise<Opened<Envelope>> {
  const { cipher, keks, random } = ports;
  return flatten(
    await openEnvelope(ports, envelope, binding, async (mnemonic) => {
      const sealed = await sealEnvelope({ cipher, kek: keks.current, random }, binding, Uint8Array.from(mnemonic), envelope.createdAt);
      const next = envelope.backedUpAt === undefined ? sealed : { ...sealed, backedUpAt: envelope.backedUpAt };
      const same = await openEnvelope(ports, next, binding, (again) => equalBytes(again, mnemonic));
      return same.ok && same.value ? { ok: true, value: next } : unopenable("the envelope made of it does not open to the same words");
    }),
  );
}

/** Wraps a wallet's record key. The caller keeps the version beside the bytes, and still owns `recordKey`. */
export async function wrapRecordKey(
  kek: Kek,
  walletId: string,
  recordKey: Uint8Array,
): Promise<{ readonly kekVersion: string; readonly wrapped: Uint8Array }> {
  return { kekVersion: kek.version, wrapped: await kek.wrap(recordKey, recordKeyBinding(walletId, kek.version)) };
}

/** Null when the version is not configured, or the bytes were changed or are another wallet's. */
export async function unwrapRecordKey(
  keks: KeyRing,
  walletId: string,
  kekVersion: string,
  wrapped: Uint8Array,
): Promise<Uint8Array | null> {
  return (await keks.find(kekVersion)?.unwrap(wrapped, recordKeyBinding(walletId, kekVersion))) ?? null;
}

/** Has it the shape of an envelope? Says nothing about whether it opens. */
export function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== "object" || value === null) return false;
  const member = (name: string): unknown => Reflect.get(value, name);
  const texts = ["walletId", "owner", "network", "kekVersion"].every((name) => typeof member(name) === "string" && member(name) !== "");
  const bytes = ["wrappedDataKey", "nonce", "ciphertext"].every((name) => isBase64(member(name)));
  const instants =
    Number.isSafeInteger(member("createdAt")) && (member("backedUpAt") === undefined || Number.isSafeInteger(member("backedUpAt")));
  return texts && bytes && instants && member("version") === 1 && member("purpose") === "mnemonic";
}

async function unwrapDataKey(keks: KeyRing, envelope: Envelope, binding: EnvelopeBinding): Promise<Opened<Uint8Array>> {
  if (!isEnvelope(envelope)) return unopenable("this is no envelope of version 1");
  const kek = keks.find(envelope.kekVersion);
  if (kek === null) return unopenable("the version of the key-encryption key that wraps it is not configured");
  const dataKey = await kek.unwrap(base64.decode(envelope.wrappedDataKey), dataKeyBinding(binding, kek.version));
  return dataKey === null ? unopenable("its data key does not unwrap for this wallet") : { ok: true, value: dataKey };
}

const unopenable = (detail: string): { readonly ok: false; readonly code: "envelope_unopenable"; readonly detail: string } => ({
  ok: false,
  code: "envelope_unopenable",
  detail,
});
const flatten = <T>(opened: Opened<Opened<T>>): Opened<T> => (opened.ok ? opened.value : opened);
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);

// RFC 8785 bytes: one form only, and a value cannot run over into its neighbour.
const bound = (facts: Readonly<Record<string, string | number>>): Uint8Array => utf8ToBytes(canonicalJson(facts));
const contentBinding = ({ walletId, owner, network }: EnvelopeBinding): Uint8Array =>
  bound({ version: 1, part: "content", purpose: "mnemonic", walletId, owner, network });
const dataKeyBinding = ({ walletId, owner, network }: EnvelopeBinding, kekVersion: string): Uint8Array =>
  bound({ version: 1, part: "data-key", purpose: "mnemonic", walletId, owner, network, kekVersion });
const recordKeyBinding = (walletId: string, kekVersion: string): Uint8Array =>
  bound({ version: 1, part: "record-key", purpose: "record", walletId, kekVersion });

function isBase64(value: unknown): boolean {
  return typeof value === "string" && value !== "" && value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/u.test(value) && canDecode(value);
}

function canDecode(text: string): boolean {
  try {
    base64.decode(text);
    return true;
  } catch {
    return false;
  }
}
