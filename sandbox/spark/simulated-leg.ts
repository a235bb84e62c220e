/**
 * The SSP's Lightning side over the sandbox's simulated node. What wallets send is paid by that node, so the seller's ledger shows it; what they
 * receive are hold invoices made here, paid by {@link SimulatedLeg.payInvoice} as some stranger would, or by another wallet of the same SSP.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import type { Network } from "../../lightning/bolt11.ts";
import { sats, ZERO, type Msat } from "../../lightning/msat.ts";
import type { NodePayment } from "../lightning-node.ts";
import { mintBolt11 } from "../mint-bolt11.ts";
import type { SimulatedNode } from "../node.ts";
import type { SandboxPorts } from "../ports.ts";
import type { IncomingPayment, LightningLeg } from "./lightning-leg.ts";

/** What became of a stranger's payment. */
export type OutsidePayment =
  | { readonly kind: "settled"; readonly preimage: string; readonly at: number }
  | { readonly kind: "cancelled" }
  | { readonly kind: "refused"; readonly code: "unknown_invoice" | "already_paid" | "expired" | "amount_needed" };

type Hold =
  | { readonly state: "open" | "held" | "cancelled" }
  | { readonly state: "settled"; readonly preimage: string; readonly at: number };

interface HoldInvoice {
  readonly paymentHash: string;
  readonly bolt11: string;
  /** 0: the payer chooses. */
  readonly amountSats: number;
  /** Epoch ms. */
  readonly expiresAt: number;
  hold: Hold;
  /** What came in; 0 before. */
  heldSats: number;
  /** It was this SSP that paid, for another of its wallets. */
  ours: boolean;
  readonly waiters: Set<() => void>;
}

export class SimulatedLeg implements LightningLeg {
  readonly network: Network;
  readonly #node: SimulatedNode;
  readonly #ports: SandboxPorts;
  readonly #nodeSecretKey: Uint8Array;
  readonly #invoices = new Map<string, HoldInvoice>();
  readonly #listeners = new Set<(payment: IncomingPayment) => void>();

  constructor(node: SimulatedNode, ports: SandboxPorts) {
    this.network = node.network;
    this.#node = node;
    this.#ports = ports;
    this.#nodeSecretKey = ports.random(32);
  }

  /** Between two wallets of the same SSP no Lightning is needed: the hold invoice is held, and the payment is as settled as the hold is. */
  async pay(order: {
    readonly bolt11: string;
    readonly paymentHash: string;
    readonly maxFeeMsat: Msat;
    readonly waitMs: number;
  }): Promise<NodePayment> {
    const own = this.#invoices.get(order.paymentHash);
    if (own === undefined) return this.#node.pay(order);
    if (own.hold.state === "open") {
      own.ours = true;
      const refused = this.#hold(own, 0);
      if (refused !== null) return { kind: "failed", code: refused === "expired" ? "invoice_expired" : "payment_failed" };
    }
    // A stranger was first.
    if (!own.ours) return { kind: "failed", code: "payment_failed" };
    await this.#change(own, order.waitMs);
    return seen(own);
  }

  lookup(paymentHash: string): Promise<NodePayment> {
    const own = this.#invoices.get(paymentHash);
    return own === undefined ? this.#node.lookup(paymentHash) : Promise.resolve(seen(own));
  }

