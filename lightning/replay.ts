/**
 * Policy dry run: what a new policy would have said to the payments that were made. They are put to `decide` again, in the order of
 * their reservations, against books rebuilt from the receipts alone; what would have been refused is left out of the books from then on.
 * Counting every earlier payment with what it did cost is never stricter than the vault was: while a payment is open the vault counts
 * its whole fee reserve. So the policy in force refuses nothing that it allowed, as far as receipts can tell; what they cannot is said.
 */
import type { ReceiptRecord } from "./control-plane.ts";
import { decide, type Layer, type LedgerView, type Switches } from "./decide.ts";
import type { Code } from "./errors.ts";
import { MAX_MSAT, ZERO, add, formatSats, msat, type Msat } from "./msat.ts";
import type { Policy } from "./policy.ts";
import type { Receipt } from "./receipt.ts";
import { granularityOf, paidMsat } from "./receipt-money.ts";
import { matchesHost } from "./url.ts";

/** One payment that was made, and why the new policy stops at it. */
export interface Replayed {
  readonly receiptId: string;
  readonly purchaseId: string;
  readonly code: Code;
  readonly detail: string;
}

export interface Replay {
  readonly refused: readonly Replayed[];
  /** A person would have been asked. Each was paid, so each is taken as approved and counted. */
  readonly asked: readonly Replayed[];
  /** Allowed, but it cost a higher fee than this policy would have reserved: without another route it would have failed. Counted. */
  readonly doubtful: readonly Replayed[];
  /** Payments that would have gone through: `asked` and `doubtful` are among them. */
  readonly allowed: number;
  /** Amounts and fees together. */
  readonly spent: { readonly madeMsat: Msat; readonly allowedMsat: Msat };
  /** What receipts cannot tell, in words. */
  readonly unknowable: readonly string[];
}

interface Payment {
  readonly record: ReceiptRecord;
  readonly receipt: Receipt;
  /** Epoch ms of the first receipt that speaks of this payment: the nearest to its reservation that receipts have. */
  readonly at: number;
  readonly host: string;
  readonly port: number;
  readonly amountMsat: Msat;
  readonly granularity: "msat" | "sat";
  readonly feeMsat: Msat;
  /** What left the wallet. */
  readonly totalMsat: Msat;
}

const CLEAR: Switches = { globalPause: false, ownerKillSwitch: false, wallet: "active", budgetDisabled: false, superseded: false };

/**
 * @param policy the wallet's @param budgets by name; a budget that is missing narrows nothing
 * @param records the wallet's, in chain order @param only judge this budget's payments alone; the others' stay in the wallet's books
 * @throws RangeError when the amounts together pass 2^53 msat: no wallet's receipts do
 */
export function replay(
  policy: Policy,
  budgets: ReadonlyMap<string, Policy> | null,
  records: Iterable<ReceiptRecord>,
  only: string | null = null,
): Replay {
  const { payments, unsettled } = paymentsOf(records);
  const books = new Books();
  const refused: Replayed[] = [];
  const asked: Replayed[] = [];
  const doubtful: Replayed[] = [];
  let made = ZERO;
  let allowedMsat = ZERO;
  let allowed = 0;
  for (const payment of payments) {
    const { receipt, record, totalMsat } = payment;
    const budget = budgets?.get(receipt.budget) ?? unlimited(policy);
    const say = (code: Code, detail: string): Replayed => ({ receiptId: record.receiptId, purchaseId: receipt.purchaseId, code, detail });
    if (only !== null && receipt.budget !== only) {
      books.enter(payment);
      continue;
    }
    made = add(made, totalMsat);
    const verdict = decideAgain(policy, budget, books, payment);
    if (verdict.kind === "deny") {
      refused.push(say(verdict.code, verdict.detail));
      continue;
    }
    if (verdict.kind === "ask")
      asked.push(
        say(
          "approval_required",
          verdict.because === "host" ? `${payment.host}:${payment.port} is not listed` : "at or above the approval threshold",
        ),
      );
    if (payment.feeMsat > verdict.maxFeeMsat)
      doubtful.push(
        say(
          "fee_over_cap",
          `it cost a fee of ${formatSats(payment.feeMsat)}, and ${formatSats(verdict.maxFeeMsat)} would have been reserved`,
        ),
      );
    books.enter(payment);
    allowed += 1;
    allowedMsat = add(allowedMsat, totalMsat);
  }
  return { refused, asked, doubtful, allowed, spent: { madeMsat: made, allowedMsat }, unknowable: unknowable(payments, unsettled) };
}

function decideAgain(policy: Policy, budget: Policy, books: Books, payment: Payment): ReturnType<typeof decide> {
  const { receipt, host, port, amountMsat, at, granularity } = payment;
  const caps = budget.perSubject;
  const layers: readonly [Layer, Layer] = [
    { holder: "wallet", policy, ledger: books.view("wallet"), host: (pattern) => books.hostView("wallet", pattern) },
    {
      holder: "budget",
      policy: budget,
      ledger: books.view(`budget/${receipt.budget}`),
      host: (pattern) => books.hostView(`budget/${receipt.budget}`, pattern),
    },
  ];
  return decide(
    layers,
    CLEAR,
    {
      host,
      port,
      amountMsat,
      network: policy.network,
      // It was paid, so it had not expired; the caller's own limit allowed it, too.
      expiresAt: at + 1,
      callLimitMsat: null,
      binding: receipt.binding ?? "verified",
      granularity,
      subject: caps === undefined || receipt.subject === null ? null : { caps, ledger: books.view(subjectHolder(receipt)) },
    },
    at,
  );
}

