/**
 * Reads what the local runtime needs from wrangler.toml, so that the compatibility date, flags and Durable Objects are written once.
 * A reader of the few TOML forms these files use (tables, arrays of tables, strings, string arrays, inline tables of strings); anything
 * else is refused rather than guessed. Wrangler's own reader would cost a second of start time.
 */

export interface WranglerFacts {
  readonly name: string;
  readonly main: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  /** `script` is the other script that holds the class (`script_name`), null for this one. */
  readonly durableObjects: readonly { readonly binding: string; readonly className: string; readonly script: string | null }[];
  /** The Durable Object classes that this script holds: bound here, or made by a migration for other scripts to bind. */
  readonly classes: readonly string[];
  /** `workers_dev = false`: reached by bindings only. */
  readonly hasAddress: boolean;
  readonly services: readonly {
    readonly binding: string;
    readonly service: string;
    readonly entrypoint: string | null;
    readonly props: Readonly<Record<string, Value>>;
  }[];
  readonly vars: Readonly<Record<string, string>>;
}

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };
type Table = Record<string, unknown>;

/** @throws Error naming the line or the member that is missing or not understood */
export function wranglerFacts(toml: string): WranglerFacts {
  const root = parse(toml);
  const durableObjects = tables(table(root["durable_objects"])["bindings"]).map((entry) => ({
    binding: text(entry, "name"),
    className: text(entry, "class_name"),
    script: entry["script_name"] === undefined ? null : text(entry, "script_name"),
  }));
  const migrated = tables(root["migrations"]).flatMap((entry) => list(entry["new_sqlite_classes"]).map((name) => String(name)));
  const bound = durableObjects.filter(({ script }) => script === null).map(({ className }) => className);
  return {
    name: text(root, "name"),
    main: text(root, "main"),
    compatibilityDate: text(root, "compatibility_date"),
    compatibilityFlags: list(root["compatibility_flags"]).map((flag) => String(flag)),
    durableObjects,
    classes: [...new Set([...bound, ...migrated])],
    hasAddress: root["workers_dev"] !== false,
    services: tables(root["services"]).map((entry) => ({
      binding: text(entry, "binding"),
      service: text(entry, "service"),
      entrypoint: entry["entrypoint"] === undefined ? null : text(entry, "entrypoint"),
      props: table(entry["props"]) as Record<string, Value>,
    })),
    vars: Object.fromEntries(Object.entries(table(root["vars"])).map(([key, value]) => [key, String(value)])),
  };
}

function parse(toml: string): Table {
  const root: Table = {};
  let current = root;
  const lines = toml.split("\n");
  for (let index = 0; index < lines.length; index++) {
    let line = withoutComment(lines[index] ?? "");
    if (line === "") continue;
    const header = /^(\[\[?)\s*([\w.-]+)\s*\]\]?$/u.exec(line);
    if (header !== null) {
      current = open(root, (header[2] ?? "").split("."), header[1] === "[[");
      continue;
    }
    // An array may run over several lines; it ends where its brackets balance.
    while (!balanced(line) && index + 1 < lines.length) line += ` ${withoutComment(lines[++index] ?? "")}`;
    const member = /^([\w-]+)\s*=\s*(.+)$/u.exec(line);
    if (member === null) throw new Error(`wrangler.toml line ${index + 1} is not understood`);
    current[member[1] ?? ""] = value(member[2] ?? "", index + 1);
  }
  return root;
}

function open(root: Table, path: readonly string[], isArray: boolean): Table {
  let parent = root;
  for (const [depth, key] of path.entries()) {
    const last = depth === path.length - 1;
    const existing = parent[key];
    if (last && isArray) {
      const array = Array.isArray(existing) ? existing : (parent[key] = []);
      const entry: Table = {};
      (array as Table[]).push(entry);
      return entry;
    }
    // `[services.props]` after `[[services]]` belongs to the last entry of that array.
    parent = Array.isArray(existing) ? (existing.at(-1) as Table) : ((parent[key] ??= {}) as Table);
  }
  return parent;
}

function value(source: string, line: number): Value {
  // Inline tables: `{ a = "b" }`. Their keys become JSON keys; strings here never contain `=`.
  const json = source
    .replace(/([\w-]+)\s*=\s*/gu, (match, key: string, offset: number) => (insideString(source, offset) ? match : `"${key}":`))
    .replace(/,\s*\]/gu, "]");
  try {
    return JSON.parse(json) as Value;
  } catch {
    throw new Error(`wrangler.toml line ${line}: this value is not understood`);
  }
}

const insideString = (source: string, offset: number): boolean => (source.slice(0, offset).match(/"/gu)?.length ?? 0) % 2 === 1;

function withoutComment(line: string): string {
  for (let at = line.indexOf("#"); at !== -1; at = line.indexOf("#", at + 1)) if (!insideString(line, at)) return line.slice(0, at).trim();
  return line.trim();
}

function balanced(line: string): boolean {
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    if (insideString(line, at)) continue;
    if ("[{".includes(line[at] ?? " ")) depth++;
    if ("]}".includes(line[at] ?? " ")) depth--;
  }
  return depth <= 0;
}

function text(from: Table, key: string): string {
  const found = from[key];
  if (typeof found !== "string") throw new Error(`wrangler.toml: "${key}" is missing or no string`);
  return found;
}

const table = (from: unknown): Table => (typeof from === "object" && from !== null && !Array.isArray(from) ? (from as Table) : {});
const list = (from: unknown): readonly unknown[] => (Array.isArray(from) ? (from as unknown[]) : []);
const tables = (from: unknown): readonly Table[] => list(from).map(table);
