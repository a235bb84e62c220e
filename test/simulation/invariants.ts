/**
 * What must hold after every step, held against the books of those who were paid: the node's and the seller's, never the wallet's
 * own word alone. Numbers are those of design.md. A dead instance's words count too: whatever left it has left.
 */
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import { dayStart, hourStart } from "../../lightning/decide.ts";
import type { PaymentOrder } from "../../lightning/payer.ts";
import { verifyChain, GENESIS, type Receipt } from "../../lightning/receipt.ts";
import { isOpenPayment, isPaid, isTerminal, type State } from "../../lightning/purchase.ts";
import type { FlowAnswer } from "../../worker/flow-types.ts";
import type { Entry } from "./sim-node.ts";
import { Violation } from "./scheduler.ts";
import type { World } from "./world.ts";

interface Row {
  readonly id: string;
  readonly state: State;
  readonly due_at: number | null;
  readonly request_key: string | null;
  readonly budget: string;
  readonly max_msat: number | null;
  readonly operation_id: string;
  readonly payment_hash: string;
  readonly payment_state: "open" | "settled" | "released";
  readonly origin: string;
  readonly scope: string;
  readonly amount_msat: number;
  readonly reserve_msat: number;
  readonly fee_msat: number | null;
  readonly reserved_at: number;
  readonly credential: number;
}

export class Books {
  readonly #world: World;
  readonly #told = new Set<string>();
  /** The control plane's copy of the chain. */
  readonly #chain: ReceiptRecord[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** The payer has just been called; its order has not left yet. */
  sent(order: PaymentOrder): void {
    const { stoppedSince, scheduler } = this.#world;
    if (stoppedSince !== null && scheduler.now - stoppedSince >= 5000) throw this.#broken(`invariant 11: an order was made ${scheduler.now - stoppedSince} ms after the switch`);
    const row = this.#rows().find(({ operation_id }) => operation_id === order.operationId);
    if (row === undefined || row.state !== "paying") throw this.#broken(`invariant 1: the payer was called for a purchase that is ${row?.state ?? "not in the journal"}`);
  }

