import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { wranglerFacts } from "./wrangler-facts.ts";

test("the project's own wrangler.toml is understood", () => {
  const facts = wranglerFacts(readFileSync(join(import.meta.dirname, "../../wrangler.toml"), "utf8"));
  expect(facts.main).toBe("worker/index.ts");
  expect(facts.compatibilityDate).toMatch(/^\d{4}-\d\d-\d\d$/u);
  expect(facts.durableObjects).toContainEqual({ binding: "WALLET", className: "Wallet" });
  expect(facts.durableObjects).toContainEqual({ binding: "CONTROL_PLANE", className: "ControlPlane" });
  expect(facts.compatibilityFlags).toContain("global_fetch_strictly_public");
  expect(facts.vars["WALLET_BACKEND"]).toBe("http-executor");
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
