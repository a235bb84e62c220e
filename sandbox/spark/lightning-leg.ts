/**
 * The Lightning side of the sandbox's SSP: it pays out what wallets send, and takes in what others pay to them. Two ends: the simulated
 * node of sandbox/, and a real lnd of sandbox/regtest/ over its REST interface.
 */
import type { LightningNode } from "../lightning-node.ts";

/** What an incoming payment did. */
export interface IncomingPayment {
  readonly paymentHash: string;
  readonly amountSats: number;
}

export interface LightningLeg extends Pick<LightningNode, "network" | "pay" | "lookup"> {
  /**
   * An invoice whose preimage is known only to the caller's wallet and the operators' shares: its payment is accepted, held, and let go by
   * {@link settle} or {@link cancel} (a hold invoice). Rejects when the node cannot be reached.
   */
  holdInvoice(invoice: {
    readonly paymentHash: string;
    readonly amountSats: number;
    readonly description: string;
    readonly expirySeconds: number;
  }): Promise<{ readonly bolt11: string }>;
  /** Hands the preimage (64 hex digits) over: the held payment is ours. */
  settle(preimage: string): Promise<void>;
  cancel(paymentHash: string): Promise<void>;
  /** Called for each incoming payment once it is held. At least once. @returns a function that ends it */
  onHeld(listener: (payment: IncomingPayment) => void): () => void;
}
