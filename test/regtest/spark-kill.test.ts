/**
 * Purchases over the whole chain while workerd is killed again and again, at a message chosen by a seed, which is lost with it or arrives
 * without it: in the middle of a 402, of a FROST signature, of an order to the SSP. Then the alarms alone have the word, then the callers who
 * never got an answer ask again. In the end the journals, the operators' leaves, the SSP's lnd, the router and the seller's lnd behind
 * Aperture must tell one story. How many purchases: LIGHTNING_SPARK_KILL_PURCHASES, 30 left out.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isOpenPayment } from "../../lightning/purchase.ts";
import { buildRegtest } from "../../sandbox/regtest/build.ts";
import { sparkDifferences } from "../../sandbox/regtest/spark-books.ts";
import { ledgerOfSpark } from "../../sandbox/regtest/spark-ledger.ts";
import type { Service } from "../../sandbox/services.ts";
import { differences, readBooks, untilBooks } from "../kill/books.ts";
import { Reaper } from "../kill/reaper.ts";
import { startSparkKillRig, type Buyer, type SparkKillRig } from "./spark-kill-rig.ts";

const BY_HAND = process.env["LIGHTNING_SPARK_KILL_PURCHASES"];
const PURCHASES = Number(BY_HAND ?? 30);
const WALLETS = 2;
const CALLERS = 8;
/** Messages at the border in one life of the process, at most. After a start each wallet needs about twenty to sync, and a dozen a purchase. */
const LONGEST_LIFE = 120;
/** A caller who is told "pending" asks so often, and then leaves the rest to the alarms. */
const PATIENCE = 3;
/** Generous: on two shared cores a cold wallet alone takes seconds, and each open payment is looked up by itself. */
const ALARM_MS = 120_000 + PURCHASES * 1_000;
/** With the SSP's fee of 1 sat a single leaf of 16: what needs no change is quick. Every tenth purchase costs 20 and needs some. */
const PRICE_SATS = 15;
const ODD_PRICE_SATS = 20;
const SSP_FEE_SATS = 1;
/**
 * What the dearer ones need beyond a leaf each; and a kill in the middle of a swap (the SDK changes leaves with the SSP) leaves money on its
 * way: the SSP's half comes in when the SDK takes it for forgotten, after 5 min, the wallet's half goes back when the swap expires, after 2.
 */
const REST_SATS: readonly number[] = Array.from({ length: 8 }, () => 64);
const SWAPS_BACK_MS = 420_000;
const ASK_EVERY_MS = 500;

const say = (line: string) => console.error(`regtest: ${line}`);
const build = await buildRegtest(say);
if (build.kind === "unavailable") {
  if (build.code === "build_failed") throw new Error(build.reason);
  say(`SKIPPED: ${build.reason}`);
}

const key = (n: number): string => `purchase-${n}`;
const path = (n: number): string => `/cheap/${n}`;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
/** The payments that a wallet is funded with. */
const parts = (purchases: readonly number[]): readonly number[] => [...purchases.map(() => PRICE_SATS + SSP_FEE_SATS), ...REST_SATS];
const price = (n: number): number => (n % 10 === 9 ? ODD_PRICE_SATS : PRICE_SATS);
/** One service each: a credential that another purchase could use would leave nothing to pay. */
const SERVICES = Array.from({ length: PURCHASES }, (_, n): Service => ({
  name: `cheap_${n}`,
  path: path(n),
  pathRegexp: `^${path(n)}$`,
  auth: "on",
  priceSats: price(n),
}));

