/**
 * The journal's rows and the only way to move one: along the transition table, by compare-and-set on the state it was read in.
 * Everything here runs inside the caller's transaction.
 */
import { next, type Event, type State } from "../../lightning/purchase.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Sql } from "../sql.ts";

export interface PurchaseRow {
  readonly seq: number;
  readonly id: string;
  readonly state: State;
  readonly code: Code | null;
  readonly budget: string;
  readonly caller: string;
  readonly subject: string | null;
  readonly method: string;
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly request_hash: string;
  readonly request_key: string | null;
  readonly max_msat: number | null;
  readonly credential_id: string | null;
  readonly opened_at: number;
  readonly due_at: number | null;
  readonly tries: number;
  /** Resume: the purchase whose credential this one uses; it pays nothing. */
  readonly resume_of: string | null;
  readonly answer_status: number | null;
}

export interface PaymentRow {
  readonly purchase_id: string;
  readonly operation_id: string;
  readonly payment_hash: string;
  readonly state: "open" | "settled" | "released";
  readonly budget: string;
  readonly host: string;
  readonly port: number;
  readonly origin: string;
  readonly scope: string;
  readonly amount_msat: number;
  readonly charge_msat: number;
  readonly reserve_msat: number;
  readonly fee_msat: number | null;
  readonly reserved_at: number;
  readonly expires_at: number;
  readonly deadline: number | null;
  readonly binding: "verified" | "unverified";
  readonly valid_until: number | null;
  readonly sealed: Uint8Array;
  readonly subject: string | null;
  /** A withdrawal is an operator's: no seller, no credential, no budget. */
  readonly kind: "purchase" | "withdrawal";
}

export interface RequestKeyRow {
  readonly request_hash: string;
  readonly payer_id: string | null;
}

