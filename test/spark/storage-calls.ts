/**
 * Random calls of the Spark SDK's storage, from a seed: few ids and few instants, so that calls meet each other's rows. Every text that has
 * to be sealed contains {@link CANARY}; what stands in plain columns does not.
 */
import type {
  ConversionInfo,
  ConversionStatus,
  Payment,
  PaymentDetails,
  PaymentMetadata,
  SparkHtlcStatus,
  StorageListPaymentsRequest,
  StoragePaymentDetailsFilter,
} from "@breeztech/breez-sdk-spark/web";

export const CANARY = "canary";

export const METHODS = [
  "getCachedItem",
  "setCachedItem",
  "deleteCachedItem",
  "listPayments",
  "applyPaymentUpdate",
  "insertPaymentMetadata",
  "getPaymentById",
  "getPaymentByInvoice",
  "addDeposit",
  "deleteDeposit",
  "listDeposits",
  "updateDeposit",
  "setLnurlMetadata",
  "getPaymentsByParentIds",
  "listContacts",
  "getContact",
  "insertContact",
  "deleteContact",
  "setCrossChainSwap",
  "getCrossChainSwap",
  "listActiveCrossChainSwaps",
  "syncAddOutgoingChange",
  "syncCompleteOutgoingSync",
  "syncGetPendingOutgoingChanges",
  "syncGetLastRevision",
  "syncInsertIncomingRecords",
  "syncDeleteIncomingRecord",
  "syncGetIncomingRecords",
  "syncGetLatestOutgoingChange",
  "syncUpdateRecordFromIncoming",
] as const;
export type Method = (typeof METHODS)[number];

export interface Call {
  readonly method: Method;
  readonly args: readonly unknown[];
}

/** How often each is called: what moves payments and lists them comes first. */
const WEIGHTS: Partial<Record<Method, number>> = {
  applyPaymentUpdate: 14,
  listPayments: 14,
  insertPaymentMetadata: 6,
  getPaymentById: 5,
  getPaymentsByParentIds: 4,
};

/** mulberry32: small, and the same everywhere. */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** From 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit);
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  one<T>(...choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }
  some<T>(choices: readonly T[]): T[] {
    return choices.filter(() => this.chance(50));
  }
  maybe<T>(percent: number, make: () => T): T | undefined {
    return this.chance(percent) ? make() : undefined;
  }
}

const STATUSES = ["completed", "pending", "failed"] as const;
const HTLC: readonly SparkHtlcStatus[] = ["waitingForPreimage", "preimageShared", "returned"];
const CONVERSIONS: readonly ConversionStatus[] = ["pending", "completed", "failed", "refundNeeded", "refunded"];
const NAMES = ["Zoe", "adam", "äon", "\u{1d4b3}", "\uffee", "Adam", ""];

const hex = (n: number): string => n.toString(16).padStart(64, "0");
export const paymentId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
export const invoiceOf = (n: number, which: number): string => `lnbcrt${CANARY}${n}x${which}`;

export function call(dice: Dice): Call {
  const weighted = METHODS.flatMap((method) => Array.from({ length: WEIGHTS[method] ?? 1 }, () => method));
  const method = weighted[dice.below(weighted.length)] ?? "listPayments";
  return { method, args: args(dice, method) };
}

