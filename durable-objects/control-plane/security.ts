/**
 * One owner's switches, joined with the global pause (invariant 11).
 *
 * There is no cache here on purpose: a wallet keeps its answer for up to 5 s, and that is all the time a switch may take. Calls in flight are
 * not joined either, because an answer is as old as its question, and a second caller would take it for younger.
 *
 * The version told to wallets is the owner's counter plus the global one. Both are read in the block that answers, and the highest global
 * state ever seen is kept, so both only grow from answer to answer: a larger sum is a later state, and no two states share one.
 */
import type { SecurityState } from "../../lightning/control-plane.ts";
import type { Sql } from "../sql.ts";
import type { GlobalPausePort, GlobalState } from "./global-pause.ts";

interface Row {
  readonly version: number;
  readonly kill_switch: number;
  readonly seen_global_version: number;
  readonly seen_global_pause: number;
}

export class Security {
  readonly #sql: Sql;
  readonly #now: () => number;
  readonly #global: GlobalPausePort;

  constructor(sql: Sql, now: () => number, global: GlobalPausePort) {
    this.#sql = sql;
    this.#now = now;
    this.#global = global;
  }

  /** Rejects when the global object cannot be asked: callers fail closed. @param epoch of the wallet in question, read in the answering block */
  async read(epoch: () => number): Promise<SecurityState> {
    const global = await this.#global.read(this.#seen());
    return this.#answer(global, epoch);
  }

  async setGlobalPause(active: boolean, by: string): Promise<SecurityState> {
    const global = await this.#global.set(active, by, this.#seen());
    return this.#answer(global, () => 0);
  }

  async setKillSwitch(active: boolean, by: string): Promise<SecurityState> {
    // Written before anything is awaited: it must bite even while the global object is away.
    this.#sql.transaction(() => {
      if (this.#row().kill_switch === (active ? 1 : 0)) return;
      this.#sql.rows("UPDATE security SET kill_switch = ?, version = version + 1 WHERE only = 1", active ? 1 : 0);
      this.#sql.rows(
        "INSERT INTO switch_change (switch, active, by, at) VALUES ('owner_kill_switch', ?, ?, ?)",
        active ? 1 : 0,
        by,
        this.#now(),
      );
    });
    return this.read(() => 0);
  }

  /** Call inside the transaction that changes anything else a wallet is told of, such as its epoch. */
  changed(): void {
    this.#sql.rows("UPDATE security SET version = version + 1 WHERE only = 1");
  }

  #answer(global: GlobalState, epoch: () => number): SecurityState {
    if (global.version > this.#row().seen_global_version)
      this.#sql.rows(
        "UPDATE security SET seen_global_version = ?, seen_global_pause = ? WHERE only = 1",
        global.version,
        global.active ? 1 : 0,
      );
    const row = this.#row();
    return {
      version: row.version + row.seen_global_version,
      globalPause: row.seen_global_pause === 1,
      ownerKillSwitch: row.kill_switch === 1,
      epoch: epoch(),
    };
  }

  #seen(): GlobalState {
    const { seen_global_version: version, seen_global_pause: pause } = this.#row();
    return { version, active: pause === 1 };
  }

  #row(): Row {
    const row = this.#sql.rows<Row>("SELECT version, kill_switch, seen_global_version, seen_global_pause FROM security WHERE only = 1")[0];
    if (row === undefined) throw new Error("the owner's switches have no row");
    return row;
  }
}
