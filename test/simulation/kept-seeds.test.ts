/** What was once found stays found: each kept run ends well, and a failing run shrinks to one that fails alike. */
import { describe, expect, it } from "vitest";
import { FAULTS, isFault, swarm } from "./faults.ts";
import { KEPT } from "./kept-seeds.ts";
import { runScript } from "./run-script.ts";
import { World } from "./world.ts";

describe("kept seeds", () => {
  it.each(KEPT.map((kept) => [kept.seed, kept.found, kept] as const))(
    "seed %i, once “%s”, ends well",
    async (_seed, _found, { seed, purchases, limit, faults }) => {
      const result = await new World({ seed, purchases, faults: new Set(faults), ...(limit === undefined ? {} : { limit }) }).run();
      expect(result.payments).toBeGreaterThan(0);
    },
  );
});

describe("a sweep in several processes", () => {
  it("adds up to the same trace hash and totals as in one", async () => {
    const [one, three] = await Promise.all(
      ["1", "3"].map(
        async (jobs) =>
          JSON.parse((await runScript("main.ts", "--seeds", "7", "--purchases", "12", "--jobs", jobs, "--json")).out) as Record<
            string,
            unknown
          >,
      ),
    );
    for (const name of ["digest", "purchases", "payments", "steps", "answers"]) expect(three?.[name], name).toEqual(one?.[name]);
    expect(one?.["purchases"]).toBe(84);
  });

  it("a fault that does not exist is refused in one line with exit code 2", async () => {
    const { code, out, err } = await runScript("main.ts", "--faults", "crash,meteor");
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("there is no meteor");
  });
});

describe("the faults of a run", () => {
  it("differ from seed to seed, leave each one out now and then, and never hold the payer that breaks its contract", () => {
    const drawn = Array.from({ length: 50 }, (_, seed) => swarm(seed));
    for (const fault of FAULTS) {
      expect(isFault(fault)).toBe(true);
      const with_ = drawn.filter((faults) => faults.has(fault)).length;
      expect(with_, fault).toBeGreaterThan(20);
      expect(with_, fault).toBeLessThan(50);
    }
    expect(drawn.some((faults) => faults.has("rogue"))).toBe(false);
  });
});
