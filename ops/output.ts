/** Aligned lines for people on standard output; documents for programs likewise, and then nothing else. */

export interface Output {
  /** One aligned line: what it is about, what happened. */
  line(label: string, text: string): void;
  blank(): void;
  /** The one document of `--json`. */
  document(value: unknown): void;
}

const LABEL_WIDTH = 10;

/** With `json` lines are dropped and only documents are written; otherwise the reverse. */
export function output(
  json: boolean,
  labelWidth = LABEL_WIDTH,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Output {
  return {
    line: (label, text) => {
      if (!json) write(`${label.padEnd(labelWidth)}  ${text}\n`);
    },
    blank: () => {
      if (!json) write("\n");
    },
    document: (value) => {
      if (json) write(`${JSON.stringify(value)}\n`);
    },
  };
}

/** `1234567` msat as people read it: `1,234.567 sat`. */
export function satText(msat: number): string {
  const rest = msat % 1000;
  return `${Math.floor(msat / 1000).toLocaleString("en-US")}${rest === 0 ? "" : `.${String(rest).padStart(3, "0").replace(/0+$/u, "")}`} sat`;
}

/** The message of whatever was thrown, cut to one line. */
export function oneLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0] ?? "";
}

/** Resolves with the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function interrupted(): Promise<NodeJS.Signals> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
        done(signal);
      });
    }
  });
}
