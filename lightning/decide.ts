/**
 * May this invoice be paid? The one place where a spending decision is made; pure and synchronous, so that it runs inside
 * the transaction that reserves the money. It asks the wallet's policy and the budget's, and the narrower wins.
 * The invoice is the price (invariant 7): what is compared is the BOLT11 amount plus the most that the route may cost.
 */
import type { Code } from "./errors.ts";
import { add, ceilToSat, floorToSat, formatSats, MAX_MSAT, msat, type Msat } from "./msat.ts";
import type { FeeCap, HostPolicy, Policy, SubjectCaps, WindowCaps } from "./policy.ts";
import type { Network } from "./bolt11.ts";
import { blocksHost, matchesHost } from "./url.ts";

/** What one holder (a wallet, a budget, either at one host) has already spent. Open payments count in every window (invariant 3). */
export interface LedgerView {
  /** Reserved and not yet settled: amounts with their fee reserves. */
  readonly openMsat: Msat;
  /** Settled payments whose reservation fell at or after `start` (epoch ms), fees included. `null`: since ever. */
  settledSince(start: number | null): Msat;
  /** Payments reserved at or after `start`, open or settled. */
  paymentsSince(start: number): number;
}

/** One policy and the books it is held against. */
export interface Layer {
  readonly holder: "wallet" | "budget";
  readonly policy: Policy;
  readonly ledger: LedgerView;
  /** The same holder's books at hosts that `pattern` names. */
  readonly host: (pattern: string) => LedgerView;
}

/** What one end user or run may spend, out of the caller's budget. */
export interface SubjectLayer {
  readonly caps: SubjectCaps;
  readonly ledger: LedgerView;
}

export interface Switches {
  readonly globalPause: boolean;
  readonly ownerKillSwitch: boolean;
  readonly wallet: "active" | "disabled" | "paused";
  readonly budgetDisabled: boolean;
  /** The control plane's epoch for this wallet is higher than ours. */
  readonly superseded: boolean;
}

export interface SpendRequest {
  readonly host: string;
  readonly port: number;
  /** The invoice's own amount. */
  readonly amountMsat: Msat;
  readonly network: Network;
  /** Epoch ms. */
  readonly expiresAt: number;
  readonly binding: "verified" | "unverified";
  /** The caller's own limit for amount and fee together. */
  readonly callLimitMsat: Msat | null;
  /** `sat`: what leaves the wallet is rounded up to whole satoshi. */
  readonly granularity: "msat" | "sat";
  /** What a person has granted for this very request, amount and fee together (invariant 18); it stands for the question, and for no cap. */
  readonly grantedMsat?: Msat | null;
  /** Null: the caller named no subject, or its budget has no caps for them. */
  readonly subject?: SubjectLayer | null;
}

export type Decision =
  | { readonly kind: "allow"; readonly chargeMsat: Msat; readonly maxFeeMsat: Msat }
  | { readonly kind: "ask"; readonly because: "amount" | "host"; readonly chargeMsat: Msat; readonly maxFeeMsat: Msat }
  | { readonly kind: "deny"; readonly code: Code; readonly detail: string };

const deny = (code: Code, detail: string): Decision => ({ kind: "deny", code, detail });

/** What the switches say to new money, or null. `null` switches: the state could not be read, and that denies (invariant 10). */
export function checkSwitches(switches: Switches | null): { readonly code: Code; readonly detail: string } | null {
  if (switches === null)
    return { code: "control_plane_unavailable", detail: "the security state is older than 5 s and could not be read again" };
  if (switches.globalPause) return { code: "global_pause_active", detail: "all payments of this deployment are paused" };
  if (switches.ownerKillSwitch) return { code: "owner_kill_switch_active", detail: "the owner has stopped all payments" };
  if (switches.superseded) return { code: "spender_superseded", detail: "the control plane names a later spender for this wallet" };
  if (switches.wallet === "disabled") return { code: "wallet_disabled", detail: "this wallet is disabled" };
  if (switches.wallet === "paused") return { code: "wallet_paused", detail: "this wallet is paused until an operator has looked" };
  if (switches.budgetDisabled) return { code: "budget_disabled", detail: "this budget is disabled" };
  return null;
}

