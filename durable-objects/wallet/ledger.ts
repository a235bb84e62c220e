/**
 * The books. A settled payment is booked in the hour of its reservation, for the wallet and its budget, each also at the host;
 * days and months are sums of hours, so no sum ever walks the whole history. Open payments are few and are summed as they are.
 */
import type { LedgerView } from "../../lightning/decide.ts";
import { hourStart } from "../../lightning/decide.ts";
import { msat, type Msat } from "../../lightning/msat.ts";
import { matchesHost } from "../../lightning/url.ts";
import type { Sql } from "../sql.ts";

interface OpenRow {
  readonly budget: string;
  readonly host: string;
  readonly port: number;
  readonly total: number;
}

/** Whose books: `budget` null is the whole wallet; `host` narrows to hosts that the pattern names. */
interface Holder {
  readonly budget: string | null;
  readonly host: string | null;
}

/** A payment's whole footprint, as it is booked. */
export interface Booking {
  readonly budget: string;
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
    return { ...this.#view({ budget, host: null }, open), host: (pattern) => this.#view({ budget, host: pattern }, open) };
  }

  /** Books a settled payment. The caller has checked that it is booked once. */
  book({ budget, host, port, reservedAt, totalMsat }: Booking): void {
    for (const holder of ["", `@${host}:${port}`]) {
      for (const owner of ["wallet", `budget/${budget}`]) {
        for (const hour of [hourStart(reservedAt), EVER]) {
          this.#sql.rows(
            "INSERT INTO spent (holder, hour, settled_msat) VALUES (?, ?, ?) ON CONFLICT (holder, hour) DO UPDATE SET settled_msat = settled_msat + excluded.settled_msat",
            owner + holder, hour, totalMsat,
          );
        }
      }
    }
  }

  #open(): readonly OpenRow[] {
    return this.#sql.rows<OpenRow>("SELECT budget, host, port, charge_msat + reserve_msat AS total FROM payment WHERE state = 'open'");
  }

  #view(holder: Holder, open: readonly OpenRow[]): LedgerView {
    const mine = open.filter((row) => (holder.budget === null || row.budget === holder.budget) && (holder.host === null || matchesHost(holder.host, row.host, row.port)));
    let openMsat = 0;
    for (const row of mine) openMsat = msat(openMsat + row.total);
    return {
      openMsat: openMsat as Msat,
      settledSince: (start) => this.#settledSince(holder, start),
      paymentsSince: (start) => this.#sql.rows<{ host: string; port: number }>(
        `SELECT host, port FROM payment WHERE reserved_at >= ? AND state <> 'released' ${holder.budget === null ? "" : "AND budget = ?"}`,
        start, ...(holder.budget === null ? [] : [holder.budget]),
      ).filter((row) => holder.host === null || matchesHost(holder.host, row.host, row.port)).length,
    };
  }

  #settledSince(holder: Holder, start: number | null): Msat {
    const owner = holder.budget === null ? "wallet" : `budget/${holder.budget}`;
    // A start on the hour is answered by the counters; any other start is a rolling window, answered by the payments themselves.
    if (start !== null && start !== hourStart(start)) return this.#exactlySince(holder, start);
    const where = start === null ? `hour = ${EVER}` : "hour >= ?";
    const bind = start === null ? [] : [start];
    if (holder.host === null) {
      return msat(this.#sql.rows<{ sum: number }>(`SELECT COALESCE(SUM(settled_msat), 0) AS sum FROM spent WHERE holder = ? AND ${where}`, owner, ...bind)[0]?.sum ?? 0);
    }
    const prefix = `${owner}@`;
    let sum = 0;
    // '@' + 1 is 'A': the range of all holders that begin with the prefix.
    for (const row of this.#sql.rows<{ holder: string; sum: number }>(
      `SELECT holder, SUM(settled_msat) AS sum FROM spent WHERE holder >= ? AND holder < ? AND ${where} GROUP BY holder`, prefix, `${owner}A`, ...bind,
    )) {
      const [, host = "", port = ""] = /^(.*):([0-9]+)$/u.exec(row.holder.slice(prefix.length)) ?? [];
      if (matchesHost(holder.host, host, Number(port))) sum = msat(sum + row.sum);
    }
    return sum as Msat;
  }

  #exactlySince(holder: Holder, start: number): Msat {
    let sum = 0;
    for (const row of this.#sql.rows<{ budget: string; host: string; port: number; total: number }>(
      "SELECT budget, host, port, charge_msat + fee_msat AS total FROM payment WHERE reserved_at >= ? AND state = 'settled'", start,
    )) {
      if (holder.budget !== null && row.budget !== holder.budget) continue;
      if (holder.host !== null && !matchesHost(holder.host, row.host, row.port)) continue;
      sum = msat(sum + row.total);
    }
    return sum as Msat;
  }
}
