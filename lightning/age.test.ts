import { utf8ToBytes } from "@noble/hashes/utils.js";
import { Decrypter, armor, generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import { describe, expect, it } from "vitest";
import { agePorts } from "../durable-objects/age-x25519.ts";
import { countingRandom } from "../test/support/custody-vectors.ts";
import { readRecipient, sealToRecipient } from "./age.ts";

async function pair(): Promise<{ readonly identity: string; readonly recipient: string; readonly key: Uint8Array }> {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const key = readRecipient(recipient);
  if (key === null) throw new Error("a recipient of the library's own making");
  return { identity, recipient, key };
}

/** By the library of age's own author: what it reads, every age tool reads. */
async function open(identity: string, file: string): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return decrypter.decrypt(armor.decode(file), "text");
}

describe("an age file", () => {
  it.each([0, 1, 100, 16_384, 65_536])(
    "of %s bytes is opened by the library with the recipient's identity, and by no other",
    async (length) => {
      const [mine, other] = [await pair(), await pair()];
      const plain = "x".repeat(length);
      const file = (await sealToRecipient(agePorts, mine.key, utf8ToBytes(plain))) ?? "";
      expect(await open(mine.identity, file)).toBe(plain);
      expect(await open(other.identity, file).catch((error: unknown) => String(error))).toContain("no identity matched");
      expect(file.split("\n").every((line) => line.length <= 64)).toBe(true);
    },
  );

  it("holds nothing of its content in the clear, and is another each time", async () => {
    const { key } = await pair();
    const files = await Promise.all([1, 2].map(() => sealToRecipient(agePorts, key, utf8ToBytes("abandon abandon about"))));
    expect(files[0]).not.toBe(files[1]);
    for (const file of files) expect(Buffer.from(armor.decode(file ?? "")).includes("abandon")).toBe(false);
  });

  it("with one byte changed anywhere opens for nobody", async () => {
    const { identity, key } = await pair();
    const file = armor.decode((await sealToRecipient(agePorts, key, utf8ToBytes("words"))) ?? "");
    for (let at = 0; at < file.length; at += 7) {
      const changed = Uint8Array.from(file, (byte, index) => (index === at ? byte ^ 1 : byte));
      expect(await open(identity, armor.encode(changed)).catch(() => "refused"), `byte ${at}`).toBe("refused");
    }
  });

  it("is not written for a point that gives everybody the same secret", async () => {
    expect(await sealToRecipient(agePorts, new Uint8Array(32), utf8ToBytes("words"))).toBeNull();
    const agree = () => Promise.resolve({ share: new Uint8Array(32).fill(9), secret: new Uint8Array(32) });
    expect(await sealToRecipient({ random: countingRandom(), agree }, new Uint8Array(32).fill(9), utf8ToBytes("words"))).toBeNull();
  });

  it("has one chunk: a longer text is a bug", async () => {
    const { key } = await pair();
    await expect(sealToRecipient(agePorts, key, new Uint8Array(65_537))).rejects.toThrow(RangeError);
  });
});

describe("a recipient", () => {
  it("is read from its text, and one wrong character is noticed", async () => {
    const { recipient } = await pair();
    expect(readRecipient(recipient)).toHaveLength(32);
    for (let at = 4; at < recipient.length; at += 1) {
      const wrong = recipient.slice(0, at) + (recipient[at] === "q" ? "p" : "q") + recipient.slice(at + 1);
      expect(readRecipient(wrong), `character ${at}`).toBeNull();
    }
  });

  it("of another kind, and text that is none, is refused", async () => {
    const hybrid = await identityToRecipient(await generateHybridIdentity());
    const { identity, recipient } = await pair();
    for (const text of [hybrid, identity, "", "age1", recipient.toUpperCase(), ` ${recipient}`, `${recipient}\n`, "ssh-ed25519 AAAA"])
      expect(readRecipient(text), text).toBeNull();
  });
});
