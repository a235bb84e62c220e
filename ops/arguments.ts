/** Command-line flags, read strictly by Node's own reader; what is wrong with them becomes one line. */
import { parseArgs } from "node:util";

export type FlagKinds = Readonly<Record<string, "boolean" | "string">>;
export type Flags<K extends FlagKinds> = { readonly [N in keyof K]: K[N] extends "boolean" ? boolean : string | null };
export type Arguments<K extends FlagKinds> =
  | { readonly ok: true; readonly flags: Flags<K> }
  | { readonly ok: false; readonly line: string };

/** @returns the flags (absent ones are false or null), or one line: an unknown flag, a missing value, a word that is no flag */
export function readFlags<K extends FlagKinds>(argv: readonly string[], kinds: K): Arguments<K> {
  const options = Object.fromEntries(Object.entries(kinds).map(([name, type]) => [name, { type }]));
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    const empty = Object.keys(values).find((name) => values[name] === "");
    if (empty !== undefined) return { ok: false, line: `--${empty} needs a value.` };
    return {
      ok: true,
      flags: Object.fromEntries(
        Object.entries(kinds).map(([name, kind]) => [name, values[name] ?? (kind === "boolean" ? false : null)]),
      ) as Flags<K>,
    };
  } catch (cause) {
    const known = Object.entries(kinds).map(([name, kind]) => `--${name}${kind === "boolean" ? "" : " …"}`);
    // The first sentence names the flag; the rest is advice about positional arguments, of which there are none.
    return { ok: false, line: `${(cause instanceof Error ? cause.message : "").split(/\n|\. /u)[0] ?? ""}. Known: ${known.join(", ")}.` };
  }
}

/** A TCP port, 0 for any free one; null when it is none. */
export function readPort(text: string): number | null {
  const port = /^\d{1,5}$/u.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : null;
}
