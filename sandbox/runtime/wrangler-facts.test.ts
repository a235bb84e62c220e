import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { wranglerFacts, type WranglerFacts } from "./wrangler-facts.ts";

const factsOf = (file: string): WranglerFacts => wranglerFacts(readFileSync(join(import.meta.dirname, "../..", file), "utf8"));

test("the project's two scripts are understood: each class lives in one of them, and the other binds it by that script's name", () => {
  const [front, vault] = [factsOf("wrangler.toml"), factsOf("wrangler.vault.toml")];
  expect(front).toMatchObject({ main: "worker/front.ts", classes: ["ControlPlane"], hasAddress: true });
  expect(vault).toMatchObject({ main: "worker/vault.ts", classes: ["Wallet"], hasAddress: false });
  expect(front.durableObjects).toEqual([
    { binding: "WALLET", className: "Wallet", script: vault.name },
    { binding: "CONTROL_PLANE", className: "ControlPlane", script: null },
  ]);
  expect(vault.durableObjects).toEqual([{ binding: "CONTROL_PLANE", className: "ControlPlane", script: front.name }]);
});

test("the vault's first deployment is the vault without bindings: the same name, script and classes", () => {
  const [vault, first] = [factsOf("wrangler.vault.toml"), factsOf("wrangler.vault-first.toml")];
  expect(first).toEqual({ ...vault, durableObjects: [], vars: {} });
});

test("one script or two: the same platform and the same vars, so that the choice changes nothing else", () => {
  const [front, vault, single] = [factsOf("wrangler.toml"), factsOf("wrangler.vault.toml"), factsOf("wrangler.single.toml")];
  expect(single).toMatchObject({ main: "worker/index.ts", name: front.name, classes: ["Wallet", "ControlPlane"] });
  for (const { compatibilityDate, compatibilityFlags, vars } of [vault, single]) {
    expect({ compatibilityDate, compatibilityFlags, vars }).toEqual({
      compatibilityDate: front.compatibilityDate,
      compatibilityFlags: ["global_fetch_strictly_public"],
      vars: front.vars,
    });
  }
  expect(front.vars["WALLET_BACKEND"]).toBe("http-executor");
});

test("a service binding's props are read, as a table of its own or inline, and comments in strings stay", () => {
  const head =
    'name = "chat"\nmain = "a#b.ts" # the entry\ncompatibility_date = "2026-01-01"\ncompatibility_flags = [\n  "one", # first\n  "two",\n]\n';
  const own = wranglerFacts(`${head}[[services]]\nbinding = "L"\nservice = "s"\nentrypoint = "E"\n[services.props]\nwallet = "w"\n`);
  const inline = wranglerFacts(`${head}[[services]]\nbinding = "L"\nservice = "s"\nentrypoint = "E"\nprops = { wallet = "w" }\n`);
  expect(own.main).toBe("a#b.ts");
  expect(own.compatibilityFlags).toEqual(["one", "two"]);
  expect(own.services).toEqual([{ binding: "L", service: "s", entrypoint: "E", props: { wallet: "w" } }]);
  expect(inline.services).toEqual(own.services);
});

test("what is not understood is refused by line, not guessed", () => {
  expect(() => wranglerFacts('name = "a"\nmain = 07:32:00\n')).toThrow("line 2");
  expect(() => wranglerFacts('name = "a"\n')).toThrow('"main" is missing');
});