  // eslint-disable-next-line require-await -- the contract's shape
  async holdInvoice(order: {
    readonly paymentHash: string;
    readonly amountSats: number;
    readonly description: string;
    readonly expirySeconds: number;
  }): Promise<{ readonly bolt11: string }> {
    const known = this.#invoices.get(order.paymentHash);
    if (known !== undefined) throw new Error("there is an invoice for this payment hash");
    const timestamp = Math.floor(this.#ports.now() / 1000);
    const bolt11 = mintBolt11({
      network: this.network,
      amountMsat: order.amountSats === 0 ? null : sats(order.amountSats),
      paymentHash: order.paymentHash,
      paymentSecret: this.#ports.random(32),
      description: order.description,
      timestamp,
      expirySeconds: order.expirySeconds,
      nodeSecretKey: this.#nodeSecretKey,
    });
    this.#invoices.set(order.paymentHash, {
      paymentHash: order.paymentHash,
      bolt11,
      amountSats: order.amountSats,
      expiresAt: (timestamp + order.expirySeconds) * 1000,
      hold: { state: "open" },
      heldSats: 0,
      ours: false,
      waiters: new Set(),
    });
    return { bolt11 };
  }

  /** Idempotent. Rejects when nothing is held for it. */
  async settle(preimage: string): Promise<void> {
    const invoice = this.#invoices.get(bytesToHex(sha256(hexToBytes(preimage))));
    if (invoice?.hold.state === "settled") return;
    if (invoice?.hold.state !== "held") throw new Error("no held payment for this preimage");
    invoice.hold = { state: "settled", preimage, at: this.#ports.now() };
    // The node's own books: what a stranger paid is the SSP's to spend.
    const { bolt11 } = await this.#node.receive({ amountMsat: sats(invoice.heldSats), description: "held payment settled" });
    this.#node.payIn(bolt11);
    wake(invoice);
  }

  // eslint-disable-next-line require-await -- the contract's shape
  async cancel(paymentHash: string): Promise<void> {
    const invoice = this.#invoices.get(paymentHash);
    if (invoice === undefined || invoice.hold.state === "settled" || invoice.hold.state === "cancelled") return;
    invoice.hold = { state: "cancelled" };
    wake(invoice);
  }

  onHeld(listener: (payment: IncomingPayment) => void): () => void {
    this.#listeners.add(listener);
    // At least once: what is held already is told to who comes later, as a real node does after a restart.
    for (const { hold, paymentHash, heldSats } of this.#invoices.values())
      if (hold.state === "held") listener({ paymentHash, amountSats: heldSats });
    return () => void this.#listeners.delete(listener);
  }

  /**
   * A stranger pays an invoice that a wallet made. Resolves once the payment is settled or cancelled.
   * @param amountSats for an invoice without an amount
   */
  async payInvoice(bolt11: string, amountSats = 0): Promise<OutsidePayment> {
    const invoice = [...this.#invoices.values()].find((issued) => issued.bolt11 === bolt11.toLowerCase());
    if (invoice === undefined) return { kind: "refused", code: "unknown_invoice" };
    const refused = this.#hold(invoice, amountSats);
    if (refused !== null) return { kind: "refused", code: refused };
    for (;;) {
      const { hold } = invoice;
      if (hold.state === "settled") return { kind: "settled", preimage: hold.preimage, at: hold.at };
      if (hold.state === "cancelled") return { kind: "cancelled" };
      await this.#change(invoice, null);
    }
  }

  /** @returns why not, or null when it is held now */
  #hold(invoice: HoldInvoice, amountSats: number): Extract<OutsidePayment, { kind: "refused" }>["code"] | null {
    if (invoice.hold.state !== "open") return "already_paid";
    if (this.#ports.now() >= invoice.expiresAt) return "expired";
    if (invoice.amountSats === 0 && amountSats === 0) return "amount_needed";
    invoice.heldSats = invoice.amountSats === 0 ? amountSats : invoice.amountSats;
    invoice.hold = { state: "held" };
    for (const listener of this.#listeners) listener({ paymentHash: invoice.paymentHash, amountSats: invoice.heldSats });
    return null;
  }

  /** Until the hold ends, or `waitMs` are over (null: however long it takes). */
  #change(invoice: HoldInvoice, waitMs: number | null): Promise<void> {
    if (invoice.hold.state === "settled" || invoice.hold.state === "cancelled" || waitMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      let cancel = (): void => {};
      const done = (): void => {
        cancel();
        invoice.waiters.delete(done);
        resolve();
      };
      invoice.waiters.add(done);
      if (waitMs !== null) cancel = this.#ports.timer(waitMs, done);
    });
  }
}

function wake(invoice: HoldInvoice): void {
  for (const waiter of invoice.waiters) waiter();
}

function seen({ hold, ours }: HoldInvoice): NodePayment {
  if (!ours) return { kind: "never_initiated" };
  switch (hold.state) {
    case "open":
      return { kind: "never_initiated" };
    case "held":
      return { kind: "in_flight" };
    case "settled":
      return { kind: "settled", preimage: hold.preimage, feeMsat: ZERO, settledAt: hold.at };
    case "cancelled":
      return { kind: "failed", code: "payment_failed" };
  }
}
