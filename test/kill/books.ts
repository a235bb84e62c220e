/**
 * The Wallet's own books as they lie on disk, read from a copy of its SQLite files without asking the Worker, and held against the Lightning
 * node's ledger. A copy made while workerd runs may be torn: good enough to see that something has not happened yet, and never the last word.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isPaid, type State } from "../../lightning/purchase.ts";
import { GENESIS, verifyChain, type Receipt } from "../../lightning/receipt.ts";
import type { Ledger } from "../../sandbox/ledger.ts";

export interface PurchaseOnDisk {
  readonly id: string;
  readonly state: State;
  readonly code: string | null;
  readonly path: string;
  readonly due_at: number | null;
  readonly request_key: string | null;
  readonly credential_id: string | null;
}

export interface PaymentOnDisk {
  readonly purchase_id: string;
  readonly payment_hash: string;
  readonly state: "open" | "settled" | "released";
  readonly amount_msat: number;
  readonly charge_msat: number;
  readonly fee_msat: number | null;
}

export interface Books {
  readonly walletId: string;
  readonly purchases: readonly PurchaseOnDisk[];
  readonly payments: readonly PaymentOnDisk[];
  /** Purchase ids of the stored credentials. */
  readonly credentials: readonly string[];
  readonly receipts: readonly { readonly receiptId: string; readonly chain: string; readonly receipt: Receipt }[];
  readonly spentMsat: number;
  readonly flights: number;
  /** Size of the database, its log included. */
  readonly bytes: number;
}

/** Every wallet under this folder. @throws what SQLite says of a torn copy */
export function readBooks(walletsDir: string): readonly Books[] {
  const copy = mkdtempSync(join(tmpdir(), "lightning-worker-books-"));
  try {
    for (const name of readdirSync(walletsDir)) if (/\.sqlite(?:-wal)?$/u.test(name)) cpSync(join(walletsDir, name), join(copy, name));
    return readdirSync(copy)
      .filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite")
      .flatMap((name) => readWallet(join(copy, name)) ?? []);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function readWallet(file: string): Books | null {
  const db = new DatabaseSync(file);
  try {
    const all = <T>(query: string): T[] => db.prepare(query).all() as T[];
    if (all("SELECT name FROM sqlite_master WHERE name = 'wallet'").length === 0) return null;
    const walletId = all<{ wallet_id: string }>("SELECT wallet_id FROM wallet")[0]?.wallet_id;
    if (walletId === undefined) return null;
    return {
      walletId,
      purchases: all("SELECT id, state, code, path, due_at, request_key, credential_id FROM purchase ORDER BY seq"),
      payments: all("SELECT purchase_id, payment_hash, state, amount_msat, charge_msat, fee_msat FROM payment"),
      credentials: all<{ purchase_id: string }>("SELECT purchase_id FROM credential").map((row) => row.purchase_id),
      receipts: all<{ receipt_id: string; chain: string; facts: string }>(
        "SELECT receipt_id, chain, facts FROM receipt ORDER BY sequence",
      ).map(({ receipt_id, chain, facts }) => ({
        receiptId: receipt_id,
        chain,
        receipt: JSON.parse(facts) as Receipt,
      })),
      spentMsat:
        all<{ sum: number | null }>("SELECT SUM(settled_msat) AS sum FROM spent WHERE holder = 'wallet' AND hour = -1")[0]?.sum ?? 0,
      flights: all("SELECT purchase_id FROM flight").length,
      bytes: all<{ bytes: number }>("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")[0]?.bytes ?? 0,
    };
  } finally {
    db.close();
  }
}

/**
 * Waits, without a single request to the Worker, until the books on disk say what they should: looks whenever a file has changed.
 * @throws Error after `ms`, with the states of what is still waiting
 */
export async function untilBooks(walletsDir: string, right: (books: readonly Books[]) => boolean, ms: number): Promise<void> {
  const holds = (): boolean => {
    try {
      return right(readBooks(walletsDir));
    } catch {
      return false;
    }
  };
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), ms);
  try {
    const changes = watch(walletsDir, { signal: over.signal });
    if (holds()) return;
    for await (const _change of changes) if (holds()) return;
  } catch {
    const states = readBooks(walletsDir).flatMap(({ purchases }) =>
      purchases.filter(({ due_at }) => due_at !== null).map(({ state, path }) => `${state} ${path}`),
    );
    throw new Error(`after ${ms} ms the books still show: ${states.join(", ") || "nothing waiting"}`);
  } finally {
    clearTimeout(timer);
  }
}

/** What differs between the wallets' books and the node's, as sentences; empty when nothing does. The Worker must be dead. */
export function differences(books: readonly Books[], ledger: Ledger): readonly string[] {
  const found: string[] = [];
  const payments = new Map(books.flatMap((each) => each.payments.map((payment) => [payment.payment_hash, payment] as const)));
  for (const row of ledger.payments) {
    const payment = payments.get(row.paymentHash);
    if (row.attempts > 1 || row.settlements > 1)
      found.push(`invariant 2: ${row.attempts} attempts and ${row.settlements} settlements of one payment hash`);
    if (payment === undefined) found.push("invariant 1: the node knows a payment that no journal does");
    else if (row.state === "settled" && payment.state === "released")
      found.push("invariant 4: the node has paid what the journal has released");
    else if (
      row.state === "settled" &&
      payment.state === "settled" &&
      (row.amountMsat !== payment.amount_msat || row.feeMsat !== payment.fee_msat)
    )
      found.push("drift: the node paid another amount");
  }
  const settledAtNode = new Map(ledger.payments.filter(({ state }) => state === "settled").map((row) => [row.paymentHash, row]));
  for (const { walletId, purchases, payments: own, credentials, receipts, spentMsat } of books) {
    const settled = own.filter(({ state }) => state === "settled");
    for (const payment of settled) {
      if (!settledAtNode.has(payment.payment_hash)) found.push("invariant 5: settled in the journal, and not at the node");
      if (!credentials.includes(payment.purchase_id)) found.push("invariant 6: paid, and the credential is lost");
    }
    for (const purchase of purchases)
      if (isPaid(purchase.state) && !settled.some(({ purchase_id }) => purchase_id === purchase.id))
        found.push(`invariant 5: ${purchase.state} without a settled payment`);
    const sum = settled.reduce((total, { charge_msat, fee_msat }) => total + charge_msat + (fee_msat ?? 0), 0);
    if (sum !== spentMsat) found.push(`drift: ${walletId} has counted ${spentMsat} msat and paid ${sum}`);
    const fault = verifyChain(receipts, GENESIS);
    if (fault !== null) found.push(`invariant 14: the chain breaks at line ${fault.line} (${fault.fault})`);
    const receipted = receipts
      .filter(({ receipt }) => receipt.kind === "paid" || receipt.kind === "late_settlement")
      .map(({ receipt }) => receipt.paymentHash);
    if (receipted.length !== settled.length || !settled.every(({ payment_hash }) => receipted.includes(payment_hash)))
      found.push("invariant 14: a payment without its receipt, or with two");
  }
  return found;
}
