/** The simulation in CI: many seeds without a violation, and the proof that a run is its seed and nothing else. */
import { describe, expect, it } from "vitest";
import { EPOCH } from "./scheduler.ts";
import { runScript } from "./run-script.ts";
import { World } from "./world.ts";

interface Summary {
  readonly ok: boolean;
  readonly seeds: number;
  readonly purchases: number;
  readonly crashes: number;
  readonly payments: number;
  readonly digest: string;
  readonly answers: Readonly<Record<string, number>>;
}

async function simulate(...args: readonly string[]): Promise<Summary> {
  const { code, out, err } = await runScript("main.ts", "--json", ...args);
  if (code !== 0) throw new Error(`${out}${err}`);
  return JSON.parse(out) as Summary;
}

describe("the simulation", () => {
  it("invariants 1 to 8, 10, 11, 13 and 14 hold after every step of 120 seeds, with crashes, lost replies, payer faults and races", async () => {
    const halves = await Promise.all([
      simulate("--seed", "1", "--seeds", "60", "--purchases", "40"),
      simulate("--seed", "1011", "--seeds", "60", "--purchases", "40"),
    ]);
    for (const { ok, seeds, purchases, crashes, payments } of halves) {
      expect({ ok, seeds, purchases }).toEqual({ ok: true, seeds: 60, purchases: 2400 });
      // A run in which little happens proves little.
      expect(crashes).toBeGreaterThan(400);
      expect(payments).toBeGreaterThan(300);
    }
    for (const word of [
      "paid",
      "cached",
      "free",
      "payment_unknown",
      "payment_pending",
      "window_cap_exceeded",
      "budget_exceeded",
      "global_pause_active",
      "amount_over_call_limit",
      "host_not_allowlisted",
      "idempotency_conflict",
      "no_route",
      "payment_hash_reused",
      "backend_unavailable",
      "insufficient_funds",
    ]) {
      expect(
        halves.some(({ answers }) => (answers[word] ?? 0) > 0),
        word,
      ).toBe(true);
    }
  });

  it("holds in one long run, where windows turn over and the books grow", async () => {
    const { ok, purchases } = await simulate("--seed", "77", "--purchases", "400");
    expect({ ok, purchases }).toEqual({ ok: true, purchases: 400 });
  });

  it("without faults every purchase ends well: interleaving alone breaks nothing and delays nobody", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { answers, crashes } = await new World({ seed, purchases: 40, faults: new Set() }).run();
      expect(crashes).toBe(0);
      // `paid_unfulfilled` may be told: a token that works once, shared by two calls under one key, serves one of them.
      for (const code of [
        "payment_unknown",
        "payment_failed",
        "backend_unavailable",
        "seller_unreachable",
        "control_plane_unavailable",
        "wallet_paused",
      ])
        expect(answers[code] ?? 0, `seed ${seed}: ${code}`).toBe(0);
      expect(answers["paid"]).toBeGreaterThan(0);
    }
  });
});

describe("one seed", () => {
  it("is one run: twice here and twice in processes of their own give the same trace hash", async () => {
    const here = [await new World({ seed: 42, purchases: 40 }).run(), await new World({ seed: 42, purchases: 40, traced: true }).run()];
    const there = await Promise.all([simulate("--seed", "42"), simulate("--seed", "42")]);
    expect(new Set([...here, ...there].map(({ digest }) => digest)).size).toBe(1);
    const trace = here[1]?.trace ?? [];
    expect(trace.length).toBeGreaterThan(100);
    expect(here[0]?.trace).toBeNull();
  });

  it("differs from the next one", async () => {
    const digests = new Set<string>();
    for (let seed = 1; seed <= 5; seed++) digests.add((await new World({ seed, purchases: 10 }).run()).digest);
    expect(digests.size).toBe(5);
  });

  it("sets off no asynchronous work but what its scheduler settles", async () => {
    const { code, out, err } = await runScript("strangers.ts", "4", "40");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { kinds, payments } = JSON.parse(out) as { readonly kinds: readonly string[]; readonly payments: number };
    expect(payments).toBeGreaterThan(0);
    expect(kinds.filter((kind) => !["PROMISE", "Immediate", "TickObject"].includes(kind))).toEqual([]);
    expect(kinds).toContain("PROMISE");
  });

  it("begins at a fixed instant, whatever the machine's clock says", () => {
    expect(new Date(EPOCH).toISOString()).toBe("2027-01-31T22:59:00.000Z");
    expect(new World({ seed: 1, purchases: 1 }).scheduler.now).toBe(EPOCH);
  });
});

describe("npm run simulate", () => {
  it.each([
    [["--seed", "x"]],
    [["--seed", "0"]],
    [["--seed", "-1"]],
    [["--purchases", "9999999999"]],
    [["--seeds", ""]],
    [["--sead", "1"]],
    [["7"]],
    [["--json=yes"]],
  ])("%j is refused in one line with exit code 2, and nothing is run", async (args) => {
    const { code, out, err } = await runScript("main.ts", ...args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.trimEnd().split("\n").length).toBe(1);
    expect(err).toContain("usage: npm run simulate");
  });

  it("prints the trace on request, on standard error, and the summary on standard output", async () => {
    const { code, out, err } = await runScript("main.ts", "--seed", "2", "--purchases", "5", "--trace");
    expect(code).toBe(0);
    expect(out).toContain("no violation");
    expect(err.split("\n").length).toBeGreaterThan(20);
    // Time is virtual and stands first in every line.
    expect(
      err
        .trimEnd()
        .split("\n")
        .every((line) => /^ *[0-9]+ \S/u.test(line)),
    ).toBe(true);
  });
});
