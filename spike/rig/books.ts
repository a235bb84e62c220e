/**
 * Three books that must say the same: the journals of all wallets, the ledger of the node that paid, and the Spark network's own, which
 * checks that nothing was made or lost. Read from the stored files of a stopped system.
 */
import { DatabaseSync } from "node:sqlite";
import type { SparkLedger } from "../../sandbox/spark/operators-port.ts";
import type { Ledger } from "../../sandbox/ledger.ts";
import { filesBelow } from "./dev-worker.ts";

export interface JournalPayment {
  readonly walletId: string;
  readonly paymentHash: string;
  readonly state: "open" | "settled" | "released";
  readonly amountMsat: number;
  readonly feeMsat: number | null;
}

/** Every payment of every wallet below a folder. */
export function journals(stateDir: string): readonly JournalPayment[] {
  return filesBelow(stateDir)
    .filter((file) => file.endsWith(".sqlite"))
    .flatMap((file) => {
      const db = new DatabaseSync(file);
      try {
        if (db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'payment'").get() === undefined) return [];
        const { wallet_id: walletId } = db.prepare("SELECT wallet_id FROM wallet").get() as { readonly wallet_id: string };
        return (
          db.prepare("SELECT payment_hash, state, amount_msat, fee_msat FROM payment").all() as {
            readonly payment_hash: string;
            readonly state: JournalPayment["state"];
            readonly amount_msat: number;
            readonly fee_msat: number | null;
          }[]
        ).map((row) => ({ walletId, paymentHash: row.payment_hash, state: row.state, amountMsat: row.amount_msat, feeMsat: row.fee_msat }));
      } finally {
        db.close();
      }
    });
}

/** @returns one line for each difference; none: the books agree */
export function differencesOf(
  journal: readonly JournalPayment[],
  node: Pick<Ledger, "payments">,
  network: readonly string[],
): readonly string[] {
  const found: string[] = network.map((line) => `Spark: ${line}`);
  const short = (hash: string): string => hash.slice(0, 8);
  const settled = new Map(journal.filter(({ state }) => state === "settled").map((payment) => [payment.paymentHash, payment]));
  for (const payment of node.payments) {
    const booked = settled.get(payment.paymentHash);
    if (payment.settlements > 1) found.push(`${short(payment.paymentHash)} left the node ${payment.settlements} times`);
    if (payment.state === "settled" && booked === undefined)
      found.push(`${short(payment.paymentHash)} was paid by the node and is not settled in a journal`);
    if (payment.state !== "settled" && booked !== undefined)
      found.push(`${short(payment.paymentHash)} is settled in a journal, and ${payment.state} at the node`);
    if (booked !== undefined && booked.amountMsat !== payment.amountMsat) found.push(`${short(payment.paymentHash)} has two amounts`);
  }
  const known = new Set(node.payments.map(({ paymentHash }) => paymentHash));
  for (const hash of settled.keys()) if (!known.has(hash)) found.push(`${short(hash)} is settled in a journal, and the node never saw it`);
  for (const payment of journal) if (payment.state === "open") found.push(`${short(payment.paymentHash)} is still open`);
  return found;
}

/** What has left a wallet, msat: a Spark wallet sends whole satoshi and rounds up. */
export function leftWallet(journal: readonly JournalPayment[], walletId: string): number {
  return journal
    .filter((payment) => payment.walletId === walletId && payment.state === "settled")
    .reduce((sum, { amountMsat, feeMsat }) => sum + Math.ceil(amountMsat / 1000) * 1000 + (feeMsat ?? 0), 0);
}

/**
 * What the Spark network's own ledger has for a wallet: what it can spend, and what is its own but under way: locked in a transfer that has
 * not completed, or sent to it and not yet claimed.
 */
export function holdingOf(
  { owners, transfers }: SparkLedger,
  identity: string,
): { readonly spendableSats: number; readonly underWaySats: number } {
  const own = owners.find((owner) => owner.identity === identity);
  const arriving = transfers
    .filter(({ receiver, status }) => receiver === identity && (status === "key_tweak_pending" || status === "key_tweaked"))
    .reduce((sum, { totalSats }) => sum + totalSats, 0);
  return { spendableSats: own?.availableSats ?? 0, underWaySats: (own?.lockedSats ?? 0) + arriving };
}
