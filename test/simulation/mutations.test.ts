/**
 * Bugs planted on purpose: a simulation that finds none of them would prove nothing. Each runs in a process of its own, because the
 * product's source is edited while it is loaded; two at a time, for two cores. Prints how many purchases each needed.
 */
import { afterAll, describe, expect, it } from "vitest";
import { MUTATIONS } from "./mutations.ts";
import { runScript, type Ended } from "./run-script.ts";

/** Where a bug breaks several invariants at once, whichever is looked at first finds it. */
const ALSO: Readonly<Record<string, readonly number[]>> = {
  // The repeated order has an operation id that no row knows: seen before the second payment is.
  "asks by paying again": [1],
  // The payer in the object has not made itself ready for an operation that nobody has reserved: seen first.
  "what is stuck is paid anew": [1],
  // The same memory holds the wallet's epoch.
  "what was known of the switches is good for ever": [13],
  "an older word about the switches replaces a newer one": [13],
};

const PURCHASES_PER_SEED = 40;
const MOST_SEEDS = 400;
const AT_ONCE = 2;

interface Verdict {
  readonly caught: boolean;
  readonly seed?: number;
  readonly purchases: number;
  readonly by?: string;
}

/** Starts them in order, never more than {@link AT_ONCE}. */
function startAll(): ReadonlyMap<string, Promise<Ended>> {
  const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
  return new Map(
    MUTATIONS.map(({ name }, index) => {
      const run = (lanes[index % AT_ONCE] ?? Promise.resolve()).then(() =>
        runScript("mutate.ts", name, String(PURCHASES_PER_SEED), String(MOST_SEEDS)),
      );
      lanes[index % AT_ONCE] = run.catch(() => {});
      return [name, run] as const;
    }),
  );
}

const needed: (readonly [name: string, purchases: number, by: string])[] = [];

describe("a planted bug", () => {
  const runs = startAll();

  it.each(MUTATIONS.map(({ name, invariant }) => [invariant, name] as const))(
    "invariant %i: “%s” is caught",
    async (invariant, name) => {
      const { code, out, err } = await (runs.get(name) ?? Promise.reject(new Error("it was started")));
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const verdict = JSON.parse(out) as Verdict;
      expect(verdict.caught).toBe(true);
      const [, number] = /^invariant ([0-9]+)\b/u.exec(verdict.by ?? "") ?? [];
      expect([invariant, ...(ALSO[name] ?? [])], verdict.by).toContain(Number(number));
      needed.push([name, verdict.purchases, verdict.by ?? ""]);
    },
    240_000,
  );

  it("there is one for each invariant that is checked after every step", () => {
    expect([...new Set(MUTATIONS.map(({ invariant }) => invariant))].toSorted((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 18,
    ]);
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
  });

  it("a name that is none is an error, not a bug that was not found", async () => {
    const { code, out, err } = await runScript("mutate.ts", "no such bug");
    expect({ code: code === 0, out }).toEqual({ code: false, out: "" });
    expect(err).toContain('no mutation "no such bug"');
  });

  afterAll(() => {
    const width = Math.max(...needed.map(([name]) => name.length), 0);
    process.stdout.write(
      `\nplanted bug${" ".repeat(Math.max(0, width - 11))}  purchases  found by\n${needed.map(([name, purchases, by]) => `${name.padEnd(width)}  ${String(purchases).padStart(9)}  ${by}`).join("\n")}\n\n`,
    );
  });
});
