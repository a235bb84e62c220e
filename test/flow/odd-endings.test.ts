/**
 * The odd endings of a payment, each from end to end on the sandbox's seller, executor and node: what goes wrong, what the wallet makes of it,
 * and how it comes out again. Each names its rows in the transition table (lightning/purchase.ts) and its heading in the runbook; both are checked.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { next, type Event, type State } from "../../lightning/purchase.ts";
import type { Fault } from "../../sandbox/faults.ts";
import { word } from "../support/strike.ts";
import { NodeSql } from "../support/sql-node.ts";
import { VirtualWorld } from "../support/virtual-world.ts";

const PATH = "/many/1";
const KEY = "the-request";
/** Price of {@link PATH}, and the node's fee. */
const PRICE = 10_000;
const FEE = 100;
const SECONDS = 1000;
const HOUR = 3_600_000;
/** An order's life and the grace after it. */
const ORDER_MS = 35 * SECONDS;

const sql = new NodeSql();
afterAll(() => sql.close());

const runbook = readFileSync(join(import.meta.dirname, "../../docs/runbook.md"), "utf8");

/** The first purchase: state and code. */
function first(world: VirtualWorld): readonly [State, string | null] {
  const row = world.sql.rows<{ state: State; code: string | null }>("SELECT state, code FROM purchase ORDER BY seq LIMIT 1")[0];
  if (row === undefined) throw new Error("nothing was begun");
  return [row.state, row.code];
}

const idOf = (world: VirtualWorld): string => world.sql.rows<{ id: string }>("SELECT id FROM purchase ORDER BY seq LIMIT 1")[0]?.id ?? "";
const hashOf = (world: VirtualWorld): string =>
  world.sql.rows<{ payment_hash: string }>("SELECT payment_hash FROM payment LIMIT 1")[0]?.payment_hash ?? "";
const paidAtNode = (world: VirtualWorld): number => world.node.ledger().settled;
const ask = async (world: VirtualWorld, path = PATH): Promise<string> =>
  word(await world.drained(world.fetch(path, path === PATH ? { idempotencyKey: KEY } : {})));

/** Receipts of the first purchase, as words. */
async function told(world: VirtualWorld): Promise<readonly string[]> {
  const id = idOf(world);
  const page = await world.core.receipts({ after: 0, limit: 200 });
  if (!page.ok) throw new Error(page.detail);
  return page.value.receipts
    .filter(({ receipt }) => receipt.purchaseId === id)
    .map(({ receipt: { kind, code } }) => (code === null ? kind : `${kind} ${code}`));
}

async function wallet(
  world: VirtualWorld,
): Promise<{ readonly state: string; readonly because: string | null; readonly open: number; readonly spent: number }> {
  const status = await world.drained(world.core.status());
  if (!status.ok) throw new Error(status.detail);
  const { state, pausedBecause, openRows, spent } = status.value;
  return { state, because: pausedBecause, open: openRows, spent: spent.totalMsat };
}

/** A purchase with this fault of the payer, its caller gone after he was told. */
async function spoiled(fault: Fault, fences = true): Promise<{ readonly world: VirtualWorld; readonly heard: string }> {
  const world = await VirtualWorld.create({}, sql);
  world.fences = fences;
  world.node.faults.forNext(fault);
  return { world, heard: await ask(world) };
}

interface Ending {
  readonly name: string;
  /** `state event -> state`: what the table must allow. */
  readonly rows: readonly (readonly [State, Event, State])[];
  readonly runbook: string;
  readonly flow: () => Promise<void>;
}

