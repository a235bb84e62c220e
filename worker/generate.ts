/**
 * `npm run generate`: writes what is derived from the code and checked in, so that it can be read without running anything:
 * worker/openapi/openapi.json and docs/states.md. Tests say when either is out of date.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "./config.ts";
import { openapi } from "./openapi/document.ts";
import { statesMarkdown } from "./pages/states/markdown.ts";

const root = join(import.meta.dirname, "..");
const files = [
  ["worker/openapi/openapi.json", `${JSON.stringify(openapi(VERSION), null, 1)}\n`],
  ["docs/states.md", statesMarkdown()],
] as const;
for (const [path, text] of files) {
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path.padEnd(30)} ${text.length} characters\n`);
}
