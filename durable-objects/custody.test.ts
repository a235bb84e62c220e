import { describe, expect, it } from "vitest";
import { openEnvelope } from "../lightning/envelope.ts";
import { BINDING, KEK_BASE64, MNEMONIC, countingRandom } from "../test/support/custody-vectors.ts";
import { nodeCipher } from "./cipher.ts";
import { createMnemonic, importMnemonic, makeEnvelope, type MnemonicSource } from "./custody.ts";
import { webCryptoKeks } from "./kek-webcrypto.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("a mnemonic", () => {
  it("is made of 16 or 32 random bytes, which are overwritten", () => {
    const entropy = new Uint8Array(16).fill(0x7f);
    // BIP-39, test vectors of the reference implementation.
    expect(text(createMnemonic(entropy))).toBe("legal winner thank year wave sausage worth useful legal winner thank yellow");
    expect(entropy).toEqual(new Uint8Array(16));
    expect(text(createMnemonic(new Uint8Array(32))).split(" ")).toHaveLength(24);
    expect(() => createMnemonic(new Uint8Array(20))).toThrow(RangeError);
  });

  it("is imported in any case, spacing and Unicode form", () => {
    const imported = importMnemonic(`  ${MNEMONIC.toUpperCase().replaceAll(" ", " \n\u3000")} `);
    expect(imported.ok && text(imported.value)).toBe(MNEMONIC);
  });

  it.each([
    ["eleven words", MNEMONIC.split(" ").slice(1).join(" ")],
    ["fifteen words", `${MNEMONIC} abandon abandon abandon`],
    ["no words", ""],
    ["a wrong checksum", MNEMONIC.replace("about", "zoo")],
    ["a word of no list", MNEMONIC.replace("about", "lightning")],
  ])("is refused with %s, and no word of it is repeated", (_what, mnemonic) => {
    const refused = importMnemonic(mnemonic);
    expect(refused).toMatchObject({ ok: false, code: "invalid_request" });
    expect(JSON.stringify(refused)).not.toMatch(/abandon|about|zoo|lightning/u);
  });
});

describe("a new wallet's envelope", () => {
  const make = async (source: MnemonicSource) => {
    const keks = await webCryptoKeks({ WALLET_KEK_V1: KEK_BASE64 });
    if (!keks.ok) throw new Error(keks.detail);
    const made = await makeEnvelope({ cipher: nodeCipher, kek: keks.value.current, random: countingRandom() }, BINDING, source, 0);
    return { made, open: () => (made.ok ? openEnvelope({ cipher: nodeCipher, keks: keks.value }, made.value, BINDING, text) : null) };
  };

  it("holds a created or an imported mnemonic, and shows neither", async () => {
    const created = await make({ kind: "create", words: 24 });
    const opened = await created.open();
    expect(opened?.ok === true && opened.value.split(" ")).toHaveLength(24);
    expect(JSON.stringify(created.made)).not.toContain(opened?.ok === true ? opened.value.split(" ")[0] : "");
    const imported = await make({ kind: "import", mnemonic: MNEMONIC });
    expect(await imported.open()).toEqual({ ok: true, value: MNEMONIC });
  });

  it("is not made of a mnemonic that is refused", async () => {
    expect((await make({ kind: "import", mnemonic: "abandon" })).made).toMatchObject({ ok: false, code: "invalid_request" });
  });
});
