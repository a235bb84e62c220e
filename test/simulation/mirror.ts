/** What the journal says, read again only where it has changed: an invariant then costs what has happened, not what has ever happened. */
import type { State } from "../../lightning/purchase.ts";
import type { SimSql } from "./sim-sql.ts";

/** A purchase with its payment, if it has one: the members from `operation_id` on are null without. */
export interface Row {
  readonly id: string;
  readonly state: State;
  readonly code: string | null;
  readonly due_at: number | null;
  readonly request_key: string | null;
  readonly budget: string;
  readonly opened_at: number;
  readonly operation_id: string | null;
  readonly payment_hash: string;
  readonly payment_state: "open" | "settled" | "released" | null;
  readonly kind: "purchase" | "withdrawal";
  readonly host: string;
  readonly origin: string;
  readonly scope: string;
  readonly amount_msat: number;
  readonly charge_msat: number;
  readonly reserve_msat: number;
  readonly fee_msat: number | null;
  readonly reserved_at: number;
  readonly binding: "verified" | "unverified";
  readonly request_hash: string;
  /** The state of the credential that this purchase bought. */
  readonly credential: string | null;
  /** Kinds of its receipts, oldest first, joined by commas. */
  readonly receipts: string | null;
  readonly used_grant: string | null;
}

const QUERY = `SELECT p.id, p.state, p.code, p.due_at, p.request_key, p.budget, p.opened_at, m.operation_id, m.payment_hash, m.state AS payment_state, m.kind, m.host, m.origin, m.scope,
  m.amount_msat, m.charge_msat, m.reserve_msat, m.fee_msat, m.reserved_at, m.binding, p.request_hash,
  (SELECT c.state FROM credential c WHERE c.purchase_id = p.id) AS credential,
  (SELECT group_concat(json_extract(r.facts, '$.kind')) FROM receipt r WHERE r.purchase_id = p.id) AS receipts,
  (SELECT a.id FROM approval a WHERE a.used_by = p.id) AS used_grant
  FROM purchase p LEFT JOIN payment m ON m.purchase_id = p.id`;

/** A row that has a payment. */
export type Paying = Row & { readonly operation_id: string; readonly payment_state: "open" | "settled" | "released" };

export const isPaying = (row: Row): row is Paying => row.operation_id !== null;

export class Mirror {
  readonly rows = new Map<string, Row>();
  readonly #byOperation = new Map<string, string>();
  readonly #byScope = new Map<string, Set<string>>();
  readonly #byKey = new Map<string, Set<string>>();
  readonly #sql: SimSql;

  constructor(sql: SimSql) {
    this.#sql = sql;
  }

  /** @returns rows that may have changed since the last call, as they are now */
  refresh(): readonly Row[] {
    const { touched, undone } = this.#sql;
    if (!undone && touched.size === 0) return [];
    this.#sql.undone = false;
    const changed: Row[] = [];
    if (undone) {
      this.rows.clear();
      this.#byOperation.clear();
      changed.push(...this.#sql.rows<Row>(QUERY));
    } else for (const id of touched) changed.push(...this.#sql.rows<Row>(`${QUERY} WHERE p.id = ?`, id));
    touched.clear();
    for (const row of changed) this.#keep(row);
    return changed;
  }

  /** What the wallet has come to believe of a seller, rightly or not: refused twice after one use, its tokens work once. */
  learnedOnce({ origin, scope }: Pick<Row, "origin" | "scope">): boolean {
    return this.#sql.rows("SELECT 1 FROM seller WHERE origin = ? AND scope = ? AND once = 1", origin, scope).length > 0;
  }

  of(operationId: string): Paying | null {
    return this.#paying(this.#byOperation.get(operationId));
  }

  /** Payments of the same origin and scope, this one too. */
  sharing(row: Paying): readonly Paying[] {
    return this.#all(this.#byScope.get(`${row.origin} ${row.scope}`));
  }

  /** Payments under the same request key of the same budget, this one too. */
  underKey(row: Paying): readonly Paying[] {
    return row.request_key === null ? [row] : this.#all(this.#byKey.get(`${row.budget} ${row.request_key}`));
  }

  payments(): readonly Paying[] {
    return [...this.#byOperation.values()].flatMap((id) => this.#paying(id) ?? []);
  }

  /** How many payments are open now. */
  open(): number {
    this.refresh();
    return this.payments().filter((row) => row.payment_state === "open").length;
  }

  #keep(row: Row): void {
    this.rows.set(row.id, row);
    if (row.operation_id === null) return;
    this.#byOperation.set(row.operation_id, row.id);
    index(this.#byScope, `${row.origin} ${row.scope}`, row.id);
    if (row.request_key !== null) index(this.#byKey, `${row.budget} ${row.request_key}`, row.id);
  }

  #paying(id: string | undefined): Paying | null {
    const row = id === undefined ? undefined : this.rows.get(id);
    return row !== undefined && isPaying(row) ? row : null;
  }

  /** An index may name rows that were undone. */
  #all(ids: ReadonlySet<string> | undefined): readonly Paying[] {
    return [...(ids ?? [])].flatMap((id) => this.#paying(id) ?? []);
  }
}

function index(map: Map<string, Set<string>>, key: string, id: string): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([id]));
  else known.add(id);
}
