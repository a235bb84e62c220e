/**
 * The seller's side of lnd, for tests. A hold invoice makes a payment hang for exactly as long as a test wants: the honest way to
 * have one in flight, settled late or failed late, without a clock.
 */
import { createHash } from "node:crypto";
import { field } from "./lnd-payment.ts";
import { base64OfHex, expectOk, hexOfBase64, text, urlBase64OfHex, type LndRest } from "./lnd-rest.ts";

export interface Invoice {
  readonly bolt11: string;
  /** 64 lower-case hex digits. */
  readonly paymentHash: string;
}

/** A usual invoice over `amountMsat`, with lnd's default expiry. */
export async function addInvoice(seller: LndRest, amountMsat: number): Promise<Invoice> {
  const made = await expectOk(seller.call("/v1/invoices", { value_msat: String(amountMsat), memo: "regtest" }));
  return { bolt11: text(made, "payment_request"), paymentHash: hexOfBase64(text(made, "r_hash")) };
}

/** An invoice that the seller neither settles nor refuses by itself. @param preimage 64 hex digits, new for each invoice */
export async function holdInvoice(seller: LndRest, amountMsat: number, preimage: string): Promise<Invoice> {
  const paymentHash = createHash("sha256").update(preimage, "hex").digest("hex");
  const made = await expectOk(seller.call("/v2/invoices/hodl", { hash: base64OfHex(paymentHash), value_msat: String(amountMsat) }));
  return { bolt11: text(made, "payment_request"), paymentHash };
}

/** Resolves when the payment of a hold invoice has come in and is held. */
export async function held(seller: LndRest, paymentHash: string): Promise<void> {
  await seller.first(
    `/v2/invoices/subscribe/${urlBase64OfHex(paymentHash)}`,
    (reply) => reply.kind === "ok" && field(reply.value, "state") === "ACCEPTED",
  );
}

/** Takes the money of a held payment, and gives its preimage away. */
export async function settleHold(seller: LndRest, preimage: string): Promise<void> {
  await expectOk(seller.call("/v2/invoices/settle", { preimage: base64OfHex(preimage) }));
}

/** Sends a held payment back. */
export async function cancelHold(seller: LndRest, paymentHash: string): Promise<void> {
  await expectOk(seller.call("/v2/invoices/cancel", { payment_hash: base64OfHex(paymentHash) }));
}
