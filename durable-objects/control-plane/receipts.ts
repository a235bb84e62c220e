/**
 * The wallets' receipts, a second copy away from the wallet. They arrive at least once and in any batching; only what continues the
 * chain is kept, so this copy is a prefix of the wallet's own and `receipts verify` can check it by itself (invariant 14).
 */
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import { canonicalJson, type Json } from "../../lightning/jcs.ts";
import { GENESIS, chainHash, receiptId, type Receipt } from "../../lightning/receipt.ts";
import type { Sql } from "../sql.ts";

const MOST_IN_A_PAGE = 200;

export class ReceiptStore {
  readonly #sql: Sql;
  readonly #owner: string;

  constructor(sql: Sql, owner: string) {
    this.#sql = sql;
    this.#owner = owner;
  }

  /**
   * Call inside a transaction. After a gap nothing more is taken: the answer says where to go on from.
   * @returns the last sequence number held
   * @throws Error when a receipt is another wallet's, does not hash to its id, breaks the chain, or differs from the one held under its number
   */
  ingest(walletId: string, records: readonly ReceiptRecord[]): number {
    let { sequence, chain } = this.#last(walletId);
    for (const record of records) {
      const { receipt } = record;
      if (receipt.walletId !== walletId || receipt.owner !== this.#owner) throw new Error("a receipt of another wallet");
      if (receipt.sequence > sequence + 1) break;
      if (receipt.sequence <= sequence) {
        if (this.#idAt(walletId, receipt.sequence) !== record.receiptId)
          throw new Error(`receipt ${receipt.sequence} is not the one held under this number`);
        continue;
      }
      if (receiptId(receipt) !== record.receiptId) throw new Error(`receipt ${receipt.sequence} does not hash to its id`);
      if (chainHash(chain, record.receiptId) !== record.chain) throw new Error(`receipt ${receipt.sequence} does not continue the chain`);
      this.#sql.rows(
        "INSERT INTO receipt (wallet_id, sequence, receipt_id, chain, facts) VALUES (?, ?, ?, ?, ?)",
        // A Receipt is plain JSON; its interface just has no index signature.
        walletId,
        receipt.sequence,
        record.receiptId,
        record.chain,
        canonicalJson(receipt as unknown as Json),
      );
      sequence = receipt.sequence;
      chain = record.chain;
    }
    return sequence;
  }

  page(walletId: string, { after, limit }: { readonly after: number; readonly limit: number }): readonly ReceiptRecord[] {
    return this.#sql
      .rows<{ receipt_id: string; chain: string; facts: string }>(
        "SELECT receipt_id, chain, facts FROM receipt WHERE wallet_id = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        walletId,
        after,
        Math.max(1, Math.min(MOST_IN_A_PAGE, Math.trunc(limit) || MOST_IN_A_PAGE)),
      )
      .map(({ receipt_id, chain, facts }) => ({ receiptId: receipt_id, chain, receipt: JSON.parse(facts) as Receipt }));
  }

  #last(walletId: string): { readonly sequence: number; readonly chain: string } {
    const last = this.#sql.rows<{ sequence: number; chain: string }>(
      "SELECT sequence, chain FROM receipt WHERE wallet_id = ? ORDER BY sequence DESC LIMIT 1",
      walletId,
    )[0];
    return last ?? { sequence: 0, chain: GENESIS };
  }

  #idAt(walletId: string, sequence: number): string | null {
    return (
      this.#sql.rows<{ receipt_id: string }>("SELECT receipt_id FROM receipt WHERE wallet_id = ? AND sequence = ?", walletId, sequence)[0]
        ?.receipt_id ?? null
    );
  }
}
