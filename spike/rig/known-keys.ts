/**
 * What the rig knows of a stopped system because it holds the key-encryption key, which nobody else here does: each wallet's words and data
 * key. They become canaries: what can be opened so must not be found anywhere unopened.
 */
import { mnemonicToSeedSync } from "@scure/bip39";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { webCryptoKeks } from "../../durable-objects/kek-webcrypto.ts";
import { openEnvelope, type Envelope, type EnvelopeBinding } from "../../lightning/envelope.ts";
import type { Kek, KeyRing } from "../../lightning/kek.ts";
import type { Secret } from "../../test/support/canary.ts";

export interface OpenedWallet {
  readonly mnemonic: string;
  /** 64 bytes, hex: what the words stand for. */
  readonly seed: string;
  /** 32 bytes, hex. */
  readonly dataKey: string;
}

/** @param kek base64 @returns null when it does not open */
export async function openWith(kek: string, envelope: Envelope, binding: EnvelopeBinding): Promise<OpenedWallet | null> {
  const ring = await webCryptoKeks({ WALLET_KEK_V1: kek });
  if (!ring.ok) return null;
  const seen: { dataKey: string | null } = { dataKey: null };
  const keks = watching(ring.value, (key) => (seen.dataKey = Buffer.from(key).toString("hex")));
  const opened = await openEnvelope({ cipher: nodeCipher, keks }, envelope, binding, (words) => new TextDecoder().decode(words));
  if (!opened.ok || seen.dataKey === null) return null;
  return { mnemonic: opened.value, seed: Buffer.from(mnemonicToSeedSync(opened.value)).toString("hex"), dataKey: seen.dataKey };
}

/** The words whole and in part, the seed whole and in halves, and the data key. */
export function secretsOf({ mnemonic, seed, dataKey }: OpenedWallet): readonly Secret[] {
  return [
    { name: "mnemonic", text: mnemonic },
    { name: "three words of a mnemonic", text: mnemonic.split(" ").slice(0, 3).join(" ") },
    { name: "seed", text: seed },
    { name: "half a seed", text: seed.slice(0, 64) },
    { name: "data key", text: dataKey },
  ];
}

function watching(ring: KeyRing, tell: (key: Uint8Array) => void): KeyRing {
  const watch = (kek: Kek): Kek => ({
    version: kek.version,
    wrap: (key, binding) => kek.wrap(key, binding),
    unwrap: async (wrapped, binding) => {
      const key = await kek.unwrap(wrapped, binding);
      if (key !== null) tell(key);
      return key;
    },
  });
  return {
    current: watch(ring.current),
    versions: ring.versions,
    find: (version) => {
      const found = ring.find(version);
      return found === null ? null : watch(found);
    },
  };
}
