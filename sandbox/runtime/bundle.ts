/**
 * Bundles a Worker as wrangler would (same conditions, same externals), in tens of milliseconds and without its start-up cost. A `.wasm` file
 * stays out of the code as a module of its own, as wrangler's default rule has it (CompiledWasm): workerd refuses to compile bytes at run time.
 */
import { build, type Plugin } from "esbuild";
import { basename, resolve } from "node:path";

export interface WasmModule {
  /** What the bundle imports, relative to itself. */
  readonly name: string;
  /** Absolute path of the file. */
  readonly path: string;
}

export interface Bundle {
  readonly code: string;
  readonly wasm: readonly WasmModule[];
}

/**
 * @param entry absolute path of the Worker's main module
 * @throws esbuild's own error, with file and line, when the source does not build
 */
export async function bundleWorker(entry: string, options: { readonly minify?: boolean } = {}): Promise<Bundle> {
  const wasm = new Map<string, WasmModule>();
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    plugins: [wasmAside(wasm)],
    target: "es2024",
    minify: options.minify ?? false,
    keepNames: !(options.minify ?? false),
    legalComments: "none",
    logLevel: "silent",
  });
  return { code: result.outputFiles[0]?.text ?? "", wasm: [...wasm.values()] };
}

/** Two files of one name would be one module: refused rather than confused. */
export function wasmAside(found: Map<string, WasmModule>): Plugin {
  return {
    name: "wasm-aside",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\.wasm$/ }, ({ path, resolveDir }) => {
        const module: WasmModule = { name: basename(path), path: resolve(resolveDir, path) };
        const other = found.get(module.name);
        if (other !== undefined && other.path !== module.path) return { errors: [{ text: `two wasm modules are called ${module.name}` }] };
        found.set(module.name, module);
        return { path: `./${module.name}`, external: true };
      }),
  };
}
