/**
 * Every payer fault and every seller fault in every state of a purchase, from the tables themselves: the states of lightning/purchase.ts,
 * the faults of sandbox/faults.ts, the sellers of sandbox/odd-routes.ts. What each fault does to a plain purchase stands in two records that
 * those lists check: a new fault, seller or state without a line of its own fails. And whatever strikes wherever, a purchase comes to a
 * terminal state, or to a wait that names itself: a state, an instant, and at the node the reason.
 */
import { afterAll, describe, expect, it } from "vitest";
import { isTerminal, STATES, type State } from "../../lightning/purchase.ts";
import { FAULT_KINDS, type Fault, type FaultKind } from "../../sandbox/faults.ts";
import { ODD_ROUTES, type OddRoute } from "../../sandbox/odd-routes.ts";
import { DEATHS, plain, strike, word, type Ending, type Strike, type Struck } from "../support/strike.ts";
import { NodeSql } from "../support/sql-node.ts";
import { VirtualWorld } from "../support/virtual-world.ts";

/** Within an order's deadline (30 s), and after the wallet has had a first answer. */
const SOON_MS = 20_000;
/** Longer than a seller may take to begin its answer (60 s), and a small part of what the large one would send. */
const TOO_SLOW = "?ms=90000&bytes=100000";

/** Answer to the caller; state and code hours later; then the fault is gone, the same request comes again: its answer, and the first one's end. */
const PAYER: Readonly<Record<FaultKind, Ending & { readonly later: readonly [State, string | null] | null }>> = {
  no_route: { heard: "no_route", rests: ["failed", "no_route"], again: "paid 200", end: "failed", later: null },
  hang: { heard: "payment_pending", rests: ["paying", null], again: "cached 200", end: "fulfilled", later: null },
  answer_lost: {
    heard: "payment_unknown",
    rests: ["paid_unfulfilled", "paid_unfulfilled"],
    again: "cached 200",
    end: "fulfilled",
    later: null,
  },
  duplicate_answer: { heard: "paid 200", rests: ["fulfilled", null], again: "cached 200", end: "fulfilled", later: null },
  wrong_preimage: {
    heard: "payment_unknown",
    rests: ["payment_unknown", "preimage_mismatch"],
    again: "cached 200",
    end: "fulfilled",
    later: null,
  },
  no_preimage: {
    heard: "payment_unknown",
    rests: ["payment_unknown", "preimage_unavailable"],
    again: "cached 200",
    end: "fulfilled",
    later: null,
  },
  late_settlement: { heard: "payment_pending", rests: ["paying", null], again: "cached 200", end: "fulfilled", later: ["fulfilled", null] },
  fail_late: {
    heard: "payment_pending",
    rests: ["paying", null],
    again: "cached 200",
    end: "fulfilled",
    later: ["failed", "payment_failed"],
  },
  never_seen_then_paid: {
    heard: "payment_unknown",
    rests: ["failed", "payment_failed"],
    again: "paid 200",
    end: "failed",
    // Fenced off before it arrives.
    later: ["failed", "payment_failed"],
  },
  fee_above_reserve: { heard: "paid 200", rests: ["fulfilled", null], again: "cached 200", end: "fulfilled", later: null },
};

const unpaid = (code: string): Ending => ({ heard: code, rests: ["failed", code], again: "paid 200", end: "failed" });
/** What was bought there is no good at the seller who stands there afterwards, and the request has paid: it never pays again. */
const bought: Ending = { heard: "paid 200", rests: ["fulfilled", null], again: "credential_refused", end: "fulfilled" };
const owed: Ending = {
  heard: "paid_unfulfilled",
  rests: ["paid_unfulfilled", "paid_unfulfilled"],
  again: "paid_unfulfilled",
  end: "paid_unfulfilled",
};
const SELLER: Readonly<Record<string, Ending>> = {
  expired: unpaid("invoice_expired"),
  mismatch: unpaid("payment_hash_mismatch"),
  amountless: unpaid("invoice_amountless"),
  broken: unpaid("challenge_malformed"),
  mainnet: unpaid("invoice_network_mismatch"),
  sluggish: unpaid("seller_timeout"),
  opaque: bought,
  huge: bought,
  once: bought,
  thrice: bought,
  brief: bought,
  // Its redirect leads to another priced resource, which is bought too.
  moved: bought,
  many: { heard: "paid 200", rests: ["fulfilled", null], again: "cached 200", end: "fulfilled" },
  // Free itself; what it leads to is bought as another purchase.
  redirect: { heard: "paid 200", rests: ["served_free", null], again: "paid 200", end: "served_free" },
  refuses: owed,
  slow: owed,
  moody: owed,
  fails: { ...owed, heard: "paid_unfulfilled 500" },
};

const sql = new NodeSql();
afterAll(() => sql.close());

const FAULTS: readonly (Fault | null)[] = [
  null,
  ...FAULT_KINDS.flatMap((kind): Fault[] => (PAYER[kind].later === null ? [{ kind }] : [{ kind }, { kind, afterMs: SOON_MS }])),
];
const SELLERS: readonly (OddRoute | null)[] = [null, ...ODD_ROUTES];
const asSeller = (route: OddRoute | null): string | null => (route === null ? null : route.path + TOO_SLOW);