export type HostVerdict = "allow" | "ask" | "host_blocked" | "host_not_allowlisted";

/** One host policy's word about one host. A block wins over everything; an empty allowlist allows nothing (invariant 12). */
export function checkHost(hosts: HostPolicy, host: string, port: number): HostVerdict {
  if (hosts.block.some((pattern) => blocksHost(pattern, host, port))) return "host_blocked";
  if (hosts.mode === "any_public" || hosts.allow.some((pattern) => matchesHost(pattern, host, port))) return "allow";
  return hosts.unknown === "ask" ? "ask" : "host_not_allowlisted";
}

/** The strictest word of several policies. */
export function checkHosts(policies: readonly HostPolicy[], host: string, port: number): HostVerdict {
  const order: readonly HostVerdict[] = ["host_blocked", "host_not_allowlisted", "ask", "allow"];
  const verdicts = policies.map((policy) => checkHost(policy, host, port));
  return order.find((verdict) => verdicts.includes(verdict)) ?? "host_not_allowlisted";
}

/** The most a route may cost for this amount: the larger of floor and share. */
export function maxFee(cap: FeeCap, amount: Msat): Msat {
  // Two safe integers may multiply past 2^53; BigInt keeps the share exact, rounded up.
  const share = Number((BigInt(amount) * BigInt(cap.ppm) + 999_999n) / 1_000_000n);
  return msat(Math.max(cap.floorMsat, share));
}

/** A larger amount cannot be rounded up to a satoshi and still be counted. An invoice may ask for it: it is refused, never an exception. */
export const LARGEST = MAX_MSAT - 999;

/** @returns never throws: the amount is a stranger's */
export function decide(
  layers: readonly [wallet: Layer, budget: Layer],
  switches: Switches | null,
  request: SpendRequest,
  now: number,
): Decision {
  const stopped = checkSwitches(switches);
  if (stopped !== null) return deny(stopped.code, stopped.detail);
  if (request.amountMsat === 0) return deny("invoice_amountless", "an invoice for nothing is not paid");
  if (request.amountMsat > LARGEST) return deny("amount_over_cap", "the invoice asks for more than can be counted");
  if (request.expiresAt <= now) return deny("invoice_expired", "the invoice has expired");

  const hostWord = checkHosts(
    layers.map((layer) => layer.policy.hosts),
    request.host,
    request.port,
  );
  if (hostWord === "host_blocked" || hostWord === "host_not_allowlisted") return deny(hostWord, `${request.host}:${request.port}`);

  const charge = request.granularity === "sat" ? ceilToSat(request.amountMsat) : request.amountMsat;
  let fee: Msat | null = null;
  for (const { policy } of layers) {
    if (policy.network !== request.network)
      return deny("invoice_network_mismatch", `the invoice is for ${request.network}, the policy for ${policy.network}`);
    if (request.binding === "unverified" && policy.opaqueTokens === "deny")
      return deny("opaque_token_refused", "the token's payment hash cannot be read");
    const cap = maxFee(policy.fee, charge);
    fee = fee === null || cap < fee ? cap : fee;
  }
  // Rounded down: a fee that leaves in whole satoshi must not exceed a cap that lies between two of them.
  const reserve = fee === null ? msat(0) : request.granularity === "sat" ? floorToSat(fee) : fee;
  if (reserve > MAX_MSAT - charge) return deny("fee_over_cap", "amount and highest fee together are more than can be counted");
  const total = add(charge, reserve);

  if (request.callLimitMsat !== null && total > request.callLimitMsat) {
    return deny(
      "amount_over_call_limit",
      `${formatSats(total)} with the fee reserve, the call allows ${formatSats(request.callLimitMsat)}`,
    );
  }
  for (const layer of layers) {
    const refused = checkLayer(layer, request, total, now);
    if (refused !== null) return refused;
  }
  const subject = request.subject ?? null;
  if (subject !== null) {
    const { caps, ledger } = subject;
    if (caps.perPaymentMsat !== undefined && total > caps.perPaymentMsat)
      return deny(
        "subject_cap_exceeded",
        `${formatSats(total)} with the fee reserve, a subject is allowed ${formatSats(caps.perPaymentMsat)} a payment`,
      );
    const full = firstFullWindow(caps, ledger, total, now);
    if (full !== null) return deny("subject_cap_exceeded", `${formatSats(total)} more would exceed the subject's cap for ${full}`);
  }
  const granted = (request.grantedMsat ?? null) !== null && total <= (request.grantedMsat ?? 0);
  const asks = layers.some(({ policy }) => policy.approvalAboveMsat !== undefined && total >= policy.approvalAboveMsat);
  if ((asks || hostWord === "ask") && !granted)
    return { kind: "ask", because: asks ? "amount" : "host", chargeMsat: charge, maxFeeMsat: reserve };
  return { kind: "allow", chargeMsat: charge, maxFeeMsat: reserve };
}

