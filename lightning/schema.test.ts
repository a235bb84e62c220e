import { expect, test } from "vitest";
import fc from "fast-check";
import { CreateWallet, FetchBody, PutPolicy, strict } from "./schema.ts";
import { starterPolicy } from "./policy.ts";

const check = async (schema: ReturnType<typeof strict>, value: unknown) => schema["~standard"].validate(value);

test("a preset policy passes as a whole policy", async () => {
  const policy = starterPolicy("regtest", ["a.example", "*.b.example:8443"]);
  expect(await check(strict(PutPolicy), { policy })).toEqual({ value: { policy } });
});

test("invariant 9: no message repeats what was sent, wherever the fault is", async () => {
  const secret = "abandon-about-secret";
  for (const value of [
    { mnemonic: { words: secret } },
    { mnemonic: secret.repeat(60) },
    { mnemonic: [secret] },
    { policy: secret },
    { network: secret },
    { label: `${secret}\n` },
    { allow: [secret.toUpperCase()] },
    secret,
  ]) {
    const { issues } = await check(strict(CreateWallet), value);
    expect(issues?.length).toBeGreaterThan(0);
    expect(JSON.stringify(issues).toLowerCase()).not.toContain(secret);
  }
});

test("checking a fetch body never throws and never lets a header break out of its line", async () => {
  const schema = strict(FetchBody);
  const character = fc.constantFrom("a", "-", ":", " ", "\t", "\r", "\n", "\0", "é", "€", "\u{1f600}", "\ud800");
  const headers = fc.dictionary(fc.string({ unit: character, maxLength: 4 }), fc.string({ unit: character, maxLength: 4 }), { maxKeys: 3 });
  await fc.assert(
    fc.asyncProperty(headers, async (given) => {
      const result = await schema["~standard"].validate({ url: "https://a.example/", headers: given });
      if (result.issues !== undefined) return;
      for (const [name, value] of Object.entries(result.value.headers ?? {})) expect(`${name}: ${value}`).not.toMatch(/[\r\n\0]/u);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a header called __proto__ is a header, or refused, but never a prototype", async () => {
  const value: unknown = JSON.parse('{"url":"https://a.example/","headers":{"__proto__":"x","x-a":"b"}}');
  const result = await strict(FetchBody)["~standard"].validate(value);
  if (result.issues === undefined) expect(Object.getPrototypeOf(result.value.headers)).toBe(Object.prototype);
  expect(Reflect.get({}, "x-a")).toBeUndefined();
});
