import { expect, test } from "vitest";
import { Journal, Table } from "./tables.ts";

test("a transaction that throws halfway leaves every table as it was", () => {
  const journal = new Journal();
  const [a, b] = [new Table<number>(journal), new Table<string>(journal)];
  journal.atomically(() => {
    a.set("kept", 1);
    a.set("gone", 2);
  });
  const half = (): void =>
    journal.atomically(() => {
      a.set("kept", 10);
      a.set("kept", 11);
      a.set("new", 3);
      a.delete("gone");
      b.set("x", "y");
      journal.atomically(() => b.set("inner", "z"));
      throw new Error("halfway");
    });
  expect(half).toThrow("halfway");
  expect(Object.fromEntries(a.entries())).toEqual({ kept: 1, gone: 2 });
  expect(b.size).toBe(0);
});

test("a transaction that ends keeps its writes, and rows keep their place", () => {
  const journal = new Journal();
  const table = new Table<number>(journal);
  journal.atomically(() => {
    table.set("first", 1);
    table.set("second", 2);
    table.set("first", 3);
  });
  expect([...table.entries()]).toEqual([
    ["first", 3],
    ["second", 2],
  ]);
});

test("a write outside of a transaction is an error and writes nothing", () => {
  const table = new Table<number>(new Journal());
  expect(() => table.set("a", 1)).toThrow("outside of a transaction");
  expect(table.has("a")).toBe(false);
});
