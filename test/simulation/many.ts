/** A sweep shared by several processes, each with a range of seeds of its own. What comes out does not depend on how many there are. */
import { runScript } from "./run-script.ts";
import { add, NOTHING, type SweepOptions, type Totals } from "./sweep.ts";

export type Shared = { readonly ok: true; readonly totals: Totals } | { readonly ok: false; readonly said: string };

/** @param jobs processes at once. The first that finds something ends the sweep: its report is handed on as it stands */
export async function many({ seed, seeds, purchases, faults }: SweepOptions, jobs: number, json: boolean): Promise<Shared> {
  const share = Math.ceil(seeds / jobs);
  const ranges = Array.from({ length: jobs }, (_, job) => ({
    from: seed + job * share,
    count: Math.min(share, seeds - job * share),
  })).filter(({ count }) => count > 0);
  const flags = ["--purchases", String(purchases), ...(faults === undefined ? [] : ["--faults", [...faults].join(",") || "none"])];
  const parts = await Promise.all(
    ranges.map(async ({ from, count }) => {
      const { code, out, err } = await runScript(
        "main.ts",
        "--seed",
        String(from),
        "--seeds",
        String(count),
        ...flags,
        ...(json ? ["--json"] : []),
        "--totals",
      );
      return { code, out, err };
    }),
  );
  const failed = parts.find(({ code }) => code !== 0);
  if (failed !== undefined) return { ok: false, said: `${failed.out}${failed.err}` };
  return { ok: true, totals: parts.map(({ out }) => JSON.parse(out) as Totals).reduce(add, NOTHING) };
}
