/** The auditor audited: each thing that can be wrong between journal and node is found, and named by its invariant. */
import { expect, test } from "vitest";
import { ZERO, sats, type Msat } from "../../lightning/msat.ts";
import { chainHash, GENESIS, receiptId, type Receipt } from "../../lightning/receipt.ts";
import type { Ledger, LedgerRow } from "../../sandbox/ledger.ts";
import { differences, type Books } from "./books.ts";

const HASH = "ab".repeat(32);
const FEE = 105 as Msat;

const facts: Receipt = {
  version: 1,
  kind: "paid",
  sequence: 1,
  purchaseId: "p1",
  walletId: "w1",
  owner: "main",
  budget: "agent",
  subject: null,
  at: "2026-11-22T00:00:00.000Z",
  method: "GET",
  origin: "https://seller.example",
  path: "/a",
  code: null,
  amountMsat: sats(10),
  feeMsat: FEE,
  maxFeeMsat: sats(5),
  paymentHash: HASH,
  credentialId: "c1",
  binding: "verified",
  evidence: null,
  backend: "http-executor",
  epoch: 1,
  policyVersion: 1,
};
const receipt = { receiptId: receiptId(facts), chain: chainHash(GENESIS, receiptId(facts)), receipt: facts };
const payment = {
  purchase_id: "p1",
  payment_hash: HASH,
  state: "settled" as const,
  amount_msat: sats(10),
  charge_msat: sats(10),
  fee_msat: FEE,
};
const purchase = { id: "p1", state: "fulfilled" as const, code: null, path: "/a", due_at: null, request_key: null, credential_id: "c1" };
const books: Books = {
  walletId: "w1",
  purchases: [purchase],
  payments: [payment],
  credentials: ["p1"],
  receipts: [receipt],
  spentMsat: sats(10) + FEE,
  flights: 0,
  bytes: 0,
};
const row: LedgerRow = {
  paymentHash: HASH,
  amountMsat: sats(10),
  feeMsat: FEE,
  maxFeeMsat: sats(5),
  state: "settled",
  failure: null,
  attempts: 1,
  repeats: 0,
  settlements: 1,
  startedAt: 1,
  endedAt: 2,
  route: "a",
};
const ledger = (rows: readonly LedgerRow[]): Ledger => ({
  attempts: 1,
  settled: rows.length,
  failed: 0,
  inFlight: 0,
  settledMsat: sats(10),
  feesMsat: FEE,
  spendableMsat: ZERO,
  payments: rows,
});

test("books that agree have no difference", () => {
  expect(differences([books], ledger([row]))).toEqual([]);
});

test.each<[string, readonly Books[], readonly LedgerRow[], RegExp]>([
  ["a hash that was paid twice", [books], [{ ...row, settlements: 2 }], /^invariant 2/u],
  ["a payment that no journal knows", [books], [row, { ...row, paymentHash: "cd".repeat(32) }], /^invariant 1/u],
  [
    "a released payment that the node has made",
    [
      {
        ...books,
        payments: [{ ...payment, state: "released", fee_msat: null }],
        purchases: [{ ...purchase, state: "failed" }],
        receipts: [],
        spentMsat: 0,
      },
    ],
    [row],
    /^invariant 4/u,
  ],
  ["another fee at the node", [books], [{ ...row, feeMsat: ZERO }], /^drift: the node/u],
  ["a journal that has settled what the node has not", [books], [{ ...row, state: "in_flight", settlements: 0 }], /^invariant 5/u],
  ["a paid purchase without its credential", [{ ...books, credentials: [] }], [row], /^invariant 6/u],
  ["a counter that has drifted", [{ ...books, spentMsat: 1 }], [row], /^drift: w1/u],
  ["a broken chain", [{ ...books, receipts: [{ ...receipt, chain: GENESIS }] }], [row], /^invariant 14: the chain/u],
  ["a payment without a receipt", [{ ...books, receipts: [] }], [row], /^invariant 14: a payment/u],
])("finds %s", (_what, wrong, rows, sentence) => {
  expect(differences(wrong, ledger(rows))).toEqual([expect.stringMatching(sentence)]);
});
