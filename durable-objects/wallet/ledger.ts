/**
 * The books. A settled payment is booked in the hour of its reservation, for the wallet and its budget, each also at the host;
 * days and months are sums of hours, so no sum ever walks the whole history. Open payments are few and are summed as they are.
 */
import type { LedgerView } from "../../lightning/decide.ts";
import { hourStart } from "../../lightning/decide.ts";
import { msat, type Msat } from "../../lightning/msat.ts";
import { matchesHost } from "../../lightning/url.ts";
import type { Sql } from "../sql.ts";

interface Booked {
  readonly budget: string;
  readonly subject: string | null;
  readonly host: string;
  readonly port: number;
  readonly total: number;
}

/** Whose books: `budget` null is the whole wallet; `host` narrows to hosts that the pattern names. */
interface Holder {
  readonly budget: string | null;
  readonly subject: string | null;
  readonly host: string | null;
}

/** A payment's whole footprint, as it is booked. */
export interface Booking {
  readonly budget: string;
  readonly subject: string | null;
  readonly host: string;
  readonly port: number;
  readonly reservedAt: number;
  readonly totalMsat: Msat;
}

/** `since ever` is kept as a row of its own, in an hour that no clock shows. */
const EVER = -1;

export class Ledger {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The books of one budget, or of the whole wallet, as `decide` reads them. Reads happen inside the caller's transaction. */
  view(budget: string | null): LedgerView & { readonly host: (pattern: string) => LedgerView } {
    const open = this.#open();
    return {
      ...this.#view({ budget, subject: null, host: null }, open),
      host: (pattern) => this.#view({ budget, subject: null, host: pattern }, open),
    };
  }

  /** The books of one subject of one budget. */
  subject(budget: string, subject: string): LedgerView {
    return this.#view({ budget, subject, host: null }, this.#open());
  }

  /** Books a settled payment. The caller has checked that it is booked once. */
  book({ budget, subject, host, port, reservedAt, totalMsat }: Booking): void {
    const owners = ["wallet", `budget/${budget}`];
    const holders = owners.flatMap((owner) => [owner, `${owner}@${host}:${port}`]);
    if (subject !== null) holders.push(`subject/${budget}/${subject}`);
    for (const holder of holders) {
      for (const hour of [hourStart(reservedAt), EVER]) {
        this.#sql.rows(
          "INSERT INTO spent (holder, hour, settled_msat) VALUES (?, ?, ?) ON CONFLICT (holder, hour) DO UPDATE SET settled_msat = settled_msat + excluded.settled_msat",
          holder,
          hour,
          totalMsat,
        );
      }
    }
  }

  /** Withdrawals are an operator's own and count in nobody's books. */
  #open(): readonly Booked[] {
    return this.#sql.rows<Booked>(
      "SELECT budget, subject, host, port, charge_msat + reserve_msat AS total FROM payment WHERE state = 'open' AND kind = 'purchase'",
    );
  }

  #view(holder: Holder, open: readonly Booked[]): LedgerView {
    return {
      openMsat: total(open.filter((row) => isOf(holder, row))),
      settledSince: (start) => this.#settledSince(holder, start),
      paymentsSince: (start) =>
        this.#sql
          .rows<Booked>(
            "SELECT budget, subject, host, port, 0 AS total FROM payment WHERE reserved_at >= ? AND state <> 'released' AND kind = 'purchase'",
            start,
          )
          .filter((row) => isOf(holder, row)).length,
    };
  }

  #settledSince(holder: Holder, start: number | null): Msat {
    // A start on the hour is answered by the counters; any other start is a rolling window, answered by the payments themselves.
    if (start !== null && start !== hourStart(start)) {
      const rows = this.#sql.rows<Booked>(
        "SELECT budget, subject, host, port, charge_msat + fee_msat AS total FROM payment WHERE reserved_at >= ? AND state = 'settled' AND kind = 'purchase'",
        start,
      );
      return total(rows.filter((row) => isOf(holder, row)));
    }
    const where = start === null ? `hour = ${EVER}` : "hour >= ?";
    const bind = start === null ? [] : [start];
    const owner =
      holder.budget === null
        ? "wallet"
        : holder.subject === null
          ? `budget/${holder.budget}`
          : `subject/${holder.budget}/${holder.subject}`;
    if (holder.host === null) {
      return msat(
        this.#sql.rows<{ sum: number }>(
          `SELECT COALESCE(SUM(settled_msat), 0) AS sum FROM spent WHERE holder = ? AND ${where}`,
          owner,
          ...bind,
        )[0]?.sum ?? 0,
      );
    }
    const prefix = `${owner}@`;
    const pattern = holder.host;
    // '@' + 1 is 'A': the range of all holders that begin with the prefix.
    const rows = this.#sql.rows<{ holder: string; total: number }>(
      `SELECT holder, SUM(settled_msat) AS total FROM spent WHERE holder >= ? AND holder < ? AND ${where} GROUP BY holder`,
      prefix,
      `${owner}A`,
      ...bind,
    );
    return total(
      rows.filter((row) => {
        const [, host = "", port = ""] = /^(.*):([0-9]+)$/u.exec(row.holder.slice(prefix.length)) ?? [];
        return matchesHost(pattern, host, Number(port));
      }),
    );
  }
}

function isOf({ budget, subject, host }: Holder, row: Booked): boolean {
  return (
    (budget === null || row.budget === budget) &&
    (subject === null || row.subject === subject) &&
    (host === null || matchesHost(host, row.host, row.port))
  );
}

function total(rows: readonly { readonly total: number }[]): Msat {
  let sum = 0;
  for (const row of rows) sum = msat(sum + row.total);
  return sum as Msat;
}
