/** What a send would cost, as the SDK reads the invoice and the SSP names its fee. One request; nothing moves. */
import type { PrepareSendPaymentResponse } from "@breeztech/breez-sdk-spark/web";
import type { FailureCode, PaymentOrder } from "../../lightning/payer.ts";
import type { LiveSpark } from "./engine.ts";
import { refusalOf } from "./outcome.ts";

export interface Quote {
  readonly response: PrepareSendPaymentResponse;
  readonly amountSats: number;
  readonly feeSats: number;
}

/** Null when the SDK reads another payment out of the invoice than the one that was ordered. */
export async function quoteFor(live: LiveSpark, order: Omit<PaymentOrder, "deadline">): Promise<Quote | null> {
  const response = await live.sdk.prepareSendPayment({ paymentRequest: { type: "input", input: order.bolt11 } });
  const { paymentMethod } = response;
  if (paymentMethod.type !== "bolt11Invoice") return null;
  const { invoiceDetails } = paymentMethod;
  if (invoiceDetails.paymentHash !== order.paymentHash || invoiceDetails.amountMsat !== order.amountMsat) return null;
  return { response, amountSats: Math.ceil(order.amountMsat / 1000), feeSats: feeOf(response) };
}

/** Whole satoshi. */
export function feeOf({ paymentMethod }: PrepareSendPaymentResponse): number {
  return paymentMethod.type === "bolt11Invoice" ? paymentMethod.lightningFeeSats : Number.POSITIVE_INFINITY;
}

/** Leaves that are in a swap count as ours and cannot be spent, and without a sync there is no balance: both pass, and are no lack of money. */
export async function whyUnsent(
  live: LiveSpark,
  order: Omit<PaymentOrder, "deadline">,
  quote: PrepareSendPaymentResponse,
  error: unknown,
  synced: boolean,
): Promise<FailureCode> {
  const code = refusalOf(error);
  if (code !== "insufficient_funds") return code;
  const { balanceSats } = await live.sdk.getInfo({});
  return synced && balanceSats < Math.ceil(order.amountMsat / 1000) + feeOf(quote) ? code : "backend_unavailable";
}
