/**
 * A simulated Lightning node: the seller's end (makes invoices, keeps preimages) and the payer's end (a balance, fees, a
 * ledger) of a network with one hop. What makes it worth testing against is what it can be told to do wrong (faults.ts).
 * Memory is bounded on the seller's side only: of the unpaid invoices the newest 50,000 are kept.
 */
import { createHash } from "node:crypto";
import type { Network } from "../lightning/bolt11.ts";
import { add, msat, subtract, ZERO, type Msat } from "../lightning/msat.ts";
import { Faults, type Fault } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import type { LightningNode, NodePayment } from "./lightning-node.ts";
import { mintBolt11 } from "./mint-bolt11.ts";
import type { SandboxPorts } from "./ports.ts";
import { ledgerOf, PaymentBook, type Payment } from "./payment-book.ts";

export interface NodeOptions {
  readonly network: Network;
  readonly balanceMsat: Msat;
  readonly feeBaseMsat?: Msat;
  /** Parts per million of the amount. */
  readonly feePpm?: number;
  /** How long a payment without a fault is in flight, ms. 0 settles it at once. */
  readonly latencyMs?: number;
  /** `false`: invoices carry a dummy signature. Much faster, and refused by whoever recovers the payee's key. */
  readonly signInvoices?: boolean;
}

export interface InvoiceOptions {
  /** null for an invoice without an amount. */
  readonly amountMsat: Msat | null;
  readonly description: string;
  readonly expirySeconds?: number;
  /** Seconds; now when left out. */
  readonly timestamp?: number;
  /** For another network than the node's own: cannot be paid here. */
  readonly network?: Network;
  /** The seller's route, for faults and the ledger. */
  readonly route?: string;
}

export interface Invoice {
  readonly bolt11: string;
  readonly paymentHash: string;
}

interface IssuedInvoice extends Invoice {
  /** Pays into this node's own balance: somebody else's to pay, as no node pays itself. */
  readonly incoming: boolean;
  readonly preimage: string;
  readonly amountMsat: Msat | null;
  readonly expiresAt: number;
  readonly network: Network;
  readonly route: string | null;
}

