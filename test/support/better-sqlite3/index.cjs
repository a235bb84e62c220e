"use strict";
/**
 * What the Spark SDK's Node storage calls of better-sqlite3, over node:sqlite. It stands in for the real one by an npm override, so that
 * nothing is compiled at install; the only user is the differential test, for which the SDK's own storage is the reference.
 * Like the original: undefined is bound as NULL, integers are read as numbers, a transaction function has its modes as members.
 */
const { DatabaseSync } = require("node:sqlite");

const bound = (value) => (value === undefined ? null : value);
const named = (value) => typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value);

/** One object binds by name, anything else by place. */
function bindings(args) {
  if (args.length === 1 && named(args[0]))
    return [Object.fromEntries(Object.entries(args[0]).map(([name, value]) => [name, bound(value)]))];
  return args.flat().map(bound);
}

function read(row) {
  if (row === undefined) return undefined;
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]));
}

class Statement {
  constructor(statement) {
    this.statement = statement;
    this.plucked = false;
    // node:sqlite throws at an integer above 2^53 where the original rounds.
    statement.setReadBigInts(true);
  }
  row(row) {
    const plain = read(row);
    return this.plucked && plain !== undefined ? Object.values(plain)[0] : plain;
  }
  run(...args) {
    const { changes, lastInsertRowid } = this.statement.run(...bindings(args));
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
  }
  get(...args) {
    return this.row(this.statement.get(...bindings(args)));
  }
  all(...args) {
    return this.statement.all(...bindings(args)).map((row) => this.row(row));
  }
  pluck(toggle = true) {
    this.plucked = toggle;
    return this;
  }
}

class Database {
  constructor(path = ":memory:") {
    this.database = new DatabaseSync(path);
  }
  get inTransaction() {
    return this.database.isTransaction;
  }
  prepare(sql) {
    return new Statement(this.database.prepare(sql));
  }
  exec(sql) {
    this.database.exec(sql);
    return this;
  }
  pragma(text, { simple = false } = {}) {
    const rows = this.prepare(`PRAGMA ${text}`).all();
    return simple ? Object.values(rows[0] ?? {})[0] : rows;
  }
  transaction(body) {
    const mode =
      (begin) =>
      (...args) => {
        const nested = this.inTransaction;
        this.exec(nested ? "SAVEPOINT nested" : begin);
        try {
          const value = body(...args);
          this.exec(nested ? "RELEASE nested" : "COMMIT");
          return value;
        } catch (error) {
          if (this.inTransaction) this.exec(nested ? "ROLLBACK TO nested; RELEASE nested" : "ROLLBACK");
          throw error;
        }
      };
    return Object.assign(mode("BEGIN"), {
      default: mode("BEGIN"),
      deferred: mode("BEGIN DEFERRED"),
      immediate: mode("BEGIN IMMEDIATE"),
      exclusive: mode("BEGIN EXCLUSIVE"),
    });
  }
  close() {
    this.database.close();
    return this;
  }
}

module.exports = Database;
