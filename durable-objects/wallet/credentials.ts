/**
 * Paid credentials (invariant 6): stored before they are used, sealed, found again by path or by scope, and never passed to
 * another origin. `fresh` has not served yet, `refused` was paid for and turned away without ever serving, `evicted` is gone.
 */
import { authorization } from "../../lightning/authorization.ts";
import type { Sql } from "../sql.ts";
import type { OpenKey, Sealer } from "./ports.ts";

export interface CredentialRow {
  readonly id: string;
  readonly purchase_id: string;
  readonly origin: string;
  readonly scope: string;
  readonly state: "fresh" | "served" | "refused" | "evicted";
  readonly payment_hash: string;
  readonly usable_until: number | null;
  readonly created_at: number;
  readonly times_served: number;
  readonly sealed: Uint8Array;
}

export interface Secret {
  readonly scheme: string;
  readonly token: string;
  readonly preimage: string;
}

/** Opened credentials kept in memory, beside the record key that would open them again; the oldest goes first. */
const MOST_OPENED = 100;

/** A credential is not handed out in the last tenth of its life, at most its last 30 s: it would expire on the way. */
const MARGIN_MS = 30_000;

export class Credentials {
  readonly #sql: Sql;
  readonly #sealer: Sealer;
  /** Header values by credential id. A row's secret never changes; whether it may be used is asked of the row each time. */
  readonly #opened = new Map<string, string>();

  constructor(sql: Sql, sealer: Sealer) {
    this.#sql = sql;
    this.#sealer = sealer;
  }

