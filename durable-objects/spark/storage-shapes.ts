/** What the sealed part of each Spark table is, as JSON. Amounts are decimal text where the SDK's are 128 bits wide. */
import type {
  Contact,
  ConversionInfo,
  ConversionStatus,
  DepositClaimError,
  LnurlPayInfo,
  LnurlReceiveMetadata,
  LnurlWithdrawInfo,
  PaymentMethod,
  SparkHtlcDetails,
  SparkHtlcStatus,
  SparkInvoicePaymentDetails,
  StoredCrossChainSwap,
  TokenMetadata,
  TokenTransactionType,
} from "@breeztech/breez-sdk-spark/web";

export interface StoredLightning {
  readonly invoice: string;
  readonly destinationPubkey: string;
  readonly description: string | null;
  readonly paymentHash: string;
  readonly preimage: string | null;
  readonly htlcStatus: SparkHtlcStatus;
  readonly expiryTime: number;
}

export interface StoredPayment {
  readonly amount: string;
  readonly fees: string;
  readonly method: PaymentMethod | null;
  readonly withdrawTxId: string | null;
  readonly deposit: { readonly txId: string; readonly vout: number } | null;
  readonly lightning: StoredLightning | null;
  readonly token: {
    readonly metadata: TokenMetadata;
    readonly txHash: string;
    readonly txType: TokenTransactionType;
    readonly invoiceDetails: SparkInvoicePaymentDetails | null;
  } | null;
  readonly spark: { readonly invoiceDetails: SparkInvoicePaymentDetails | null; readonly htlcDetails: SparkHtlcDetails | null } | null;
}

export interface StoredMetadata {
  readonly lnurlPayInfo: LnurlPayInfo | null;
  readonly lnurlWithdrawInfo: LnurlWithdrawInfo | null;
  readonly lnurlDescription: string | null;
  readonly conversionInfo: ConversionInfo | null;
  readonly conversionStatus: ConversionStatus | null;
}

export interface StoredDeposit {
  readonly amountSats: number;
  readonly claimError: DepositClaimError | null;
  readonly refundTx: string | null;
  readonly refundTxId: string | null;
}

/** A record's fields, by name. */
export type StoredFields = { readonly [name: string]: string };

export interface SealedShapes {
  readonly spark_cache: { readonly value: string };
  readonly spark_session: { readonly token: string };
  readonly spark_payment: StoredPayment;
  readonly spark_payment_metadata: StoredMetadata;
  readonly spark_lnurl_receive: LnurlReceiveMetadata;
  readonly spark_deposit: StoredDeposit;
  readonly spark_contact: Contact;
  readonly spark_cross_chain_swap: Pick<StoredCrossChainSwap, "data" | "secrets">;
  readonly spark_sync_outgoing: StoredFields;
  readonly spark_sync_state: StoredFields;
  readonly spark_sync_incoming: StoredFields;
}
