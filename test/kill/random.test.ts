/**
 * 1,000 purchases over five wallets while workerd is killed again and again, several times a second, in the middle of whatever it is doing:
 * at a message chosen by a seed, which is lost with it or arrives without it. Then the alarms alone have the word, then the callers who
 * never got an answer ask again, and in the end the node's ledger, the journals and the receipts must tell one story.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { sats } from "../../lightning/msat.ts";
import { isOpenPayment } from "../../lightning/purchase.ts";
import { verifyChain, type Receipt } from "../../lightning/receipt.ts";
import { differences, readBooks, untilBooks } from "./books.ts";
import { Reaper } from "./reaper.ts";
import { startKillRig, type Buyer, type KillRig } from "./rig.ts";

const PURCHASES = 1000;
const WALLETS = 5;
const CALLERS = 32;
/** Messages at the border in one life of the process, at most; a purchase is three or four. */
const LONGEST_LIFE = 120;
const ALARM_MS = 110_000;

let rig: KillRig;
let reaper: Reaper;
beforeAll(async () => {
  rig = await startKillRig({ latencyMs: 5 });
  reaper = new Reaper({ borders: [rig.seller, rig.executor], kill: () => rig.kill(), start: () => rig.start() }, LONGEST_LIFE);
});
afterAll(() => rig.close());

const key = (n: number): string => `purchase-${n}`;
const path = (n: number): string => `/many/${n}`;

/** What a careful client does: no answer, or one that says "try again", means the same request once more under the same key. */
async function buy(buyer: Buyer, n: number): Promise<"done" | "pending"> {
  for (let tries = 0; tries < 100; tries++) {
    await reaper.up;
    const answer = await rig.fetch(buyer, { path: path(n), idempotencyKey: key(n), waitMs: 2000 }).catch(() => null);
    if (answer === null) continue;
    if (answer.status === 200) return "done";
    if (answer.json?.["retryable"] !== true) throw new Error(`purchase ${n} ended with ${answer.code ?? answer.status}`);
    if (answer.code === "payment_pending" || answer.code === "payment_unknown") return "pending";
  }
  throw new Error(`purchase ${n} never came to an end`);
}

test(
  "1,000 purchases and a kill every few dozen messages: no double payment, no lost credential, no drift, every chain whole",
  { timeout: 240_000 },
  async () => {
    const buyers = await Promise.all(Array.from({ length: WALLETS }, () => rig.buyer({ perPaymentMsat: sats(20) })));
    const of = (n: number): Buyer => buyers[n % WALLETS] as Buyer;
    let next = 0;
    const unanswered: number[] = [];
    reaper.begin();
    const caller = async (): Promise<void> => {
      while (next < PURCHASES) {
        const n = next++;
        if ((await buy(of(n), n)) === "pending") unanswered.push(n);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    await reaper.end();
    expect(reaper.kills).toBeGreaterThan(20);

    // Nobody asks. One more kill, so that not even an object in memory knows of anything.
    await rig.kill();
    await rig.start();
    await untilBooks(
      rig.walletsDir,
      (books) => books.every(({ purchases, flights }) => flights === 0 && !purchases.some(({ state }) => isOpenPayment(state))),
      ALARM_MS,
    );

    for (const n of unanswered) expect(await buy(of(n), n)).toBe("done");
    const told = await Promise.all(buyers.map(({ walletId }) => receiptsOf(walletId)));
    await rig.kill();
    const books = readBooks(rig.walletsDir);
    const ledger = await rig.sandbox.ledger();
    expect(differences(books, ledger)).toEqual([]);
    // Invariant 2: one payment for each request, however often it was sent.
    expect([ledger.settled, ledger.inFlight]).toEqual([PURCHASES, 0]);
    const keyOf = new Map(books.flatMap(({ purchases }) => purchases.map(({ id, request_key }) => [id, request_key] as const)));
    const paidKeys = books.flatMap(({ payments }) =>
      payments.filter(({ state }) => state === "settled").map(({ purchase_id }) => keyOf.get(purchase_id)),
    );
    expect([paidKeys.length, new Set(paidKeys)]).toEqual([PURCHASES, new Set(Array.from({ length: PURCHASES }, (_, n) => key(n)))]);
    // Invariant 14: what the API shows is what lies on disk.
    for (const [index, { walletId }] of buyers.entries())
      expect(told[index]).toEqual(books.find((each) => each.walletId === walletId)?.receipts);
    await rig.start();
  },
);

/** All receipts of a wallet over the API, chain verified. */
async function receiptsOf(walletId: string): Promise<readonly unknown[]> {
  const all: { readonly receiptId: string; readonly chain: string; readonly receipt: Receipt }[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page = (await rig.operate("GET", `/v1/wallets/${walletId}/receipts?after=${after}&limit=200`)) as {
      readonly receipts: typeof all;
      readonly next: number | null;
    };
    all.push(...page.receipts);
    after = page.next;
  }
  expect(verifyChain(all)).toBeNull();
  return all;
}