  /** Stores what was bought; the path that asked for it is learned, not yet as served. */
  store(
    key: OpenKey,
    nonce: Uint8Array,
    bought: {
      readonly id: string;
      readonly purchaseId: string;
      readonly origin: string;
      readonly scope: string;
      readonly path: string;
      readonly paymentHash: string;
      readonly validUntil: number | null;
      readonly secret: Secret;
    },
    now: number,
  ): void {
    const usable =
      bought.validUntil === null ? null : bought.validUntil - Math.min(MARGIN_MS, Math.max(0, Math.floor((bought.validUntil - now) / 10)));
    this.#sql.rows(
      "INSERT INTO credential (id, purchase_id, origin, scope, state, payment_hash, usable_until, created_at, sealed) VALUES (?, ?, ?, ?, 'fresh', ?, ?, ?, ?)",
      bought.id,
      bought.purchaseId,
      bought.origin,
      bought.scope,
      bought.paymentHash,
      usable,
      now,
      this.#sealer.seal(key, nonce, credentialContext(bought.id, bought.origin), new TextEncoder().encode(JSON.stringify(bought.secret))),
    );
    this.learn(bought.origin, bought.path, bought.id, false);
  }

  /** The header value, or null when the row cannot be opened. */
  authorization(key: OpenKey, row: CredentialRow): string | null {
    // Retention empties a row's secret: what is no longer stored is no longer known.
    if (row.sealed.length === 0) this.#opened.delete(row.id);
    const known = this.#opened.get(row.id);
    if (known !== undefined) return known;
    const plain = this.#sealer.open(key, credentialContext(row.id, row.origin), row.sealed);
    if (plain === null) return null;
    const secret = JSON.parse(new TextDecoder().decode(plain)) as Secret;
    const value = authorization(secret.scheme, secret.token, secret.preimage);
    for (const oldest of this.#opened.keys()) {
      if (this.#opened.size < MOST_OPENED) break;
      this.#opened.delete(oldest);
    }
    this.#opened.set(row.id, value);
    return value;
  }

  /** Header values too are secrets that were opened. */
  forgetOpened(): void {
    this.#opened.clear();
  }

  get(id: string): CredentialRow | null {
    return this.#sql.rows<CredentialRow>("SELECT * FROM credential WHERE id = ?", id)[0] ?? null;
  }

  ofPurchase(purchaseId: string): CredentialRow | null {
    return this.#sql.rows<CredentialRow>("SELECT * FROM credential WHERE purchase_id = ?", purchaseId)[0] ?? null;
  }

  /** What this path was bought or served with before the first request, if it can still be used. */
  forPath(origin: string, path: string, now: number): CredentialRow | null {
    return (
      this.#sql.rows<CredentialRow>(
        "SELECT c.* FROM learned l JOIN credential c ON c.id = l.credential_id WHERE l.origin = ? AND l.path = ? AND c.state <> 'evicted' AND (c.usable_until IS NULL OR c.usable_until > ?)",
        origin,
        path,
        now,
      )[0] ?? null
    );
  }

  /** The oldest usable one that was bought for this path and has not been delivered: several may be owed where requests do not share. */
  owedAt(origin: string, path: string, now: number): CredentialRow | null {
    return (
      this.#sql.rows<CredentialRow>(
        "SELECT c.* FROM purchase p JOIN credential c ON c.purchase_id = p.id WHERE p.state = 'paid_unfulfilled' AND p.origin = ? AND p.path = ? AND c.state <> 'evicted' AND (c.usable_until IS NULL OR c.usable_until > ?) ORDER BY p.seq LIMIT 1",
        origin,
        path,
        now,
      )[0] ?? null
    );
  }

  /** The newest usable one for a scope, leaving out the one the seller has just refused. */
  forScope(origin: string, scope: string, now: number, except: string | null): CredentialRow | null {
    return (
      this.#sql.rows<CredentialRow>(
        "SELECT * FROM credential WHERE origin = ? AND scope = ? AND state <> 'evicted' AND (usable_until IS NULL OR usable_until > ?) AND id <> ? ORDER BY created_at DESC, id LIMIT 1",
        origin,
        scope,
        now,
        except ?? "",
      )[0] ?? null
    );
  }

  /** Paid for, refused, never served: while there is one, nothing more is paid for this origin and scope. */
  refusedFor(origin: string, scope: string): CredentialRow | null {
    return (
      this.#sql.rows<CredentialRow>(
        "SELECT * FROM credential WHERE origin = ? AND scope = ? AND state = 'refused' LIMIT 1",
        origin,
        scope,
      )[0] ?? null
    );
  }

  served(id: string, origin: string, path: string): void {
    // Only whether it served more than once is ever asked: counting on would be a write for each cached answer.
    this.#sql.rows(
      "UPDATE credential SET state = CASE state WHEN 'evicted' THEN state ELSE 'served' END, times_served = times_served + 1 WHERE id = ? AND (state <> 'served' OR times_served < 2)",
      id,
    );
    this.learn(origin, path, id, true);
  }

  hasServed(id: string, origin: string, path: string): boolean {
    return (
      this.#sql.rows("SELECT 1 AS yes FROM learned WHERE origin = ? AND path = ? AND credential_id = ? AND served = 1", origin, path, id)
        .length > 0
    );
  }

  refuse(id: string): void {
    this.#sql.rows("UPDATE credential SET state = 'refused' WHERE id = ? AND state = 'fresh'", id);
  }

  evict(id: string): void {
    this.#sql.rows("UPDATE credential SET state = 'evicted' WHERE id = ?", id);
    this.#sql.rows("DELETE FROM learned WHERE credential_id = ?", id);
  }

  learn(origin: string, path: string, id: string, served: boolean): void {
    // Read first: a path that is already known is by far the most frequent case, and a read costs no write.
    const known = this.#sql.rows<{ credential_id: string; served: number }>(
      "SELECT credential_id, served FROM learned WHERE origin = ? AND path = ?",
      origin,
      path,
    )[0];
    if (known !== undefined && known.credential_id === id && (known.served === 1 || !served)) return;
    this.#sql.rows(
      "INSERT INTO learned (origin, path, credential_id, served) VALUES (?, ?, ?, ?) ON CONFLICT (origin, path) DO UPDATE SET credential_id = excluded.credential_id, served = excluded.served",
      origin,
      path,
      id,
      served ? 1 : 0,
    );
  }
}

/** What a sealed credential is bound to: moved to another row or origin, it does not open. */
export const credentialContext = (id: string, origin: string): string => `credential:${id}:${origin}`;
