/**
 * Writes workerd's own configuration. Only what differs from Cloudflare is decided here: Durable Objects live in files under `state/`, and
 * outbound requests may reach this machine (`local`), because the sandbox's seller listens there. Production has no such thing: there
 * `global_fetch_strictly_public` and the URL guard hold.
 */
import type { WranglerFacts } from "./wrangler-facts.ts";

export interface ConfiguredWorker {
  readonly name: string;
  /** Prefix of the unique keys of its Durable Objects: keep it stable, storage folders are named by it. */
  readonly keyPrefix: string;
  /** Path of the bundle, relative to the configuration file. */
  readonly module: string;
  /** Names as the bundle imports them, which are also paths relative to the configuration file. */
  readonly wasm: readonly string[];
  readonly facts: Pick<WranglerFacts, "compatibilityDate" | "compatibilityFlags" | "durableObjects" | "classes">;
  readonly vars: Readonly<Record<string, string>>;
  readonly services: readonly {
    readonly binding: string;
    readonly service: string;
    readonly entrypoint: string | null;
    readonly props: unknown;
  }[];
  /** 0: any free one; null: no address. */
  readonly port: number | null;
}

/** @param stateDir absolute path: workerd resolves relative ones against its own working directory */
export function capnpConfig(workers: readonly ConfiguredWorker[], stateDir: string): string {
  const services = workers.map(
    (worker) => `    (name = ${quote(worker.name)}, worker = (
      modules = [${[
        `(name = "main.js", esModule = embed ${quote(worker.module)})`,
        ...worker.wasm.map((file) => `(name = ${quote(file)}, wasm = embed ${quote(file)})`),
      ].join(", ")}],
      compatibilityDate = ${quote(worker.facts.compatibilityDate)},
      compatibilityFlags = [${worker.facts.compatibilityFlags.map(quote).join(", ")}],
      durableObjectNamespaces = [${worker.facts.classes
        .map((name) => `(className = ${quote(name)}, uniqueKey = ${quote(`${worker.keyPrefix}-${name}`)}, enableSql = true)`)
        .join(", ")}],
      durableObjectStorage = (localDisk = "state"),
      bindings = [
${[
  ...worker.facts.durableObjects.map(
    ({ binding, className, script }) =>
      `(name = ${quote(binding)}, durableObjectNamespace = (className = ${quote(className)}${script === null ? "" : `, serviceName = ${quote(script)}`}))`,
  ),
  ...Object.entries(worker.vars).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
  ...worker.services.map(
    ({ binding, service, entrypoint, props }) =>
      `(name = ${quote(binding)}, service = (name = ${quote(service)}, ${entrypoint === null ? "" : `entrypoint = ${quote(entrypoint)}, `}props = (json = ${quote(JSON.stringify(props))})))`,
  ),
]
  .map((binding) => `        ${binding},`)
  .join("\n")}
      ],
    )),`,
  );
  const sockets = workers
    .filter(({ port }) => port !== null)
    .map(({ name, port }) => `    (name = ${quote(name)}, address = "127.0.0.1:${port}", http = (), service = ${quote(name)}),`);
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
${services.join("\n")}
    (name = "state", disk = (path = ${quote(stateDir)}, writable = true)),
    (name = "internet", network = (allow = ["public", "local"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [
${sockets.join("\n")}
  ],
);
`;
}

/** Cap'n Proto's text literals are C's: JSON's escapes are a subset except `\\u`, so anything beyond printable ASCII goes in as octal bytes. */
function quote(text: string): string {
  let quoted = "";
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte);
    quoted += char === '"' || char === "\\" ? `\\${char}` : byte >= 0x20 && byte < 0x7f ? char : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `"${quoted}"`;
}
