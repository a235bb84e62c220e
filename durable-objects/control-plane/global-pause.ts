/** The pause of a whole deployment: kept in one object, read through by every owner's. */
import type { Sql } from "../sql.ts";

/** `version` grows with every change. */
export interface GlobalState {
  readonly version: number;
  readonly active: boolean;
}

/**
 * As an owner's object sees it: over RPC, and it may fail. `seen` is the highest state that the asker has ever been told: only an object that
 * was restored to an earlier instant can be behind it.
 */
export interface GlobalPausePort {
  read(seen: GlobalState): Promise<GlobalState>;
  set(active: boolean, by: string, seen: GlobalState): Promise<GlobalState>;
}

/** Who stands in `switch_change` for a pause that came back with an owner's memory of it. */
const RESTORED = "restored";

export class GlobalPause {
  readonly #sql: Sql;
  readonly #now: () => number;

  constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  /** @param seen null: nobody who asks has seen one */
  read(seen: GlobalState | null): GlobalState {
    const held = this.#held();
    return seen === null || seen.version <= held.version ? held : this.#catchUp(seen);
  }

  /**
   * This object was restored and has forgotten states that its owners know; below their version nothing that is set here would reach them. So
   * it goes past it, and a pause that either side knows of holds: whoever wants it to end says so again.
   */
  #catchUp(seen: GlobalState): GlobalState {
    return this.#sql.transaction(() => {
      const before = this.#held();
      const active = before.active || seen.active;
      this.#sql.rows("UPDATE pause SET active = ?, version = ? WHERE only = 1", active ? 1 : 0, seen.version + 1);
      if (active !== before.active) this.#note(active, RESTORED);
      return this.#held();
    });
  }

  #held(): GlobalState {
    const row = this.#sql.rows<{ version: number; active: number }>("SELECT version, active FROM pause WHERE only = 1")[0];
    if (row === undefined) throw new Error("the global pause has no row");
    return { version: row.version, active: row.active === 1 };
  }

  /** Asked for what already holds, it changes nothing. */
  set(active: boolean, by: string, seen: GlobalState | null): GlobalState {
    return this.#sql.transaction(() => {
      if (this.read(seen).active === active) return this.#held();
      this.#sql.rows("UPDATE pause SET active = ?, version = version + 1 WHERE only = 1", active ? 1 : 0);
      this.#note(active, by);
      return this.#held();
    });
  }

  #note(active: boolean, by: string): void {
    this.#sql.rows("INSERT INTO switch_change (switch, active, by, at) VALUES ('global_pause', ?, ?, ?)", active ? 1 : 0, by, this.#now());
  }
}
