/**
 * An owner's keys for people: operators' and approvers', in one table so that no id ever stands for both. Only the sha256 of a secret is
 * here. A revoked key stays listed, and its hash is given to nobody; a role's question is never answered with another role's key.
 */
import type { ControlKeyView } from "../../lightning/control-plane.ts";
import type { Sql } from "../sql.ts";

export type KeyRole = "operator" | "approver";

export interface OperatorKey {
  readonly keyId: string;
  readonly hash: string;
  readonly label: string;
  readonly createdAt: number;
}

export class RoleKeys {
  readonly #sql: Sql;
  readonly #role: KeyRole;

  constructor(sql: Sql, role: KeyRole) {
    this.#sql = sql;
    this.#role = role;
  }

  /** The same key again is no change. @throws Error when the id is another key's, or the hash is not 64 lower-case hex digits */
  add(key: OperatorKey): void {
    const held = this.#sql.rows<{ hash: string; role: KeyRole }>("SELECT hash, role FROM operator_key WHERE key_id = ?", key.keyId)[0];
    if (held !== undefined && (held.hash !== key.hash || held.role !== this.#role)) throw new Error("another key has this id");
    if (held !== undefined) return;
    this.#sql.rows(
      "INSERT INTO operator_key (key_id, hash, label, created_at, role) VALUES (?, ?, ?, ?, ?)",
      key.keyId,
      key.hash,
      key.label,
      key.createdAt,
      this.#role,
    );
  }

  hash(keyId: string): string | null {
    const row = this.#sql.rows<{ hash: string }>(
      "SELECT hash FROM operator_key WHERE key_id = ? AND role = ? AND revoked_at IS NULL",
      keyId,
      this.#role,
    )[0];
    return row?.hash ?? null;
  }

  all(): readonly ControlKeyView[] {
    return this.#sql.rows<ControlKeyView>(
      "SELECT key_id AS keyId, label, created_at AS createdAt, revoked_at AS revokedAt FROM operator_key WHERE role = ? ORDER BY created_at, key_id",
      this.#role,
    );
  }

  /** Keeps the first instant of revocation. @returns whether there is such a key of this role */
  revoke(keyId: string, at: number): boolean {
    const revoked = this.#sql.rows(
      "UPDATE operator_key SET revoked_at = COALESCE(revoked_at, ?) WHERE key_id = ? AND role = ? RETURNING key_id",
      at,
      keyId,
      this.#role,
    );
    return revoked.length === 1;
  }
}