  /** The node has taken an order in hand. */
  accepted(entry: Entry, order: PaymentOrder): void {
    const { node, seller, scheduler } = this.#world;
    const rows = this.#rows();
    const row = rows.find(({ operation_id }) => operation_id === entry.operationId);
    if (row === undefined) throw this.#broken("invariant 1: the node was asked for a payment that is not in the journal");
    if (row.payment_state === "released") throw this.#broken(`invariant 4: the node was asked to pay what the journal calls ${row.state}`);
    if (node.ledger.some((other) => other !== entry && other.paymentHash === entry.paymentHash && other.state !== "failed")) throw this.#broken("invariant 2: a payment hash is paid twice");
    const rival = rows.find((other) => other.id !== row.id && other.origin === row.origin && other.scope === row.scope && isOpenPayment(other.state));
    if (rival !== undefined) throw this.#broken("invariant 2: two payments are under way for one origin and scope");
    if (row.request_key !== null) {
      const paid = rows.find((other) => other.id !== row.id && other.budget === row.budget && other.request_key === row.request_key && node.of(other.operation_id)?.state === "settled" && other.payment_state !== "released");
      if (paid !== undefined) throw this.#broken("invariant 2: a request that has paid pays again");
    }
    const minted = seller.byHash.get(entry.paymentHash);
    if (minted === undefined || minted.amountMsat !== entry.amountMsat) throw this.#broken("invariant 7: the order's amount is not the invoice's");
    const cap = Math.min(this.#world.policy.perPaymentMsat ?? Infinity, row.max_msat ?? Infinity);
    if (entry.amountMsat + order.maxFeeMsat > cap) throw this.#broken(`invariant 7: ${entry.amountMsat + order.maxFeeMsat} msat are over the caller's or the wallet's limit ${cap}`);
    // Bought before for this very scope, still good, and never turned away: there is no reason to buy again.
    for (const other of rows) {
      if (other.id === row.id || other.origin !== row.origin || other.scope !== row.scope || other.payment_state !== "settled") continue;
      const before = seller.byHash.get(other.payment_hash);
      // Turned away after it had served: the seller's right, and the wallet may buy anew. Turned away without ever serving: never.
      if (before === undefined || (before.refused && before.served > 0)) continue;
      const margin = Math.min(30_000, (before.validUntil - other.reserved_at) / 10) + 60_000;
      if (before.scope === minted.scope && before.validUntil - margin > scheduler.now) throw this.#broken(before.refused ? "invariant 6: bought again, though what was paid for has never served" : "invariant 6: bought again, though what was paid for is still good");
    }
    this.check();
  }

  answered(answer: FlowAnswer): void {
    // Codes that say we do not understand ourselves: no fault of the world may bring them about.
    // Here the keys always open: what cannot be opened is not there.
    if (answer.kind === "problem" && answer.code === "envelope_unopenable") throw this.#broken(`invariant 6: a caller was told "${answer.code}": ${answer.detail}`);
    if (answer.kind === "problem" && ["internal", "invalid_request", "not_found", "forbidden", "unauthorized", "policy_unreadable"].includes(answer.code)) throw this.#broken(`a caller was told "${answer.code}": ${answer.detail}`);
    if (answer.kind !== "answer" || (answer.status !== "paid" && answer.status !== "paid_unfulfilled")) return;
    const row = this.#rows().find(({ id }) => id === answer.purchaseId);
    if (row === undefined || this.#world.node.of(row.operation_id)?.state !== "settled") throw this.#broken(`invariant 5: a caller was told "${answer.status}", and the node has not settled`);
    this.#told.add(answer.purchaseId);
  }

  ingest(records: readonly ReceiptRecord[]): number {
    for (const record of records) {
      const { sequence } = record.receipt;
      const known = this.#chain[sequence - 1];
      if (known !== undefined && known.receiptId !== record.receiptId) throw this.#broken("invariant 14: a receipt changed after it had been sent");
      if (sequence !== this.#chain.length + 1 && known === undefined) throw this.#broken("invariant 14: a receipt is missing from the chain");
      this.#chain[sequence - 1] = record;
    }
    return this.#chain.length;
  }

  /** After every step that changed the journal or the node. */
  check(): void {
    const { node } = this.#world;
    const rows = this.#rows();
    const byOperation = new Map(rows.map((row) => [row.operation_id, row]));
    for (const entry of node.ledger) {
      const row = byOperation.get(entry.operationId);
      if (row === undefined) throw this.#broken("invariant 1: the node knows a payment that the journal does not");
      if (row.payment_state === "released" && entry.state !== "failed") throw this.#broken(`invariant 4: called ${row.state}, and the node has it ${entry.state}`);
    }
    for (const row of rows) {
      if ((row.payment_state === "open") !== isOpenPayment(row.state)) throw this.#broken(`invariant 3: money is ${row.payment_state} while the purchase is ${row.state}`);
      if (isPaid(row.state) && (row.payment_state !== "settled" || node.of(row.operation_id)?.state !== "settled")) throw this.#broken("invariant 5: called paid, and the node has not settled");
      if (isPaid(row.state) && row.credential === 0) throw this.#broken("invariant 6: paid, and no credential is stored");
    }
    this.#checkCaps(rows);
  }

  /** Reservations count in full, fees above their reserve excepted: those are booked as they are, and pause the wallet. */
  #checkCaps(rows: readonly Row[]): void {
    const { policy, budgets } = this.#world;
    const truth = (row: Row): number => row.amount_msat + (row.payment_state === "settled" ? Math.min(row.fee_msat ?? 0, row.reserve_msat) : row.reserve_msat);
    const over = (name: string, cap: number | undefined, counted: readonly Row[]): void => {
      if (cap === undefined) return;
      let sum = 0;
      for (const row of counted) if (row.payment_state !== "released") sum += truth(row);
      if (sum > cap) throw this.#broken(`invariant 3: ${name} holds ${sum} msat, its cap is ${cap}`);
    };
    const holders: (readonly [string, typeof policy, readonly Row[]])[] = [["wallet", policy, rows]];
    for (const [budget, its] of budgets) holders.push([budget, its, rows.filter((row) => row.budget === budget)]);
    for (const [name, caps, mine] of holders) {
      over(`${name}, all time`, caps.totalMsat, mine);
      if (mine.length === 0) continue;
      const last = Math.max(...mine.map(({ reserved_at }) => reserved_at), 0);
      over(`${name}, the hour`, caps.hourMsat, mine.filter((row) => hourStart(row.reserved_at) === hourStart(last)));
      over(`${name}, the day`, caps.dayMsat, mine.filter((row) => dayStart(row.reserved_at) === dayStart(last)));
      for (const { windowMs, capMsat } of caps.rolling ?? []) over(`${name}, rolling`, capMsat, mine.filter((row) => row.reserved_at > last - windowMs));
    }
  }

  #rows(): readonly Row[] {
    return this.#world.object.sql.rows<Row>(
      `SELECT p.id, p.state, p.due_at, p.request_key, p.budget, p.max_msat, m.operation_id, m.payment_hash, m.state AS payment_state, m.origin, m.scope, m.amount_msat, m.reserve_msat, m.fee_msat, m.reserved_at,
       EXISTS (SELECT 1 FROM credential c WHERE c.purchase_id = p.id) AS credential FROM payment m JOIN purchase p ON p.id = m.purchase_id`,
    );
  }

