/**
 * Storage with one open unit around everything since the last commit, as a Durable Object's turn has. What changed is noticed by
 * triggers that call into the simulator: the invariants then read those rows and no others.
 */
import { NodeSql } from "../support/sql-node.ts";

export class SimSql extends NodeSql {
  open = false;
  alarm: number | null = null;
  /** The running handler has said what comes next, even if that is nothing. */
  said = false;
  durableAlarm: number | null = null;
  handling = false;
  /** The platform gave the alarm up, and nobody has set another that lasts. */
  lost = false;
  /** Purchases whose rows may differ from what was last read. */
  readonly touched = new Set<string>();
  /** Something was undone: every row may differ. */
  undone = true;
  #held: (() => void)[] = [];
  onOpen: () => void = () => {};

  protected override onWrite(): void {
    if (this.open) return;
    this.control("BEGIN");
    this.open = true;
    this.onOpen();
  }

  protected override control(text: string): void {
    if (text.startsWith("ROLLBACK")) this.undone = true;
    super.control(text);
  }

  override transaction<T>(body: () => T): T {
    this.onWrite();
    const before = this.alarm;
    try {
      return super.transaction(body);
    } catch (error) {
      this.alarm = before;
      throw error;
    }
  }

  /** Call once the tables exist, and again after a migration may have rebuilt one. */
  watch(): void {
    this.db.function("sim_touch", (id) => {
      if (typeof id === "string") this.touched.add(id);
      return null;
    });
    for (const [table, column] of [
      ["purchase", "id"],
      ["payment", "purchase_id"],
      ["credential", "purchase_id"],
      ["receipt", "purchase_id"],
      ["approval", "purchase_id"],
    ] as const) {
      for (const event of ["INSERT", "UPDATE"]) {
        this.db.exec(
          `CREATE TRIGGER IF NOT EXISTS sim_${table}_${event.toLowerCase()} AFTER ${event} ON ${table} BEGIN SELECT sim_touch(NEW.${column}); END`,
        );
      }
    }
  }

  setAlarm(at: number | null): void {
    this.onWrite();
    this.alarm = at;
    this.said = true;
  }

  handled(): void {
    this.onWrite();
    this.handling = false;
  }

  /** The output gate: a message leaves when every write before it is durable. */
  send(message: () => void): void {
    if (this.open) this.#held.push(message);
    else message();
  }

  commit(): void {
    if (!this.open) return;
    this.control("COMMIT");
    this.open = false;
    this.durableAlarm = this.handling && !this.said ? this.durableAlarm : this.alarm;
    if (this.durableAlarm !== null) this.lost = false;
    const held = this.#held;
    this.#held = [];
    for (const message of held) message();
  }

  crash(): void {
    if (this.open) this.control("ROLLBACK");
    this.open = false;
    this.#held = [];
    this.handling = false;
    this.alarm = this.durableAlarm;
  }

  /** The platform has lost the alarm. */
  drop(): void {
    this.alarm = null;
    this.durableAlarm = null;
    this.lost = true;
  }
}
