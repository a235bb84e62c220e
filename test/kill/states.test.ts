/**
 * SIGKILL at each state of the journal. The moment is found by holding a message at the border (toll-gate.ts), the state at death is read
 * from the files of the dead process, and what comes next is the alarm's doing alone: until the last test nobody asks the Worker anything
 * about these wallets. Real clock and real deadlines: a lost order is given up 35 s after it left, a reservation after 60 s.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sats } from "../../lightning/msat.ts";
import { STATES, isOpenPayment, isTerminal, type State } from "../../lightning/purchase.ts";
import { differences, readBooks, untilBooks, type PurchaseOnDisk } from "./books.ts";
import { startKillRig, type Buyer, type KillRig } from "./rig.ts";
import type { Held, Message } from "./toll-gate.ts";

const PRICE = sats(10);
/** Longest way to an end without a request: a reservation's 60 s, and some for two shared cores. */
const ALARM_MS = 100_000;

let rig: KillRig;
beforeAll(async () => {
  rig = await startKillRig();
});
afterAll(() => rig.close());

interface Cut {
  readonly buyer: Buyer;
  readonly path: string;
  /** What happens to messages under way, once the Worker is dead. */
  readonly afterwards?: () => void;
}

interface Case {
  readonly name: string;
  readonly at: State;
  readonly bring: (path: string) => Promise<Cut>;
  /** What the alarm makes of it, without a request; the same state where only a lease longer than this test would end it. */
  readonly alarm: State;
  /** How the same request ends when it is sent again: `Lightning-Status`, or the code of a problem. */
  readonly again: "paid" | "cached" | "approval_required";
  /** Payments that the node has settled for it in the end. */
  readonly payments: 0 | 1;
}

const order = ({ path }: Message): boolean => path === "/v1/pay";
const question = ({ path }: Message): boolean => path === "/v1/lookup";

/** Sends a request whose answer will never come. */
function begin(buyer: Buyer, path: string): void {
  rig.fetch(buyer, { path, idempotencyKey: `key${path}` }).catch(() => undefined);
}

async function heldAt(held: Promise<Held>, buyer: Buyer, path: string): Promise<Held> {
  begin(buyer, path);
  return held;
}

const CASES: readonly Case[] = [
  {
    name: "opened: the seller has not been asked yet",
    at: "opened",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const held = await heldAt(
        rig.seller.hold("going", (message) => message.path === path),
        buyer,
        path,
      );
      return { buyer, path, afterwards: () => held.drop() };
    },
    alarm: "opened",
    again: "paid",
    payments: 1,
  },
  {
    name: "quoted: only a price was asked for",
    at: "quoted",
    bring: async (path) => {
      const buyer = await rig.buyer();
      expect((await rig.quote(buyer, path)).status).toBe(200);
      return { buyer, path };
    },
    alarm: "quoted",
    again: "paid",
    payments: 1,
  },
  {
    name: "awaiting_approval: a person has been asked",
    at: "awaiting_approval",
    bring: async (path) => {
      const buyer = await rig.buyer({ approvalAboveMsat: sats(5) });
      expect((await rig.fetch(buyer, { path })).code).toBe("approval_required");
      return { buyer, path };
    },
    alarm: "awaiting_approval",
    again: "approval_required",
    payments: 0,
  },
  {
    name: "reserved: money is set aside, all the payer's slots are taken",
    at: "reserved",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const others = [1, 2, 3, 4].map(async (n) => heldAt(rig.executor.hold("going", order), buyer, `${path}${n}`));
      const orders = await Promise.all(others);
      const asked = rig.seller.next((message) => message.path === path);
      begin(buyer, path);
      await asked;
      await untilListed(buyer, path, "reserved");
      return { buyer, path, afterwards: () => orders.forEach((each) => each.drop()) };
    },
    alarm: "expired",
    again: "paid",
    payments: 1,
  },
  {
    name: "paying: the order never arrives",
    at: "paying",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const held = await heldAt(rig.executor.hold("going", order), buyer, path);
      return { buyer, path, afterwards: () => held.drop() };
    },
    alarm: "failed",
    again: "paid",
    payments: 1,
  },
  {
    name: "paying: the order arrives when its sender is dead",
    at: "paying",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const held = await heldAt(rig.executor.hold("going", order), buyer, path);
      return { buyer, path, afterwards: () => held.letGo() };
    },
    alarm: "paid",
    again: "cached",
    payments: 1,
  },
  {
    name: "paying: paid, and the answer is lost",
    at: "paying",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const held = await heldAt(rig.executor.hold("coming", order), buyer, path);
      return { buyer, path, afterwards: () => held.drop() };
    },
    alarm: "paid",
    again: "cached",
    payments: 1,
  },
  {
    name: "payment_unknown: the first question is on its way",
    at: "payment_unknown",
    bring: async (path) => {
      const buyer = await rig.buyer();
      rig.sandbox.node.faults.forNext({ kind: "answer_lost" });
      const held = await heldAt(rig.executor.hold("going", question), buyer, path);
      return { buyer, path, afterwards: () => held.drop() };
    },
    alarm: "paid",
    again: "cached",
    payments: 1,
  },
  {
    name: "paid: the seller has not seen the credential yet",
    at: "paid",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const held = await heldAt(
        rig.seller.hold("going", (message) => message.path === path && message.paid),
        buyer,
        path,
      );
      return { buyer, path, afterwards: () => held.drop() };
    },
    alarm: "paid",
    again: "cached",
    payments: 1,
  },
  {
    name: "paid: delivered, and the answer is lost",
    at: "paid",
    bring: async (path) => {
      const buyer = await rig.buyer();
      const held = await heldAt(
        rig.seller.hold("coming", (message) => message.path === path && message.paid),
        buyer,
        path,
      );
      return { buyer, path, afterwards: () => held.drop() };
    },
    alarm: "paid",
    again: "cached",
    payments: 1,
  },
];

