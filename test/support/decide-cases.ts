/**
 * Cases for the tests of `decide`: policies, payments and requests by chance, books that are counted naively, and an oracle that shares
 * nothing with the windows of decide.ts.
 */
import fc from "fast-check";
import { decide, type Decision, type Layer, type LedgerView, type SpendRequest, type Switches } from "../../lightning/decide.ts";
import { msat, type Msat } from "../../lightning/msat.ts";
import type { Policy, WindowCaps } from "../../lightning/policy.ts";
import { matchesHost } from "../../lightning/url.ts";

// 2027-03-01T00:30:00Z: the hour, the day and the month before are all within the reach of a test's payments.
export const NOW = Date.UTC(2027, 2, 1, 0, 30);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const HOSTS = ["a.example", "b.example"] as const;

export interface Payment {
  readonly at: number;
  readonly totalMsat: number;
  readonly open: boolean;
  readonly host: string;
  readonly port: number;
}

export const OFF: Switches = { globalPause: false, ownerKillSwitch: false, wallet: "active", budgetDisabled: false, superseded: false };
export const REQUEST: SpendRequest = {
  host: "a.example",
  port: 443,
  amountMsat: 1000 as Msat,
  network: "regtest",
  expiresAt: NOW + HOUR,
  binding: "verified",
  callLimitMsat: null,
  granularity: "msat",
};
export const FREE: Policy = {
  hosts: { mode: "any_public", allow: [], block: [], unknown: "deny" },
  fee: { floorMsat: 0 as Msat, ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};

export function books(payments: readonly Payment[]): LedgerView {
  const sum = (kept: readonly Payment[]): Msat => kept.reduce((total, { totalMsat }) => total + totalMsat, 0) as Msat;
  return {
    openMsat: sum(payments.filter(({ open }) => open)),
    settledSince: (start) => sum(payments.filter(({ open, at }) => !open && (start === null || at >= start))),
    paymentsSince: (start) => payments.filter(({ at }) => at >= start).length,
  };
}

export function layer(holder: "wallet" | "budget", policy: Policy, payments: readonly Payment[] = []): Layer {
  return {
    holder,
    policy,
    ledger: books(payments),
    host: (pattern) => books(payments.filter(({ host, port }) => matchesHost(pattern, host, port))),
  };
}

export const decided = (wallet: Layer, budget: Layer, request: Partial<SpendRequest> = {}, switches: Switches | null = OFF): Decision =>
  decide([wallet, budget], switches, { ...REQUEST, ...request }, NOW);
export const word = (decision: Decision): string => (decision.kind === "deny" ? decision.code : decision.kind);

/**
 * The oracle: written without the windows of decide.ts. A calendar window is a common beginning of two instants as text,
 * and all sums are BigInt.
 */
export function forbids(
  caps: WindowCaps & { readonly perPaymentMsat?: Msat },
  payments: readonly Payment[],
  totalMsat: number,
): string | null {
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
export function oracle(policy: Policy, payments: readonly Payment[], request: SpendRequest, totalMsat: number): string | null {
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

export const small = fc.nat(6000).map(msat);
// Generous most of the time, so that a payment often passes all of its many caps; tight or absurd now and then.
export const cap = fc
  .oneof(
    { weight: 6, arbitrary: fc.integer({ min: 15_000, max: 90_000 }) },
    { weight: 1, arbitrary: fc.nat(30_000) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER) },
  )
  .map(msat);
export const at = fc
  .oneof(fc.nat(2 * MINUTE), fc.nat(3 * HOUR), fc.nat(40 * DAY), fc.constantFrom(0, MINUTE, 30 * MINUTE, 30 * MINUTE + 1, HOUR))
  .map((ago) => NOW - ago);
export const payment: fc.Arbitrary<Payment> = fc.record({
  at,
  totalMsat: fc.nat(6000),
  open: fc.boolean(),
  host: fc.constantFrom(...HOSTS),
  port: fc.constantFrom(443, 8443),
});
export const payments = fc.array(payment, { maxLength: 8 });
export const windows = {
  hourMsat: cap,
  dayMsat: cap,
  monthMsat: cap,
  totalMsat: cap,
  perPaymentMsat: cap,
  rolling: fc.array(fc.record({ windowMs: fc.constantFrom(1000, MINUTE, HOUR, 31 * DAY), capMsat: cap }), { maxLength: 2 }),
};
export const policy: fc.Arbitrary<Policy> = fc.record(
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
export const request: fc.Arbitrary<SpendRequest> = fc.record({
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
export const anyCase = fc.record({ wallet: policy, budget: policy, paid: payments, others: payments, request });
