/** `npm run drill [-- --payer spark|executor]`: the drill of docs/custody.md, stage by stage as it holds. Exit code: 0 it held, 1 it did not, 2 usage. */
import { readFlags } from "./arguments.ts";
import { oneLine, output } from "./output.ts";
import { runDrill } from "./restore-drill.ts";
import { payerKind } from "./setup.ts";

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, { json: "boolean", payer: "string" });
  if (!parsed.ok) return usage(parsed.line);
  const payer = payerKind(parsed.flags.payer);
  if (payer === null) return usage("--payer is spark or executor.");
  const out = output(parsed.flags.json);
  try {
    const result = await runDrill(payer, (name, what) => out.line(name, what));
    out.line("recovery", `${Math.round(result.recoveryMs)} ms from the loss to the first paid purchase`);
    out.document({ ok: true, ...result });
    return 0;
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause) });
    return 1;
  }
}

function usage(line: string): number {
  console.error(line);
  return 2;
}
