/** Bundles a Worker as wrangler would (same conditions, same externals), in tens of milliseconds and without its start-up cost. */
import { build } from "esbuild";
import { gzipSync } from "node:zlib";

export interface Bundle {
  readonly code: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

/**
 * @param entry absolute path of the Worker's main module
 * @throws esbuild's own error, with file and line, when the source does not build
 */
export async function bundleWorker(entry: string, options: { readonly minify?: boolean } = {}): Promise<Bundle> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    target: "es2024",
    minify: options.minify ?? false,
    keepNames: !(options.minify ?? false),
    legalComments: "none",
    logLevel: "silent",
  });
  const code = result.outputFiles[0]?.text ?? "";
  return { code, bytes: Buffer.byteLength(code), gzipBytes: gzipSync(code).byteLength };
}
