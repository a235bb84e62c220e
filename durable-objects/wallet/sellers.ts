/**
 * Sellers as they are: how long one may take, and whether it takes a token more than once. That is seldom announced, so it is
 * learned: a credential that served exactly once and is then refused, twice in a row, means that this seller's tokens work once.
 * From then on its requests do not share: each buys its own, and waits for nobody (invariant 6).
 */
import type { FetchLimits } from "../../lightning/wallet-api.ts";
import type { HostSettings, Policy } from "../../lightning/policy.ts";
import { matchesHost } from "../../lightning/url.ts";
import type { Sql } from "../sql.ts";
import type { CredentialRow } from "./credentials.ts";
import type { PurchaseRow } from "./journal.ts";

/** The deployment's own. A paid call is not cut short by a default made for free ones. */
const DEFAULTS: FetchLimits = { headersMs: 60_000, idleMs: 60_000, totalMs: 600_000, maxBytes: 64 * 1024 * 1024 };
const TWICE = 2;

type At = Pick<PurchaseRow, "host" | "port">;

interface SellerRow {
  readonly refused_after_one: number;
  readonly once: number;
}

export class Sellers {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  limits(policies: readonly Policy[], row: At): FetchLimits {
    const { headersMs = DEFAULTS.headersMs, idleMs, totalMs, maxBytes } = settingsFor(policies, row);
    return {
      headersMs,
      idleMs: idleMs ?? DEFAULTS.idleMs,
      // Where a seller may begin late, its body keeps the time that it would have had.
      totalMs: totalMs ?? DEFAULTS.totalMs + Math.max(0, headersMs - DEFAULTS.headersMs),
      maxBytes: maxBytes ?? DEFAULTS.maxBytes,
    };
  }

  /** How much longer than usual a purchase must wait for its Worker: a seller who may begin late is asked twice where it refuses what is stored. Ms. */
  lateness(policies: readonly Policy[], row: At): number {
    const { headersMs, totalMs } = this.limits(policies, row);
    return 2 * Math.max(0, Math.min(headersMs, totalMs) - DEFAULTS.headersMs);
  }

  /** Does each request of this scope buy its own token? */
  takesOnce(policies: readonly Policy[], row: PurchaseRow, scope: string): boolean {
    switch (settingsFor(policies, row).reuse ?? "auto") {
      case "never":
        return true;
      case "always":
        return false;
      case "auto":
        return this.#row(row.origin, scope)?.once === 1;
    }
  }

  /** A credential that had served was refused where it had served. */
  refused({ origin, scope, times_served }: CredentialRow, now: number): void {
    if (times_served > 1) {
      this.#sql.rows("UPDATE seller SET refused_after_one = 0, once = 0 WHERE origin = ? AND scope = ?", origin, scope);
      return;
    }
    const times = (this.#row(origin, scope)?.refused_after_one ?? 0) + 1;
    this.#sql.rows(
      "INSERT INTO seller (origin, scope, refused_after_one, once, learned_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (origin, scope) DO UPDATE SET refused_after_one = excluded.refused_after_one, once = excluded.once, learned_at = excluded.learned_at",
      origin,
      scope,
      times,
      times >= TWICE ? 1 : 0,
      now,
    );
  }

  #row(origin: string, scope: string): SellerRow | null {
    return this.#sql.rows<SellerRow>("SELECT refused_after_one, once FROM seller WHERE origin = ? AND scope = ?", origin, scope)[0] ?? null;
  }
}

/** The wallet's word about a host, completed by the budget's. */
function settingsFor(policies: readonly Policy[], { host, port }: At): Partial<HostSettings> {
  let merged: Partial<HostSettings> = {};
  for (const policy of policies.toReversed()) {
    const found = policy.hostSettings?.find((settings) => matchesHost(settings.host, host, port));
    if (found !== undefined) merged = { ...merged, ...found };
  }
  return merged;
}