function checkLayer({ holder, policy, ledger, host }: Layer, request: SpendRequest, total: Msat, now: number): Decision | null {
  if (policy.perPaymentMsat !== undefined && total > policy.perPaymentMsat) {
    return deny(
      "amount_over_cap",
      `${formatSats(total)} with the fee reserve, the ${holder} allows ${formatSats(policy.perPaymentMsat)} a payment`,
    );
  }
  if (policy.paymentsPerMinute !== undefined && ledger.paymentsSince(now - 60_000) >= policy.paymentsPerMinute) {
    return deny("payment_rate_exceeded", `the ${holder} allows ${policy.paymentsPerMinute} payments a minute`);
  }
  const window = firstFullWindow(policy, ledger, total, now);
  if (window !== null)
    return deny(
      holder === "wallet" ? "window_cap_exceeded" : "budget_exceeded",
      `${formatSats(total)} more would exceed the ${holder}'s cap for ${window}`,
    );
  for (const caps of policy.perHost ?? []) {
    if (!matchesHost(caps.host, request.host, request.port)) continue;
    if (caps.perPaymentMsat !== undefined && total > caps.perPaymentMsat)
      return deny(
        "host_cap_exceeded",
        `${formatSats(total)} with the fee reserve, ${caps.host} is allowed ${formatSats(caps.perPaymentMsat)} a payment`,
      );
    const full = firstFullWindow(caps, host(caps.host), total, now);
    if (full !== null) return deny("host_cap_exceeded", `${formatSats(total)} more would exceed the cap of ${caps.host} for ${full}`);
  }
  return null;
}

/** The name of the first window that `total` more would overfill, or null. */
function firstFullWindow(caps: WindowCaps, ledger: LedgerView, total: Msat, now: number): string | null {
  const windows: readonly (readonly [name: string, cap: Msat | undefined, start: number | null])[] = [
    ["the hour", caps.hourMsat, hourStart(now)],
    ["the day", caps.dayMsat, dayStart(now)],
    ["the month", caps.monthMsat, monthStart(now)],
    ["all time", caps.totalMsat, null],
    ...(caps.rolling ?? []).map(({ windowMs, capMsat }) => [`the last ${windowMs} ms`, capMsat, now - windowMs] as const),
  ];
  for (const [name, cap, start] of windows) {
    if (cap !== undefined && ledger.settledSince(start) + ledger.openMsat + total > cap) return name;
  }
  return null;
}

export const HOUR = 3_600_000;
export const hourStart = (now: number): number => now - (now % HOUR);
export const dayStart = (now: number): number => now - (now % (24 * HOUR));
export const monthStart = (now: number): number => {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
};
