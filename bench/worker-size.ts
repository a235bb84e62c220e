/** What a deployed script weighs, and whose code that is. The options are those of sandbox/runtime/bundle.ts, minified as `wrangler deploy --minify` does. */
import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { wasmAside, type WasmModule } from "../sandbox/runtime/bundle.ts";

export interface WorkerSize {
  /** The code's; the wasm modules are apart. */
  readonly gzipBytes: number;
  readonly minifiedBytes: number;
  readonly wasm: readonly WasmModule[];
  /** Minified bytes by package, the largest first; `ours` by room. */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
}

/** @param entry absolute path of the script's main module */
export async function workerSize(entry: string): Promise<WorkerSize> {
  const wasm = new Map<string, WasmModule>();
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    plugins: [wasmAside(wasm)],
    target: "es2024",
    minify: true,
    legalComments: "none",
    logLevel: "silent",
  });
  const parts = new Map<string, number>();
  for (const output of Object.values(result.metafile.outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(output.inputs))
      parts.set(partOf(file), (parts.get(partOf(file)) ?? 0) + bytesInOutput);
  }
  const code = result.outputFiles[0]?.contents ?? new Uint8Array();
  return {
    gzipBytes: gzipSync(code).byteLength,
    minifiedBytes: code.byteLength,
    wasm: [...wasm.values()],
    parts: [...parts].map(([name, bytes]) => ({ name, bytes })).toSorted((a, b) => b.bytes - a.bytes),
  };
}

/** `node_modules/@noble/hashes/sha2.js` is `@noble/hashes`; our own files are named by their room. */
function partOf(file: string): string {
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)\//u.exec(file);
  return inPackage?.[1] ?? `ours: ${/([a-z-]+)\//u.exec(file)?.[1] ?? file}`;
}
