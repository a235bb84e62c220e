/** When the faults have stopped and everything has run its course: nothing is open or reserved, and every book says the same. */
import { GENESIS, verifyChain } from "../../lightning/receipt.ts";
import { isTerminal, type State } from "../../lightning/purchase.ts";
import { Violation } from "./scheduler.ts";
import type { World } from "./world.ts";

/** @throws Violation */
export function checkAtEnd(world: World): void {
  const { sql } = world.object;
  const one = (query: string): number => sql.rows<{ n: number }>(query)[0]?.n ?? 0;
  const waiting = sql
    .rows<{ state: State; code: string | null }>("SELECT state, code FROM purchase")
    .filter(({ state }) => !isTerminal(state));
  if (waiting.length > 0)
    throw new Violation(`liveness: ${waiting.length} purchases are still ${waiting[0]?.state} (${waiting[0]?.code ?? "no code"})`);
  if (one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'") > 0) throw new Violation("invariant 4: money is still reserved");
  if (one("SELECT COUNT(*) AS n FROM flight") > 0) throw new Violation("invariant 2: a flight has not landed");
  if (one("SELECT COUNT(*) AS n FROM former_record_key") + one("SELECT COUNT(*) AS n FROM reseal") > 0)
    throw new Violation("liveness: rows are still sealed with a former record key");
  if (world.control.openRows > 0 && world.house.clockSetBackAt === 0)
    throw new Violation("invariant 4: the control plane believes that rows are open");
  if (one("SELECT COUNT(*) AS n FROM approval WHERE state = 'pending'") > 0) throw new Violation("invariant 18: a question is still open");
  checkBooks(world);
  checkChain(world);
}

function checkBooks({ object: { sql }, node, mirror, weather, requests }: World): void {
  mirror.refresh();
  /** Every holder's every hour, and what it has spent since ever. */
  const booked = new Map<string, number>();
  for (const row of mirror.payments()) {
    const entry = node.of(row.operation_id);
    if (row.payment_state === "settled") {
      const total = row.charge_msat + (row.fee_msat ?? 0);
      if (row.kind === "purchase") {
        const { host, port } = new URL(row.origin);
        const at = `${host.replace(/:.*$/u, "")}:${port === "" ? 443 : port}`;
        const subject = requests.get(row.id)?.subject ?? null;
        const holders = ["wallet", `wallet@${at}`, `budget/${row.budget}`, `budget/${row.budget}@${at}`];
        if (subject !== null) holders.push(`subject/${row.budget}/${subject}`);
        for (const holder of holders)
          for (const hour of [-1, row.reserved_at - (row.reserved_at % 3_600_000)])
            booked.set(`${holder} ${hour}`, (booked.get(`${holder} ${hour}`) ?? 0) + total);
      }
      // Where an operator ended it, nobody may have known the fee: then its whole reserve was booked.
      const unsure = row.receipts?.includes("resolved") === true;
      const truth = entry?.state === "settled" ? entry.amountMsat + entry.feeMsat : null;
      if (truth === null || (unsure ? total < Math.min(truth, row.charge_msat + row.reserve_msat) : total !== truth))
        throw new Violation(`the books differ at the end: ${total} msat in the journal, ${truth ?? "nothing"} at the node`);
    } else if (entry?.state === "settled" && !entry.denied)
      throw new Violation(`the books differ at the end: the node has paid what the journal calls ${row.state}`);
  }
  for (const entry of node.ledger)
    if (mirror.of(entry.operationId) === null) throw new Violation("the books differ at the end: a payment the journal does not know");
  const counted = new Map(
    sql
      .rows<{ holder: string; hour: number; n: number }>("SELECT holder, hour, settled_msat AS n FROM spent")
      .map(({ holder, hour, n }) => [`${holder} ${hour}`, n]),
  );
  for (const name of new Set([...counted.keys(), ...booked.keys()]))
    if (counted.get(name) !== booked.get(name))
      throw new Violation(`invariant 3: the counters say ${counted.get(name)} of ${name}, the payments ${booked.get(name)}`);
  if (weather.on("rogue")) return;
  if (mirror.payments().some(({ receipts }) => receipts?.includes("late_settlement") === true))
    throw new Violation("invariant 4: a late settlement, though the payer kept its contract");
}

function checkChain({ object: { sql }, control, mirror, books }: World): void {
  const { chain } = control;
  const written = sql.rows<{ n: number }>("SELECT COALESCE(MAX(sequence), 0) AS n FROM receipt")[0]?.n ?? 0;
  if (chain.length !== written)
    throw new Violation(`invariant 14: ${written} receipts were written, the control plane has ${chain.length}`);
  const fault = verifyChain(chain, GENESIS);
  if (fault !== null) throw new Violation(`invariant 14: the chain breaks at line ${fault.line} (${fault.fault})`);
  const known = new Set(chain.map(({ receiptId }) => receiptId));
  for (const told of books.told)
    if (!known.has(told)) throw new Violation("invariant 14: a caller was told of a receipt that is not in the chain");
  const spent = new Map<string, number>();
  for (const { receipt } of chain)
    if (["paid", "late_settlement", "withdrawn"].includes(receipt.kind))
      spent.set(receipt.paymentHash ?? "", (receipt.amountMsat ?? 0) + (receipt.feeMsat ?? 0));
  for (const row of mirror.payments()) {
    const told = spent.get(row.payment_hash);
    if (row.payment_state !== "settled") {
      if (told !== undefined) throw new Violation("invariant 14: a receipt says paid, the journal does not");
    } else if (told === undefined ? row.receipts?.includes("resolved") !== true : told !== row.amount_msat + (row.fee_msat ?? 0))
      throw new Violation("invariant 14: a payment without its receipt, or with another amount");
  }
}
