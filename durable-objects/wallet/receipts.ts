/** Writes receipts (invariant 14): always inside the block that records what they state. The outbox is the part of the chain not yet acknowledged. */
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import { GENESIS, canonicalFacts, chainHash, receiptId, type Receipt } from "../../lightning/receipt.ts";
import type { Sql } from "../sql.ts";

export type Facts = Omit<Receipt, "version" | "sequence" | "at">;

interface Row {
  readonly receipt_id: string;
  readonly chain: string;
  readonly facts: string;
}

export class Receipts {
  readonly #sql: Sql;
  /** The chain's end, which only this object writes; null when it must be read. */
  #last: { readonly sequence: number; readonly chain: string } | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** A transaction was rolled back, and perhaps the end of the chain with it. */
  forget(): void {
    this.#last = null;
  }

  /** @returns the receipt's id */
  write(facts: Facts, at: number): string {
    this.#last ??= this.#sql.rows<{ sequence: number; chain: string }>(
      "SELECT sequence, chain FROM receipt ORDER BY sequence DESC LIMIT 1",
    )[0] ?? { sequence: 0, chain: GENESIS };
    const sequence = this.#last.sequence + 1;
    const receipt: Receipt = { ...facts, version: 1, sequence, at: new Date(at).toISOString() };
    const canonical = canonicalFacts(receipt);
    const id = receiptId(receipt, canonical);
    const chain = chainHash(this.#last.chain, id);
    this.#sql.rows(
      "INSERT INTO receipt (sequence, purchase_id, budget, receipt_id, chain, at, facts) VALUES (?, ?, ?, ?, ?, ?, ?)",
      sequence,
      facts.purchaseId,
      facts.budget,
      id,
      chain,
      at,
      canonical,
    );
    this.#last = { sequence, chain };
    return id;
  }

  /** Ids of a purchase's receipts, oldest first. */
  of(purchaseId: string): readonly string[] {
    return this.#sql
      .rows<{ receipt_id: string }>("SELECT receipt_id FROM receipt WHERE purchase_id = ? ORDER BY sequence", purchaseId)
      .map((row) => row.receipt_id);
  }

  /** @param budget null: the whole wallet's */
  page(after: number, limit: number, budget: string | null): readonly ReceiptRecord[] {
    const rows =
      budget === null
        ? this.#sql.rows<Row>("SELECT receipt_id, chain, facts FROM receipt WHERE sequence > ? ORDER BY sequence LIMIT ?", after, limit)
        : this.#sql.rows<Row>(
            "SELECT receipt_id, chain, facts FROM receipt WHERE sequence > ? AND budget = ? ORDER BY sequence LIMIT ?",
            after,
            budget,
            limit,
          );
    return rows.map((row) => ({ receiptId: row.receipt_id, chain: row.chain, receipt: JSON.parse(row.facts) as Receipt }));
  }

  count(): number {
    return this.#sql.rows<{ n: number }>("SELECT COALESCE(MAX(sequence), 0) AS n FROM receipt")[0]?.n ?? 0;
  }

  acknowledged(): number {
    return this.#sql.rows<{ acknowledged: number }>("SELECT acknowledged FROM outbox WHERE only = 1")[0]?.acknowledged ?? 0;
  }

  /** What the control plane holds, by its own last word: that may be less than it once said. */
  acknowledge(sequence: number): void {
    this.#sql.rows(
      "INSERT INTO outbox (only, acknowledged) VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET acknowledged = excluded.acknowledged",
      sequence,
    );
  }
}
