/**
 * The operators' database: tables of immutable rows and one journal. A handler reads and writes as it goes; if it throws, every write is
 * undone in reverse, so that no RPC can half happen, whatever check comes last. A write outside of a transaction is a programming error.
 */

export class Journal {
  #undo: (() => void)[] | null = null;

  /** Runs `work`; if it throws, all tables are as before. A transaction within another is a part of it. */
  atomically<T>(work: () => T): T {
    if (this.#undo !== null) return work();
    const undo: (() => void)[] = [];
    this.#undo = undo;
    try {
      return work();
    } catch (error) {
      for (const step of undo.toReversed()) step();
      throw error;
    } finally {
      this.#undo = null;
    }
  }

  record(step: () => void): void {
    if (this.#undo === null) throw new Error("a write outside of a transaction");
    this.#undo.push(step);
  }
}

/** Rows by key, in order of insertion. A change keeps the row's place; a row deleted and undone may come back at the end. */
export class Table<Row> {
  readonly #journal: Journal;
  readonly #rows = new Map<string, Row>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }
  has(key: string): boolean {
    return this.#rows.has(key);
  }
  get size(): number {
    return this.#rows.size;
  }
  values(): IteratorObject<Row> {
    return this.#rows.values();
  }
  entries(): IteratorObject<[string, Row]> {
    return this.#rows.entries();
  }

  set(key: string, row: Row): void {
    const known = this.#rows.has(key);
    const before = this.#rows.get(key);
    this.#journal.record(() => (known && before !== undefined ? this.#rows.set(key, before) : this.#rows.delete(key)));
    this.#rows.set(key, row);
  }

  delete(key: string): void {
    const before = this.#rows.get(key);
    if (before === undefined) return;
    this.#journal.record(() => this.#rows.set(key, before));
    this.#rows.delete(key);
  }
}