const DEFAULT_EXPIRY_SECONDS = 3600;
const MAX_UNPAID_INVOICES = 50_000;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export class SimulatedNode implements LightningNode {
  readonly network: Network;
  readonly faults = new Faults();
  readonly #ports: SandboxPorts;
  readonly #options: NodeOptions;
  readonly #nodeSecretKey: Uint8Array;
  readonly #invoices = new Map<string, IssuedInvoice>();
  readonly #book = new PaymentBook();
  #balance: Msat;
  /** Amounts and fees of payments in flight. */
  #locked: Msat = ZERO;

  constructor(ports: SandboxPorts, options: NodeOptions) {
    this.network = options.network;
    this.#ports = ports;
    this.#options = options;
    this.#balance = options.balanceMsat;
    this.#nodeSecretKey = ports.random(32);
  }

  /** The seller's half. @returns a BOLT11 invoice whose preimage stays here until it is paid */
  createInvoice(options: InvoiceOptions): Invoice {
    return this.#issue(options, false);
  }

  /** The payer's own invoice, for money that comes in. */
  // eslint-disable-next-line require-await -- the contract's shape
  async receive({ amountMsat, description }: { readonly amountMsat: Msat; readonly description: string }): Promise<Invoice> {
    return this.#issue({ amountMsat, description }, true);
  }

  /** A stranger pays one of our invoices. @returns whether it was ours, unpaid and not expired */
  payIn(bolt11: string): boolean {
    const invoice = [...this.#invoices.values()].find((issued) => issued.incoming && issued.bolt11 === bolt11.toLowerCase());
    if (invoice === undefined || invoice.amountMsat === null || this.#ports.now() >= invoice.expiresAt) return false;
    this.#invoices.delete(invoice.paymentHash);
    this.#balance = add(this.#balance, invoice.amountMsat);
    return true;
  }

  #issue(options: InvoiceOptions, incoming: boolean): Invoice {
    const preimage = this.#ports.random(32);
    const paymentHash = createHash("sha256").update(preimage).digest("hex");
    const timestamp = options.timestamp ?? Math.floor(this.#ports.now() / 1000);
    const network = options.network ?? this.network;
    const expirySeconds = options.expirySeconds ?? DEFAULT_EXPIRY_SECONDS;
    const bolt11 = mintBolt11({
      network,
      amountMsat: options.amountMsat,
      paymentHash,
      paymentSecret: this.#ports.random(32),
      description: options.description,
      timestamp,
      expirySeconds,
      nodeSecretKey: this.#nodeSecretKey,
      sign: this.#options.signInvoices ?? true,
    });
    const expiresAt = (timestamp + expirySeconds) * 1000;
    this.#invoices.set(paymentHash, {
      bolt11,
      paymentHash,
      preimage: hex(preimage),
      amountMsat: options.amountMsat,
      expiresAt,
      network,
      route: options.route ?? null,
      incoming,
    });
    if (this.#invoices.size > MAX_UNPAID_INVOICES) this.#invoices.delete(this.#invoices.keys().next().value!);
    return { bolt11, paymentHash };
  }

  /** Has this payment hash been paid here? */
  isPaid(paymentHash: string): boolean {
    return this.#book.get(paymentHash)?.state === "settled";
  }

  /** The seller's route that made the invoice, null for a stranger's. */
  routeOf(paymentHash: string): string | null {
    return this.#book.get(paymentHash)?.route ?? this.#invoices.get(paymentHash)?.route ?? null;
  }

  // eslint-disable-next-line require-await -- the contract's shape
  async pay(order: {
    readonly bolt11: string;
    readonly paymentHash: string;
    readonly maxFeeMsat: Msat;
    readonly waitMs: number;
  }): Promise<NodePayment> {
    const known = this.#book.get(order.paymentHash);
    if (known === undefined || known.state === "failed") {
      const payment = this.#book.begin(order.paymentHash, order.maxFeeMsat, this.routeOf(order.paymentHash), this.#ports.now());
      this.#attempt(payment, order.bolt11, this.faults.take("node", order.paymentHash, payment.route));
      return this.#settledWithin(payment, order.waitMs);
    }
    known.repeats += 1;
    return this.#settledWithin(known, order.waitMs);
  }

  // eslint-disable-next-line require-await -- the contract's shape
  async lookup(paymentHash: string): Promise<NodePayment> {
    const payment = this.#book.get(paymentHash);
    return payment === undefined ? { kind: "never_initiated" } : seen(payment);
  }

  // eslint-disable-next-line require-await -- the contract's shape
  async spendableMsat(): Promise<Msat> {
    return this.spendable();
  }

  spendable(): Msat {
    return this.#locked > this.#balance ? ZERO : subtract(this.#balance, this.#locked);
  }

  setBalance(balance: Msat): void {
    this.#balance = balance;
  }

  /**
   * Ends what hangs: payments in flight settle or fail; a settled payment whose preimage was withheld or wrong shows the right one.
   * @param paymentHash null for all @returns how many payments changed
   */
  release(paymentHash: string | null, as: "settled" | "failed" = "settled"): number {
    let changed = 0;
    for (const payment of this.#book.select(paymentHash)) {
      if (payment.state === "in_flight") {
        payment.cancelTimer();
        if (as === "settled") this.#settle(payment);
        else this.#fail(payment, "payment_failed");
        changed += 1;
      } else if (payment.state === "settled" && payment.shownPreimage !== payment.preimage) {
        payment.shownPreimage = payment.preimage;
        changed += 1;
      }
    }
    return changed;
  }

  ledger(): Ledger {
    return ledgerOf(this.#book, this.spendable());
  }

  #attempt(payment: Payment, bolt11: string, fault: Fault | null): void {
    const invoice = this.#invoices.get(payment.paymentHash);
    if (invoice === undefined || fault?.kind === "no_route") return this.#fail(payment, "no_route");
    if (invoice.incoming || invoice.bolt11 !== bolt11.toLowerCase() || invoice.network !== this.network || invoice.amountMsat === null)
      return this.#fail(payment, "payment_failed");
    payment.amountMsat = invoice.amountMsat;
    if (this.#ports.now() >= invoice.expiresAt) return this.#fail(payment, "invoice_expired");
    const usualFee = msat((this.#options.feeBaseMsat ?? 0) + Math.floor((invoice.amountMsat * (this.#options.feePpm ?? 0)) / 1_000_000));
    if (usualFee > payment.maxFeeMsat && fault?.kind !== "fee_above_reserve") return this.#fail(payment, "no_route");
    const fee = fault?.kind === "fee_above_reserve" ? add(payment.maxFeeMsat, msat(1000)) : usualFee;
    if (add(invoice.amountMsat, fee) > this.spendable()) return this.#fail(payment, "insufficient_funds");
    payment.feeMsat = fee;
    payment.preimage = invoice.preimage;
    payment.shownPreimage =
      fault?.kind === "no_preimage" ? null : fault?.kind === "wrong_preimage" ? hex(this.#ports.random(32)) : invoice.preimage;
    this.#locked = add(this.#locked, invoice.amountMsat, fee);
    switch (fault?.kind) {
      case "hang":
        return;
      case "late_settlement":
        if (fault.afterMs !== undefined) this.#later(payment, fault.afterMs, () => this.#settle(payment));
        return;
      case "fail_late":
        if (fault.afterMs !== undefined) this.#later(payment, fault.afterMs, () => this.#fail(payment, "payment_failed"));
        return;
      case undefined:
      case "wrong_preimage":
      case "no_preimage":
      case "fee_above_reserve":
      case "answer_lost":
      case "duplicate_answer":
      case "never_seen_then_paid": {
        const latency = this.#options.latencyMs ?? 0;
        if (latency > 0) this.#later(payment, latency, () => this.#settle(payment));
        else this.#settle(payment);
      }
    }
  }

  #later(payment: Payment, ms: number, then: () => void): void {
    payment.cancelTimer = this.#ports.timer(ms, then);
  }

  #settle(payment: Payment): void {
    const cost = add(payment.amountMsat, payment.feeMsat);
    this.#locked = subtract(this.#locked, cost);
    // An operator may have lowered the balance under a payment in flight: it settles all the same.
    this.#balance = cost > this.#balance ? ZERO : subtract(this.#balance, cost);
    // The invoice is paid: the payment now keeps all that is needed, and a second order finds the payment.
    this.#invoices.delete(payment.paymentHash);
    this.#book.end(payment, "settled", null, this.#ports.now());
  }

  #fail(payment: Payment, failure: Extract<NodePayment, { kind: "failed" }>["code"]): void {
    if (payment.preimage !== null) this.#locked = subtract(this.#locked, add(payment.amountMsat, payment.feeMsat));
    payment.preimage = null;
    this.#book.end(payment, "failed", failure, this.#ports.now());
  }

  #settledWithin(payment: Payment, waitMs: number): NodePayment | Promise<NodePayment> {
    if (payment.state !== "in_flight" || waitMs <= 0) return seen(payment);
    return new Promise((resolve) => {
      const answer = (): void => {
        cancel();
        payment.waiters.delete(answer);
        resolve(seen(payment));
      };
      const cancel = this.#ports.timer(waitMs, answer);
      payment.waiters.add(answer);
    });
  }
}

/** What the node says of a payment, lies included. */
function seen(payment: Payment): NodePayment {
  switch (payment.state) {
    case "in_flight":
      return { kind: "in_flight" };
    case "settled":
      return {
        kind: "settled",
        preimage: payment.shownPreimage,
        feeMsat: payment.feeMsat,
        settledAt: payment.endedAt ?? payment.startedAt,
      };
    case "failed":
      return { kind: "failed", code: payment.failure ?? "payment_failed" };
  }
}
