/**
 * The recovery matrix, generated: a send is cut at each of its requests, in each of four ways, while something else is wrong. How many requests
 * a send makes under a fault is found by a send that is not cut.
 */
import { expect } from "vitest";
import type { Purchase, SparkWalletRig } from "./spark-wallet.ts";
import type { SparkWorld } from "./spark-world.ts";

/** What happens at the chosen request. */
export const CUTS = ["evicted before it left", "evicted before its answer", "request lost", "answer lost"] as const;
export type Cut = (typeof CUTS)[number];

export interface FaultCase {
  readonly name: string;
  /** Called right before a send. */
  set(world: SparkWorld): void;
  /** What an end may look like. */
  readonly ends: readonly ("paid" | "failed")[];
  /** What it may wait for while the fault stands. */
  readonly waitsFor: readonly string[];
}

const SWAP = "initiate_preimage_swap_v3";
const either = ["paid", "failed"] as const;
const unknown = ["payment_unknown"];

/** From this call on, once. */
function from(world: SparkWorld, name: string, then: () => void): void {
  const before = world.onRequest;
  let done = false;
  world.onRequest = (call, request) => {
    if (!done && call.endsWith(name)) {
      done = true;
      then();
    }
    return before(call, request);
  };
}

export const FAULT_CASES: readonly FaultCase[] = [
  { name: "nothing else", set: () => {}, ends: either, waitsFor: unknown },
  {
    name: "the coordinator's reply to the swap is lost",
    set: ({ sandbox }) =>
      void sandbox.faults.add({ side: "operators", call: SWAP, fault: { kind: "drop", when: "after" }, times: 1, operator: 0 }),
    ends: either,
    waitsFor: unknown,
  },
  {
    name: "the SSP goes down after the swap",
    set: (world) =>
      from(
        world,
        SWAP,
        () => void world.sandbox.faults.add({ side: "ssp", call: "*", fault: { kind: "http_error", when: "before", status: 503 } }),
      ),
    ends: either,
    waitsFor: unknown,
  },
  {
    name: "the SSP is slow",
    set: ({ sandbox: { faults } }) => {
      faults.payMode = "slow";
      faults.slowMs = 700;
    },
    ends: either,
    waitsFor: unknown,
  },
  {
    name: "the SSP fails after the swap",
    set: ({ sandbox: { faults } }) => {
      faults.payMode = "fail";
    },
    ends: ["failed"],
    waitsFor: unknown,
  },
  {
    name: "the SSP shows a wrong preimage",
    set: ({ sandbox: { faults } }) => void faults.lie("preimage"),
    ends: either,
    waitsFor: [...unknown, "preimage_mismatch"],
  },
  {
    name: "an operator is down",
    set: (world) =>
      from(
        world,
        "LightningSendFeeEstimate",
        () => void world.sandbox.faults.add({ side: "operators", call: "*", fault: { kind: "drop", when: "before" }, operator: 1 }),
      ),
    ends: either,
    waitsFor: unknown,
  },
  {
    name: "an operator hangs",
    set: (world) =>
      from(
        world,
        "LightningSendFeeEstimate",
        () => void world.sandbox.faults.add({ side: "operators", call: "*", fault: { kind: "hang", when: "before" }, operator: 2 }),
      ),
    ends: either,
    waitsFor: unknown,
  },
  { name: "all sessions are dropped", set: ({ sandbox }) => sandbox.dropSessions(), ends: either, waitsFor: unknown },
];

export interface CutCase {
  readonly cut: Cut;
  /** Its request, 1 the first; 0 for a send that is not cut. */
  readonly at: number;
}

/** Every cut of a send of so many requests. */
export function everyCut(requests: number): readonly CutCase[] {
  return Array.from({ length: requests }, (_, index) => CUTS.map((cut) => ({ cut, at: index + 1 }))).flat();
}

/** The first three ask for fees and commitments; in the next four the money moves. What comes after them is recovery. */
const MONEY_MOVES = 4;

/** Each way of cutting once where the money moves and, where there is a recovery, an eviction in the midst of it; others for each `turn`. */
export function someCuts(requests: number, turn: number): readonly CutCase[] {
  const moving = CUTS.map((cut, index) => ({ cut, at: MONEY_MOVES + ((turn + index) % 4) }));
  const behind = requests - 2 * MONEY_MOVES;
  return behind <= 0 ? moving : [...moving, { cut: CUTS[turn % 2]!, at: 2 * MONEY_MOVES + ((turn * 5) % behind) }];
}

