/** Which owners have wallets: kept in the one global object, so that the cron can reach the wallets of all of them (invariant 4). */
import type { Sql } from "../sql.ts";

/** As an owner's object sees it: over RPC, and it may fail. */
export interface RegistryPort {
  register(owner: string): Promise<void>;
}

/** An owner's name is short: a page of these stays far below what one answer may carry. */
const MOST_LISTED = 1000;

export class Registry {
  readonly #sql: Sql;
  readonly #now: () => number;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  register(owner: string): void {
    this.#sql.rows("INSERT INTO owner (name, known_since) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", owner, this.#now());
  }

  /** By name, so that a page goes on where the last one ended whatever was added meanwhile. */
  owners({ after, limit }: { readonly after: string | null; readonly limit: number }): readonly string[] {
    const most = Math.max(1, Math.min(MOST_LISTED, Math.trunc(limit)));
    return this.#sql
      .rows<{ name: string }>("SELECT name FROM owner WHERE name > ? ORDER BY name LIMIT ?", after ?? "", most)
      .map(({ name }) => name);
  }
}
