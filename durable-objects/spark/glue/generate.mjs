/**
 * Makes the Spark SDK's web glue into a factory: one wasm instance, one fetch, one set of timers per call. As shipped the glue is a module
 * singleton, so all objects of an isolate would share one heap and one task queue, and its fetch and timers could not be bounded.
 * Runs at `npm install` and before bundling, on any Node from 20; writes nothing that is already right. Nothing of the SDK is committed:
 * the two inputs are known by their hash instead, because the names in the glue change with every build of it.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const VERSION = "0.19.2";
const INPUT = new URL("../../../node_modules/@breeztech/breez-sdk-spark/web/", import.meta.url);
const OUTPUT = new URL("../generated/", import.meta.url);
const GLUE = { name: "breez_sdk_spark_wasm.js", sha256: "af3ae0d8ce764cbf49309cea46ebd86a122db8a0e4ef95d80502bc0198246c9f" };
const WASM = { name: "breez_sdk_spark_wasm_bg.wasm", sha256: "5760c1896b85c5b2ef64c14143f940a55886388be743350eb8bd8f9f65f21e0b" };

/** @returns "written", "unchanged" or "not installed". @throws Error when an input is not the one that was reviewed */
export function generate() {
  if (!existsSync(new URL(GLUE.name, INPUT))) return "not installed";
  const glue = reviewed(GLUE).toString("utf8");
  const wasm = reviewed(WASM);
  mkdirSync(OUTPUT, { recursive: true });
  const names = exportedNames(glue);
  const wrote = [put("breez.js", Buffer.from(factory(glue, names))), put("breez.d.ts", Buffer.from(types(names))), put("breez.wasm", wasm)];
  return wrote.includes(true) ? "written" : "unchanged";
}

function reviewed({ name, sha256 }) {
  const bytes = readFileSync(new URL(name, INPUT));
  if (createHash("sha256").update(bytes).digest("hex") !== sha256)
    throw new Error(`the Spark SDK changed: review the glue (${name} is not that of ${VERSION})`);
  return bytes;
}

function exportedNames(glue) {
  return [...glue.matchAll(/^export (?:class|function) ([A-Za-z0-9_]+)/gmu)].map(([, name]) => name);
}

/** The glue's own text inside one function whose local names shadow the globals that the wasm would reach. */
function factory(glue, names) {
  let text = glue;
  const replace = (pattern, times, by) => {
    const found = text.match(new RegExp(pattern, "gmu"))?.length ?? 0;
    if (found !== times) throw new Error(`the Spark SDK changed: review the glue (${pattern} occurs ${found} times, not ${times})`);
    text = text.replace(new RegExp(pattern, "gmu"), by);
  };
  replace("^export (?=class |function )", names.length, "");
  // In workerd the wasm sees a ServiceWorkerGlobalScope and calls `globalThis.fetch`, never the free name.
  replace("\\barg0\\.fetch\\((?=arg1)", 2, "fetch(");
  replace("\\bglobalThis\\.(?=setTimeout\\(|setInterval\\(|clearInterval\\()", 3, "");
  // `expect_throw` in Rust: no panic, but the pending promise is as lost, and the error itself ends uncaught.
  replace(
    "^ {12}throw new Error\\(getStringFromWasm0\\(arg0, arg1\\)\\);$",
    1,
    "            throw __thrown(getStringFromWasm0(arg0, arg1));",
  );
  // The ways to load it by URL; an instance is made from a module that the bundler has compiled.
  replace("^async function __wbg_load\\([\\s\\S]*?^\\}$", 1, "");
  replace("^async function __wbg_init\\([\\s\\S]*?^\\}$", 1, "");
  replace("^export \\{ initSync, __wbg_init as default \\};$", 1, "");
  for (const left of ["import.meta", "globalThis.fetch", "globalThis.setTimeout", "globalThis.console"])
    if (text.includes(left)) throw new Error(`the Spark SDK changed: review the glue (${left} is left in it)`);
  return `// Generated from ${GLUE.name} of @breeztech/breez-sdk-spark ${VERSION} (MIT) by glue/generate.mjs.
export function createBreez(__module, __host) {
const fetch = (input, init) => __host.fetch(input, init);
const __timers = __host.timers ?? globalThis;
const setTimeout = (callback, ms) => __timers.setTimeout(callback, ms);
const clearTimeout = (handle) => __timers.clearTimeout(handle);
const setInterval = (callback, ms) => __timers.setInterval(callback, ms);
const clearInterval = (handle) => __timers.clearInterval(handle);
const console = { error: (text) => __host.console?.error(text), warn: () => {} };
const __thrown = (text) => {
  console.error(text);
  return new Error(text);
};
${text}
initSync({ module: __module });
return { memory: wasm.memory, ${names.join(", ")} };
}
`;
}

function types(names) {
  return `// Generated from @breeztech/breez-sdk-spark ${VERSION} by glue/generate.mjs.
import type * as sdk from "@breeztech/breez-sdk-spark/web";

/** Handles are whatever the host's own \`setTimeout\` returns: the wasm only hands them back. */
export interface BreezTimers {
  setTimeout(callback: () => void, ms?: number): unknown;
  clearTimeout(handle: unknown): void;
  setInterval(callback: () => void, ms?: number): unknown;
  clearInterval(handle: unknown): void;
}

export interface BreezHost {
  /** Every request of the instance. A response needs its \`url\`: without one the wasm panics. */
  fetch(input: Request, init?: RequestInit): Promise<Response>;
  /**
   * Hears of a panic, or of an error thrown where nobody catches it. The text may hold data; without a console it is dropped. Whatever was
   * pending will never settle, and the instance is not to be trusted any more.
   */
  readonly console?: { error(text: string): void };
  /** Without them the global ones. The wasm never clears a timer of a dropped future: a host that keeps the handles can. */
  readonly timers?: BreezTimers;
}

export type Breez = Pick<
  typeof sdk,
${names.map((name) => `  | "${name}"`).join("\n")}
> & {
  /** The instance's linear memory: it grows and never shrinks. */
  readonly memory: WebAssembly.Memory;
};

/** A new wasm instance with a heap of its own. Inside a handler only: it asks for randomness. */
export function createBreez(module: WebAssembly.Module, host: BreezHost): Breez;
`;
}

/** Whole or not at all, and only if it differs: two commands may run at once, and watchers need not wake. */
function put(name, bytes) {
  const target = new URL(name, OUTPUT);
  if (existsSync(target) && readFileSync(target).equals(bytes)) return false;
  const part = new URL(`${name}.${randomBytes(6).toString("hex")}.part`, OUTPUT);
  writeFileSync(part, bytes);
  renameSync(part, target);
  return true;
}

// `argv` keeps a symbolic link that the module's own URL has resolved.
if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === realpathSync(process.argv[1])) {
  try {
    if (generate() === "not installed") console.log("spark glue: skipped, @breeztech/breez-sdk-spark is not installed");
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