const ENDINGS: readonly Ending[] = [
  {
    name: "never_seen with a fence: free at once, and the order that arrives afterwards is refused",
    rows: [["payment_unknown", "fail", "failed"]],
    runbook: "### `never_seen`",
    flow: async () => {
      const { world, heard } = await spoiled({ kind: "never_seen_then_paid" });
      expect(heard).toBe("payment_unknown");
      await world.run(5 * SECONDS);
      expect(first(world)).toEqual(["failed", "payment_failed"]);
      world.release();
      await world.run(HOUR);
      expect([first(world)[0], paidAtNode(world), (await wallet(world)).state]).toEqual(["failed", 0, "active"]);
      expect([await ask(world), paidAtNode(world)]).toEqual(["paid 200", 1]);
    },
  },
  {
    name: "never_seen without a fence: free only when the payer would refuse the order, which it then does",
    rows: [
      ["payment_unknown", "lose_sight", "payment_unknown"],
      ["payment_unknown", "fail", "failed"],
    ],
    runbook: "### `never_seen`",
    flow: async () => {
      const { world } = await spoiled({ kind: "never_seen_then_paid" }, false);
      await world.run(ORDER_MS - 5 * SECONDS);
      expect(first(world)).toEqual(["payment_unknown", "payment_unknown"]);
      await world.run(60 * SECONDS);
      expect(first(world)).toEqual(["failed", "payment_failed"]);
      world.release();
      await world.run(HOUR);
      expect([first(world)[0], paidAtNode(world)]).toEqual(["failed", 0]);
      expect([await ask(world), paidAtNode(world)]).toEqual(["paid 200", 1]);
    },
  },
  {
    name: "late_settlement: an operator said failed, the answer on its way said settled: booked, kept, and the wallet stands still",
    rows: [["failed", "settle", "paid"]],
    runbook: "### `late_settlement`",
    flow: async () => {
      const world = await VirtualWorld.create({}, sql);
      // It settles within the order's time; the word of it comes after the wallet has given up waiting.
      world.node.faults.forNext({ kind: "late_settlement", afterMs: 8 * SECONDS });
      world.answerTakesMs = ORDER_MS;
      const caller = world.fetch(PATH, { idempotencyKey: KEY });
      caller.catch(() => undefined);
      await world.run(HOUR, () => first(world)[0] === "payment_unknown");
      expect(await world.core.resolve(idOf(world), "failed", "the seller has received nothing", null)).toMatchObject({ ok: true });
      expect((await wallet(world)).spent).toBe(0);
      await world.run(60 * SECONDS);
      expect(await told(world)).toEqual(["unknown payment_unknown", "failed payment_failed", "late_settlement"]);
      expect(await wallet(world)).toEqual({ state: "paused", because: "late_settlement", open: 0, spent: PRICE + FEE });
      expect([await ask(world, "/many/2"), await ask(world), paidAtNode(world)]).toEqual(["wallet_paused", "cached 200", 1]);
      world.answerTakesMs = 0;
      await world.core.enable();
      expect([await ask(world, "/many/2"), first(world)[0]]).toEqual(["paid 200", "fulfilled"]);
    },
  },
  {
    name: "preimage_mismatch: counts as spent, nothing is attached, and the right proof ends it",
    rows: [
      ["paying", "lose_sight", "payment_unknown"],
      ["payment_unknown", "settle", "paid"],
    ],
    runbook: "### `preimage_mismatch`",
    flow: async () => {
      const { world } = await spoiled({ kind: "wrong_preimage" });
      await world.run(HOUR);
      expect(first(world)).toEqual(["payment_unknown", "preimage_mismatch"]);
      expect(await wallet(world)).toMatchObject({ state: "active", open: 1, spent: PRICE + 5000 });
      world.release();
      await world.run(HOUR);
      expect([await ask(world), first(world)[0], paidAtNode(world)]).toEqual(["cached 200", "fulfilled", 1]);
    },
  },
  {
    name: "preimage_unavailable: counts as spent, and the proof ends it when there is one",
    rows: [
      ["paying", "lose_sight", "payment_unknown"],
      ["payment_unknown", "settle", "paid"],
    ],
    runbook: "### `preimage_unavailable`",
    flow: async () => {
      const { world } = await spoiled({ kind: "no_preimage" });
      await world.run(HOUR);
      expect(first(world)).toEqual(["payment_unknown", "preimage_unavailable"]);
      expect(await wallet(world)).toMatchObject({ state: "active", open: 1, spent: PRICE + 5000 });
      world.release();
      await world.run(HOUR);
      expect([await ask(world), first(world)[0], paidAtNode(world)]).toEqual(["cached 200", "fulfilled", 1]);
    },
  },
  {
    name: "a fee above its reserve: booked as it is, delivered, and the wallet stands still",
    rows: [["paying", "settle", "paid"]],
    runbook: "### Fee above its reserve",
    flow: async () => {
      const { world, heard } = await spoiled({ kind: "fee_above_reserve" });
      expect([heard, await wallet(world)]).toEqual([
        "paid 200",
        { state: "paused", because: "fee_above_reserve", open: 0, spent: PRICE + 6000 },
      ]);
      expect([await ask(world, "/many/2"), await ask(world), paidAtNode(world)]).toEqual(["wallet_paused", "cached 200", 1]);
      await world.core.enable();
      expect(await ask(world, "/many/2")).toBe("paid 200");
    },
  },
  {
    name: "resolve failed, with evidence: the money is free, and the request may pay anew",
    rows: [["payment_unknown", "fail", "failed"]],
    runbook: "### `resolve`",
    flow: async () => {
      const { world } = await spoiled({ kind: "never_seen_then_paid" }, false);
      expect(await world.core.resolve(idOf(world), "failed", "no payment of this hash in the node's books", null)).toMatchObject({
        ok: true,
        value: { state: "failed" },
      });
      expect([await told(world), (await wallet(world)).spent]).toEqual([["unknown payment_unknown", "failed payment_failed"], 0]);
      expect([await ask(world), paidAtNode(world)]).toEqual(["paid 200", 1]);
    },
  },
  {
    name: "resolve paid, with the preimage from the node's own books: booked with its whole reserve, and delivered",
    rows: [["payment_unknown", "settle", "paid"]],
    runbook: "### `resolve`",
    flow: async () => {
      const { world } = await spoiled({ kind: "no_preimage" });
      world.release();
      const found = await world.node.lookup(hashOf(world));
      const preimage = found.kind === "settled" ? found.preimage : null;
      expect(await world.core.resolve(idOf(world), "paid", "the node's own books", preimage)).toMatchObject({
        ok: true,
        value: { state: "paid" },
      });
      expect(await told(world)).toEqual(["unknown preimage_unavailable", "paid", "resolved"]);
      expect([await ask(world), first(world)[0], paidAtNode(world)]).toEqual(["cached 200", "fulfilled", 1]);
      expect(await wallet(world)).toMatchObject({ state: "active", open: 0, spent: PRICE + 5000 });
    },
  },
  {
    name: "resolve paid, without any proof: counts as spent, nothing can be redeemed, and a write-off ends it",
    rows: [
      ["payment_unknown", "settle", "paid"],
      ["paid", "unfulfil", "paid_unfulfilled"],
      ["paid_unfulfilled", "write_off", "written_off"],
    ],
    runbook: "### `write_off`",
    flow: async () => {
      const { world } = await spoiled({ kind: "no_preimage" });
      expect(await world.core.resolve(idOf(world), "paid", "the seller confirms it; the node is lost", null)).toMatchObject({ ok: true });
      expect([first(world), await wallet(world)]).toEqual([
        ["paid_unfulfilled", "preimage_unavailable"],
        { state: "active", because: null, open: 0, spent: PRICE + 5000 },
      ]);
      expect([await ask(world), paidAtNode(world)]).toEqual(["preimage_unavailable", 1]);
      expect(await world.core.writeOff(idOf(world))).toMatchObject({ ok: true, value: { state: "written_off" } });
      expect(await told(world)).toEqual([
        "unknown preimage_unavailable",
        "resolved preimage_unavailable",
        "written_off preimage_unavailable",
      ]);
    },
  },
  {
    name: "an alarm that stopped: any call sets it again, and it ends what was open",
    rows: [["paying", "settle", "paid"]],
    runbook: "### An alarm that stopped",
    flow: async () => {
      const { world } = await spoiled({ kind: "hang" });
      await world.run(60 * SECONDS);
      world.dropAlarm();
      world.release();
      await world.run(24 * HOUR);
      expect([first(world)[0], world.openRows]).toEqual(["paying", 1]);
      // Not even about this payment.
      expect(await ask(world, "/free")).toBe("free 200");
      await world.run(60 * SECONDS);
      expect([first(world)[0], await ask(world), paidAtNode(world)]).toEqual(["paid", "cached 200", 1]);
    },
  },
  {
    name: "the cron wakes a wallet whose alarm stopped, without any call to it",
    rows: [["paying", "settle", "paid"]],
    runbook: "### The cron's wake-up",
    flow: async () => {
      const { world } = await spoiled({ kind: "hang" });
      await world.run(60 * SECONDS);
      world.dropAlarm();
      world.release();
      await world.run(24 * HOUR);
      expect(first(world)[0]).toBe("paying");
      expect(await world.drained(world.cron())).toEqual({ owners: 2, open: 1, failed: 0 });
      expect(first(world)[0]).toBe("paid");
      // The woken alarm goes on by itself: the lease ends, and the control plane hears that nothing is open.
      await world.run(HOUR);
      expect([first(world)[0], await world.drained(world.cron())]).toEqual(["paid_unfulfilled", { owners: 2, open: 0, failed: 0 }]);
      expect([await ask(world), paidAtNode(world)]).toEqual(["cached 200", 1]);
    },
  },
];

describe("the odd endings", () => {
  it.each(ENDINGS)("$name", async ({ flow }) => {
    await flow();
  });

  it.each(ENDINGS.flatMap(({ rows }) => rows))("%s × %s is %s in the transition table", (state, event, to) => {
    expect(next(state, event)).toBe(to);
  });

  it.each([...new Set(ENDINGS.map((ending) => ending.runbook))])(
    "%s stands in the runbook, with what it means, how it is seen and what to do",
    (heading) => {
      const from = runbook.indexOf(`\n${heading}\n`);
      expect(from).toBeGreaterThan(0);
      const section = runbook.slice(from + heading.length, runbook.indexOf("\n### ", from + heading.length));
      expect(section).toContain("**Means**");
      expect(section).toContain("**Seen**");
      expect(section.includes("**Do**") || section.includes("op POST")).toBe(true);
    },
  );
});
