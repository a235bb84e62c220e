/** An owner's operator keys: only the sha256 of a secret is ever here. A revoked key stays listed, and its hash is given to nobody. */
import type { Sql } from "../sql.ts";

export interface OperatorKey {
  readonly keyId: string;
  readonly hash: string;
  readonly label: string;
  readonly createdAt: number;
}

export type OperatorKeyView = Omit<OperatorKey, "hash"> & { readonly revokedAt: number | null };

export class OperatorKeys {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The same key again is no change. @throws Error when the id is another key's, or the hash is not 64 lower-case hex digits */
  add(key: OperatorKey): void {
    const held = this.#sql.rows<{ hash: string }>("SELECT hash FROM operator_key WHERE key_id = ?", key.keyId)[0];
    if (held !== undefined && held.hash !== key.hash) throw new Error("another operator key has this id");
    if (held !== undefined) return;
    this.#sql.rows(
      "INSERT INTO operator_key (key_id, hash, label, created_at) VALUES (?, ?, ?, ?)",
      key.keyId,
      key.hash,
      key.label,
      key.createdAt,
    );
  }

  hash(keyId: string): string | null {
    return (
      this.#sql.rows<{ hash: string }>("SELECT hash FROM operator_key WHERE key_id = ? AND revoked_at IS NULL", keyId)[0]?.hash ?? null
    );
  }

  all(): readonly OperatorKeyView[] {
    return this.#sql.rows<OperatorKeyView>(
      "SELECT key_id AS keyId, label, created_at AS createdAt, revoked_at AS revokedAt FROM operator_key ORDER BY created_at, key_id",
    );
  }

  /** Keeps the first instant of revocation. @returns whether there is such a key */
  revoke(keyId: string, at: number): boolean {
    return (
      this.#sql.rows("UPDATE operator_key SET revoked_at = COALESCE(revoked_at, ?) WHERE key_id = ? RETURNING key_id", at, keyId).length ===
      1
    );
  }
}
