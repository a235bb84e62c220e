import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkHost,
  checkHosts,
  checkSwitches,
  dayStart,
  decide,
  hourStart,
  maxFee,
  monthStart,
  type Decision,
  type Layer,
  type LedgerView,
  type SpendRequest,
  type Switches,
} from "./decide.ts";
import { MAX_MSAT, msat, type Msat } from "./msat.ts";
import type { FeeCap, HostPolicy, Policy, WindowCaps } from "./policy.ts";
import { matchesHost } from "./url.ts";

// 2027-03-01T00:30:00Z: the hour, the day and the month before are all within the reach of a test's payments.
const NOW = Date.UTC(2027, 2, 1, 0, 30);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const HOSTS = ["a.example", "b.example"] as const;

interface Payment {
  readonly at: number;
  readonly totalMsat: number;
  readonly open: boolean;
  readonly host: string;
  readonly port: number;
}

const OFF: Switches = { globalPause: false, ownerKillSwitch: false, wallet: "active", budgetDisabled: false, superseded: false };
const REQUEST: SpendRequest = {
  host: "a.example",
  port: 443,
  amountMsat: 1000 as Msat,
  network: "regtest",
  expiresAt: NOW + HOUR,
  binding: "verified",
  callLimitMsat: null,
  granularity: "msat",
};
const FREE: Policy = {
  hosts: { mode: "any_public", allow: [], block: [], unknown: "deny" },
  fee: { floorMsat: 0 as Msat, ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};

function books(payments: readonly Payment[]): LedgerView {
  const sum = (kept: readonly Payment[]): Msat => kept.reduce((total, { totalMsat }) => total + totalMsat, 0) as Msat;
  return {
    openMsat: sum(payments.filter(({ open }) => open)),
    settledSince: (start) => sum(payments.filter(({ open, at }) => !open && (start === null || at >= start))),
    paymentsSince: (start) => payments.filter(({ at }) => at >= start).length,
  };
}

function layer(holder: "wallet" | "budget", policy: Policy, payments: readonly Payment[] = []): Layer {
  return {
    holder,
    policy,
    ledger: books(payments),
    host: (pattern) => books(payments.filter(({ host, port }) => matchesHost(pattern, host, port))),
  };
}

const decided = (wallet: Layer, budget: Layer, request: Partial<SpendRequest> = {}, switches: Switches | null = OFF): Decision =>
  decide([wallet, budget], switches, { ...REQUEST, ...request }, NOW);
const word = (decision: Decision): string => (decision.kind === "deny" ? decision.code : decision.kind);

/**
 * The oracle: written without the windows of decide.ts. A calendar window is a common beginning of two instants as text,
 * and all sums are BigInt.
 */
function forbids(caps: WindowCaps & { readonly perPaymentMsat?: Msat }, payments: readonly Payment[], totalMsat: number): string | null {
  const text = (at: number, length: number): string => new Date(at).toISOString().slice(0, length);
  const held = (inWindow: (payment: Payment) => boolean): bigint =>
    payments.reduce((sum, payment) => (payment.open || inWindow(payment) ? sum + BigInt(payment.totalMsat) : sum), BigInt(totalMsat));
  const over = (cap: Msat | undefined, inWindow: (payment: Payment) => boolean): boolean =>
    cap !== undefined && held(inWindow) > BigInt(cap);
  if (caps.perPaymentMsat !== undefined && totalMsat > caps.perPaymentMsat) return "payment";
  if (over(caps.hourMsat, ({ at }) => text(at, 13) === text(NOW, 13))) return "hour";
  if (over(caps.dayMsat, ({ at }) => text(at, 10) === text(NOW, 10))) return "day";
  if (over(caps.monthMsat, ({ at }) => text(at, 7) === text(NOW, 7))) return "month";
  if (over(caps.totalMsat, () => true)) return "total";
  if ((caps.rolling ?? []).some(({ windowMs, capMsat }) => over(capMsat, ({ at }) => NOW - at <= windowMs))) return "rolling";
  return null;
}

/** The first word of `policy` against a payment of `totalMsat`, hosts and switches aside. */
function oracle(policy: Policy, payments: readonly Payment[], request: SpendRequest, totalMsat: number): string | null {
  if (policy.paymentsPerMinute !== undefined && payments.filter(({ at }) => NOW - at <= MINUTE).length >= policy.paymentsPerMinute)
    return "rate";
  const whole = forbids(policy, payments, totalMsat);
  if (whole !== null) return whole;
  for (const caps of policy.perHost ?? []) {
    const [host, port = "443"] = caps.host.split(":");
    if (host !== request.host || Number(port) !== request.port) continue;
    const full = forbids(
      caps,
      payments.filter((payment) => payment.host === host && payment.port === Number(port)),
      totalMsat,
    );
    if (full !== null) return `host ${full}`;
  }
  return null;
}

const small = fc.nat(6000).map(msat);
// Generous most of the time, so that a payment often passes all of its many caps; tight or absurd now and then.
const cap = fc
  .oneof(
    { weight: 6, arbitrary: fc.integer({ min: 15_000, max: 90_000 }) },
    { weight: 1, arbitrary: fc.nat(30_000) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER) },
  )
  .map(msat);
