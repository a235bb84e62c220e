import { NodeSql } from "./sql-node.ts";

/** Storage whose alarm joins the transaction, as an object's does, and that can be made to throw. */
export class RigSql extends NodeSql {
  alarm: number | null = null;
  writes = 0;
  broken = false;

  override rows<T>(...args: Parameters<NodeSql["rows"]>): T[] {
    if (this.broken) throw new Error("the storage is broken");
    return super.rows<T>(...args);
  }

  override transaction<T>(body: () => T): T {
    if (this.broken) throw new Error("the storage is broken");
    const before = this.alarm;
    try {
      return super.transaction(body);
    } catch (error) {
      this.alarm = before;
      throw error;
    }
  }

  protected override onWrite(): void {
    this.writes++;
  }
}
