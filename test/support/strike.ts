/**
 * One purchase is brought into a state, the object (or the whole process) dies there, and from that moment the payer has one fault and the
 * seller is another one. The same request is sent again. Hours pass with the fault, then the fault ends, the request comes once more, and
 * hours pass again. What is left to see is returned; what it should be is the test's word.
 */
import { isTerminal, type State } from "../../lightning/purchase.ts";
import { GENESIS, verifyChain, type Receipt } from "../../lightning/receipt.ts";
import type { Fault } from "../../sandbox/faults.ts";
import { ODD_ROUTES } from "../../sandbox/odd-routes.ts";
import { SERVICES } from "../../sandbox/services.ts";
import type { FlowAnswer } from "../../worker/flow-types.ts";
import type { NodeSql } from "./sql-node.ts";
import { VirtualWorld, type Asked } from "./virtual-world.ts";
import { KEY, WAYS, type Way } from "./ways-into-states.ts";

const HOURS = 3_600_000;
/** Past every lease and the longest pause between two questions: what still waits then waits for the payer. */
const LONG = 2 * HOURS;
const ROUTES = [...SERVICES, ...ODD_ROUTES].map(({ name }) => name);

export const DEATHS = ["nobody", "object", "process"] as const;

export interface Strike {
  readonly state: State;
  /** Who dies at that moment; `nobody`: what is under way goes on into the fault. */
  readonly death: (typeof DEATHS)[number];
  readonly fault: Fault | null;
  /** Path and query that the seller's place is taken by; null: it stays as it is. */
  readonly seller: string | null;
}

export interface Row {
  readonly id: string;
  readonly path: string;
  readonly state: State;
  readonly code: string | null;
  readonly due_at: number | null;
  readonly payment_hash: string | null;
  /** What the node has of its payment; null: nothing. */
  readonly atNode: "in_flight" | "settled" | "failed" | null;
}

export interface Seen {
  readonly rows: readonly Row[];
  /** Of the same request sent again, in this phase; null: its caller is still waiting, or died with the process. */
  readonly answer: string | null;
  readonly now: number;
}

export interface Struck {
  /** Was the purchase ever in the state? */
  readonly reached: boolean;
  /** Has any payment met the payer's fault? */
  readonly bit: boolean;
  readonly during: Seen;
  readonly after: Seen;
  /** What the books of wallet and node do not agree on; empty when they do. */
  readonly disagreements: readonly string[];
}

/** @param sql kept between strikes, which makes each several times cheaper; nothing else is */
export async function strike({ state, death, fault, seller }: Strike, sql: NodeSql): Promise<Struck> {
  const way: Way = WAYS[state];
  const world = await VirtualWorld.create(way.caps ?? {}, sql);
  try {
    let [reached, bit] = [false, false];
    const { faults } = world.node;
    const take = faults.take.bind(faults);
    faults.take = (...asked) => {
      const taken = take(...asked);
      bit ||= fault !== null && taken === fault;
      return taken;
    };
    const hit = (): void => {
      reached = true;
      world.onBorder = () => {};
      spoil(world, way.path, fault, seller);
      if (death !== "nobody") world.die(death);
    };
    // The first purchase of a path, but for `served_cached`, which needs one before it.
    const present = (): State | undefined =>
      world.sql.rows<{ state: State }>("SELECT state FROM purchase WHERE path = ? ORDER BY seq DESC LIMIT 1", way.path)[0]?.state;
    if (way.at !== null) world.onBorder = (message) => (message === way.at && present() === state ? hit() : undefined);
    await way.go(world, way.path);
    if (way.at === null && present() === state) hit();
    else await world.run(HOURS, () => reached);

    const during = await again(world, way);
    mend(world);
    await world.run(HOURS);
    const after = await again(world, way);
    return { reached, bit, during, after, disagreements: disagreements(world) };
  } finally {
    world.close();
  }
}

/** How a purchase goes with one thing wrong from the beginning. */
export interface Ending {
  /** By its caller: `Lightning-Status` and the seller's status, or a code. */
  readonly heard: string;
  /** State and code, hours later, the fault still there. */
  readonly rests: readonly [State, string | null];
  /** By the caller who sends the same request again, when the fault is gone. */
  readonly again: string;
  /** State of the first purchase after that. */
  readonly end: State;
}