/** The state that the operator sees. Asked over and over without a pause: each answer is a turn of the object. */
async function untilListed({ walletId }: Buyer, path: string, state: State): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const { purchases } = (await rig.operate("GET", `/v1/wallets/${walletId}/purchases`)) as {
      readonly purchases: readonly { readonly path: string; readonly state: string }[];
    };
    if (purchases.some((each) => each.path === path && each.state === state)) return;
  }
  throw new Error(`the purchase of ${path} was never ${state}`);
}

function onDisk({ buyer, path }: Cut): PurchaseOnDisk {
  const purchase = readBooks(rig.walletsDir)
    .find(({ walletId }) => walletId === buyer.walletId)
    ?.purchases.find((each) => each.path === path);
  if (purchase === undefined) throw new Error(`no purchase of ${path} on disk`);
  return purchase;
}

describe("SIGKILL", () => {
  const cuts: Cut[] = [];

  it("has a case for every state of the table that waits for something: in the others there is nothing left to do", () => {
    expect(new Set(CASES.map(({ at }) => at))).toEqual(new Set(STATES.filter((state) => !isTerminal(state))));
  });

  it.each(CASES)("finds the journal as the last message left it: $name", async ({ at, bring }) => {
    const cut = await bring(`/many/${cuts.length + 1}0`);
    cuts.push(cut);
    await rig.kill();
    // Every state that waits for something has its instant beside it, in the same rows (invariant 4).
    expect(onDisk(cut)).toMatchObject({ state: at, due_at: expect.any(Number) as number });
    cut.afterwards?.();
    await rig.start();
  });

  it(
    "invariant 4: the alarm alone, without a request, ends every payment that was open at a kill",
    { timeout: ALARM_MS + 20_000 },
    async () => {
      expect(cuts).toHaveLength(CASES.length);
      await untilBooks(
        rig.walletsDir,
        (books) => books.every(({ purchases, flights }) => flights === 0 && !purchases.some(({ state }) => isOpenPayment(state))),
        ALARM_MS,
      );
      await rig.kill();
      expect(cuts.map((cut) => onDisk(cut).state)).toEqual(CASES.map(({ alarm }) => alarm));
      expect(differences(readBooks(rig.walletsDir), await rig.sandbox.ledger())).toEqual([]);
      await rig.start();
    },
  );

  it("invariants 2 and 6: the same request sent again uses what was paid for, and pays only where nothing was", async () => {
    for (const [index, { again, payments, name }] of CASES.entries()) {
      const cut = cuts[index];
      if (cut === undefined) throw new Error("no such purchase");
      const answer = await rig.fetch(cut.buyer, {
        path: cut.path,
        ...(again === "approval_required" ? {} : { idempotencyKey: `key${cut.path}` }),
      });
      expect(answer.code ?? answer.lightning.status, name).toBe(again);
      if (again === "cached") expect(answer.lightning.spentMsat, name).toBe(0);
      await rig.kill();
      const books = readBooks(rig.walletsDir).find(({ walletId }) => walletId === cut.buyer.walletId);
      const mine = books?.purchases.filter(({ path }) => path === cut.path).map(({ id }) => id) ?? [];
      expect(
        books?.payments
          .filter((payment) => payment.state === "settled" && mine.includes(payment.purchase_id))
          .map(({ amount_msat }) => amount_msat),
        name,
      ).toEqual(payments === 1 ? [PRICE] : []);
      await rig.start();
    }
    await rig.kill();
    expect(differences(readBooks(rig.walletsDir), await rig.sandbox.ledger())).toEqual([]);
    await rig.start();
  });
});
