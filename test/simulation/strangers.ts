/**
 * Prints which kinds of asynchronous work one run sets off, as a JSON list: `node test/simulation/strangers.ts SEED PURCHASES`. A run is
 * only as good as its scheduler's knowledge: a timer, a digest by WebCrypto or a file read would be settled by somebody else
 * (facts: Timeout, HASHREQUEST and FSREQPROMISE give a leak away). A process of its own, since a test runner has such work at all times.
 */
import { createHook } from "node:async_hooks";
import { World } from "./world.ts";

const [seed = "1", purchases = "40"] = process.argv.slice(2);
const kinds = new Set<string>();
const hook = createHook({
  init: (_id, type) => {
    kinds.add(type);
  },
});
// Node loads some of its own parts when they are first used, and they open handles: a run for that, unobserved.
await new World({ seed: 0, purchases: 20 }).run();
const world = new World({ seed: Number(seed), purchases: Number(purchases) });
hook.enable();
const result = await world.run();
hook.disable();
process.stdout.write(`${JSON.stringify({ kinds: [...kinds].sort(), digest: result.digest, payments: result.payments })}\n`);