const at = fc
  .oneof(fc.nat(2 * MINUTE), fc.nat(3 * HOUR), fc.nat(40 * DAY), fc.constantFrom(0, MINUTE, 30 * MINUTE, 30 * MINUTE + 1, HOUR))
  .map((ago) => NOW - ago);
const payment: fc.Arbitrary<Payment> = fc.record({
  at,
  totalMsat: fc.nat(6000),
  open: fc.boolean(),
  host: fc.constantFrom(...HOSTS),
  port: fc.constantFrom(443, 8443),
});
const payments = fc.array(payment, { maxLength: 8 });
const windows = {
  hourMsat: cap,
  dayMsat: cap,
  monthMsat: cap,
  totalMsat: cap,
  perPaymentMsat: cap,
  rolling: fc.array(fc.record({ windowMs: fc.constantFrom(1000, MINUTE, HOUR, 31 * DAY), capMsat: cap }), { maxLength: 2 }),
};
const policy: fc.Arbitrary<Policy> = fc.record(
  {
    ...windows,
    paymentsPerMinute: fc.integer({ min: 1, max: 12 }),
    approvalAboveMsat: cap,
    perHost: fc.array(
      fc.record({ ...windows, host: fc.constantFrom("a.example", "a.example:8443", "b.example") }, { requiredKeys: ["host"] }),
      { maxLength: 2 },
    ),
    hosts: fc.constant(FREE.hosts),
    fee: fc.record({ floorMsat: small, ppm: fc.integer({ min: 0, max: 1_000_000 }) }),
    opaqueTokens: fc.constant("deny" as const),
    network: fc.constant("regtest" as const),
  },
  { requiredKeys: ["hosts", "fee", "opaqueTokens", "network"] },
);
const request: fc.Arbitrary<SpendRequest> = fc.record({
  host: fc.constantFrom(...HOSTS),
  port: fc.constantFrom(443, 8443),
  amountMsat: fc.integer({ min: 1, max: 6000 }).map(msat),
  network: fc.constant("regtest" as const),
  expiresAt: fc.constant(NOW + 1),
  binding: fc.constant("verified" as const),
  callLimitMsat: fc.option(fc.nat(30_000).map(msat)),
  granularity: fc.constantFrom("msat" as const, "sat" as const),
});
/** Most random caps forbid; a policy in which few are set lets both words happen often. */
const case_ = fc.record({ wallet: policy, budget: policy, paid: payments, others: payments, request });

