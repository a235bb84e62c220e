/** What was run, by version: of the packages that matter here, of workerd as wrangler brings it, and of this machine's Node. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export function versions(): Readonly<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const wrangler = require.resolve("wrangler/package.json");
  return {
    "@breeztech/breez-sdk-spark": versionIn(join(packageRoot("@breeztech/breez-sdk-spark"), "package.json")),
    wrangler: versionIn(wrangler),
    workerd: versionIn(createRequire(wrangler).resolve("workerd/package.json")),
    node: process.versions.node,
    "compatibility date":
      /^compatibility_date = "(.+)"$/mu.exec(readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8"))?.[1] ?? "unknown",
  };
}

/** Packages whose exports hide their package.json. */
const packageRoot = (name: string): string => join(dirname(import.meta.dirname), "node_modules", name);

function versionIn(file: string): string {
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { readonly version?: unknown };
  return typeof version === "string" ? version : "unknown";
}
