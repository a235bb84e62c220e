import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ask, transcript, TRANSCRIPT, type Answer } from "./storage-ask.ts";
import { CANARY, call, Dice, METHODS } from "./storage-calls.ts";
import { ours, reference, withoutMaps } from "./storage-pair.ts";

const SEEDS = 50;
const CALLS = 80;

const size = (answer: Answer): number => ("value" in answer && Array.isArray(answer.value) ? answer.value.length : 0);

// The reference writes payment ids to the console.
beforeEach(() => {
  vi.spyOn(console, "debug").mockImplementation(() => {});
  vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

it("invariant 9: answers 4,000 random calls as the SDK's own storage does, and keeps none of their secrets in the clear", async () => {
  const called = new Map<string, number>();
  const seen = { listed: 0, rejected: 0, refused: 0, updated: 0, children: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const dice = new Dice(seed);
    const mine = ours();
    const theirs = reference();
    for (let n = 0; n < CALLS; n++) {
      const each = call(dice);
      const [answer, expected] = [await ask(mine.storage, each), await ask(theirs.storage, withoutMaps(each))];
      expect(answer, `seed ${seed}, call ${n}: ${each.method}`).toEqual(expected);
      called.set(each.method, (called.get(each.method) ?? 0) + 1);
      if (each.method === "listPayments") seen.listed += size(answer);
      if (each.method === "applyPaymentUpdate" && "value" in answer) seen[answer.value === true ? "updated" : "refused"]++;
      if (each.method === "getPaymentsByParentIds" && "value" in answer) seen.children += Object.keys(answer.value as object).length;
      if ("rejected" in answer) seen.rejected++;
    }
    expect(everything(mine.sql)).not.toContain(CANARY);
    mine.sql.close();
    theirs.close();
  }
  // The comparison was about something.
  expect(METHODS.filter((method) => (called.get(method) ?? 0) < 30)).toEqual([]);
  for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(30);
});

it("gives the transcript that workerd has to give too", async () => {
  const mine = ours();
  const theirs = reference();
  expect(await transcript(theirs.storage, withoutMaps)).toBe(TRANSCRIPT);
  expect(await transcript(mine.storage)).toBe(TRANSCRIPT);
  mine.sql.close();
  theirs.close();
});

/** Every value of every table, blobs byte by byte. */
function everything(sql: ReturnType<typeof ours>["sql"]): string {
  const tables = sql.rows<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'spark_%'");
  return tables
    .flatMap(({ name }) => sql.rows<Record<string, unknown>>(`SELECT * FROM ${name}`))
    .flatMap((row) => Object.values(row))
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value)))
    .join("\n");
}
