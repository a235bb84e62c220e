import { expect, it } from "vitest";
import { msat, sats } from "../../lightning/msat.ts";
import type { LedgerRow } from "../../sandbox/ledger.ts";
import { differencesOf, holdingOf, leftWallet, type JournalPayment } from "./books.ts";

const hash = (n: number): string => String(n).repeat(64);
const booked = (n: number, change: Partial<JournalPayment> = {}): JournalPayment => ({
  walletId: "w_a",
  paymentHash: hash(n),
  state: "settled",
  amountMsat: 10_000,
  feeMsat: 1000,
  ...change,
});
const paid = (n: number, change: Partial<LedgerRow> = {}): LedgerRow => ({
  paymentHash: hash(n),
  amountMsat: sats(10),
  feeMsat: msat(100),
  maxFeeMsat: sats(5),
  state: "settled",
  failure: null,
  attempts: 1,
  repeats: 0,
  settlements: 1,
  startedAt: 1,
  endedAt: 2,
  route: "many",
  ...change,
});

it("books that agree show nothing", () => {
  expect(
    differencesOf([booked(1), booked(2, { state: "released" })], { payments: [paid(1), paid(2, { state: "failed", settlements: 0 })] }, []),
  ).toEqual([]);
});

it.each<[string, readonly JournalPayment[], readonly LedgerRow[], readonly string[]]>([
  ["a payment in no journal", [], [paid(1)], []],
  ["a payment that was released and left all the same", [booked(1, { state: "released" })], [paid(1)], []],
  ["a settlement that the node never made", [booked(1)], [], []],
  ["a settlement of what failed", [booked(1)], [paid(1, { state: "failed", settlements: 0 })], []],
  ["a payment made twice", [booked(1)], [paid(1, { settlements: 2 })], []],
  ["another amount", [booked(1, { amountMsat: 9000 })], [paid(1)], []],
  ["a row still open", [booked(1), booked(2, { state: "open", feeMsat: null })], [paid(1)], []],
  ["the network's own complaint", [booked(1)], [paid(1)], ["3 sat are missing"]],
])("%s is one difference", (_what, journal, payments, network) => {
  expect(differencesOf(journal, { payments }, network)).toHaveLength(1);
});

it("what left a wallet is whole satoshi and fees, of its own settled payments", () => {
  const journal = [booked(1, { amountMsat: 9001 }), booked(2, { state: "released" }), booked(3, { walletId: "w_b" })];
  expect(leftWallet(journal, "w_a")).toBe(11_000);
});

it("what is locked, or sent to a wallet and not yet claimed, is its own, but not to be spent", () => {
  const account = { ssp: false, mintedSats: 0, receivedSats: 0, sentSats: 0 };
  const transfer = { id: "t", type: "counter_swap", leafIds: [], paymentHash: null, expiresAt: null, createdAt: 1, updatedAt: 1 } as const;
  const ledger = {
    mintedSats: 100,
    owners: [
      { ...account, identity: "me", availableSats: 50, lockedSats: 8 },
      { ...account, identity: "ssp", availableSats: 42, lockedSats: 0, ssp: true },
    ],
    transfers: [
      { ...transfer, sender: "ssp", receiver: "me", totalSats: 4, status: "key_tweaked" },
      { ...transfer, sender: "ssp", receiver: "me", totalSats: 30, status: "completed" },
      { ...transfer, sender: "ssp", receiver: "you", totalSats: 2, status: "key_tweaked" },
    ],
    htlcs: [],
  } as const;
  expect(holdingOf(ledger, "me")).toEqual({ spendableSats: 50, underWaySats: 12 });
  expect(holdingOf(ledger, "nobody")).toEqual({ spendableSats: 0, underWaySats: 0 });
});
