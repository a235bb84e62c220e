/**
 * How a purchase comes into each state of lightning/purchase.ts, in a world where nothing has gone wrong yet. The record is typed by the
 * table's own list: a new state without a way into it does not compile. Where a state lives only while a message is under way, the way
 * ends at the border with that message leaving.
 */
import { sats, type Msat } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import type { State } from "../../lightning/purchase.ts";
import type { Border, VirtualWorld } from "./virtual-world.ts";

export interface Way {
  readonly path: string;
  readonly caps?: Partial<Policy>;
  /** Leaves the purchase in the state, or starts what comes through it at the border named `at`. */
  readonly go: (world: VirtualWorld, path: string) => Promise<void>;
  /** The border at which the purchase is in the state; null: it stays there. */
  readonly at: Border | null;
  /** What the same request needs when it is sent again. */
  readonly maxMsat?: Msat;
}

export const KEY = "the-request";
const PATH = "/many/1";
const MINUTES = 60_000;

/** Buys, or whatever comes of it. */
const buy = async (world: VirtualWorld, path: string, maxMsat?: Msat): Promise<void> => {
  await world.drained(world.fetch(path, { idempotencyKey: KEY, ...(maxMsat === undefined ? {} : { maxMsat }) }));
};
/** Starts to buy; who waits for it is nobody's concern. */
const begin = async (world: VirtualWorld, path: string): Promise<void> => {
  world.fetch(path, { idempotencyKey: KEY }).catch(() => undefined);
  await Promise.resolve();
};

/** The first purchase of this path. */
export function purchaseOf(world: VirtualWorld, path: string): { readonly id: string; readonly state: State } {
  const row = world.sql.rows<{ id: string; state: State }>("SELECT id, state FROM purchase WHERE path = ? ORDER BY seq LIMIT 1", path)[0];
  if (row === undefined) throw new Error(`nothing was begun for ${path}`);
  return row;
}

async function decide(world: VirtualWorld, path: string, verdict: "approve" | "reject"): Promise<void> {
  await buy(world, path);
  const asked = await world.core.approvals("pending");
  const id = asked.ok ? asked.value[0]?.approvalId : undefined;
  if (id === undefined) throw new Error("nobody was asked");
  await world.core.decideApproval(id, verdict, "a person", null);
}

/** Four payments that hang take all of the payer's slots for nine seconds; the fifth waits in `reserved`, and asks about the switches again. */
async function queue(world: VirtualWorld, path: string): Promise<void> {
  for (const n of [91, 92, 93, 94]) {
    world.node.faults.forNext({ kind: "hang" });
    world.fetch(`/many/${n}`).catch(() => undefined);
  }
  await world.run(1000);
  await begin(world, path);
}

const APPROVAL: Partial<Policy> = { approvalAboveMsat: sats(5) };

export const WAYS: Readonly<Record<State, Way>> = {
  opened: { path: PATH, at: "seller", go: begin },
  served_free: { path: "/free", at: null, go: buy },
  served_cached: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      await buy(world, path);
      // The purchase meant is the second one: the first has only bought what it uses.
      await world.run(MINUTES);
      await buy(world, path);
    },
  },
  quoted: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      await world.drained(world.quote(path));
    },
  },
  denied: { path: PATH, at: null, maxMsat: sats(1), go: (world, path) => buy(world, path, sats(1)) },
  awaiting_approval: { path: PATH, caps: APPROVAL, at: null, go: buy },
  granted: { path: PATH, caps: APPROVAL, at: null, go: (world, path) => decide(world, path, "approve") },
  rejected: { path: PATH, caps: APPROVAL, at: null, go: (world, path) => decide(world, path, "reject") },
  expired: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      await queue(world, path);
      await world.run(2000);
      world.die("process");
      await world.run(2 * MINUTES);
    },
  },
  reserved: { path: PATH, at: "security", go: queue },
  cancelled: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      await queue(world, path);
      await world.run(1000);
      world.security = { ...world.security, version: 2, globalPause: true };
      await world.run(MINUTES);
      world.security = { ...world.security, version: 3, globalPause: false };
      await world.run(MINUTES);
    },
  },
  paying: { path: PATH, at: "pay", go: begin },
  payment_unknown: {
    path: PATH,
    at: "lookup",
    go: async (world, path) => {
      world.node.faults.forNext({ kind: "answer_lost" });
      await begin(world, path);
    },
  },
  paid: { path: PATH, at: "seller_paid", go: begin },
  failed: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      world.node.faults.forNext({ kind: "no_route" });
      await buy(world, path);
    },
  },
  fulfilled: { path: PATH, at: null, go: buy },
  paid_unfulfilled: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      world.detours.set(path, "/refuses");
      await buy(world, path);
      world.detours.delete(path);
    },
  },
  written_off: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      world.detours.set(path, "/refuses");
      await buy(world, path);
      world.detours.delete(path);
      await world.core.writeOff(purchaseOf(world, path).id);
    },
  },
  abandoned: {
    path: PATH,
    at: null,
    go: async (world, path) => {
      world.onBorder = () => {
        world.onBorder = () => {};
        world.die("process");
      };
      await begin(world, path);
      await world.run(10 * MINUTES);
    },
  },
};
