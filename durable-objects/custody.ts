/**
 * Making a wallet's mnemonic, or taking in one that exists. It lives as bytes, because a string cannot be overwritten; the library's own
 * string, and an imported one, are left to the garbage collector at once. No error here ever quotes a word of it.
 */
import { entropyToMnemonic, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { readRecipient, sealToRecipient, type AgePorts } from "../lightning/age.ts";
import { writeBackup, type BackupFacts } from "../lightning/backup.ts";
import {
  openEnvelope,
  sealEnvelope,
  type EnvelopeBinding,
  type Envelope,
  type OpenPorts,
  type Opened,
  type SealPorts,
} from "../lightning/envelope.ts";

export type MnemonicSource =
  /** Twelve words carry 128 bits, as much as a secp256k1 key resists; 24 for owners whose rules ask for them. */
  { readonly kind: "create"; readonly words: 12 | 24 } | { readonly kind: "import"; readonly mnemonic: string };

export type MnemonicResult =
  | { readonly ok: true; readonly value: Uint8Array }
  | { readonly ok: false; readonly code: "invalid_request"; readonly detail: string };

/** `backup`: the armored age file, for one answer and nowhere else; null when nobody asked for one. */
export interface NewCustody {
  readonly envelope: Envelope;
  readonly backup: string | null;
}

export type CustodyResult =
  | { readonly ok: true; readonly value: NewCustody }
  | { readonly ok: false; readonly code: "invalid_request"; readonly detail: string };

const ENTROPY = { 12: 16, 24: 32 } as const;

/** @param entropy 16 bytes for 12 words, 32 for 24; overwritten. @returns UTF-8 bytes, words separated by one space */
export function createMnemonic(entropy: Uint8Array): Uint8Array {
  if (entropy.length !== ENTROPY[12] && entropy.length !== ENTROPY[24]) throw new RangeError("a mnemonic is made of 16 or 32 random bytes");
  try {
    return new TextEncoder().encode(entropyToMnemonic(entropy, wordlist));
  } finally {
    entropy.fill(0);
  }
}

/** BIP-39, English, 12 or 24 words, checksum verified; case, spacing and Unicode form are forgiven. */
export function importMnemonic(text: string): MnemonicResult {
  const refused = (detail: string): MnemonicResult => ({ ok: false, code: "invalid_request", detail });
  const words = text.normalize("NFKD").trim().toLowerCase().split(/\s+/u);
  if (words.length !== 12 && words.length !== 24) return refused("a mnemonic has 12 or 24 words");
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown !== -1) return refused(`word ${unknown + 1} of the mnemonic is not in the BIP-39 English list`);
  const normalised = words.join(" ");
  if (!validateMnemonic(normalised, wordlist)) return refused("the mnemonic's checksum is wrong: a word is mistaken, or two are swapped");
  return { ok: true, value: new TextEncoder().encode(normalised) };
}

/**
 * A new wallet's envelope, and its backup for the recipient that its owner named. The mnemonic exists in the clear only inside this call.
 * @param recipient `age1…`, or null; a wrong one is refused before anything is made
 */
export async function makeCustody(
  ports: SealPorts & { readonly age: AgePorts },
  binding: EnvelopeBinding,
  source: MnemonicSource,
  createdAt: number,
  recipient: string | null,
): Promise<CustodyResult> {
  const refused = (detail: string): CustodyResult => ({ ok: false, code: "invalid_request", detail });
  const key = recipient === null ? null : readRecipient(recipient);
  if (recipient !== null && key === null) return refused("backupRecipient: Expected an age X25519 recipient, age1 and 58 characters");
  const mnemonic =
    source.kind === "create"
      ? { ok: true as const, value: createMnemonic(ports.random(ENTROPY[source.words])) }
      : importMnemonic(source.mnemonic);
  if (!mnemonic.ok) return mnemonic;
  try {
    const backup = key === null ? null : await sealBackup(ports.age, key, { ...binding, createdAt }, mnemonic.value);
    if (key !== null && backup === null) return refused("backupRecipient: this recipient's point gives everybody the same secret");
    const sealed = await sealEnvelope(ports, binding, mnemonic.value, createdAt);
    return { ok: true, value: { envelope: backup === null ? sealed : { ...sealed, backedUpAt: createdAt }, backup } };
  } finally {
    mnemonic.value.fill(0);
  }
}

/** The backup of a wallet that exists, for the recipient its creation named: where the first answer was lost on its way. */
export async function backupOf(
  ports: OpenPorts & { readonly age: AgePorts },
  envelope: Envelope,
  binding: EnvelopeBinding,
  recipient: string,
): Promise<Opened<string>> {
  const key = readRecipient(recipient);
  const opened = await openEnvelope(ports, envelope, binding, async (mnemonic) =>
    key === null ? null : sealBackup(ports.age, key, { ...binding, createdAt: envelope.createdAt }, mnemonic),
  );
  if (!opened.ok) return opened;
  return opened.value === null
    ? { ok: false, code: "envelope_unopenable", detail: "this recipient takes no backup" }
    : { ok: true, value: opened.value };
}

async function sealBackup(ports: AgePorts, recipient: Uint8Array, facts: BackupFacts, mnemonic: Uint8Array): Promise<string | null> {
  const plain = writeBackup(facts, mnemonic);
  try {
    return await sealToRecipient(ports, recipient, plain);
  } finally {
    plain.fill(0);
  }
}