  #broken(what: string): Violation {
    const violation = new Violation(what);
    this.#world.scheduler.fail(violation);
    return violation;
  }
}

/** When the faults have stopped and everything has run its course. */
export function checkAtEnd(world: World): void {
  const { sql } = world.object;
  const one = (query: string): number => sql.rows<{ n: number }>(query)[0]?.n ?? 0;
  const waiting = sql.rows<{ state: State }>("SELECT state FROM purchase").filter(({ state }) => !isTerminal(state));
  if (waiting.length > 0) throw new Violation(`liveness: ${waiting.length} purchases are still ${waiting[0]?.state}`);
  if (one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'") > 0) throw new Violation("invariant 4: money is still reserved");
  if (one("SELECT COUNT(*) AS n FROM flight") > 0) throw new Violation("invariant 2: a flight has not landed");
  const settled = new Map(world.node.ledger.filter(({ state }) => state === "settled").map((entry) => [entry.operationId, entry]));
  const booked = sql.rows<{ operation_id: string; total: number }>("SELECT operation_id, charge_msat + fee_msat AS total FROM payment WHERE state = 'settled'");
  if (booked.length !== settled.size) throw new Violation(`the books differ at the end: ${booked.length} settled in the journal, ${settled.size} at the node`);
  let sum = 0;
  for (const { operation_id, total } of booked) {
    const entry = settled.get(operation_id);
    if (entry === undefined || entry.amountMsat + entry.feeMsat !== total) throw new Violation("the books differ at the end: another amount, or a payment the node does not know");
    sum += total;
  }
  if (one("SELECT COALESCE(SUM(settled_msat), 0) AS n FROM spent WHERE holder = 'wallet' AND hour = -1") !== sum) throw new Violation("invariant 3: the counters differ from the payments");
  const records = sql.rows<{ receipt_id: string; chain: string; facts: string }>("SELECT receipt_id, chain, facts FROM receipt ORDER BY sequence").map(({ receipt_id, chain, facts }) => ({ receiptId: receipt_id, chain, receipt: JSON.parse(facts) as Receipt }));
  const fault = verifyChain(records, GENESIS);
  if (fault !== null) throw new Violation(`invariant 14: the chain breaks at line ${fault.line} (${fault.fault})`);
  const paidFor = new Set(records.filter(({ receipt }) => receipt.kind === "paid" || receipt.kind === "late_settlement").map(({ receipt }) => receipt.paymentHash));
  if (paidFor.size !== settled.size) throw new Violation("invariant 14: a payment without its receipt");
}
