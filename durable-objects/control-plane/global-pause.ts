/** The pause of a whole deployment: kept in one object, read through by every owner's. */
import type { Sql } from "../sql.ts";

/** `version` grows with every change. */
export interface GlobalState {
  readonly version: number;
  readonly active: boolean;
}

/** As an owner's object sees it: over RPC, and it may fail. */
export interface GlobalPausePort {
  read(): Promise<GlobalState>;
  set(active: boolean, by: string): Promise<GlobalState>;
}

export class GlobalPause {
  readonly #sql: Sql;
  readonly #now: () => number;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  read(): GlobalState {
    const row = this.#sql.rows<{ version: number; active: number }>("SELECT version, active FROM pause WHERE only = 1")[0];
    if (row === undefined) throw new Error("the global pause has no row");
    return { version: row.version, active: row.active === 1 };
  }

  /** Asked for what already holds, it changes nothing. */
  set(active: boolean, by: string): GlobalState {
    return this.#sql.transaction(() => {
      if (this.read().active === active) return this.read();
      this.#sql.rows("UPDATE pause SET active = ?, version = version + 1 WHERE only = 1", active ? 1 : 0);
      this.#sql.rows(
        "INSERT INTO switch_change (switch, active, by, at) VALUES ('global_pause', ?, ?, ?)",
        active ? 1 : 0,
        by,
        this.#now(),
      );
      return this.read();
    });
  }
}
