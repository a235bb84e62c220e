import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import {
  FREE,
  NOW,
  OFF,
  anyCase,
  books,
  cap,
  decided,
  forbids,
  layer,
  oracle,
  payments,
  windows,
  word,
} from "../test/support/decide-cases.ts";
import { decide, maxFee, type Decision } from "./decide.ts";
import { MAX_MSAT, msat, type Msat } from "./msat.ts";
import type { FeeCap, Policy } from "./policy.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

describe("decide", () => {
  it("invariant 3: allows exactly what no cap of either layer forbids, against books counted naively", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(anyCase, ({ wallet, budget, paid, others, request }) => {
        const all = [...paid, ...others];
        const decision = decide([layer("wallet", wallet, all), layer("budget", budget, paid)], OFF, request, NOW);
        seen.add(word(decision));
        const charge = request.granularity === "sat" ? Math.ceil(request.amountMsat / 1000) * 1000 : request.amountMsat;
        const fees = [wallet, budget].map(({ fee }) => Math.max(fee.floorMsat, Math.ceil((charge * fee.ppm) / 1_000_000)));
        const fee = Math.min(...fees);
        const total = charge + (request.granularity === "sat" ? fee - (fee % 1000) : fee);
        const forbidden =
          (request.callLimitMsat !== null && total > request.callLimitMsat) ||
          oracle(wallet, all, request, total) !== null ||
          oracle(budget, paid, request, total) !== null;
        expect(decision.kind === "deny").toBe(forbidden);
        if (decision.kind === "deny") return;
        expect(decision.chargeMsat + decision.maxFeeMsat).toBe(total);
        expect(decision.kind === "ask").toBe(
          [wallet, budget].some(({ approvalAboveMsat }) => approvalAboveMsat !== undefined && total >= approvalAboveMsat),
        );
      }),
      { numRuns: 3000 },
    );
    expect([...seen].sort()).toEqual([
      "allow",
      "amount_over_call_limit",
      "amount_over_cap",
      "ask",
      "budget_exceeded",
      "host_cap_exceeded",
      "payment_rate_exceeded",
      "window_cap_exceeded",
    ]);
  });

  it("invariant 3: the narrower layer wins: what one of them denies, no other layer beside it makes allowed", () => {
    fc.assert(
      fc.property(anyCase, ({ wallet, budget, paid, others, request }) => {
        const all = [...paid, ...others];
        // Beside a layer without caps, but with the same fees, so that the total is the same.
        const alone = [
          decide([layer("wallet", wallet, all), layer("budget", { ...FREE, fee: budget.fee }, [])], OFF, request, NOW),
          decide([layer("wallet", { ...FREE, fee: wallet.fee }, []), layer("budget", budget, paid)], OFF, request, NOW),
        ];
        const both = decide([layer("wallet", wallet, all), layer("budget", budget, paid)], OFF, request, NOW);
        const strictness = ({ kind }: Decision): number => ({ allow: 0, ask: 1, deny: 2 })[kind];
        expect(strictness(both)).toBe(Math.max(...alone.map(strictness)));
      }),
      { numRuns: 1000 },
    );
  });

  it("invariant 3: lowering any cap never turns a denial into a payment", () => {
    const lowered = fc.tuple(
      fc.constantFrom(
        "hourMsat",
        "dayMsat",
        "monthMsat",
        "totalMsat",
        "perPaymentMsat",
        "approvalAboveMsat",
        "paymentsPerMinute",
        "rolling",
        "perHost",
      ),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    const lower = (given: Policy, [name, share]: readonly [string, number]): Policy => {
      const less = (value: number): Msat => Math.floor(value * share) as Msat;
      switch (name) {
        case "rolling":
          return { ...given, rolling: (given.rolling ?? []).map(({ windowMs, capMsat }) => ({ windowMs, capMsat: less(capMsat) })) };
        case "perHost":
          return { ...given, perHost: (given.perHost ?? []).map((caps) => ({ ...caps, totalMsat: less(caps.totalMsat ?? MAX_MSAT) })) };
        default:
          return { ...given, [name]: less((given as unknown as Record<string, number | undefined>)[name] ?? MAX_MSAT) };
      }
    };
    fc.assert(
      fc.property(anyCase, lowered, fc.boolean(), ({ wallet, budget, paid, others, request }, how, which) => {
        const at = (first: Policy, second: Policy): Decision =>
          decide([layer("wallet", first, [...paid, ...others]), layer("budget", second, paid)], OFF, request, NOW);
        const before = at(wallet, budget).kind;
        const after = (which ? at(lower(wallet, how), budget) : at(wallet, lower(budget, how))).kind;
        if (before === "deny") expect(after).toBe("deny");
        if (before === "ask") expect(after).not.toBe("allow");
      }),
      { numRuns: 1000 },
    );
  });

  it("invariant 7: what is allowed lies within the caller's own limit, fee included, and within either layer's fee cap", () => {
    fc.assert(
      fc.property(anyCase, fc.nat(12_000).map(msat), ({ wallet, budget, request }, limit) => {
        const decision = decide([layer("wallet", wallet), layer("budget", budget)], OFF, { ...request, callLimitMsat: limit }, NOW);
        if (decision.kind === "deny") return;
        expect(decision.chargeMsat + decision.maxFeeMsat).toBeLessThanOrEqual(limit);
        expect(decision.chargeMsat).toBeGreaterThanOrEqual(request.amountMsat);
        for (const { fee } of [wallet, budget]) expect(decision.maxFeeMsat).toBeLessThanOrEqual(maxFee(fee, decision.chargeMsat));
        if (request.granularity === "sat") expect((decision.chargeMsat % 1000) + (decision.maxFeeMsat % 1000)).toBe(0);
      }),
    );
  });

  it("invariant 3: a subject's caps narrow as every other layer's do", () => {
    const subjectCaps = fc.record(windows, { requiredKeys: [] });
    fc.assert(
      fc.property(anyCase, subjectCaps, payments, ({ wallet, budget, paid, others, request }, caps, its) => {
        const layers = [layer("wallet", wallet, [...paid, ...others]), layer("budget", budget, paid)] as const;
        const without = decide(layers, OFF, request, NOW);
        const decision = decide(layers, OFF, { ...request, subject: { caps, ledger: books(its) } }, NOW);
        if (without.kind === "deny") expect(decision).toEqual(without);
        else
          expect(word(decision)).toBe(
            forbids(caps, its, without.chargeMsat + without.maxFeeMsat) === null ? without.kind : "subject_cap_exceeded",
          );
      }),
      { numRuns: 1000 },
    );
  });

  it("invariant 18: a grant answers the question up to its amount, fee included, and lifts no cap and no switch", () => {
    fc.assert(
      fc.property(anyCase, fc.nat(12_000).map(msat), ({ wallet, budget, paid, others, request }, grantedMsat) => {
        const layers = [
          layer("wallet", { ...wallet, approvalAboveMsat: 1 as Msat }, [...paid, ...others]),
          layer("budget", budget, paid),
        ] as const;
        const without = decide(layers, OFF, request, NOW);
        const decision = decide(layers, OFF, { ...request, grantedMsat }, NOW);
        if (without.kind !== "ask") expect(decision).toEqual(without);
        else expect(decision.kind).toBe(without.chargeMsat + without.maxFeeMsat <= grantedMsat ? "allow" : "ask");
        expect(decide(layers, { ...OFF, globalPause: true }, { ...request, grantedMsat }, NOW).kind).toBe("deny");
      }),
      { numRuns: 1000 },
    );
  });

  it("invariant 7: a limit that is met to the msat is met; one msat less is not", () => {
    const fee: FeeCap = { floorMsat: 10 as Msat, ppm: 0 };
    const layers = [
      layer("wallet", { ...FREE, fee, perPaymentMsat: 1010 as Msat }),
      layer("budget", { ...FREE, fee, totalMsat: 1010 as Msat }),
    ] as const;
    expect(word(decided(...layers, { callLimitMsat: 1010 as Msat }))).toBe("allow");
    expect(word(decided(...layers, { callLimitMsat: 1009 as Msat }))).toBe("amount_over_call_limit");
    expect(word(decided(...layers, { amountMsat: 1001 as Msat }))).toBe("amount_over_cap");
    expect(word(decided(layer("wallet", FREE), layers[1], { amountMsat: 1011 as Msat }))).toBe("budget_exceeded");
  });

  it("invariant 18: a threshold that is met to the msat asks, fee included, in either layer; one msat less does not", () => {
    const fee: FeeCap = { floorMsat: 10 as Msat, ppm: 0 };
    const asking = { ...FREE, fee, approvalAboveMsat: 1010 as Msat };
    for (const [wallet, budget] of [
      [asking, { ...FREE, fee }],
      [{ ...FREE, fee }, asking],
    ] as const) {
      const layers = [layer("wallet", wallet), layer("budget", budget)] as const;
      expect(decided(...layers)).toMatchObject({ kind: "ask", because: "amount" });
      expect(word(decided(...layers, { amountMsat: 999 as Msat }))).toBe("allow");
    }
  });

  it("never throws and never allows what cannot be counted, however large the invoice and the fee cap", () => {
    const huge = fc
      .oneof(
        fc.maxSafeNat(),
        fc.integer({ min: 0, max: 3000 }).map((less) => Number.MAX_SAFE_INTEGER - less),
      )
      .map(msat);
    fc.assert(
      fc.property(
        huge,
        huge,
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.constantFrom("msat" as const, "sat" as const),
        fc.option(cap),
        (amountMsat, floorMsat, ppm, granularity, totalMsat) => {
          const wide: Policy = { ...FREE, fee: { floorMsat, ppm }, ...(totalMsat === null ? {} : { totalMsat }) };
          const held = [{ at: NOW, totalMsat: Number.MAX_SAFE_INTEGER, open: true, host: "a.example", port: 443 }];
          const decision = decided(layer("wallet", wide, held), layer("budget", wide), { amountMsat, granularity });
          if (totalMsat !== null) expect(decision.kind).toBe("deny");
          else if (decision.kind === "allow")
            expect(BigInt(decision.chargeMsat) + BigInt(decision.maxFeeMsat)).toBeLessThanOrEqual(BigInt(Number.MAX_SAFE_INTEGER));
          else expect(["amount_over_cap", "fee_over_cap", "invoice_amountless"]).toContain(word(decision));
        },
      ),
    );
  });
});
