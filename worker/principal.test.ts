import { expect, test } from "vitest";
import fc from "fast-check";
import { newAgentKey, newApproverKey, newOperatorKey, newWalletId } from "./keys.ts";
import { readKey, resolvePrincipal, secretHash, walletObjectName } from "./principal.ts";

const SECRET = "s".repeat(43);
const WALLET = "w_0123456789abcdef";
const nobody = (): Promise<string | null> => Promise.resolve(null);

test("a new agent key reads back as the agent it names", () => {
  const key = newAgentKey((length) => new Uint8Array(length).fill(9), "some-owner", WALLET);
  expect(readKey(`Bearer ${key.text}`)).toEqual({
    kind: "agent",
    owner: "some-owner",
    walletId: WALLET,
    auth: { kind: "agent_key", keyId: key.keyId, secret: key.text.split(".").at(-1) },
  });
  expect(key.hash).toBe(secretHash(key.text.split(".").at(-1) ?? ""));
});

test("an approver's key resolves against approvers' hashes and an operator's against operators', whatever its secret", async () => {
  const key = newApproverKey((length) => new Uint8Array(length).fill(5), "main");
  const asked: string[] = [];
  const stored = (owner: string, keyId: string, role: string): Promise<string | null> => {
    asked.push(`${owner}/${keyId}/${role}`);
    return Promise.resolve(role === "approver" ? key.hash : null);
  };
  expect(await resolvePrincipal(`Bearer ${key.text}`, stored)).toEqual({ kind: "approver", owner: "main", keyId: key.keyId });
  expect(await resolvePrincipal(`Bearer ${key.text.replace("lwa.", "lwo.")}`, stored)).toBeNull();
  expect(asked).toEqual([`main/${key.keyId}/approver`, `main/${key.keyId}/operator`]);
});

test("a new operator key resolves against its stored hash, and against no other", async () => {
  const key = newOperatorKey((length) => new Uint8Array(length).fill(5), "main");
  const asked: string[] = [];
  const stored =
    (hash: string | null) =>
    (owner: string, keyId: string): Promise<string | null> => {
      asked.push(`${owner}/${keyId}`);
      return Promise.resolve(hash);
    };
  expect(await resolvePrincipal(`bearer ${key.text}`, stored(key.hash))).toEqual({ kind: "operator", owner: "main", keyId: key.keyId });
  for (const hash of [null, "", "0".repeat(64), secretHash("x"), key.hash.toUpperCase(), `${key.hash} `])
    expect(await resolvePrincipal(`Bearer ${key.text}`, stored(hash))).toBeNull();
  expect(new Set(asked)).toEqual(new Set([`main/${key.keyId}`]));
});

test.each([
  null,
  "",
  "Bearer",
  "Bearer ",
  `Basic lwo.main.root.${SECRET}`,
  `lwo.main.root.${SECRET}`,
  `Bearer lwo.main.root.${SECRET} `,
  `Bearer  lwo.main.root.${SECRET}`,
  `Bearer lwa.main.root.${SECRET}.x`,
  `Bearer lwa.main.${WALLET}.abcdefghijkl.${SECRET}`,
  `Bearer lwx.main.root.${SECRET}`,
  `Bearer lwo.Main.root.${SECRET}`,
  `Bearer lwo..root.${SECRET}`,
  `Bearer lwo.${"a".repeat(41)}.root.${SECRET}`,
  `Bearer lwo.a/b.root.${SECRET}`,
  `Bearer lwo.main.roo.${SECRET}`,
  `Bearer lwo.main.root.${SECRET}=`,
  `Bearer lwo.main.root.${SECRET}.x`,
  `Bearer lwk.main.w_0123456789ABCDEF.abcdefghijkl.${SECRET}`,
  `Bearer lwk.main.w_0123.abcdefghijkl.${SECRET}`,
  `Bearer lwk.main.${WALLET}.abc.${SECRET}`,
  `Bearer lwk.main.${WALLET}.abcdefghijkl`,
  `Bearer lwo.main.root.${SECRET}, Bearer lwo.main.root.${SECRET}`,
])("%j is no key", async (text) => {
  expect(readKey(text)).toBeNull();
  expect(await resolvePrincipal(text, nobody)).toBeNull();
});

test("reading never throws, and whatever it accepts makes an object name with exactly one slash", () => {
  const part = fc.oneof(
    fc.string({ maxLength: 50 }),
    fc.constantFrom("lwk", "lwo", "lwa", "main", WALLET, "root", "abcdefghijkl", SECRET, "a/b", "../x"),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const key = readKey(`Bearer ${parts.join(".")}`);
      if (key?.kind !== "agent") return;
      expect(walletObjectName(key.owner, key.walletId).split("/")).toEqual([key.owner, key.walletId]);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test("ids are base36 without a favourite character", () => {
  let state = 1;
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => (state = (state * 48_271) % 2_147_483_647) & 255);
  const counts = new Map<string, number>();
  for (let n = 0; n < 2000; n += 1) {
    const id = newWalletId(random);
    expect(id).toMatch(/^w_[0-9a-z]{16}$/u);
    for (const character of id.slice(2)) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  const mean = (2000 * 16) / 36;
  expect(counts.size).toBe(36);
  expect(Math.max(...counts.values()) / mean).toBeLessThan(1.2);
  expect(Math.min(...counts.values()) / mean).toBeGreaterThan(0.8);
});

test("bytes that would favour a character are thrown away", () => {
  const bytes = [...Array<number>(20).fill(255), ...Array<number>(12).fill(251), 1, 2, 3, 4];
  expect(newWalletId((length) => Uint8Array.from(bytes.splice(0, length).concat(Array<number>(length).fill(0)).slice(0, length)))).toBe(
    `w_${"z".repeat(12)}1234`,
  );
});
