/** What holds in a wallet's database whenever nothing is being written. */
import type { Sql } from "../../durable-objects/sql.ts";
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import { GENESIS, verifyChain } from "../../lightning/receipt.ts";

/** @param records every receipt, in chain order. @throws Error that names the invariant */
export function checkWallet(sql: Sql, records: readonly ReceiptRecord[]): void {
  const one = (query: string): number => sql.rows<{ n: number }>(query)[0]?.n ?? 0;
  const fault = verifyChain(records, GENESIS);
  if (fault !== null) throw new Error(`invariant 14: the chain breaks at line ${fault.line} (${fault.fault})`);
  const spent = one("SELECT COALESCE(SUM(settled_msat), 0) AS n FROM spent WHERE holder = 'wallet' AND hour = -1");
  const settled = one("SELECT COALESCE(SUM(charge_msat + fee_msat), 0) AS n FROM payment WHERE state = 'settled' AND kind = 'purchase'");
  if (spent !== settled) throw new Error(`invariant 3: ${spent} msat are booked, ${settled} were settled`);
  const astray = one(
    "SELECT COUNT(*) AS n FROM payment m JOIN purchase p ON p.id = m.purchase_id WHERE (m.state = 'open') <> (p.state IN ('reserved','paying','payment_unknown'))",
  );
  if (astray > 0) throw new Error("invariant 3: money is set aside for a purchase that is over, or not for one that is not");
  const flights = one("SELECT COUNT(*) AS n FROM flight f JOIN payment m ON m.purchase_id = f.purchase_id WHERE m.state <> 'open'");
  if (flights > 0) throw new Error("invariant 2: a flight goes on for a payment that has ended");
}
