import type { Door } from "./door.ts";

/** Workers Logs index JSON lines. Callers pass names and numbers of ours, nothing that came from outside (invariant 9). */
export const log: Door["log"] = (event, facts) => console.warn(JSON.stringify({ event, ...facts }));
