/** The project's wrangler files, for another folder: the same text, with the paths in it made absolute. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** The front door first: it is the one that listens. */
export const WRANGLER_FILES: readonly string[] = ["wrangler.toml", "wrangler.vault.toml"];

/**
 * @param file its name in the project's root
 * @param variables names that `.dev.vars` beside it will give. With `[secrets]` in a file wrangler takes from there only what the file names,
 * so each is named in `[vars]`, empty, and the value stays out of the file
 */
export function wranglerFile(file: string, variables: readonly string[] = []): string {
  const text = readFileSync(join(ROOT, file), "utf8")
    .replace(/^main = "(.+)"$/mu, (_line, main: string) => `main = ${JSON.stringify(join(ROOT, main))}`)
    .replace(/^command = "node (.+)"$/mu, (_line, script: string) => `command = ${JSON.stringify(`node ${join(ROOT, script)}`)}`);
  const named = (name: string): boolean => new RegExp(`^${name} = |"${name}"`, "mu").test(text);
  const missing = variables.filter((name) => !named(name)).map((name) => `${name} = ""\n`);
  return text.replace(/^\[vars\]\n/mu, (line) => line + missing.join(""));
}

/** To be run with Node. */
export function wranglerProgram(): string {
  const require = createRequire(import.meta.url);
  return join(resolve(require.resolve("wrangler/package.json"), ".."), "bin/wrangler.js");
}
