/**
 * The wallet's own record, its budgets and its agents' keys, with their policies. This object is the only one that writes them, so what
 * was read is kept in memory until something here is written or a transaction rolls back: every purchase reads them several times.
 * Policies are kept parsed; one that cannot be parsed is `null`, and a null policy pays nothing (invariant 10).
 */
import type { KeyView } from "../../lightning/wallet-admin.ts";
import type { Auth } from "../../lightning/wallet-api.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Policy } from "../../lightning/policy.ts";
import { parsePolicy } from "../../lightning/policy-check.ts";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { equalHex } from "../../lightning/constant-time.ts";
import type { Bind, Sql } from "../sql.ts";

export interface WalletRow {
  readonly wallet_id: string;
  readonly owner: string;
  readonly network: string;
  readonly backend: string;
  readonly epoch: number;
  readonly state: "active" | "disabled" | "paused";
  readonly paused_because: string | null;
  /** 1: a change of the spender has left for the control plane, and how it ended there is not known. */
  readonly moving: number;
  readonly policy: string;
  readonly policy_version: number;
  readonly record_key_id: number;
  readonly record_key_wrapped: Uint8Array;
  readonly kek_version: string;
}

interface BudgetRow {
  readonly name: string;
  readonly policy: string;
  readonly policy_version: number;
  readonly disabled: number;
}

/** Who is calling, once it has been established. `caller` names the key or the binding in the journal; it is no secret. */
export interface Principal {
  readonly budget: string;
  readonly caller: string;
}

export type Authenticated = { readonly ok: true; readonly principal: Principal } | { readonly ok: false; readonly code: Code };

interface AgentKeyRow {
  readonly hash: string;
  readonly budget: string;
  readonly revoked_at: number | null;
}

/** Why the wallet is paused while its spender changes; it outlives a crash in between, and the same request again ends it. */
export const MOVING = "spender_moving";

const NO_KEY = "0".repeat(64);

export class Config {
  readonly #sql: Sql;
  readonly #policies = new Map<string, { readonly text: string; readonly policy: Policy | null }>();
  #wallet: WalletRow | null = null;
  readonly #budgets = new Map<string, BudgetRow>();
  readonly #keys = new Map<string, AgentKeyRow>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** What is in memory may no longer be what is stored: a transaction was rolled back. */
  forget(): void {
    this.#wallet = null;
    this.#budgets.clear();
    this.#keys.clear();
  }

  wallet(): WalletRow | null {
    this.#wallet ??= this.#sql.rows<WalletRow>("SELECT * FROM wallet WHERE only = 1")[0] ?? null;
    return this.#wallet;
  }

  /** An agent's key is compared by hash and in constant time, and an unknown one costs as much as a wrong one. */
  authenticate(auth: Auth): Authenticated {
    switch (auth.kind) {
      case "agent_key": {
        const key = this.#keyRow(auth.keyId);
        const right = equalHex(key?.hash ?? NO_KEY, bytesToHex(sha256(utf8ToBytes(auth.secret))));
        if (!right || key === undefined || key.revoked_at !== null) return { ok: false, code: "unauthorized" };
        return { ok: true, principal: { budget: key.budget, caller: `key/${auth.keyId}` } };
      }
      case "binding": {
        if (this.budgetRow(auth.budget) === null) return { ok: false, code: "forbidden" };
        return { ok: true, principal: { budget: auth.budget, caller: "binding" } };
      }
    }
  }

  budgetRow(name: string): BudgetRow | null {
    return this.#remembered(this.#budgets, name, () => this.#sql.rows<BudgetRow>("SELECT * FROM budget WHERE name = ?", name)[0]);
  }

