import { bech32 } from "@scure/base";
import { Decrypter, armor, generateX25519Identity, identityToRecipient } from "age-encryption";
import { describe, expect, it } from "vitest";
import { readBackup } from "../lightning/backup.ts";
import { openEnvelope } from "../lightning/envelope.ts";
import { BINDING, KEK_BASE64, MNEMONIC, countingRandom } from "../test/support/custody-vectors.ts";
import { nodeCipher } from "./cipher.ts";
import { agePorts } from "./age-x25519.ts";
import { backupOf, createMnemonic, importMnemonic, makeCustody, type MnemonicSource } from "./custody.ts";
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
  const make = async (source: MnemonicSource, recipient: string | null = null) => {
    const keks = await webCryptoKeks({ WALLET_KEK_V1: KEK_BASE64 });
    if (!keks.ok) throw new Error(keks.detail);
    const made = await makeCustody(
      { cipher: nodeCipher, kek: keks.value.current, random: countingRandom(), age: agePorts },
      BINDING,
      source,
      7,
      recipient,
    );
    const open = () => (made.ok ? openEnvelope({ cipher: nodeCipher, keks: keks.value }, made.value.envelope, BINDING, text) : null);
    const again = (to: string) =>
      made.ok ? backupOf({ cipher: nodeCipher, keks: keks.value, age: agePorts }, made.value.envelope, BINDING, to) : null;
    return { made, open, again };
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

  it.each([
    ["created", { kind: "create", words: 12 } as const],
    ["imported", { kind: "import", mnemonic: MNEMONIC } as const],
  ])("comes, for a mnemonic that is %s, with a backup that only the owner's identity opens", async (_what, source) => {
    const identity = await generateX25519Identity();
    const { made, open, again } = await make(source, await identityToRecipient(identity));
    if (!made.ok || made.value.backup === null) throw new Error("a backup was asked for");
    const words = await open();
    const backup = readBackup(await unseal(identity, made.value.backup));
    expect(backup).toEqual({ ok: true, facts: { ...BINDING, createdAt: 7 }, mnemonic: words?.ok === true ? words.value : "" });
    expect(made.value.envelope.backedUpAt).toBe(7);
    const second = await again(await identityToRecipient(identity));
    expect(second?.ok === true && readBackup(await unseal(identity, second.value))).toEqual(backup);
    expect(JSON.stringify(made)).not.toContain(words?.ok === true ? words.value.slice(0, 20) : "");
  });

  it("without a recipient has no backup, and says so by leaving out when", async () => {
    const { made } = await make({ kind: "create", words: 12 });
    expect(made.ok && [made.value.backup, Object.hasOwn(made.value.envelope, "backedUpAt")]).toEqual([null, false]);
  });

  it("is not made where the recipient is wrong: nothing is drawn, wrapped or sealed", async () => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    const never = (): never => {
      throw new Error("something was made");
    };
    const ports = {
      cipher: nodeCipher,
      kek: { version: "v1", wrap: never, unwrap: never },
      random: never,
      age: { random: never, agree: never },
    };
    for (const wrong of ["", "age1", `${recipient.slice(0, -1)}${recipient.endsWith("q") ? "p" : "q"}`, recipient.toUpperCase()]) {
      expect(await makeCustody(ports, BINDING, { kind: "create", words: 12 }, 0, wrong)).toMatchObject({
        ok: false,
        code: "invalid_request",
        detail: expect.stringContaining("backupRecipient") as unknown,
      });
    }
    const lowOrder = bech32.encodeFromBytes("age", new Uint8Array(32));
    expect((await make({ kind: "create", words: 12 }, lowOrder)).made).toMatchObject({ ok: false, code: "invalid_request" });
  });
});

async function unseal(identity: string, backup: string): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return decrypter.decrypt(armor.decode(backup), "text");
}