function args(dice: Dice, method: Method): readonly unknown[] {
  switch (method) {
    case "getCachedItem":
    case "deleteCachedItem":
      return [cacheKey(dice)];
    case "setCachedItem":
      return [cacheKey(dice), dice.one(`{"offset":${dice.below(9)},"note":"${CANARY}"}`, "", `${CANARY} ⚡`)];
    case "listPayments":
      return [listRequest(dice)];
    case "applyPaymentUpdate":
      return [payment(dice)];
    case "insertPaymentMetadata":
      return [paymentId(dice.below(8)), metadata(dice)];
    case "getPaymentById":
      return [paymentId(dice.below(9))];
    case "getPaymentByInvoice":
      return [invoiceOf(dice.below(8), dice.below(2))];
    case "addDeposit":
      return [hex(dice.below(3)), dice.below(2), BigInt(dice.below(100_000)), dice.chance(50)];
    case "deleteDeposit":
      return [hex(dice.below(3)), dice.below(2)];
    case "updateDeposit":
      return [
        hex(dice.below(3)),
        dice.below(2),
        dice.chance(50)
          ? { type: "claimError", error: { type: "generic", message: `${CANARY} error` } }
          : { type: "refund", refundTxid: hex(7), refundTx: `02${CANARY}` },
      ];
    case "setLnurlMetadata":
      return [
        dice.some([0, 1, 2, 3]).map((n) => ({
          paymentHash: hex(n),
          senderComment: dice.one(undefined, "", `${CANARY} comment`),
          nostrZapRequest: dice.maybe(50, () => `${CANARY} request`),
          nostrZapReceipt: dice.maybe(50, () => `${CANARY} receipt`),
        })),
      ];
    case "getPaymentsByParentIds":
      return [dice.some([0, 1, 2, 3, 4, 5, 6, 7]).map(paymentId)];
    case "listContacts":
      return [{ offset: dice.maybe(50, () => dice.below(3)), limit: dice.maybe(50, () => dice.below(4)) }];
    case "getContact":
    case "deleteContact":
      return [`c${dice.below(6)}`];
    case "insertContact":
      return [
        {
          id: `c${dice.below(6)}`,
          name: `${dice.one("", ...NAMES)}${CANARY}`,
          paymentIdentifier: `${CANARY}@example.com`,
          createdAt: dice.below(100),
          updatedAt: dice.below(100),
        },
      ];
    case "setCrossChainSwap":
      return [
        {
          provider: dice.one("boltz", "orchestra"),
          id: `s${dice.below(3)}`,
          isTerminal: dice.chance(40),
          updatedAt: dice.below(100),
          data: `{"x":"${CANARY}"}`,
          secrets: dice.one("", `${CANARY} secrets`),
        },
      ];
    case "getCrossChainSwap":
      return [dice.one("boltz", "orchestra"), `s${dice.below(4)}`];
    case "listActiveCrossChainSwaps":
      return [dice.one("boltz", "orchestra")];
    case "syncAddOutgoingChange":
      return [{ id: recordId(dice), schemaVersion: `1.${dice.below(3)}.0`, updatedFields: fields(dice) }];
    case "syncCompleteOutgoingSync":
      return [record(dice), BigInt(1 + dice.below(4))];
    case "syncInsertIncomingRecords":
      return [Array.from({ length: dice.below(4) }, () => record(dice))];
    case "syncDeleteIncomingRecord":
    case "syncUpdateRecordFromIncoming":
      return [record(dice)];
    case "syncGetPendingOutgoingChanges":
    case "syncGetIncomingRecords":
      return [dice.below(5)];
    case "listDeposits":
    case "syncGetLastRevision":
    case "syncGetLatestOutgoingChange":
      return [];
  }
}

const cacheKey = (dice: Dice): string => dice.one("sync_offset", "account_info", `payment_metadata-${CANARY}`, "tx_cache-1");
const recordId = (dice: Dice): { type: string; dataId: string } => ({ type: `t${dice.below(2)}`, dataId: `d${dice.below(3)}` });
const fields = (dice: Dice): Map<string, string> => new Map(dice.some(["a", "b", "c"]).map((name) => [name, `${CANARY} ${dice.below(9)}`]));
const record = (dice: Dice): unknown => ({
  id: recordId(dice),
  revision: BigInt(1 + dice.below(6)),
  schemaVersion: "1.0.0",
  data: fields(dice),
});

export function payment(dice: Dice): Payment {
  const n = dice.below(8);
  const details = paymentDetails(dice, n);
  return {
    id: paymentId(n),
    paymentType: dice.one("send", "receive"),
    status: dice.one("pending", ...STATUSES),
    amount: dice.chance(10) ? 2n ** 100n + BigInt(dice.below(9)) : BigInt(dice.below(100_000)),
    fees: BigInt(dice.below(50)),
    timestamp: dice.below(6),
    method: dice.one("lightning", "spark", "token", "deposit", "withdraw", "unknown"),
    ...(details === undefined ? {} : { details }),
  };
}