const subjectHolder = ({ budget, subject }: Receipt): string => `subject/${budget}/${subject ?? ""}`;

/** One payment a purchase, in the order of their reservations. */
function paymentsOf(records: Iterable<ReceiptRecord>): { readonly payments: readonly Payment[]; readonly unsettled: number } {
  const first = new Map<string, number>();
  const open = new Set<string>();
  const payments = new Map<string, Payment>();
  for (const record of records) {
    const { receipt } = record;
    const { purchaseId, amountMsat, maxFeeMsat, feeMsat } = receipt;
    const url = URL.parse(receipt.origin);
    // A fee reserve says that money was set aside; a withdrawal's origin names no host, and it counts in nobody's books.
    if (amountMsat === null || maxFeeMsat === null || url === null || url.hostname === "") continue;
    const at = first.get(purchaseId) ?? Date.parse(receipt.at);
    first.set(purchaseId, at);
    if (receipt.kind === "unknown") open.add(purchaseId);
    else open.delete(purchaseId);
    const totalMsat = paidMsat(receipt);
    if (totalMsat === null || payments.has(purchaseId)) continue;
    payments.set(purchaseId, {
      record,
      receipt,
      at,
      host: url.hostname,
      port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
      amountMsat,
      granularity: granularityOf(receipt),
      feeMsat: feeMsat ?? ZERO,
      totalMsat,
    });
  }
  // Stable: what fell into one millisecond stays in chain order.
  return { payments: [...payments.values()].sort((a, b) => a.at - b.at), unsettled: open.size };
}

/** A layer that says yes to everything the wallet's own says yes to. */
function unlimited({ network }: Policy): Policy {
  return {
    hosts: { mode: "any_public", allow: [], block: [], unknown: "ask" },
    fee: { floorMsat: MAX_MSAT, ppm: 0 },
    opaqueTokens: "allow",
    network,
  };
}

/** Sums by the instant of entry, which never falls: any window is one binary search. */
class Series implements LedgerView {
  readonly openMsat = ZERO;
  readonly #at: number[] = [];
  /** Before the entry of the same index. */
  readonly #before: Msat[] = [];
  #sum = ZERO;

  enter(at: number, totalMsat: Msat): void {
    this.#at.push(at);
    this.#before.push(this.#sum);
    this.#sum = add(this.#sum, totalMsat);
  }

  settledSince(start: number | null): Msat {
    return msat(this.#sum - (start === null ? 0 : (this.#before[this.#first(start)] ?? this.#sum)));
  }

  paymentsSince(start: number): number {
    return this.#at.length - this.#first(start);
  }

  /** Index of the first entry at or after `start`. */
  #first(start: number): number {
    let low = 0;
    let high = this.#at.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#at[middle] ?? Infinity) < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const EMPTY = new Series();

class Books {
  readonly #holders = new Map<string, Series>();
  readonly #hosts = new Map<string, Map<string, { readonly host: string; readonly port: number; readonly series: Series }>>();

  enter(payment: Payment): void {
    const { receipt, host, port, at, totalMsat } = payment;
    const owners = ["wallet", `budget/${receipt.budget}`];
    for (const holder of receipt.subject === null ? owners : [...owners, subjectHolder(receipt)]) {
      const series = this.#holders.get(holder) ?? new Series();
      this.#holders.set(holder, series);
      series.enter(at, totalMsat);
    }
    for (const owner of owners) {
      const hosts = this.#hosts.get(owner) ?? new Map<string, { host: string; port: number; series: Series }>();
      this.#hosts.set(owner, hosts);
      const known = hosts.get(`${host}:${port}`) ?? { host, port, series: new Series() };
      hosts.set(`${host}:${port}`, known);
      known.series.enter(at, totalMsat);
    }
  }

  view(holder: string): LedgerView {
    return this.#holders.get(holder) ?? EMPTY;
  }

  hostView(owner: string, pattern: string): LedgerView {
    const mine = [...(this.#hosts.get(owner)?.values() ?? [])]
      .filter(({ host, port }) => matchesHost(pattern, host, port))
      .map(({ series }) => series);
    return {
      openMsat: ZERO,
      settledSince: (start) => add(...mine.map((series) => series.settledSince(start))),
      paymentsSince: (start) => mine.reduce((sum, series) => sum + series.paymentsSince(start), 0),
    };
  }
}

function unknowable(payments: readonly Payment[], unsettled: number): readonly string[] {
  const lines = [
    "Only payments that were made are replayed: what was refused at the time and would be allowed now leaves no price behind.",
    "A receipt carries the instant of its outcome, not of its reservation: a payment made within seconds of the end of a window may be counted in the next one.",
    "Approvals: what would have been asked is listed and counted as approved.",
    "Callers' own limits, switches and invoice expiry are taken as they were: they allowed what was paid.",
    "Receipts do not name the network; all payments are taken to be on the policy's.",
  ];
  if (payments.some(({ receipt }) => receipt.binding === null))
    lines.push("Some payments do not say whether their token was bound to the invoice; they are taken as bound.");
  if (unsettled > 0) lines.push(`${unsettled} payments whose outcome is not known are left out, though the vault counts them as spent.`);
  return lines;
}