/** @param fences false: the payer can keep no fence */
export async function plain({ fault, seller }: Pick<Strike, "fault" | "seller">, sql: NodeSql, fences = true): Promise<Ending> {
  const { path } = WAYS.fulfilled;
  const world = await VirtualWorld.create({}, sql);
  world.fences = fences;
  try {
    spoil(world, path, fault, seller);
    const heard = word(await world.drained(world.fetch(path, { idempotencyKey: KEY })));
    await world.run(LONG);
    const first = (): { readonly state: State; readonly code: string | null } => {
      const row = world.sql.rows<{ state: State; code: string | null }>(
        "SELECT state, code FROM purchase WHERE path = ? ORDER BY seq LIMIT 1",
        path,
      )[0];
      if (row === undefined) throw new Error("nothing was bought");
      return row;
    };
    const { state, code } = first();
    mend(world);
    await world.run(HOURS);
    const later = word(await world.drained(world.fetch(path, { idempotencyKey: KEY })));
    await world.run(HOURS);
    return { heard, rests: [state, code], again: later, end: first().state };
  } finally {
    world.close();
  }
}

function spoil(world: VirtualWorld, path: string, fault: Fault | null, seller: string | null): void {
  if (fault !== null) for (const route of ROUTES) world.node.faults.forRoute(route, fault);
  if (seller !== null) world.detours.set(path, seller);
}

function mend(world: VirtualWorld): void {
  world.node.faults.clear();
  world.detours.clear();
  world.release();
}

async function again(world: VirtualWorld, { path, maxMsat }: Way): Promise<Seen> {
  const asked: Asked = { idempotencyKey: KEY, ...(maxMsat === undefined ? {} : { maxMsat }) };
  let answer: string | null = null;
  world.fetch(path, asked).then(
    (given) => (answer = word(given)),
    (error: unknown) => (answer = `thrown: ${String(error)}`),
  );
  await world.run(LONG);
  const atNode = new Map(world.node.ledger().payments.map((row) => [row.paymentHash, row.state]));
  const rows = world.sql.rows<Omit<Row, "atNode">>(
    "SELECT p.id, p.path, p.state, p.code, p.due_at, m.payment_hash FROM purchase p LEFT JOIN payment m ON m.purchase_id = p.id ORDER BY p.seq",
  );
  return { rows: rows.map((row) => ({ ...row, atNode: atNode.get(row.payment_hash ?? "") ?? null })), answer, now: world.ports.now() };
}

/** `Lightning-Status` and the seller's status, or the code of a problem. */
export const word = (answer: FlowAnswer): string => (answer.kind === "answer" ? `${answer.status} ${answer.response.status}` : answer.code);

/** Wallet and node, once everything has come to its end. */
export function disagreements({ sql, node }: VirtualWorld): readonly string[] {
  const found: string[] = [];
  const count = (query: string): number => sql.rows<{ n: number }>(query)[0]?.n ?? 0;
  const waiting = sql
    .rows<{ state: State; code: string | null }>("SELECT state, code FROM purchase")
    .filter((row) => !isTerminal(row.state));
  for (const { state, code } of waiting) found.push(`invariant 4: still ${state} (${code ?? "no code"})`);
  if (count("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'") > 0) found.push("invariant 4: money is still reserved");
  if (count("SELECT COUNT(*) AS n FROM flight") > 0) found.push("invariant 2: a flight has not landed");
  const paid = sql.rows<{ payment_hash: string; amount_msat: number; fee_msat: number; request_key: string | null; credential: number }>(
    `SELECT m.payment_hash, m.amount_msat, m.fee_msat, p.request_key, EXISTS (SELECT 1 FROM credential c WHERE c.purchase_id = p.id) AS credential
     FROM payment m JOIN purchase p ON p.id = m.purchase_id WHERE m.state = 'settled'`,
  );
  const ledger = node.ledger();
  const settled = new Map(ledger.payments.filter((row) => row.state === "settled").map((row) => [row.paymentHash, row]));
  if (ledger.payments.some(({ settlements }) => settlements > 1)) found.push("invariant 2: a payment hash was paid twice");
  if (paid.length !== settled.size) found.push(`drift: ${paid.length} settled in the journal, ${settled.size} at the node`);
  for (const row of paid) {
    const at = settled.get(row.payment_hash);
    if (at === undefined || at.amountMsat !== row.amount_msat || at.feeMsat !== row.fee_msat)
      found.push("drift: another amount, or a payment the node does not know");
    if (row.credential === 0) found.push("invariant 6: paid, and no credential is stored");
  }
  if (paid.filter(({ request_key }) => request_key === KEY).length > 1) found.push("invariant 2: one request has paid twice");
  const records = sql.rows<{ receipt_id: string; chain: string; facts: string }>(
    "SELECT receipt_id, chain, facts FROM receipt ORDER BY sequence",
  );
  const fault = verifyChain(
    records.map(({ receipt_id, chain, facts }) => ({ receiptId: receipt_id, chain, receipt: JSON.parse(facts) as Receipt })),
    GENESIS,
  );
  if (fault !== null) found.push(`invariant 14: the chain breaks at line ${fault.line} (${fault.fault})`);
  return found;
}
