/** `npm run drill`: the drill of docs/custody.md, stage by stage as it holds. Exit code: 0 it held, 1 it did not. */
import { readFlags } from "./arguments.ts";
import { oneLine, output } from "./output.ts";
import { runDrill } from "./restore-drill.ts";

const parsed = readFlags(process.argv.slice(2), { json: "boolean" });
if (parsed.ok) {
  const out = output(parsed.flags.json);
  try {
    const result = await runDrill((name, what) => out.line(name, what));
    out.line("recovery", `${Math.round(result.recoveryMs)} ms from the loss to the first paid purchase`);
    out.document({ ok: true, ...result });
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause) });
    process.exitCode = 1;
  }
} else {
  console.error(parsed.line);
  process.exitCode = 2;
}