function paymentDetails(dice: Dice, n: number): PaymentDetails | undefined {
  const htlc = () => ({
    paymentHash: hex(n),
    ...(dice.chance(40) ? { preimage: `${CANARY}${hex(n)}` } : {}),
    expiryTime: dice.below(1000),
    status: dice.one("waitingForPreimage" as const, ...HTLC),
  });
  const invoice = () => ({ invoice: `sp1${CANARY}${n}`, ...(dice.chance(50) ? { description: `${CANARY} text` } : {}) });
  return dice.one<() => PaymentDetails | undefined>(
    () => undefined,
    (): PaymentDetails => ({
      type: "spark",
      ...(dice.chance(50) ? { invoiceDetails: invoice() } : {}),
      ...(dice.chance(50) ? { htlcDetails: htlc() } : {}),
    }),
    (): PaymentDetails => ({
      type: "token",
      metadata: {
        identifier: `btkn${dice.below(2)}`,
        issuerPublicKey: `02${CANARY}`,
        name: `${CANARY} coin`,
        ticker: "CAN",
        decimals: 6,
        maxSupply: "340282366920938463463374607431768211455",
        isFreezable: dice.chance(50),
      },
      txHash: hex(dice.below(3)),
      txType: dice.one("transfer", "mint", "burn"),
      ...(dice.chance(50) ? { invoiceDetails: invoice() } : {}),
    }),
    (): PaymentDetails => ({
      type: "lightning",
      invoice: invoiceOf(n, dice.below(2)),
      destinationPubkey: `03${CANARY}`,
      ...(dice.chance(50) ? { description: `${CANARY} memo` } : {}),
      htlcDetails: htlc(),
    }),
    (): PaymentDetails => ({ type: "withdraw", txId: `${CANARY}${n}` }),
    (): PaymentDetails => ({ type: "deposit", txId: `${CANARY}${n}`, vout: dice.below(3) }),
  )();
}

function metadata(dice: Dice): PaymentMetadata {
  const parent = dice.maybe(12, () => paymentId(dice.below(8)));
  const conversion = dice.maybe(50, () => conversionInfo(dice));
  return {
    ...(parent === undefined ? {} : { parentPaymentId: parent }),
    ...(dice.chance(40) ? { lnurlPayInfo: { lnAddress: `${CANARY}@example.com`, comment: `${CANARY} ${dice.below(9)}` } } : {}),
    ...(dice.chance(40) ? { lnurlWithdrawInfo: { withdrawUrl: `https://example.com/${CANARY}` } } : {}),
    ...(dice.chance(40) ? { lnurlDescription: `${CANARY} description` } : {}),
    ...(conversion === undefined ? {} : { conversionInfo: conversion }),
    ...(dice.chance(40) ? { conversionStatus: dice.one("pending", ...CONVERSIONS) } : {}),
  };
}

function conversionInfo(dice: Dice): ConversionInfo {
  const status = dice.one("pending", ...CONVERSIONS);
  const common = { chain: "ethereum", recipientAddress: `0x${CANARY}`, estimatedOut: "1", status, assetDecimals: 6 };
  return dice.one<() => ConversionInfo>(
    () => ({ type: "amm", poolId: CANARY, conversionId: CANARY, status }),
    () => ({ type: "orchestra", ...common, orderId: CANARY, quoteId: CANARY }),
    () => ({ type: "boltz", ...common, swapId: CANARY, invoice: CANARY, invoiceAmountSats: 5, maxSlippageBps: 10 }),
  )();
}

export function listRequest(dice: Dice): StorageListPaymentsRequest {
  const request = {
    typeFilter: dice.maybe(25, () => dice.some(["send", "receive"] as const)),
    statusFilter: dice.maybe(25, () => dice.some(STATUSES)),
    assetFilter: dice.maybe(25, () =>
      dice.one({ type: "bitcoin" as const }, { type: "token" as const }, { type: "token" as const, tokenIdentifier: "btkn1" }),
    ),
    paymentDetailsFilter: dice.maybe(40, () => Array.from({ length: dice.below(4) }, () => detailsFilter(dice))),
    fromTimestamp: dice.maybe(20, () => dice.below(6)),
    toTimestamp: dice.maybe(20, () => dice.below(7)),
    offset: dice.maybe(25, () => dice.below(4)),
    limit: dice.maybe(30, () => dice.below(6)),
    sortAscending: dice.maybe(50, () => dice.chance(50)),
  };
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as StorageListPaymentsRequest;
}

function detailsFilter(dice: Dice): StoragePaymentDetailsFilter {
  const htlcStatus = dice.maybe(50, () => dice.some(HTLC));
  const conversion = dice.maybe(40, () => dice.one("ammRefundNeeded" as const, "orchestraPending" as const, "boltzPending" as const));
  const shared = conversion === undefined ? {} : { conversionFilter: conversion };
  const htlc = htlcStatus === undefined ? {} : { htlcStatus };
  return dice.one<StoragePaymentDetailsFilter>(
    { type: "spark", ...htlc, ...shared },
    { type: "lightning", ...htlc, ...shared },
    {
      type: "token",
      ...shared,
      ...(dice.chance(50) ? { txHash: hex(dice.below(3)) } : {}),
      ...(dice.chance(50) ? { txType: "mint" } : {}),
    },
  );
}
