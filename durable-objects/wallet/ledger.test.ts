/** Budget arithmetic against an oracle that keeps a list of payments and adds it up anew for every question (invariant 3). */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { dayStart, hourStart, monthStart, type LedgerView } from "../../lightning/decide.ts";
import { msat } from "../../lightning/msat.ts";
import { NodeSql } from "../../test/support/sql-node.ts";
import { migrate } from "../sql.ts";
import { Ledger } from "./ledger.ts";
import { MIGRATIONS } from "./schema.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

const NOW = Date.UTC(2027, 2, 1, 0, 30);
const HOUR = 3_600_000;
// Names and ports that a careless prefix would mix up: `a` and `a-b`, `x.example` and `x.example:44`.
const BUDGETS = ["a", "a-b", "b"] as const;
const HOSTS = ["x.example", "sub.x.example", "y.example", "[::1]"] as const;
const SUBJECTS = ["u1", "u1@x.example:443", "a/u1"] as const;
const PATTERNS = ["x.example", "x.example:44", "*.x.example", "*.example", "y.example:44", "[::1]:44", "nowhere.example"] as const;

interface Payment {
  readonly budget: string;
  readonly subject: string | null;
  /** A withdrawal is an operator's own: it counts in nobody's books. */
  readonly kind: "purchase" | "withdrawal";
  readonly host: string;
  readonly port: number;
  readonly at: number;
  readonly charge: number;
  readonly reserve: number;
  readonly end: { readonly kind: "open" } | { readonly kind: "released" } | { readonly kind: "settled"; readonly fee: number };
}

const payment: fc.Arbitrary<Payment> = fc.record({
  budget: fc.constantFrom(...BUDGETS),
  subject: fc.option(fc.constantFrom(...SUBJECTS)),
  kind: fc.constantFrom("purchase", "purchase", "purchase", "withdrawal"),
  host: fc.constantFrom(...HOSTS),
  port: fc.constantFrom(443, 44),
  at: fc
    .oneof(
      fc.nat(3 * 60_000),
      fc.nat(3 * HOUR),
      fc.nat(70 * 24 * HOUR),
      fc.constantFrom(0, 60_000, 30 * 60_000, 30 * 60_000 + 1, 24 * HOUR),
    )
    .map((ago) => NOW - ago),
  charge: fc.integer({ min: 1, max: 1_000_000 }),
  reserve: fc.nat(5000),
  end: fc.oneof(
    fc.constant({ kind: "open" } as const),
    fc.constant({ kind: "released" } as const),
    fc.record({ kind: fc.constant("settled" as const), fee: fc.nat(9000) }),
  ),
});

/** Written with the journal's own columns, so that the views read what they would read in a wallet. */
function journal(payments: readonly Payment[]): { readonly sql: NodeSql; readonly ledger: Ledger } {
  const sql = new NodeSql();
  migrate(sql, MIGRATIONS, NOW);
  const ledger = new Ledger(sql);
  for (const [index, { budget, subject, kind, host, port, at, charge, reserve, end }] of payments.entries()) {
    const id = `p${index}`;
    const settled = end.kind === "settled" ? end.fee : null;
    sql.rows(
      "INSERT INTO purchase (id, state, budget, caller, method, origin, host, port, path, request_hash, opened_at, due_at) VALUES (?, ?, ?, 'binding', 'GET', 'o', ?, ?, '/', 'h', ?, ?)",
      id,
      { open: "paying", released: "failed", settled: "fulfilled" }[end.kind],
      budget,
      host,
      port,
      at,
      end.kind === "open" ? at : null,
    );
    sql.rows(
      `INSERT INTO payment (purchase_id, operation_id, payment_hash, state, budget, host, port, origin, scope, amount_msat, charge_msat, reserve_msat, fee_msat, reserved_at, expires_at, binding, sealed, subject, kind)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'o', ?, ?, ?, ?, ?, ?, ?, 'verified', zeroblob(1), ?, ?)`,
      id,
      id,
      String(index).padStart(64, "0"),
      end.kind,
      budget,
      host,
      port,
      id,
      charge,
      charge,
      reserve,
      settled,
      at,
      at + HOUR,
      subject,
      kind,
    );
    if (end.kind === "settled" && kind === "purchase")
      ledger.book({ budget, subject, host, port, reservedAt: at, totalMsat: msat(charge + end.fee) });
  }
  return { sql, ledger };
}

