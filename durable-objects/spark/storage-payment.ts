/**
 * A payment as it is stored: what is sealed, what stands in columns for the filters, and how an update meets what is already there. The
 * SDK learns of a payment in pieces (a send, a transfer found by sync, the SSP's word on it), so details are merged and never lost: a
 * preimage, an HTLC's state and an invoice once known stay, even when a later update has no details at all. Pure.
 */
import type {
  LnurlReceiveMetadata,
  Payment,
  PaymentDetails,
  PaymentMetadata,
  PaymentStatus,
  PaymentType,
  SetLnurlMetadataItem,
  SparkHtlcDetails,
} from "@breeztech/breez-sdk-spark/web";
import { compact, digest } from "./storage-sealed.ts";
import type { StoredLightning, StoredMetadata, StoredPayment } from "./storage-shapes.ts";

/** The columns that `listPayments` and the joins ask. */
export interface PlainPayment {
  readonly id: string;
  readonly type: PaymentType;
  readonly status: PaymentStatus;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly is_spark: number;
  readonly payment_hash: string | null;
}

/** What an update makes of the sealed part; `before` is null for a new payment. */
export function mergePayment(before: StoredPayment | null, payment: Payment): StoredPayment {
  const { details } = payment;
  return {
    amount: payment.amount.toString(),
    fees: payment.fees.toString(),
    method: payment.method ?? null,
    withdrawTxId: details?.type === "withdraw" ? details.txId : null,
    deposit: details?.type === "deposit" ? { txId: details.txId, vout: details.vout } : (before?.deposit ?? null),
    lightning: details?.type === "lightning" ? mergeLightning(before?.lightning ?? null, details) : (before?.lightning ?? null),
    token:
      details?.type === "token"
        ? {
            metadata: details.metadata,
            txHash: details.txHash,
            txType: details.txType,
            invoiceDetails: details.invoiceDetails ?? before?.token?.invoiceDetails ?? null,
          }
        : (before?.token ?? null),
    spark:
      details?.type === "spark" && (details.invoiceDetails != null || details.htlcDetails != null)
        ? {
            invoiceDetails: details.invoiceDetails ?? before?.spark?.invoiceDetails ?? null,
            htlcDetails: details.htlcDetails ?? before?.spark?.htlcDetails ?? null,
          }
        : (before?.spark ?? null),
  };
}

function mergeLightning(before: StoredLightning | null, details: PaymentDetails & { readonly type: "lightning" }): StoredLightning {
  const { htlcDetails } = details;
  return {
    invoice: details.invoice,
    destinationPubkey: details.destinationPubkey,
    description: details.description ?? null,
    paymentHash: htlcDetails.paymentHash,
    preimage: htlcDetails.preimage ?? before?.preimage ?? null,
    htlcStatus: htlcDetails.status ?? before?.htlcStatus ?? "waitingForPreimage",
    expiryTime: htlcDetails.expiryTime ?? 0,
  };
}

/** Filter columns of the sealed part, in the order of the upsert in storage-payments.ts. */
export function filterColumns(stored: StoredPayment): readonly (string | null)[] {
  return [
    stored.lightning?.paymentHash ?? null,
    stored.lightning === null ? null : digest(stored.lightning.invoice),
    stored.lightning?.htlcStatus ?? null,
    stored.spark?.htlcDetails?.status ?? null,
    stored.token?.metadata.identifier ?? null,
    stored.token?.txHash ?? null,
    stored.token?.txType ?? null,
  ];
}

/** A column by column "keep what is known": metadata may come in pieces, and before the payment itself. */
export function mergeMetadata(before: StoredMetadata | null, next: PaymentMetadata): StoredMetadata {
  return {
    lnurlPayInfo: next.lnurlPayInfo ?? before?.lnurlPayInfo ?? null,
    lnurlWithdrawInfo: next.lnurlWithdrawInfo ?? before?.lnurlWithdrawInfo ?? null,
    lnurlDescription: next.lnurlDescription ?? before?.lnurlDescription ?? null,
    conversionInfo: next.conversionInfo ?? before?.conversionInfo ?? null,
    conversionStatus: next.conversionStatus ?? before?.conversionStatus ?? null,
  };
}

/** Empty texts are none. */
export function lnurlReceive(item: Omit<SetLnurlMetadataItem, "paymentHash">): LnurlReceiveMetadata {
  return compact<LnurlReceiveMetadata>({
    nostrZapRequest: item.nostrZapRequest === "" ? null : item.nostrZapRequest,
    nostrZapReceipt: item.nostrZapReceipt === "" ? null : item.nostrZapReceipt,
    senderComment: item.senderComment === "" ? null : item.senderComment,
  });
}

/** The payment as the SDK gets it back: amounts as BigInt, or the wasm refuses it. */
export function toPayment(
  row: PlainPayment,
  stored: StoredPayment,
  metadata: StoredMetadata | null,
  receive: LnurlReceiveMetadata | null,
): Payment {
  return compact<Payment>({
    id: row.id,
    paymentType: row.type,
    status: row.status,
    amount: BigInt(stored.amount),
    fees: BigInt(stored.fees),
    timestamp: row.timestamp,
    method: stored.method ?? "unknown",
    details: toDetails(row, stored, metadata, receive),
    conversionDetails: metadata?.conversionStatus == null ? null : { status: metadata.conversionStatus },
  });
}

/** The first that is there, in this order: a payment that was once known as a Lightning one stays one. */
function toDetails(
  row: PlainPayment,
  stored: StoredPayment,
  metadata: StoredMetadata | null,
  receive: LnurlReceiveMetadata | null,
): PaymentDetails | null {
  const { lightning, token, spark } = stored;
  if (lightning !== null)
    return compact<PaymentDetails & { type: "lightning" }>({
      type: "lightning",
      invoice: lightning.invoice,
      destinationPubkey: lightning.destinationPubkey,
      description: lightning.description ?? metadata?.lnurlDescription,
      htlcDetails: compact<SparkHtlcDetails>({
        paymentHash: lightning.paymentHash,
        preimage: lightning.preimage,
        expiryTime: lightning.expiryTime,
        status: lightning.htlcStatus,
      }),
      lnurlPayInfo: metadata?.lnurlPayInfo,
      lnurlWithdrawInfo: metadata?.lnurlWithdrawInfo,
      lnurlReceiveMetadata: receive,
      conversionInfo: metadata?.conversionInfo,
    });
  if (stored.withdrawTxId !== null) return { type: "withdraw", txId: stored.withdrawTxId };
  if (stored.deposit !== null) return { type: "deposit", txId: stored.deposit.txId, vout: stored.deposit.vout };
  if (row.is_spark === 1)
    return compact<PaymentDetails & { type: "spark" }>({
      type: "spark",
      invoiceDetails: spark?.invoiceDetails,
      htlcDetails: spark?.htlcDetails,
      conversionInfo: metadata?.conversionInfo,
    });
  if (token !== null)
    return compact<PaymentDetails & { type: "token" }>({
      type: "token",
      metadata: token.metadata,
      txHash: token.txHash,
      txType: token.txType,
      invoiceDetails: token.invoiceDetails,
      conversionInfo: metadata?.conversionInfo,
    });
  return null;
}
