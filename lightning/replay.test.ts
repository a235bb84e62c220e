import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReceiptRecord } from "./control-plane.ts";
import { decide, type Layer, type LedgerView, type Switches } from "./decide.ts";
import { msat, sats, type Msat } from "./msat.ts";
import type { Policy } from "./policy.ts";
import type { Receipt, ReceiptKind } from "./receipt.ts";
import { replay, type Replay } from "./replay.ts";
import { matchesHost } from "./url.ts";

const NOON = Date.parse("2026-11-22T12:00:00.000Z");
const MINUTE = 60_000;
const OPEN: Policy = {
  hosts: { mode: "any_public", allow: [], block: [], unknown: "deny" },
  fee: { floorMsat: sats(5), ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};

interface Fact {
  readonly kind?: ReceiptKind;
  readonly purchase: number;
  readonly at: number;
  readonly budget?: string;
  readonly subject?: string | null;
  readonly host?: string;
  readonly sat?: number;
  readonly feeMsat?: number | null;
  readonly maxFeeMsat?: number | null;
  readonly binding?: Receipt["binding"];
  readonly backend?: string;
}

/** A wallet's history, in chain order. Ids and chain are not what is tested here. */
function history(...facts: readonly Fact[]): readonly ReceiptRecord[] {
  return facts.map((fact, index) => {
    const receipt: Receipt = {
      version: 1,
      kind: fact.kind ?? "paid",
      sequence: index + 1,
      purchaseId: `purchase-${fact.purchase}`,
      walletId: "w_0123456789abcdef",
      owner: "main",
      budget: fact.budget ?? "daily",
      subject: fact.subject ?? null,
      at: new Date(fact.at).toISOString(),
      method: "GET",
      origin: fact.host === "" ? "lightning:" : `https://${fact.host ?? "a.example"}`,
      path: "/",
      code: null,
      amountMsat: sats(fact.sat ?? 10),
      feeMsat: fact.feeMsat === undefined ? msat(1000) : (fact.feeMsat as Msat | null),
      maxFeeMsat: fact.maxFeeMsat === undefined ? sats(5) : (fact.maxFeeMsat as Msat | null),
      paymentHash: "0".repeat(64),
      credentialId: null,
      binding: fact.binding === undefined ? "verified" : fact.binding,
      evidence: null,
      backend: fact.backend ?? "http-executor",
      epoch: 1,
      policyVersion: 1,
    };
    return { receiptId: `rcpt_${index + 1}`, chain: "", receipt };
  });
}

const words = (found: Replay): readonly string[] => found.refused.map(({ purchaseId, code }) => `${purchaseId} ${code}`);
const three = history({ purchase: 1, at: NOON }, { purchase: 2, at: NOON + MINUTE }, { purchase: 3, at: NOON + 2 * MINUTE });

describe("a policy replayed over past receipts", () => {
  it("refuses nothing where it limits nothing, and sums amounts and fees", () => {
    const found = replay(OPEN, null, three);
    expect(found).toMatchObject({ refused: [], asked: [], doubtful: [], allowed: 3, spent: { madeMsat: 33_000, allowedMsat: 33_000 } });
  });

  it("says of each refused payment which receipt, which purchase, which code and why", () => {
    const found = replay({ ...OPEN, dayMsat: sats(26) }, null, three);
    expect(found.refused).toEqual([
      {
        receiptId: "rcpt_3",
        purchaseId: "purchase-3",
        code: "window_cap_exceeded",
        detail: "15 sat more would exceed the wallet's cap for the day",
      },
    ]);
    expect(found).toMatchObject({ allowed: 2, spent: { madeMsat: 33_000, allowedMsat: 22_000 } });
  });

  it("leaves what it refuses out of the books from then on", () => {
    const found = replay(
      { ...OPEN, dayMsat: sats(30), perPaymentMsat: sats(20) },
      null,
      history({ purchase: 1, at: NOON, sat: 25 }, { purchase: 2, at: NOON + 1 }, { purchase: 3, at: NOON + 2 }),
    );
    expect(words(found)).toEqual(["purchase-1 amount_over_cap"]);
  });

  it.each([
    ["the hour", { hourMsat: sats(20) }, 3_600_000],
    ["the day", { dayMsat: sats(20) }, 86_400_000],
    ["a rolling window", { rolling: [{ windowMs: 10 * MINUTE, capMsat: sats(20) }] }, 11 * MINUTE],
  ])("a payment after the end of %s is counted anew", (_name, caps, later) => {
    const payments = (gap: number) => history({ purchase: 1, at: NOON }, { purchase: 2, at: NOON + gap });
    expect(words(replay({ ...OPEN, ...caps }, null, payments(1)))).toEqual(["purchase-2 window_cap_exceeded"]);
    expect(words(replay({ ...OPEN, ...caps }, null, payments(later)))).toEqual([]);
  });

  it("holds each budget against its own policy and its own books, and one that is not named against the wallet's alone", () => {
    const records = history(
      { purchase: 1, at: NOON, budget: "a" },
      { purchase: 2, at: NOON + 1, budget: "b" },
      { purchase: 3, at: NOON + 2, budget: "a" },
      { purchase: 4, at: NOON + 3, budget: "c" },
    );
    const budgets = new Map([
      ["a", { ...OPEN, totalMsat: sats(20) }],
      ["b", { ...OPEN, totalMsat: sats(20) }],
    ]);
    expect(words(replay(OPEN, budgets, records))).toEqual(["purchase-3 budget_exceeded"]);
  });

  it("judging one budget alone, it keeps the others' payments in the wallet's books", () => {
    const records = history({ purchase: 1, at: NOON, budget: "a", sat: 90 }, { purchase: 2, at: NOON + 1, budget: "b" });
    const found = replay({ ...OPEN, dayMsat: sats(95) }, null, records, "b");
    expect([words(found), found.spent.madeMsat]).toEqual([["purchase-2 window_cap_exceeded"], 11_000]);
  });

  it("holds a subject against the caps of its budget", () => {
    const records = history(
      { purchase: 1, at: NOON, subject: "ann" },
      { purchase: 2, at: NOON + 1, subject: "bob" },
      { purchase: 3, at: NOON + 2, subject: "ann" },
      { purchase: 4, at: NOON + 3 },
    );
    expect(words(replay(OPEN, new Map([["daily", { ...OPEN, perSubject: { totalMsat: sats(20) } }]]), records))).toEqual([
      "purchase-3 subject_cap_exceeded",
    ]);
  });

  it("knows hosts and ports from the receipts' origins", () => {
    const records = history(
      { purchase: 1, at: NOON, host: "a.example" },
      { purchase: 2, at: NOON, host: "a.example:8443" },
      { purchase: 3, at: NOON, host: "b.example" },
      { purchase: 4, at: NOON + 1, host: "a.example" },
    );
    const listed: Policy = {
      ...OPEN,
      hosts: { mode: "listed", allow: ["a.example"], block: [], unknown: "deny" },
      perHost: [{ host: "*.example", totalMsat: sats(20) }],
    };
    expect(words(replay(listed, null, records))).toEqual([
      "purchase-2 host_not_allowlisted",
      "purchase-3 host_not_allowlisted",
      "purchase-4 host_cap_exceeded",
    ]);
  });

  it("lists what a person would have been asked, and counts it as approved", () => {
    const found = replay(
      { ...OPEN, approvalAboveMsat: sats(15), dayMsat: sats(20) },
      null,
      history({ purchase: 1, at: NOON }, { purchase: 2, at: NOON + 1 }),
    );
    expect(found.asked.map(({ purchaseId }) => purchaseId)).toEqual(["purchase-1"]);
    expect(words(found)).toEqual(["purchase-2 window_cap_exceeded"]);
  });

  it("a fee above what would have been reserved is doubtful: another route might have been found", () => {
    const found = replay({ ...OPEN, fee: { floorMsat: msat(500), ppm: 0 } }, null, three);
    expect(found.doubtful.map(({ code }) => code)).toEqual(["fee_over_cap", "fee_over_cap", "fee_over_cap"]);
    expect(found).toMatchObject({ refused: [], allowed: 3 });
  });

  it("knows whether a token was bound to its invoice, and says so where it does not", () => {
    const found = replay(OPEN, null, history({ purchase: 1, at: NOON, binding: "unverified" }, { purchase: 2, at: NOON, binding: null }));
    expect(words(found)).toEqual(["purchase-1 opaque_token_refused"]);
    expect(found.unknowable.join(" ")).toContain("do not say whether their token was bound");
    expect(replay(OPEN, null, three).unknowable.join(" ")).not.toContain("do not say whether their token was bound");
  });

  it("a payment whose outcome came late belongs to the window of its first receipt", () => {
    const records = history(
      { kind: "unknown", purchase: 1, at: NOON, feeMsat: null },
      { purchase: 2, at: NOON + 5 },
      { purchase: 1, at: NOON + 3_600_000 },
      { purchase: 3, at: NOON + 3_600_001 },
    );
    expect(words(replay({ ...OPEN, hourMsat: sats(20) }, null, records))).toEqual(["purchase-2 window_cap_exceeded"]);
  });

  it("counts a late settlement and what an operator resolved as paid, each once, and leaves out what failed or is not known", () => {
    const found = replay(
      OPEN,
      null,
      history(
        { kind: "failed", purchase: 1, at: NOON, feeMsat: null },
        { kind: "late_settlement", purchase: 1, at: NOON + 1 },
        { kind: "unknown", purchase: 2, at: NOON, feeMsat: null },
        { kind: "paid", purchase: 2, at: NOON + 2 },
        { kind: "resolved", purchase: 2, at: NOON + 3 },
        { kind: "failed", purchase: 3, at: NOON, feeMsat: null },
        { kind: "unknown", purchase: 4, at: NOON, feeMsat: null },
        { kind: "denied", purchase: 5, at: NOON, feeMsat: null, maxFeeMsat: null },
        { kind: "cached", purchase: 6, at: NOON, sat: 0, feeMsat: 0, maxFeeMsat: null },
        { kind: "paid", purchase: 7, at: NOON, host: "" },
        { kind: "resolved", purchase: 8, at: NOON, feeMsat: null },
      ),
    );
    expect(found.allowed).toBe(2);
    expect(found.unknowable.at(-1)).toMatch(/^1 payments whose outcome is not known/u);
  });

  it("rounds up where the payer sends whole satoshi", () => {
    const [record] = history({ purchase: 1, at: NOON, backend: "spark-wasm", feeMsat: 0 });
    if (record === undefined) throw new Error("no record");
    const odd = { ...record, receipt: { ...record.receipt, amountMsat: msat(10_001) } };
    expect(replay(OPEN, null, [odd]).spent.madeMsat).toBe(11_000);
  });

  it("20,000 payments take no longer than a request may", () => {
    const many = history(
      ...Array.from({ length: 20_000 }, (_, index): Fact => ({
        purchase: index,
        at: NOON + index * 1000,
        budget: `b${index % 7}`,
        subject: `s${index % 50}`,
        host: `h${index % 20}.example`,
      })),
    );
    const began = performance.now();
    const found = replay(
      { ...OPEN, dayMsat: sats(1_000_000), paymentsPerMinute: 100, perHost: [{ host: "h1.example", dayMsat: sats(1000) }] },
      null,
      many,
    );
    expect(found.allowed + found.refused.length).toBe(20_000);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

/** A vault as far as money goes, with books kept in another way than replay.ts keeps them: a plain list, walked from end to end. */
interface Booked {
  readonly budget: string;
  readonly subject: string | null;
  readonly host: string;
  readonly at: number;
  total: number;
  open: boolean;
}

function view(booked: readonly Booked[]): LedgerView {
  const sum = (kept: readonly Booked[]): Msat => msat(kept.reduce((total, each) => total + each.total, 0));
  return {
    openMsat: sum(booked.filter(({ open }) => open)),
    settledSince: (start) => sum(booked.filter(({ open, at }) => !open && (start === null || at >= start))),
    paymentsSince: (start) => booked.filter(({ at }) => at >= start).length,
  };
}

const CLEAR: Switches = { globalPause: false, ownerKillSwitch: false, wallet: "active", budgetDisabled: false, superseded: false };

/** Runs requests through `decide`, each paid, some of them with an outcome that comes only after others were reserved. */
function run(policy: Policy, budgets: ReadonlyMap<string, Policy>, requests: readonly Request[]): readonly ReceiptRecord[] {
  const booked: Booked[] = [];
  const facts: (Fact & { readonly order: number })[] = [];
  let now = NOON;
  const waiting: { readonly until: number; readonly settle: () => void }[] = [];
  for (const [index, request] of requests.entries()) {
    now += request.gap;
    for (const each of waiting.splice(0)) {
      if (each.until <= index) each.settle();
      else waiting.push(each);
    }
    const budget = budgets.get(request.budget) ?? policy;
    const layer = (holder: "wallet" | "budget", rule: Policy, mine: readonly Booked[]): Layer => ({
      holder,
      policy: rule,
      ledger: view(mine),
      host: (pattern) => view(mine.filter(({ host }) => matchesHost(pattern, host, 443))),
    });
    const verdict = decide(
      [
        layer("wallet", policy, booked),
        layer(
          "budget",
          budget,
          booked.filter((each) => each.budget === request.budget),
        ),
      ],
      CLEAR,
      {
        host: request.host,
        port: 443,
        amountMsat: sats(request.sat),
        network: "regtest",
        expiresAt: now + 1,
        binding: "verified",
        callLimitMsat: null,
        granularity: "msat",
        grantedMsat: msat(Number.MAX_SAFE_INTEGER),
        subject:
          budget.perSubject === undefined || request.subject === null
            ? null
            : {
                caps: budget.perSubject,
                ledger: view(booked.filter((each) => each.budget === request.budget && each.subject === request.subject)),
              },
      },
      now,
    );
    if (verdict.kind !== "allow") continue;
    const fee = Math.floor(verdict.maxFeeMsat * request.feeShare);
    const row: Booked = {
      budget: request.budget,
      subject: request.subject,
      host: request.host,
      at: now,
      total: verdict.chargeMsat + verdict.maxFeeMsat,
      open: true,
    };
    booked.push(row);
    const { budget: name, subject, host, sat } = request;
    const fact = { purchase: index, budget: name, subject, host, sat, maxFeeMsat: verdict.maxFeeMsat };
    const settle = (): void => {
      row.open = false;
      row.total = verdict.chargeMsat + fee;
      facts.push({ ...fact, at: now, feeMsat: fee, order: facts.length });
    };
    if (request.delay === 0) settle();
    else {
      facts.push({ ...fact, kind: "unknown", at: now, feeMsat: null, order: facts.length });
      waiting.push({ until: index + request.delay, settle });
    }
  }
  for (const each of waiting) each.settle();
  return history(...facts);
}

interface Request {
  readonly gap: number;
  readonly budget: string;
  readonly subject: string | null;
  readonly host: string;
  readonly sat: number;
  readonly feeShare: number;
  readonly delay: number;
}

const cap = fc.integer({ min: 5, max: 300 }).map(sats);
const windows = {
  hourMsat: cap,
  dayMsat: cap,
  totalMsat: cap.map((each) => msat(each * 3)),
  rolling: fc.array(fc.record({ windowMs: fc.integer({ min: 1000, max: 7_200_000 }), capMsat: cap }), { maxLength: 2 }),
};
const policies = fc
  .record(
    {
      ...windows,
      perPaymentMsat: cap,
      paymentsPerMinute: fc.integer({ min: 1, max: 6 }),
      approvalAboveMsat: cap,
      perHost: fc.array(fc.record({ host: fc.constantFrom("a.example", "*.example"), dayMsat: cap }), { maxLength: 2 }),
      perSubject: fc.record(windows, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  )
  .chain((caps) =>
    fc
      .record({ floorMsat: fc.integer({ min: 0, max: 5000 }).map(msat), ppm: fc.integer({ min: 0, max: 20_000 }) })
      .map((fee): Policy => ({ ...OPEN, ...caps, fee })),
  );
const requests = fc.array(
  fc.record({
    gap: fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 3_600_000 })),
    budget: fc.constantFrom("a", "b"),
    subject: fc.constantFrom(null, "ann", "bob"),
    host: fc.constantFrom("a.example", "b.example"),
    sat: fc.integer({ min: 1, max: 60 }),
    feeShare: fc.double({ min: 0, max: 1, noNaN: true }),
    delay: fc.constantFrom(0, 0, 1, 4),
  }),
  { minLength: 1, maxLength: 40 },
);

describe("properties", () => {
  it("the policy in force, replayed over what it allowed, refuses nothing and doubts nothing", () => {
    let paid = 0;
    fc.assert(
      fc.property(policies, policies, policies, requests, (policy, a, b, asked) => {
        const budgets = new Map([
          ["a", a],
          ["b", b],
        ]);
        const records = run(policy, budgets, asked);
        paid += records.length;
        const found = replay(policy, budgets, records);
        expect([found.refused, found.doubtful]).toEqual([[], []]);
        expect(found.spent.allowedMsat).toBe(found.spent.madeMsat);
      }),
      { numRuns: 300 },
    );
    expect(paid).toBeGreaterThan(300);
  });

  it("invariant 3: what any policy would have let through stays within its caps for all time", () => {
    let refused = 0;
    fc.assert(
      fc.property(policies, requests, (policy, asked) => {
        const found = replay(policy, null, run(OPEN, new Map(), asked));
        refused += found.refused.length;
        expect(found.spent.allowedMsat).toBeLessThanOrEqual(Math.max(policy.totalMsat ?? Infinity, 0) + found.doubtful.length * sats(5));
      }),
    );
    expect(refused).toBeGreaterThan(0);
  });
});