describe("decide", () => {
  it("invariant 3: allows exactly what no cap of either layer forbids, against books counted naively", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(case_, ({ wallet, budget, paid, others, request }) => {
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
      fc.property(case_, ({ wallet, budget, paid, others, request }) => {
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
      fc.property(case_, lowered, fc.boolean(), ({ wallet, budget, paid, others, request }, how, which) => {
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
      fc.property(case_, fc.nat(12_000).map(msat), ({ wallet, budget, request }, limit) => {
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
      fc.property(case_, subjectCaps, payments, ({ wallet, budget, paid, others, request }, caps, its) => {
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
      fc.property(case_, fc.nat(12_000).map(msat), ({ wallet, budget, paid, others, request }, grantedMsat) => {
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

describe("what stops before any cap", () => {
  const open = [layer("wallet", FREE), layer("budget", FREE)] as const;

  it.each([
    [{ globalPause: true }, "global_pause_active"],
    [{ ownerKillSwitch: true }, "owner_kill_switch_active"],
    [{ wallet: "disabled" }, "wallet_disabled"],
    [{ wallet: "paused" }, "wallet_paused"],
    [{ budgetDisabled: true }, "budget_disabled"],
    [{ superseded: true }, "spender_superseded"],
  ] as const)("invariant 11: the switch %j denies with %s", (on, code) => {
    expect(word(decided(...open))).toBe("allow");
    expect(word(decided(...open, {}, { ...OFF, ...on }))).toBe(code);
    expect(checkSwitches({ ...OFF, ...on })?.code).toBe(code);
  });

  it("invariant 11: any switch, in whatever company, denies", () => {
    const switches = fc.record({
      globalPause: fc.boolean(),
      ownerKillSwitch: fc.boolean(),
      wallet: fc.constantFrom("active" as const, "disabled" as const, "paused" as const),
      budgetDisabled: fc.boolean(),
      superseded: fc.boolean(),
    });
    fc.assert(
      fc.property(switches, case_, (on, { wallet, budget, paid, request }) => {
        const any = on.globalPause || on.ownerKillSwitch || on.wallet !== "active" || on.budgetDisabled || on.superseded;
        expect(checkSwitches(on) !== null).toBe(any);
        if (any) expect(decide([layer("wallet", wallet, paid), layer("budget", budget, paid)], on, request, NOW).kind).toBe("deny");
      }),
    );
  });

  it("invariant 10: switches that could not be read deny", () => {
    expect(word(decided(...open, {}, null))).toBe("control_plane_unavailable");
  });

  it("invariant 7: an invoice for nothing, an expired one and one for another network are refused", () => {
    expect(word(decided(...open, { amountMsat: 0 as Msat }))).toBe("invoice_amountless");
    expect(word(decided(...open, { expiresAt: NOW }))).toBe("invoice_expired");
    expect(word(decided(...open, { expiresAt: NOW + 1 }))).toBe("allow");
    expect(word(decided(...open, { network: "mainnet" }))).toBe("invoice_network_mismatch");
    expect(word(decided(layer("wallet", FREE), layer("budget", { ...FREE, network: "mainnet" })))).toBe("invoice_network_mismatch");
  });

  it("invariant 8: an opaque token needs the word of both layers", () => {
    const lax: Policy = { ...FREE, opaqueTokens: "allow" };
    expect(word(decided(layer("wallet", lax), layer("budget", FREE), { binding: "unverified" }))).toBe("opaque_token_refused");
    expect(word(decided(layer("wallet", FREE), layer("budget", lax), { binding: "unverified" }))).toBe("opaque_token_refused");
    expect(word(decided(layer("wallet", lax), layer("budget", lax), { binding: "unverified" }))).toBe("allow");
  });
});

describe("hosts", () => {
  const policyOf = (hosts: Partial<HostPolicy>): HostPolicy => ({ mode: "listed", allow: [], block: [], unknown: "deny", ...hosts });

  it("invariant 12: an empty allowlist allows nothing", () => {
    fc.assert(
      fc.property(
        fc.domain(),
        fc.integer({ min: 1, max: 65535 }),
        fc.constantFrom("deny" as const, "ask" as const),
        (host, port, unknown) => {
          expect(checkHost(policyOf({ unknown }), host, port)).toBe(unknown === "ask" ? "ask" : "host_not_allowlisted");
        },
      ),
    );
  });

  it("invariant 12: a block wins over a listing and over any public host, on every port unless it names one", () => {
    for (const mode of ["listed", "any_public"] as const) {
      expect(checkHost(policyOf({ mode, allow: ["a.example", "a.example:8443"], block: ["a.example"] }), "a.example", 443)).toBe(
        "host_blocked",
      );
      expect(checkHost(policyOf({ mode, allow: ["a.example", "a.example:8443"], block: ["a.example"] }), "a.example", 8443)).toBe(
        "host_blocked",
      );
      expect(checkHost(policyOf({ mode, allow: ["a.example", "a.example:8443"], block: ["a.example:8443"] }), "a.example", 443)).toBe(
        "allow",
      );
      expect(checkHost(policyOf({ mode, allow: ["*.example"], block: ["*.a.example"] }), "x.a.example", 443)).toBe("host_blocked");
    }
  });

  it("invariant 12: any public host is a mode one must choose, and the stricter layer's word stands", () => {
    const any = policyOf({ mode: "any_public" });
    expect(checkHosts([any, any], "z.example", 443)).toBe("allow");
    expect(checkHosts([any, policyOf({ unknown: "ask" })], "z.example", 443)).toBe("ask");
    expect(checkHosts([policyOf({ unknown: "ask" }), policyOf({})], "z.example", 443)).toBe("host_not_allowlisted");
    expect(checkHosts([policyOf({}), policyOf({ mode: "any_public", block: ["z.example"] })], "z.example", 443)).toBe("host_blocked");
    expect(checkHosts([], "z.example", 443)).toBe("host_not_allowlisted");
  });

  it("invariant 12: an unknown host that policy asks about is asked about, not paid", () => {
    const asking: Policy = { ...FREE, hosts: policyOf({ unknown: "ask" }) };
    expect(decided(layer("wallet", FREE), layer("budget", asking))).toMatchObject({ kind: "ask", because: "host" });
    expect(word(decided(layer("wallet", FREE), layer("budget", { ...asking, totalMsat: 1 as Msat })))).toBe("budget_exceeded");
  });
});

describe("maxFee", () => {
  it("is the larger of floor and share, rounded up, exact up to the largest amounts there are", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat().map(msat),
        fc.maxSafeNat().map(msat),
        fc.integer({ min: 0, max: 1_000_000 }),
        (amount, floorMsat, ppm) => {
          const share = (BigInt(amount) * BigInt(ppm)) / 1_000_000n + ((BigInt(amount) * BigInt(ppm)) % 1_000_000n === 0n ? 0n : 1n);
          expect(BigInt(maxFee({ floorMsat, ppm }, amount))).toBe(share > BigInt(floorMsat) ? share : BigInt(floorMsat));
        },
      ),
    );
  });

  it.each([
    [0, 0, 5, 0],
    [0, 1, 0, 0],
    [0, 1, 1, 1],
    [0, 1, 1_000_000, 1],
    [0, 1, 1_000_001, 2],
    [7, 0, 0, 7],
    [0, 1_000_000, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [0, 999_999, Number.MAX_SAFE_INTEGER, 9_007_190_247_541_737],
  ])("floor %d, %d ppm of %d msat: %d", (floor, ppm, amount, fee) => {
    expect(maxFee({ floorMsat: msat(floor), ppm }, msat(amount))).toBe(fee);
  });
});

describe("calendar windows", () => {
  it("begin where an hour, a day and a month begin in UTC", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date("2199-12-31T23:59:59.999Z"), noInvalidDate: true }), (date) => {
        const text = date.toISOString();
        expect(new Date(hourStart(date.getTime())).toISOString()).toBe(`${text.slice(0, 13)}:00:00.000Z`);
        expect(new Date(dayStart(date.getTime())).toISOString()).toBe(`${text.slice(0, 10)}T00:00:00.000Z`);
        expect(new Date(monthStart(date.getTime())).toISOString()).toBe(`${text.slice(0, 7)}-01T00:00:00.000Z`);
      }),
    );
  });
});