/** Short, but not so short that a busy machine takes itself for a broken network. Milliseconds. */
export const QUICK = {
  timing: {
    payDeadline: 6_000,
    grace: 300,
    lookupDeadline: 5_000,
    prepareDeadline: 5_000,
    reserveLease: 1_000,
    retryFirst: 100,
    retryMost: 500,
    maintainDelay: 600_000,
  },
  spark: { request: 1_500, answer: 5_000, call: 10_000, sync: 2_000 },
} as const;

/** Leaves of 8 sats: an invoice of 7 and a fee of 1 need no swap. */
export const LEAF = 8;
const AMOUNT = LEAF - 1;
/** How long a fault stands, ms; and how long an end may take once it is gone. */
const FAULT_STANDS = 1_200;
const ENDS_WITHIN = 20_000;

export interface Ended {
  readonly requests: number;
  readonly state: string;
  readonly waited: string | null;
}

/**
 * One send under a fault, cut at its `at`-th request (0: not cut). Asserts what must hold whatever happens.
 * @returns how it went
 */
export async function sendCut(rig: SparkWalletRig, fault: FaultCase, cut: Cut, at: number): Promise<Ended> {
  const { world } = rig;
  const { sandbox } = world;
  const label = `${fault.name}; ${at === 0 ? "not cut" : `${cut} at request ${at}`}`;
  // A sync takes as long as there are leaves, so there are few at a time.
  if (sandbox.balance(rig.identity) < 2 * LEAF) await rig.fund([LEAF, LEAF, LEAF, LEAF]);
  const before = { balance: sandbox.balance(rig.identity), journal: rig.journalSats() };
  let count = 0;
  const counted: SparkWorld["onRequest"] = () => {
    if (++count !== at) return "pass";
    switch (cut) {
      case "evicted before it left":
      case "evicted before its answer":
        rig.evict();
        return cut === "evicted before it left" ? "lose_request" : "lose_reply";
      case "request lost":
        return "lose_request";
      case "answer lost":
        return "lose_reply";
    }
  };
  world.onRequest = counted;
  fault.set(world);
  const { purchase } = await rig.begin(AMOUNT);
  const waited = (await endsIn(rig, purchase, FAULT_STANDS)) ? null : rig.code(purchase);
  const requests = count;
  if (rig.state(purchase) === "payment_unknown") expect(fault.waitsFor, label).toContain(waited);
  // Also the fault that still waits for its call.
  world.onRequest = counted;
  sandbox.faults.clear();
  expect(await endsIn(rig, purchase, ENDS_WITHIN), `${label}: still ${rig.state(purchase)} (${rig.code(purchase)})`).toBe(true);
  world.onRequest = () => "pass";

  const state = rig.state(purchase) ?? "none";
  const settlements = world.settlements(purchase.paymentHash);
  const sent = sandbox.ledger().transfers.filter(({ paymentHash }) => paymentHash === purchase.paymentHash);
  expect(sandbox.check(), label).toEqual([]);
  expect(settlements, `${label}: paid at most once`).toBeLessThanOrEqual(1);
  expect(sent.length, `${label}: sent at most once`).toBeLessThanOrEqual(1);
  if (state === "paid") {
    expect(settlements, label).toBe(1);
    expect(fault.ends, label).toContain("paid");
    expect(rig.journalSats() - before.journal, label).toBe(LEAF);
    expect(before.balance - sandbox.balance(rig.identity), label).toBe(LEAF);
  } else {
    expect(["failed", "cancelled", "expired"], label).toContain(state);
    expect(settlements, `${label}: ${state}, so nothing was paid`).toBe(0);
    expect(sandbox.balance(rig.identity), `${label}: ${state}, so nothing has left`).toBe(before.balance);
    expect(rig.journalSats(), label).toBe(before.journal);
  }
  const { spendableMsat, degraded } = await rig.payer.status();
  expect(degraded, label).toEqual([]);
  expect(spendableMsat, `${label}: the wallet knows its balance`).toBe(sandbox.balance(rig.identity) * 1000);
  return { requests, state, waited };
}

/** Alarms fire as they are due; after an eviction time passes until somebody looks. @returns whether it has ended in time */
async function endsIn(rig: SparkWalletRig, purchase: Purchase, ms: number): Promise<boolean> {
  for (const until = performance.now() + ms; ;) {
    const { lives } = rig;
    const ended = await rig.settle(purchase, until - performance.now());
    if (ended || rig.lives === lives) return ended;
    await rig.skipToFirstLook(purchase);
  }
}
