/**
 * From the mnemonic to the SDK's seed without a string on the way, since a string cannot be overwritten: BIP-39's PBKDF2 over the bytes.
 * The SDK takes a raw seed as an array tagged in its first place (its types say otherwise; facts/spark-on-workerd.md, section 2.3), and
 * derives the same wallet from it as from the words. What the wasm copies into its own heap stays there until the instance goes.
 */
import type { Seed } from "@breeztech/breez-sdk-spark/web";

/** A seed for one build; call {@link SecretSeed.erase} right after it. */
export interface SecretSeed {
  readonly seed: Seed;
  erase(): void;
}

const ROUNDS = 2048;
const SEED_BITS = 512;

/** @param mnemonic UTF-8, words separated by one space (ASCII, so NFKD is the identity); not kept, overwritten by its owner */
export async function seedOf(mnemonic: Uint8Array): Promise<SecretSeed> {
  const words = Uint8Array.from(mnemonic);
  let seed: Uint8Array | undefined;
  try {
    const key = await crypto.subtle.importKey("raw", words, "PBKDF2", false, ["deriveBits"]);
    const salt = new TextEncoder().encode("mnemonic");
    seed = new Uint8Array(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-512", salt, iterations: ROUNDS }, key, SEED_BITS));
    const tagged: unknown[] = ["entropy", ...seed];
    return { seed: tagged as unknown as Seed, erase: () => void tagged.fill(0) };
  } finally {
    words.fill(0);
    seed?.fill(0);
  }
}
