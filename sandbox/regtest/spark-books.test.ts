import { expect, test } from "vitest";
import { msat } from "../../lightning/msat.ts";
import type { LedgerRow } from "../ledger.ts";
import type { HtlcView, SparkLedger, TransferView } from "../spark/operators-port.ts";
import { sparkDifferences, type SparkBooks } from "./spark-books.ts";
import { ledgerOfSpark } from "./spark-ledger.ts";

const SSP = "02aa";
const WALLET = "03bb";
const transfer = (id: string, sender: string, receiver: string, totalSats: number, status: TransferView["status"]): TransferView => ({
  id,
  type: sender === SSP ? "transfer" : "preimage_swap",
  status,
  sender,
  receiver,
  totalSats,
  leafIds: [],
  paymentHash: null,
  expiresAt: null,
  createdAt: 1000,
  updatedAt: 2000,
});
const htlc = (paymentHash: string, transferId: string, state: HtlcView["state"]): HtlcView => ({
  transferId,
  paymentHash,
  bolt11: null,
  amountSats: 21,
  totalSats: 24,
  sender: WALLET,
  receiver: SSP,
  state,
  expiresAt: 9000,
});
const row = (paymentHash: string, state: LedgerRow["state"]): LedgerRow => ({
  paymentHash,
  amountMsat: msat(21_000),
  feeMsat: state === "settled" ? msat(1000) : null,
  maxFeeMsat: msat(0),
  state,
  failure: null,
  attempts: 1,
  repeats: 0,
  settlements: state === "settled" ? 1 : 0,
  startedAt: 0,
  endedAt: null,
  route: null,
});

/** A wallet got 100 sat, bought one thing for 21 and 3 of fee, and one purchase went back to it. */
const spark: SparkLedger = {
  mintedSats: 0,
  owners: [
    { identity: SSP, ssp: true, availableSats: 24, lockedSats: 0, mintedSats: 0, receivedSats: 24, sentSats: 100 },
    { identity: WALLET, ssp: false, availableSats: 76, lockedSats: 0, mintedSats: 0, receivedSats: 100, sentSats: 24 },
  ],
  transfers: [
    transfer("in", SSP, WALLET, 100, "completed"),
    transfer("out", WALLET, SSP, 24, "completed"),
    transfer("back", WALLET, SSP, 24, "returned"),
  ],
  htlcs: [htlc("a1", "out", "shared"), htlc("b2", "back", "returned")],
};
const rows = [row("a1", "settled"), row("b2", "failed")];
const paidOut = (payments: readonly LedgerRow[]): SparkBooks["paidOut"] => ({
  attempts: payments.length,
  settled: 0,
  failed: 0,
  inFlight: 0,
  settledMsat: msat(0),
  feesMsat: msat(1000),
  spendableMsat: msat(0),
  payments,
});
const whole: SparkBooks = {
  paidOut: paidOut(rows),
  takenIn: [{ paymentHash: "c3", amountMsat: 100_000 }],
  payees: [{ paymentHash: "a1", amountMsat: 21_000 }],
  routedFeesMsat: 1000,
  spark,
  operators: [],
};

test("books that tell one story have no differences", () => {
  expect(sparkDifferences(whole)).toEqual([]);
});

test.each<[string, Partial<SparkBooks>, string]>([
  [
    "a wallet gave leaves twice for one hash",
    { spark: { ...spark, htlcs: [htlc("a1", "out", "shared"), htlc("a1", "out2", "shared")] } },
    "2 times",
  ],
  ["leaves were taken and nothing was paid", { paidOut: paidOut([row("a1", "failed")]) }, "took the leaves and has not paid"],
  ["the SSP paid and gave the leaves back", { spark: { ...spark, htlcs: [htlc("a1", "out", "returned")] } }, "got no leaves"],
  ["leaves are still locked", { spark: { ...spark, htlcs: [htlc("a1", "out", "waiting")] } }, "still locked"],
  ["the node is still paying", { paidOut: paidOut([...rows, row("d4", "in_flight")]) }, "still paying"],
  ["the node paid what no wallet asked for", { paidOut: paidOut([...rows, row("d4", "settled")]) }, "no wallet asked for it"],
  ["the seller has not got it", { payees: [] }, "nobody has received it"],
  ["the seller got another amount", { payees: [{ paymentHash: "a1", amountMsat: 20_000 }] }, "another amount was received"],
  ["the seller got what the SSP did not pay", { payees: [...whole.payees, { paymentHash: "d4", amountMsat: 5 }] }, "has not paid it"],
  [
    "another amount was paid than was locked for",
    { paidOut: paidOut([{ ...row("a1", "settled"), amountMsat: msat(22_000) }]) },
    "another amount",
  ],
  ["fees on the way do not add up", { routedFeesMsat: 999 }, "routers earned 999 msat"],
  ["a wallet holds what never came in", { takenIn: [] }, "wallets hold 76 sat, and what came in less what was taken is -24 sat"],
  ["the operators find something themselves", { operators: ["a leaf is gone"] }, "a leaf is gone"],
])("a difference is found where %s", (_name, planted, words) => {
  expect(sparkDifferences({ ...whole, ...planted }).join("\n")).toContain(words);
});

test("what came in and is not claimed yet is the wallet's all the same", () => {
  const unclaimed: SparkLedger = {
    ...spark,
    owners: spark.owners.map((owner) => (owner.ssp ? owner : { ...owner, availableSats: 66 })),
    transfers: [...spark.transfers, transfer("coming", SSP, WALLET, 10, "key_tweaked")],
  };
  expect(sparkDifferences({ ...whole, spark: unclaimed })).toEqual([]);
});

test("the wallets' ledger has one row a payment hash, with the SSP's fee, and what went back as failed", () => {
  expect(ledgerOfSpark(spark)).toMatchObject({
    attempts: 2,
    settled: 1,
    failed: 1,
    inFlight: 0,
    settledMsat: 21_000,
    feesMsat: 3000,
    spendableMsat: 76_000,
    payments: [
      { paymentHash: "a1", state: "settled", amountMsat: 21_000, feeMsat: 3000, attempts: 1, settlements: 1 },
      { paymentHash: "b2", state: "failed", feeMsat: null, settlements: 0 },
    ],
  });
});

test("invariant 2: a hash that wallets locked leaves for twice shows two attempts, and two settlements where both were taken", () => {
  const twice: SparkLedger = {
    ...spark,
    htlcs: [htlc("a1", "back", "returned"), htlc("a1", "out", "shared"), htlc("a1", "more", "shared")],
  };
  expect(ledgerOfSpark(twice).payments).toMatchObject([{ state: "settled", attempts: 3, settlements: 2 }]);
});
