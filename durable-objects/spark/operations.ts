/**
 * The payer's memory of its orders: what was asked, what has passed the second gate, what is fenced. The gate is the last instant before the
 * SDK commits to the operators (its payment observer), so an order that never passed it has sent nothing and can be fenced; one that has may
 * be anywhere. Rows outlive eviction; the gate reads them, never memory.
 */
import type { OperationRef, PaymentOrder } from "../../lightning/payer.ts";
import type { Sql } from "../sql.ts";
import { SWAP_RETURNS } from "./wallet-row.ts";

export type OperationState = "asked" | "gated" | "fenced" | "settled" | "failed";

export interface OperationRow {
  readonly operation_id: string;
  readonly payment_hash: string;
  readonly state: OperationState;
  /** The latest deadline of its orders, epoch ms. */
  readonly deadline: number;
  /** The most that its fee can be: what the wallet agreed to before it sent. */
  readonly fee_sats: number | null;
  /** How far the SDK's list of transfers had been read when it was first sent (open-sends.ts). */
  readonly place: number | null;
}

/** Ended operations are kept this long, ms: longer than any HTLC of theirs (16 days). */
const KEEP = 40 * 86_400_000;

export class Operations {
  readonly #sql: Sql;
  readonly #now: () => number;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  row(operationId: string): OperationRow | null {
    return (
      this.#sql.rows<OperationRow>(
        "SELECT operation_id, payment_hash, state, deadline, fee_sats, place FROM spark_operation WHERE operation_id = ?",
        operationId,
      )[0] ?? null
    );
  }

  /** Notes the order before anything is done for it. @returns the row that holds now; a fenced one stays fenced */
  ask(order: PaymentOrder): OperationRow {
    return this.#sql.transaction(() => {
      this.#sql.rows(
        `INSERT INTO spark_operation (operation_id, payment_hash, state, deadline, changed_at) VALUES (?, ?, 'asked', ?, ?)
         ON CONFLICT (operation_id) DO UPDATE SET deadline = max(deadline, excluded.deadline)`,
        order.operationId,
        order.paymentHash,
        order.deadline,
        this.#now(),
      );
      const row = this.row(order.operationId);
      if (row === null) throw new Error("the operation was not written");
      return row;
    });
  }

  /** The second gate. @returns false when nothing may be sent for this operation: unknown here, fenced, ended, or too late */
  pass(operationId: string): boolean {
    return this.#sql.transaction(() => {
      const row = this.row(operationId);
      if (row === null || (row.state !== "asked" && row.state !== "gated") || row.deadline <= this.#now()) return false;
      this.#move(operationId, "gated");
      return true;
    });
  }

  /** A send was broken off before the gate lately: leaves of it may be with the SSP in a swap, and come back when that expires. */
  brokenOff(): boolean {
    return (
      this.#sql.rows(
        "SELECT 1 FROM spark_operation WHERE state IN ('asked', 'fenced') AND fee_sats IS NOT NULL AND changed_at > ? LIMIT 1",
        this.#now() - SWAP_RETURNS,
      ).length > 0
    );
  }

  /** The SDK itself said no, for want of money: nothing of it is on its way anywhere. */
  disagree(operationId: string): void {
    this.#sql.rows("UPDATE spark_operation SET fee_sats = NULL WHERE operation_id = ? AND state = 'asked'", operationId);
  }

  /** Right before it is sent. A second time the first may have arrived after all: its place holds, and the higher fee. */
  agree(operationId: string, feeSats: number, place: number): void {
    this.#sql.rows(
      "UPDATE spark_operation SET fee_sats = max(coalesce(fee_sats, 0), ?), place = coalesce(place, ?) WHERE operation_id = ?",
      feeSats,
      place,
      operationId,
    );
  }

  /** @returns true when no order of this operation can ever be sent any more */
  fence(operation: OperationRef): boolean {
    return this.#sql.transaction(() => {
      const row = this.row(operation.operationId);
      if (row === null)
        this.#sql.rows(
          "INSERT INTO spark_operation (operation_id, payment_hash, state, deadline, changed_at) VALUES (?, ?, 'fenced', 0, ?)",
          operation.operationId,
          operation.paymentHash,
          this.#now(),
        );
      else if (row.state === "asked") this.#move(operation.operationId, "fenced");
      return row === null || row.state === "asked" || row.state === "fenced";
    });
  }

  end(operationId: string, state: "settled" | "failed"): void {
    if (this.row(operationId)?.state === state) return;
    this.#sql.transaction(() => {
      this.#move(operationId, state);
      if (state === "settled")
        this.#sql.rows("UPDATE spark_wallet SET last_payment_at = ?, sends_since_optimised = sends_since_optimised + 1", this.#now());
    });
  }

  /** Ended long ago: the operation, and what the SDK keeps of its payment (sealed invoice and proof), received ones too. */
  forgetOld(): void {
    const before = this.#now() - KEEP;
    this.#sql.transaction(() => {
      this.#sql.rows("DELETE FROM spark_operation WHERE state IN ('fenced', 'settled', 'failed') AND changed_at < ?", before);
      // The SDK counts what it has read of the operators' list, and never reads a payment twice.
      this.#sql.rows("DELETE FROM spark_payment WHERE status <> 'pending' AND timestamp < ?", Math.floor(before / 1000));
    });
  }

  #move(operationId: string, state: OperationState): void {
    this.#sql.rows("UPDATE spark_operation SET state = ?, changed_at = ? WHERE operation_id = ?", state, this.#now(), operationId);
  }
}