describe("a plain purchase", () => {
  it.each(FAULT_KINDS)("whose payer does this: %s", async (kind) => {
    const { later, ...ending } = PAYER[kind];
    expect(await plain({ fault: { kind }, seller: null }, sql)).toEqual(ending);
    if (later !== null) expect((await plain({ fault: { kind, afterMs: SOON_MS }, seller: null }, sql)).rests).toEqual(later);
  });

  it("invariant 4: an order that arrives late is paid and booked where the payer can keep no fence, and refused where it can", async () => {
    const late: Fault = { kind: "never_seen_then_paid", afterMs: SOON_MS };
    const rests = async (fences: boolean): Promise<Ending["rests"]> => (await plain({ fault: late, seller: null }, sql, fences)).rests;
    expect(await rests(false)).toEqual(["paid_unfulfilled", "paid_unfulfilled"]);
    expect(await rests(true)).toEqual(["failed", "payment_failed"]);
    expect((await plain({ fault: { kind: "never_seen_then_paid" }, seller: null }, sql, false)).rests).toEqual([
      "failed",
      "payment_failed",
    ]);
  });

  it("has a line for every odd seller there is", () => {
    expect(Object.keys(SELLER).toSorted()).toEqual(ODD_ROUTES.map(({ name }) => name).toSorted());
  });

  it.each(ODD_ROUTES)("at the seller $path", async (route) => {
    expect(await plain({ fault: null, seller: asSeller(route) }, sql)).toEqual(SELLER[route.name]);
  });
});

describe("invariant 6: one request, sent again and again to the same odd seller", () => {
  const heard = async (path: string, keys: readonly (string | null)[]): Promise<readonly string[]> => {
    const world = await VirtualWorld.create({}, sql);
    const words: string[] = [];
    try {
      for (const key of keys) {
        words.push(word(await world.drained(world.fetch(path, key === null ? {} : { idempotencyKey: key }))));
        await world.run(1000);
      }
      return [...words, `${world.node.ledger().settled} paid`];
    } finally {
      world.close();
    }
  };

  it("a moody one is paid once, owes for a while, and then serves what was bought", async () => {
    expect(await heard("/moody", ["a", "a", "a"])).toEqual(["paid_unfulfilled", "cached 200", "cached 200", "1 paid"]);
  });

  it("one that only ever refuses is paid once, whoever asks", async () => {
    expect(await heard("/refuses", ["a", "a", null, "b"])).toEqual([
      "paid_unfulfilled",
      "paid_unfulfilled",
      "paid_unfulfilled",
      "paid_unfulfilled",
      "1 paid",
    ]);
  });

  it("one whose tokens work once is learned: each new request buys, and none is refused any more", async () => {
    expect(await heard("/once", [null, null, null, null])).toEqual(["paid 200", "paid 200", "paid 200", "paid 200", "4 paid"]);
  });

  it("one whose tokens work three times is paid every fourth time", async () => {
    expect(
      await heard(
        "/thrice",
        Array.from({ length: 7 }, () => null),
      ),
    ).toEqual(["paid 200", "cached 200", "cached 200", "paid 200", "cached 200", "cached 200", "paid 200", "3 paid"]);
  });
});

/** @throws with the whole strike named, so that it can be run alone */
async function holds(what: Strike): Promise<Struck> {
  const { reached, bit, during, after, disagreements } = await strike(what, sql);
  const name = JSON.stringify(what);
  expect(reached, `${name} never came into its state`).toBe(true);
  for (const row of during.rows) {
    if (isTerminal(row.state)) continue;
    // Leases are over by now: what still waits, waits for the payer, whose node has the money under way or lies about it.
    expect(["paying", "payment_unknown"], `${name} still ${row.state}`).toContain(row.state);
    expect(row.due_at ?? 0, `${name} waits for no instant`).toBeGreaterThan(during.now);
    expect(row.state === "paying" || row.code !== null, `${name} does not say what it waits for`).toBe(true);
    expect(["in_flight", "settled"], `${name} waits for nothing`).toContain(row.atNode);
  }
  for (const row of after.rows) expect(isTerminal(row.state), `${name} left ${row.state} (${row.code ?? "no code"})`).toBe(true);
  for (const { state, code } of after.rows)
    expect(
      ["failed", "denied", "cancelled", "paid_unfulfilled"].includes(state) && code === null,
      `${name}: ${state} without a reason`,
    ).toBe(false);
  for (const { answer } of [during, after]) {
    expect(answer, `${name}: the caller was never answered`).not.toBeNull();
    expect(answer, name).not.toMatch(
      /^(?:thrown|internal|invalid_request|not_found|forbidden|unauthorized|envelope_unopenable|policy_unreadable)/u,
    );
  }
  expect(disagreements, name).toEqual([]);
  return { reached, bit, during, after, disagreements };
}

/** Struck here, nothing is paid any more while the fault lasts, or what was asked has been done: what a payer still says then is lookups-by-states. */
const NEVER_PAYS: readonly State[] = [
  "served_free",
  "served_cached",
  "denied",
  "awaiting_approval",
  "rejected",
  "payment_unknown",
  "paid",
  "fulfilled",
  "paid_unfulfilled",
  "written_off",
];

describe.each(STATES)("invariant 4: struck in %s, a purchase ends, or waits and says for what", (state) => {
  it("by each fault of the payer; the object, the whole process or nobody dying with it", async () => {
    for (const fault of FAULTS)
      for (const death of DEATHS) {
        const { bit } = await holds({ state, death, fault, seller: null });
        if (fault !== null && death === "nobody") expect(bit, `${fault.kind} met no payment`).toBe(!NEVER_PAYS.includes(state));
      }
  });

  it("by each change of the seller; the object, the whole process or nobody dying with it", async () => {
    for (const seller of SELLERS) for (const death of DEATHS) await holds({ state, death, fault: null, seller: asSeller(seller) });
  });
});

it.each(["opened", "paying", "payment_unknown", "paid"] as const)(
  "invariant 4: both at once, each payer fault with each seller, struck in %s",
  async (state) => {
    for (const fault of FAULTS) for (const seller of SELLERS) await holds({ state, death: "object", fault, seller: asSeller(seller) });
  },
);
