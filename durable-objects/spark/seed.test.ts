import { mnemonicToSeedSync } from "@scure/bip39";
import { expect, test } from "vitest";
import { seedOf } from "./seed.ts";

const MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

test("the seed is BIP-39's, tagged as the SDK wants it, and nothing of it is left once erased", async () => {
  const bytes = new TextEncoder().encode(MNEMONIC);
  const secret = await seedOf(bytes);
  const tagged = secret.seed as unknown as unknown[];
  expect(tagged[0]).toBe("entropy");
  expect(Uint8Array.from(tagged.slice(1) as number[])).toEqual(mnemonicToSeedSync(MNEMONIC));
  secret.erase();
  expect(new Set(tagged)).toEqual(new Set([0]));
  // The caller's own bytes are the caller's to overwrite.
  expect(new TextDecoder().decode(bytes)).toBe(MNEMONIC);
});
