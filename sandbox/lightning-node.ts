/** What an executor needs of a Lightning node. Two ends: the sandbox's simulated node, and a real lnd in `regtest/`. */
import type { Msat } from "../lightning/msat.ts";
import type { Network } from "../lightning/bolt11.ts";

export type NodePayment =
  | { readonly kind: "settled"; readonly preimage: string | null; readonly feeMsat: Msat; readonly settledAt: number }
  | { readonly kind: "failed"; readonly code: "no_route" | "insufficient_funds" | "invoice_expired" | "payment_failed" }
  | { readonly kind: "in_flight" }
  /** This node was never asked to pay this hash: that, and only that, means nothing was sent. */
  | { readonly kind: "never_initiated" };

export interface LightningNode {
  readonly network: Network;
  /** Starts the payment, or finds the one already started for this hash; resolves when it is terminal or after `waitMs`. */
  pay(payment: {
    readonly bolt11: string;
    readonly paymentHash: string;
    readonly maxFeeMsat: Msat;
    readonly waitMs: number;
  }): Promise<NodePayment>;
  lookup(paymentHash: string): Promise<NodePayment>;
  spendableMsat(): Promise<Msat>;
  /** Makes an invoice that pays into this node. Rejects when the node cannot be reached. */
  receive(invoice: { readonly amountMsat: Msat; readonly description: string }): Promise<{ readonly bolt11: string }>;
}
