/**
 * Everything a payer can say when it is asked, in both states in which it is asked: faults-by-states strikes payments as they begin, and
 * can do nothing any more to one that is under way. The record is typed by the contract: a new kind of outcome, or a new code, without a
 * line here does not compile. The words last for hours and then end; what must hold is the same: an end, or a wait that says for what.
 */
import { afterAll, describe, expect, it } from "vitest";
import type { FailureCode, PaymentOutcome } from "../../lightning/payer.ts";
import type { Msat } from "../../lightning/msat.ts";
import { isTerminal, type State } from "../../lightning/purchase.ts";
import { NodeSql } from "../support/sql-node.ts";
import { DEATHS, disagreements, word } from "../support/strike.ts";
import { VirtualWorld } from "../support/virtual-world.ts";

const HOURS = 3_600_000;
const PATH = "/many/1";
const KEY = "the-request";

/** What has become of the order: paid, the answer lost; or it never arrived, and may do so later. */
type Fate = "paid" | "lost";

interface Says {
  /** Where a payer that keeps its contract can say this. */
  readonly of: readonly Fate[];
  readonly words: readonly (() => Promise<PaymentOutcome>)[];
  /** State and code while it says so, hours later; a code of null: any. */
  readonly rests: (state: State, code: string | null) => boolean;
}

const says = (outcome: PaymentOutcome) => (): Promise<PaymentOutcome> => Promise.resolve(outcome);
const settled = (preimage: string | null): (() => Promise<PaymentOutcome>) =>
  says({ kind: "settled", preimage, feeMsat: 100 as Msat, settledAt: 0, reference: "r" });
const CODES: Readonly<Record<FailureCode, true>> = {
  insufficient_funds: true,
  no_route: true,
  invoice_expired: true,
  fee_over_cap: true,
  backend_unavailable: true,
  spender_superseded: true,
  payment_failed: true,
};
const unknown = (state: State, code: string | null): boolean => state === "payment_unknown" && code === "payment_unknown";

const WORDS: Readonly<Record<PaymentOutcome["kind"] | "an exception" | "nothing", Says>> = {
  settled: {
    of: ["paid"],
    words: [settled(null), settled("ab".repeat(32)), settled("no preimage")],
    rests: (state, code) => state === "payment_unknown" && (code === "preimage_unavailable" || code === "preimage_mismatch"),
  },
  failed: {
    of: ["lost"],
    words: (Object.keys(CODES) as FailureCode[]).map((code) => says({ kind: "failed", code, definite: true })),
    rests: (state, code) => state === "failed" && code !== null && code in CODES,
  },
  pending: {
    of: ["paid", "lost"],
    words: [says({ kind: "pending" }), says({ kind: "pending", resumable: true })],
    // A wait for the payer itself; `paying` has no code.
    rests: (state, code) => (state === "paying" && code === null) || unknown(state, code),
  },
  unknown: { of: ["paid", "lost"], words: [says({ kind: "unknown", reason: "it cannot tell" })], rests: unknown },
  never_seen: {
    of: ["lost"],
    words: [says({ kind: "never_seen" })],
    rests: (state, code) => state === "failed" && code === "payment_failed",
  },
  "an exception": { of: ["paid", "lost"], words: [() => Promise.reject(new Error("connection refused"))], rests: unknown },
  nothing: { of: ["paid", "lost"], words: [() => new Promise(() => {})], rests: unknown },
};

const sql = new NodeSql();
afterAll(() => sql.close());

interface Case {
  readonly state: "paying" | "payment_unknown";
  readonly fate: Fate;
  readonly fences: boolean;
  readonly death: (typeof DEATHS)[number];
  readonly says: () => Promise<PaymentOutcome>;
  readonly rests: Says["rests"];
}

async function holds({ state, fate, fences, death, says: lookupSays, rests }: Case, name: string): Promise<void> {
  const world = await VirtualWorld.create({}, sql);
  world.fences = fences;
  world.lookupSays = lookupSays;
  const first = (): { readonly state: State; readonly code: string | null; readonly due_at: number | null } | undefined =>
    world.sql.rows<{ state: State; code: string | null; due_at: number | null }>(
      "SELECT state, code, due_at FROM purchase ORDER BY seq LIMIT 1",
    )[0];
  try {
    world.node.faults.forNext({ kind: fate === "paid" ? "answer_lost" : "never_seen_then_paid" });
    let reached = false;
    const hit = (): void => {
      reached = true;
      world.onBorder = () => {};
      if (death !== "nobody") world.die(death);
    };
    const at = state === "paying" ? "pay" : "lookup";
    world.onBorder = (message) => (message === at && first()?.state === state ? hit() : undefined);
    world.fetch(PATH, { idempotencyKey: KEY }).catch(() => undefined);
    await world.run(2 * HOURS);
    expect(reached, `${name} never came into its state`).toBe(true);
    const row = first();
    expect(row !== undefined && rests(row.state, row.code), `${name} rests ${row?.state} (${row?.code ?? "no code"})`).toBe(true);
    if (row !== undefined && !isTerminal(row.state))
      expect(row.due_at ?? 0, `${name} waits for no instant`).toBeGreaterThan(world.ports.now());

    world.lookupSays = null;
    world.release();
    await world.run(HOURS);
    const answer = word(await world.drained(world.fetch(PATH, { idempotencyKey: KEY })));
    expect(answer, name).toBe(fate === "paid" ? "cached 200" : "paid 200");
    await world.run(HOURS);
    expect([disagreements(world), world.node.ledger().settled], name).toEqual([[], 1]);
  } finally {
    world.close();
  }
}

describe.each(["paying", "payment_unknown"] as const)("invariant 4: asked in %s", (state) => {
  it.each(Object.entries(WORDS))(
    "a payer that says %s for hours ends the payment rightly, or leaves a wait that says for what",
    async (kind, { of, words, rests }) => {
      for (const fate of of)
        for (const fences of [true, false])
          for (const death of DEATHS)
            for (const [index, each] of words.entries())
              await holds({ state, fate, fences, death, says: each, rests }, JSON.stringify({ kind, index, state, fate, fences, death }));
    },
  );
});