/** A pattern's meaning, written anew. */
function names(pattern: string, { host, port }: Payment): boolean {
  const [, name = "", given = "443"] =
    /^(.*?)(?::([0-9]+))?$/u.exec(pattern.startsWith("[") ? pattern.replace("]:", "] :").replace(" ", "") : pattern) ?? [];
  const bare = pattern.startsWith("[") ? "[::1]" : name;
  const wanted = pattern.startsWith("[") ? "44" : given;
  return String(port) === wanted && (bare.startsWith("*.") ? host.endsWith(`.${bare.slice(2)}`) : host === bare);
}

const open = (payments: readonly Payment[]): number =>
  payments.reduce((sum, { charge, reserve, end }) => (end.kind === "open" ? sum + charge + reserve : sum), 0);
const settledSince = (payments: readonly Payment[], start: number | null): number =>
  payments.reduce(
    (sum, { charge, end, at }) => (end.kind === "settled" && (start === null || at >= start) ? sum + charge + end.fee : sum),
    0,
  );

/** The starts that decide.ts asks about, and some that fall between, on and beside the hour. */
const STARTS: readonly (number | null)[] = [
  null,
  hourStart(NOW),
  dayStart(NOW),
  monthStart(NOW),
  NOW - HOUR,
  NOW - 60_000,
  NOW - 30 * 60_000,
  NOW - 30 * 60_000 - 1,
  NOW - 31 * 24 * HOUR,
  NOW - 24 * HOUR,
];

describe("the ledger", () => {
  it("invariant 3: answers for wallet, budget, host and subject exactly what a naive sum says, for every kind of window", () => {
    fc.assert(
      fc.property(fc.array(payment, { maxLength: 12 }), (payments) => {
        const { sql, ledger } = journal(payments);
        const counted = payments.filter(({ kind }) => kind === "purchase");
        for (const budget of [null, ...BUDGETS, "nobody"]) {
          const mine = counted.filter((each) => budget === null || each.budget === budget);
          const books = ledger.view(budget);
          const views: { readonly view: LedgerView; readonly kept: readonly Payment[] }[] = [
            { view: books, kept: mine },
            ...PATTERNS.map((pattern) => ({ view: books.host(pattern), kept: mine.filter((each) => names(pattern, each)) })),
          ];
          if (budget !== null)
            for (const subject of [...SUBJECTS, "nobody"])
              views.push({ view: ledger.subject(budget, subject), kept: mine.filter((each) => each.subject === subject) });
          for (const { view, kept } of views) {
            expect(view.openMsat).toBe(open(kept));
            for (const start of STARTS) expect(view.settledSince(start)).toBe(settledSince(kept, start));
            for (const start of [NOW - 60_000, NOW])
              expect(view.paymentsSince(start)).toBe(kept.filter(({ at, end }) => end.kind !== "released" && at >= start).length);
          }
        }
        sql.close();
      }),
      { numRuns: 60 },
    );
  });

  it("invariant 3: a payment belongs to the hour of its reservation, however late it is booked", () => {
    const { ledger } = journal([]);
    const at = hourStart(NOW) - 1;
    ledger.book({ budget: "a", subject: null, host: "x.example", port: 443, reservedAt: at, totalMsat: msat(5) });
    const books = ledger.view("a");
    expect([books.settledSince(hourStart(NOW)), books.settledSince(hourStart(at)), books.settledSince(null)]).toEqual([0, 5, 5]);
  });

  it("invariant 3: sums stay exact up to the largest amount there is, and more is an error, not a rounding", () => {
    const { ledger } = journal([]);
    const book = (totalMsat: number): void =>
      ledger.book({ budget: "a", subject: null, host: "x.example", port: 443, reservedAt: NOW, totalMsat: msat(totalMsat) });
    book(Number.MAX_SAFE_INTEGER - 1);
    book(1);
    expect(ledger.view("a").settledSince(null)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => book(1)).toThrow(/CHECK/u);
  });
});
