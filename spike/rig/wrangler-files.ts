/**
 * The project in another folder: wrangler's files, and, for a run, the code itself. `wrangler dev` builds anew whenever a file changes, and a
 * run of ten minutes would else measure whatever somebody was typing meanwhile.
 */
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** The front door first: it is the one that listens. */
export const WRANGLER_FILES: readonly string[] = ["wrangler.toml", "wrangler.vault.toml"];

/** What the scripts are made of; the sandbox, tests and tools are no part of them. */
const ROOMS = ["lightning", "gateway", "durable-objects", "control-plane", "convex", "worker", "package.json", "tsconfig.json"];

/**
 * A copy of what is deployed, with the project's own dependencies.
 * @param variables names that `.dev.vars` will give. With `[secrets]` in a file wrangler takes from there only what the file names, so each is
 * named in `[vars]`, empty, and the value stays out of the file
 */
export function copyProject(dir: string, variables: readonly string[]): void {
  for (const room of ROOMS) if (existsSync(join(ROOT, room))) cpSync(join(ROOT, room), join(dir, room), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  for (const file of WRANGLER_FILES) writeFileSync(join(dir, file), withVariables(readFileSync(join(ROOT, file), "utf8"), variables));
}

export function withVariables(text: string, variables: readonly string[]): string {
  const named = (name: string): boolean => new RegExp(`^${name} = |"${name}"`, "mu").test(text);
  const missing = variables.filter((name) => !named(name)).map((name) => `${name} = ""\n`);
  return text.replace(/^\[vars\]\n/mu, (line) => line + missing.join(""));
}

/** The file as it is, but with the paths in it made absolute: for a look at the code where it lies. */
export function wranglerFile(file: string): string {
  return readFileSync(join(ROOT, file), "utf8")
    .replace(/^main = "(.+)"$/mu, (_line, main: string) => `main = ${JSON.stringify(join(ROOT, main))}`)
    .replace(/^command = "node (.+)"$/mu, (_line, script: string) => `command = ${JSON.stringify(`node ${join(ROOT, script)}`)}`);
}

/** To be run with Node. */
export function wranglerProgram(): string {
  const require = createRequire(import.meta.url);
  return join(resolve(require.resolve("wrangler/package.json"), ".."), "bin/wrangler.js");
}