export class Journal {
  readonly #sql: Sql;
  #earliest: number | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  purchase(id: string): PurchaseRow | null {
    return this.#sql.rows<PurchaseRow>("SELECT * FROM purchase WHERE id = ?", id)[0] ?? null;
  }

  open(row: Omit<PurchaseRow, "seq" | "tries" | "state" | "code" | "answer_status">): PurchaseRow {
    this.#awaits(row.due_at);
    const opened = this.#sql.rows<Pick<PurchaseRow, "seq">>(
      `INSERT INTO purchase (id, state, budget, caller, subject, method, origin, host, port, path, request_hash, request_key, max_msat, credential_id, opened_at, due_at, resume_of)
       VALUES (?, 'opened', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
      row.id,
      row.budget,
      row.caller,
      row.subject,
      row.method,
      row.origin,
      row.host,
      row.port,
      row.path,
      row.request_hash,
      row.request_key,
      row.max_msat,
      row.credential_id,
      row.opened_at,
      row.due_at,
      row.resume_of,
    )[0];
    if (opened === undefined) throw new Error("the journal did not take the row");
    return { ...row, seq: opened.seq, state: "opened", code: null, tries: 0, answer_status: null };
  }

  /**
   * Moves a row. `due` is when the alarm must look at it again: null exactly where nothing is awaited.
   * @throws Error where the table or the row's present state forbids it: a bug, and the transaction rolls back
   */
  move(row: PurchaseRow, event: Event, due: number | null, code: Code | null = null): PurchaseRow {
    const to = next(row.state, event);
    if (to === null) throw new Error(`a purchase in ${row.state} takes no ${event}`);
    this.#awaits(due);
    const moved = this.#sql.rows<PurchaseRow>(
      "UPDATE purchase SET state = ?, code = ?, due_at = ?, tries = CASE WHEN ? = state THEN tries + 1 ELSE 0 END WHERE id = ? AND state = ? RETURNING *",
      to,
      code,
      due,
      to,
      row.id,
      row.state,
    )[0];
    if (moved === undefined) throw new Error(`the purchase is no longer ${row.state}`);
    return moved;
  }

  /** The same state, looked at again later. */
  postpone(row: PurchaseRow, due: number): void {
    this.#awaits(due);
    this.#sql.rows("UPDATE purchase SET due_at = ?, tries = tries + 1 WHERE id = ? AND state = ?", due, row.id, row.state);
  }

  useCredential(id: string, credentialId: string): void {
    this.#sql.rows("UPDATE purchase SET credential_id = ? WHERE id = ?", credentialId, id);
  }

  answered(id: string, status: number, bytes: number, sha256: string | null, complete: boolean): void {
    this.#sql.rows(
      "UPDATE purchase SET answer_status = ?, answer_bytes = ?, answer_sha256 = ?, answer_complete = ? WHERE id = ?",
      status,
      bytes,
      sha256,
      complete ? 1 : 0,
      id,
    );
  }

  due(now: number, limit: number): readonly PurchaseRow[] {
    return this.#sql.rows<PurchaseRow>(
      "SELECT * FROM purchase WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
      now,
      limit,
    );
  }

  page(before: number | null, limit: number, budget: string | null): readonly PurchaseRow[] {
    return this.#sql.rows<PurchaseRow>(
      "SELECT * FROM purchase WHERE seq < ? AND (? IS NULL OR budget = ?) ORDER BY seq DESC LIMIT ?",
      before ?? Number.MAX_SAFE_INTEGER,
      budget,
      budget,
      limit,
    );
  }

  payment(purchaseId: string): PaymentRow | null {
    return this.#sql.rows<PaymentRow>("SELECT * FROM payment WHERE purchase_id = ?", purchaseId)[0] ?? null;
  }

  paymentByHash(hash: string): PaymentRow | null {
    return this.#sql.rows<PaymentRow>("SELECT * FROM payment WHERE payment_hash = ?", hash)[0] ?? null;
  }

  /** Purchases that were paid for at this origin and scope, not fulfilled and not written off; the oldest first. */
  owed(origin: string, scope: string): readonly string[] {
    return this.#sql
      .rows<{ id: string }>(
        "SELECT p.id FROM purchase p JOIN payment m ON m.purchase_id = p.id WHERE p.state = 'paid_unfulfilled' AND p.origin = ? AND m.scope = ? ORDER BY p.seq",
        origin,
        scope,
      )
      .map(({ id }) => id);
  }

  openPayments(): number {
    return this.#sql.rows<{ n: number }>("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")[0]?.n ?? 0;
  }

  /** Sets money aside, takes the flight, and ties the request key to this purchase: all or nothing. */
  reserve(row: PurchaseRow, payment: Omit<PaymentRow, "state" | "fee_msat" | "deadline">, flight: string): void {
    this.#sql.rows(
      `INSERT INTO payment (purchase_id, operation_id, payment_hash, state, budget, host, port, origin, scope, amount_msat, charge_msat, reserve_msat, reserved_at, expires_at, binding, valid_until, sealed, subject, kind)
       VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      payment.purchase_id,
      payment.operation_id,
      payment.payment_hash,
      payment.budget,
      payment.host,
      payment.port,
      payment.origin,
      payment.scope,
      payment.amount_msat,
      payment.charge_msat,
      payment.reserve_msat,
      payment.reserved_at,
      payment.expires_at,
      payment.binding,
      payment.valid_until,
      payment.sealed,
      payment.subject,
      payment.kind,
    );
    this.#sql.rows("INSERT INTO flight (origin, scope, purchase_id) VALUES (?, ?, ?)", payment.origin, flight, row.id);
    if (row.request_key !== null)
      this.#sql.rows("UPDATE request_key SET payer_id = ? WHERE budget = ? AND key = ?", row.id, row.budget, row.request_key);
  }

  setDeadline(purchaseId: string, deadline: number): void {
    this.#sql.rows("UPDATE payment SET deadline = ? WHERE purchase_id = ?", deadline, purchaseId);
  }

  /** Definitely nothing was or will be sent: the money is free again, and the request may try anew. */
  release(row: PurchaseRow): void {
    this.#sql.rows("UPDATE payment SET state = 'released' WHERE purchase_id = ? AND state = 'open'", row.id);
    this.land(row.id);
    if (row.request_key !== null)
      this.#sql.rows(
        "UPDATE request_key SET payer_id = NULL WHERE budget = ? AND key = ? AND payer_id = ?",
        row.budget,
        row.request_key,
        row.id,
      );
  }

  /** @returns false when it was settled already */
  settle(row: PurchaseRow, feeMsat: number): boolean {
    const settled = this.#sql.rows(
      "UPDATE payment SET state = 'settled', fee_msat = ? WHERE purchase_id = ? AND state <> 'settled' RETURNING purchase_id",
      feeMsat,
      row.id,
    );
    this.land(row.id);
    if (row.request_key !== null)
      this.#sql.rows("UPDATE request_key SET payer_id = ? WHERE budget = ? AND key = ?", row.id, row.budget, row.request_key);
    return settled.length > 0;
  }

  land(purchaseId: string): void {
    this.#sql.rows("DELETE FROM flight WHERE purchase_id = ?", purchaseId);
  }

  flight(origin: string, scope: string): string | null {
    return (
      this.#sql.rows<{ purchase_id: string }>("SELECT purchase_id FROM flight WHERE origin = ? AND scope = ?", origin, scope)[0]
        ?.purchase_id ?? null
    );
  }

  requestKey(budget: string, key: string): RequestKeyRow | null {
    return (
      this.#sql.rows<RequestKeyRow>("SELECT request_hash, payer_id FROM request_key WHERE budget = ? AND key = ?", budget, key)[0] ?? null
    );
  }

  addRequestKey(budget: string, key: string, requestHash: string): void {
    this.#sql.rows("INSERT INTO request_key (budget, key, request_hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", budget, key, requestHash);
  }

  /** The earliest instant written since it was last asked: whoever has an alarm for all that was there before needs no more than this. */
  takeEarliest(): number | null {
    const earliest = this.#earliest;
    this.#earliest = null;
    return earliest;
  }

  #awaits(due: number | null): void {
    if (due !== null && (this.#earliest === null || due < this.#earliest)) this.#earliest = due;
  }

  /** The next instant anything here must be looked at, or null. */
  nextDue(): number | null {
    const row = this.#sql.rows<{ at: number | null }>(
      "SELECT MIN(at) AS at FROM (SELECT MIN(due_at) AS at FROM purchase WHERE due_at IS NOT NULL UNION ALL SELECT MIN(at) FROM due)",
    )[0];
    return row?.at ?? null;
  }

  job(name: string): { readonly at: number; readonly tries: number } | null {
    return this.#sql.rows<{ at: number; tries: number }>("SELECT at, tries FROM due WHERE job = ?", name)[0] ?? null;
  }

  /** Replaces what was scheduled before under this name. */
  schedule(name: string, at: number, tries = 0): void {
    this.#awaits(at);
    this.#sql.rows(
      "INSERT INTO due (job, at, tries) VALUES (?, ?, ?) ON CONFLICT (job) DO UPDATE SET at = excluded.at, tries = excluded.tries",
      name,
      at,
      tries,
    );
  }

  unschedule(name: string): void {
    this.#sql.rows("DELETE FROM due WHERE job = ?", name);
  }
}