describe.skipIf(build.kind === "unavailable")("Spark in the vault, over a real Lightning network", () => {
  let rig: SparkKillRig;
  let reaper: Reaper;
  /** Resolves when each wallet can spend all that it should have. */
  let whole: () => Promise<void> = () => Promise.reject(new Error("the purchases did not come to an end"));
  beforeAll(async () => {
    rig = await startSparkKillRig(SERVICES, say);
    reaper = new Reaper({ borders: [rig.seller, rig.network], kill: () => rig.kill(), start: () => rig.start() }, LONGEST_LIFE);
  }, 300_000);
  afterAll(() => rig?.close());

  /** What a careful client does: no answer, or one that says "try again", means the same request once more under the same key. */
  async function buy(buyer: Buyer, n: number): Promise<"done" | "pending" | "short"> {
    let told = 0;
    let refused = 0;
    for (let tries = 0; tries < 100; tries++) {
      await reaper.up;
      const answer = await rig.fetch(buyer, { path: path(n), idempotencyKey: key(n), waitMs: 5000 }).catch(() => null);
      if (answer === null) continue;
      if (answer.status === 200) return "done";
      // Leaves of a swap that was killed are on their way back: the wallet says so by a code that may be tried again.
      if (answer.code === "insufficient_funds" || (answer.code === "backend_unavailable" && ++refused === PATIENCE)) return "short";
      if (answer.json?.["retryable"] !== true) throw new Error(`purchase ${n} ended with ${answer.code ?? answer.status}`);
      if ((answer.code === "payment_pending" || answer.code === "payment_unknown") && ++told === PATIENCE) return "pending";
      if (answer.code === "backend_unavailable") await pause(ASK_EVERY_MS);
    }
    throw new Error(`purchase ${n} never came to an end`);
  }

  /** Nobody kills any more: it comes to its end, at the latest when the money of killed swaps is back. */
  async function buyAtLast(buyer: Buyer, n: number): Promise<void> {
    for (const end = performance.now() + SWAPS_BACK_MS; performance.now() < end;) {
      const outcome = await buy(buyer, n);
      if (outcome === "done") return;
      if (outcome === "short") await untilBalance(buyer, (sats) => sats >= 2 * ODD_PRICE_SATS, SWAPS_BACK_MS);
    }
    throw new Error(`purchase ${n} is still pending`);
  }

  /** As its owner would: an invoice for each leaf that will be wanted, each paid by the router over its channel. */
  async function fund(buyer: Buyer, purchases: readonly number[]): Promise<void> {
    for (const amountSats of parts(purchases)) await rig.spark.payInvoice(await rig.invoice(buyer, amountSats));
    await untilBalance(buyer, (sats) => sats === sum(parts(purchases)), 60_000 + purchases.length * 1_000);
  }

  /** Asks until the wallet's own balance is as wanted: it may be cold, or money may be on its way back to it. */
  async function untilBalance(buyer: Buyer, right: (sats: number) => boolean, ms: number): Promise<void> {
    const end = performance.now() + ms;
    let last: number | null = null;
    while (performance.now() < end) {
      last = await rig.balance(buyer);
      if (last !== null && right(last)) return;
      await pause(ASK_EVERY_MS);
    }
    throw new Error(`after ${ms / 1000} s the wallet says it has ${last ?? "an unknown number of"} sat`);
  }

  test(
    `${PURCHASES} purchases and a kill every few dozen messages: no double payment, no lost credential, no drift, in six books`,
    { timeout: 300_000 + PURCHASES * 6_000 },
    async () => {
      const buyers = await Promise.all(Array.from({ length: WALLETS }, () => rig.buyer()));
      const of = (n: number): Buyer => buyers[n % WALLETS] as Buyer;
      const all = Array.from({ length: PURCHASES }, (_, n) => n);
      const began = performance.now();
      const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(0)} s`;
      const mine = (buyer: Buyer): readonly number[] => all.filter((n) => of(n) === buyer);
      await Promise.all(buyers.map((buyer) => fund(buyer, mine(buyer))));
      say(`${seconds()}: ${WALLETS} wallets are funded`);

      let next = 0;
      const unanswered: number[] = [];
      reaper.begin();
      const caller = async (): Promise<void> => {
        while (next < PURCHASES) {
          const n = next++;
          if ((await buy(of(n), n)) !== "done") unanswered.push(n);
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
      await reaper.end();
      say(`${seconds()}: all asked for, ${reaper.kills} kills, ${unanswered.length} without an answer`);
      expect(reaper.kills).toBeGreaterThanOrEqual(PURCHASES / 15);

      // Nobody asks. One more kill, so that not even an object in memory knows of anything.
      await rig.kill();
      await rig.start();
      await untilBooks(
        rig.walletsDir,
        (books) => books.every(({ purchases, flights }) => flights === 0 && !purchases.some(({ state }) => isOpenPayment(state))),
        ALARM_MS,
      );
      say(`${seconds()}: no payment is open`);

      for (const n of unanswered) await buyAtLast(of(n), n);
      await rig.kill();
      const journals = readBooks(rig.walletsDir);
      const books = await rig.regtest.books();
      say(`${seconds()}: books are read`);
      expect(sparkDifferences(books)).toEqual([]);
      expect(differences(journals, ledgerOfSpark(books.spark))).toEqual([]);
      // Invariant 2: one payment for each request, however often it was sent.
      const settled = books.paidOut.payments.filter(({ state }) => state === "settled");
      expect([settled.length, books.paidOut.inFlight]).toEqual([PURCHASES, 0]);
      const keyOf = new Map(journals.flatMap(({ purchases }) => purchases.map(({ id, request_key }) => [id, request_key] as const)));
      const paidKeys = journals.flatMap(({ payments }) =>
        payments.filter(({ state }) => state === "settled").map(({ purchase_id }) => keyOf.get(purchase_id)),
      );
      expect([paidKeys.length, new Set(paidKeys)]).toEqual([PURCHASES, new Set(all.map(key))]);
      expect(books.payees.length).toBe(PURCHASES);
      // Each wallet has what it was given less what its purchases cost, with what is on its way to it in a swap.
      const left = buyers.map((buyer) => sum(parts(mine(buyer))) - sum(mine(buyer).map((n) => price(n) + SSP_FEE_SATS)));
      const wallets = books.spark.owners.filter(({ ssp }) => !ssp);
      const coming = (identity: string): number =>
        sum(
          books.spark.transfers
            .filter(({ receiver, status }) => receiver === identity && status === "key_tweaked")
            .map(({ totalSats }) => totalSats),
        );
      const held = wallets.map(({ identity, availableSats, lockedSats }) => availableSats + lockedSats + coming(identity));
      expect(held.toSorted((a, b) => a - b)).toEqual(left.toSorted((a, b) => a - b));
      await rig.start();
      whole = async () => {
        for (const [index, buyer] of buyers.entries()) await untilBalance(buyer, (sats) => sats === left[index], SWAPS_BACK_MS);
      };
    },
  );

  // Up to seven minutes of waiting for the SDK's own time limits: by hand only.
  test.runIf(BY_HAND !== undefined)("a wallet takes back by itself what a killed swap had on its way", { timeout: 1_000_000 }, async () => {
    const began = performance.now();
    await whole();
    say(`${((performance.now() - began) / 1000).toFixed(0)} s more: each wallet can spend all that it should have`);
    await rig.kill();
    const books = await rig.regtest.books();
    expect(sparkDifferences(books)).toEqual([]);
    expect(books.spark.transfers.filter(({ status }) => status === "key_tweaked" || status === "key_tweak_pending")).toEqual([]);
    await rig.start();
  });
});
