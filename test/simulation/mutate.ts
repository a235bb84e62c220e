/** Runs the simulation with one planted bug: `node test/simulation/mutate.ts NAME PURCHASES_PER_SEED MOST_SEEDS`; prints one JSON line. */
import { registerHooks } from "node:module";
import { MUTATIONS } from "./mutations.ts";

const [name = "", purchases = "40", most = "400"] = process.argv.slice(2);
const mutation = MUTATIONS.find((each) => each.name === name);
if (mutation === undefined) throw new Error(`no mutation "${name}"`);

function edit(source: string, find: string, replace: string): string {
  if (source.split(find).length !== 2) throw new Error(`"${name}" does not apply: its text stands ${source.split(find).length - 1} times in the file`);
  return source.replace(find, () => replace);
}

let applied = false;
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(mutation.file)) return loaded;
    const source = edit(typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source ?? undefined), mutation.find, mutation.replace);
    applied = true;
    return { ...loaded, source };
  },
});

const { World } = await import("./world.ts");
const { Violation } = await import("./scheduler.ts");
if (!applied) throw new Error(`"${name}" was not loaded`);

let bought = 0;
for (let seed = 1; seed <= Number(most); seed++) {
  const world = new World({ seed, purchases: Number(purchases) });
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
