/** Runs the simulation with one planted bug: `node test/simulation/mutate.ts NAME PURCHASES_PER_SEED MOST_SEEDS`; prints one JSON line. */
import { registerHooks } from "node:module";
import { MUTATIONS, type Edit } from "./mutations.ts";

const [name = "", purchases = "40", most = "400"] = process.argv.slice(2);
const mutation = MUTATIONS.find((each) => each.name === name);
if (mutation === undefined) throw new Error(`no mutation "${name}"`);

/** Words and signs in their order; between them any space, and before a closing bracket a comma, as a formatter may put there. */
function pattern(find: string): RegExp {
  const signs = find.match(/\w+|\S/gu) ?? [];
  return new RegExp(signs.map((sign) => (/[)\]}]/u.test(sign) ? ",?\\s*" : "") + sign.replaceAll(/[^\w]/gu, "\\$&")).join("\\s*"), "g");
}

function edit(source: string, { find, replace }: Edit): string {
  const places = source.match(pattern(find))?.length ?? 0;
  if (places !== 1) throw new Error(`"${name}" does not apply: its text stands ${places} times in the file`);
  return source.replace(pattern(find), () => replace);
}

let applied = false;
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(mutation.file)) return loaded;
    const text = String(loaded.source instanceof Uint8Array ? new TextDecoder().decode(loaded.source) : loaded.source);
    const source = edit(text, mutation);
    applied = true;
    return { ...loaded, source: mutation.also === undefined ? source : edit(source, mutation.also) };
  },
});

const { World } = await import("./world.ts");
const { Violation } = await import("./scheduler.ts");
if (!applied) throw new Error(`"${name}" was not loaded`);

const { faults } = mutation;
let bought = 0;
for (let seed = 1; seed <= Number(most); seed++) {
  const world = new World({ seed, purchases: Number(purchases), ...(faults === undefined ? {} : { faults: new Set(faults) }) });
  try {
    await world.run();
    bought += Number(purchases);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    process.stdout.write(`${JSON.stringify({ caught: true, seed, purchases: bought + world.begun, by: error.message })}\n`);
    process.exit(0);
  }
}
process.stdout.write(`${JSON.stringify({ caught: false, purchases: bought })}\n`);