  #keyRow(keyId: string): AgentKeyRow | undefined {
    return (
      this.#remembered(
        this.#keys,
        keyId,
        () => this.#sql.rows<AgentKeyRow>("SELECT hash, budget, revoked_at FROM agent_key WHERE key_id = ?", keyId)[0],
      ) ?? undefined
    );
  }

  /** Only what exists is remembered, so that names a caller makes up fill no memory. */
  #remembered<T>(known: Map<string, T>, name: string, read: () => T | undefined): T | null {
    const found = known.get(name) ?? read();
    if (found === undefined) return null;
    known.set(name, found);
    return found;
  }

  #write<T>(query: string, ...bind: Bind[]): T[] {
    this.forget();
    return this.#sql.rows<T>(query, ...bind);
  }

  budgetNames(): readonly string[] {
    return this.#sql.rows<{ name: string }>("SELECT name FROM budget ORDER BY name").map((row) => row.name);
  }

  walletPolicy(wallet: WalletRow): Policy | null {
    return this.#parsed("", wallet.policy);
  }

  budgetPolicy(budget: BudgetRow): Policy | null {
    return this.#parsed(budget.name, budget.policy);
  }

  putWalletPolicy(policy: Policy): number {
    this.#write("UPDATE wallet SET policy = ?, policy_version = policy_version + 1 WHERE only = 1", JSON.stringify(policy));
    return this.wallet()?.policy_version ?? 0;
  }

  putBudget(name: string, policy: Policy, disabled: boolean, now: number): void {
    this.#write(
      `INSERT INTO budget (name, policy, policy_version, disabled, created_at) VALUES (?, ?, 1, ?, ?)
       ON CONFLICT (name) DO UPDATE SET policy = excluded.policy, policy_version = policy_version + 1, disabled = excluded.disabled`,
      name,
      JSON.stringify(policy),
      disabled ? 1 : 0,
      now,
    );
  }

  addKey(
    key: { readonly keyId: string; readonly budget: string; readonly label: string; readonly hash: string },
    now: number,
  ): KeyView | null {
    const added = this.#write(
      "INSERT INTO agent_key (key_id, budget, hash, label, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING key_id",
      key.keyId,
      key.budget,
      key.hash,
      key.label,
      now,
    );
    return added.length === 1 ? this.key(key.keyId) : null;
  }

  revokeKey(keyId: string, now: number): KeyView | null {
    this.#write("UPDATE agent_key SET revoked_at = COALESCE(revoked_at, ?) WHERE key_id = ?", now, keyId);
    return this.key(keyId);
  }

  key(keyId: string): KeyView | null {
    return this.keys().find((key) => key.keyId === keyId) ?? null;
  }

  keys(): readonly KeyView[] {
    return this.#sql.rows<KeyView>(
      "SELECT key_id AS keyId, budget, label, created_at AS createdAt, revoked_at AS revokedAt FROM agent_key ORDER BY created_at, key_id",
    );
  }

  setState(state: WalletRow["state"], because: string | null): void {
    this.#write("UPDATE wallet SET state = ?, paused_because = ? WHERE only = 1", state, because);
  }

  setMoving(moving: boolean): void {
    this.#write("UPDATE wallet SET moving = ? WHERE only = 1", moving ? 1 : 0);
  }

  /** Told by the control plane, and by nobody else (invariant 13). */
  adoptEpoch(epoch: number, backend: string): void {
    this.#write("UPDATE wallet SET epoch = MAX(epoch, ?), backend = ? WHERE only = 1", epoch, backend);
  }

  /** Money moved in a way that a person must look at. A disabled wallet stays disabled. The first reason stands, unless it would end by itself. */
  pause(because: string): void {
    this.#write(
      "UPDATE wallet SET state = 'paused', paused_because = COALESCE(NULLIF(paused_because, ?), ?) WHERE only = 1 AND state <> 'disabled'",
      MOVING,
      because,
    );
  }

  /** Remembered by its text, not its version: a version number can come back after a rollback. */
  #parsed(name: string, text: string): Policy | null {
    const known = this.#policies.get(name);
    if (known !== undefined && known.text === text) return known.policy;
    const read = parsePolicy(text);
    const policy = read.ok ? read.policy : null;
    this.#policies.set(name, { text, policy });
    return policy;
  }
}

export type { BudgetRow };
