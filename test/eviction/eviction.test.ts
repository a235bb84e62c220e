/**
 * An object's life ends in two ways beside a killed process (test/kill): evicted when nobody uses it, or aborted in the middle, by the
 * platform or a deployment. Its rows and its alarm remain, and what was in memory does not; the next call makes a new object. Here the
 * real engine ends it while a message is at the border, and the alarm and the next caller find what the first left behind.
 */
import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isOpenPayment, type State } from "../../lightning/purchase.ts";
import { agentOf, call, operatorOf, policy, type Agent, type Answer } from "../worker/support.ts";
import type { Ledger } from "../../sandbox/ledger.ts";

const OWNER = "main";
const URL_ = "https://seller.example/many/1";
/** Past an order's deadline (30 s) and its grace (5 s), and past a reservation's 60 s; within a paid purchase's 180. */
const LATER_MS = 70_000;

type Border = "seller" | "seller_paid" | "pay" | "lookup";

let operator = "";
let agent: Agent;
let before: Ledger;

beforeEach(async () => {
  operator = await operatorOf(OWNER);
  agent = await agentOf(operator, policy(["seller.example"], { perPaymentMsat: 50_000 }));
  before = (await tell("ledger")) as Ledger;
});
afterEach(() => void vi.useRealTimers());

/** A word to the world outside, see outside.ts. */
const tell = async (path: string): Promise<unknown> => (await fetch(`https://outside.example/${path}`)).json();
/** What the node did since `before`, when the test began. */
async function paidSince(before: Ledger): Promise<{ readonly settled: number; readonly attempts: number; readonly inFlight: number }> {
  const now = (await tell("ledger")) as Ledger;
  return { settled: now.settled - before.settled, attempts: now.attempts - before.attempts, inFlight: now.inFlight };
}

const object = (): DurableObjectStub => env.WALLET.getByName(`${OWNER}/${agent.walletId}`);
const buy = (waitMs = 35_000): Promise<Answer> =>
  call("POST", "/v1/fetch", agent.key, { url: URL_ }, { "idempotency-key": "one", "lightning-wait-ms": String(waitMs) });
const said = ({ status, headers, json }: Answer): string =>
  `${status} ${headers.get("lightning-status") ?? ""} ${String(json["code"] ?? "")}`.trim();

/** The journal's own word, past all routes. */
function states(): Promise<readonly State[]> {
  return runInDurableObject(object(), (_wallet, { storage }) =>
    [...storage.sql.exec<{ state: State }>("SELECT state FROM purchase ORDER BY seq")].map(({ state }) => state),
  );
}

/** `ctx.abort()`, as the platform does it: the call that asks for it is lost with the object. */
async function abort(): Promise<void> {
  await runInDurableObject(object(), (_wallet, state) => state.abort("ended by a test")).catch(() => undefined);
}

/** Time passes, and the alarm, which is due by then, is the only one that comes. */
async function alarmLater(): Promise<void> {
  vi.useFakeTimers({ now: Date.now() + LATER_MS, toFake: ["Date"] });
  for (let rounds = 0; rounds < 3; rounds++) await runDurableObjectAlarm(object());
}

test("an object that was evicted has forgotten nothing: what was bought is used, and nothing is paid again", async () => {
  expect(said(await buy())).toBe("200 paid");
  await evictDurableObject(object());
  expect(said(await buy())).toBe("200 cached");
  expect(await paidSince(before)).toEqual({ settled: 1, attempts: 1, inFlight: 0 });
});

interface Case {
  readonly at: Border;
  readonly state: State;
  /** How long the first caller waits: one whose payment is cut off would wait for long. */
  readonly waitMs: number;
}

const CASES: readonly Case[] = [
  { at: "seller", state: "opened", waitMs: 35_000 },
  { at: "pay", state: "paying", waitMs: 0 },
  { at: "seller_paid", state: "paid", waitMs: 35_000 },
];

describe.each([
  ["ctx.abort()", abort],
  ["all objects aborted", abortAllDurableObjects],
] as const)("%s", (_name, end) => {
  test.each(CASES)(
    "invariants 2 and 4: in $state, the alarm finds the row, and the same request pays at most once",
    async ({ at, state, waitMs }) => {
      await tell(`hold/${at}`);
      const first = buy(waitMs);
      await tell(`arrived/${at}`);
      expect(await states()).toEqual([state]);
      await end();
      await tell(`let-go/${at}`);
      // Only the object has died: its caller's flow lives, calls again by the same purchase id, and finds the next one.
      expect(said(await first)).toBe(waitMs === 0 ? "503 pending payment_pending" : "200 paid");
      await alarmLater();
      expect((await states()).filter(isOpenPayment)).toEqual([]);
      vi.useRealTimers();
      expect(said(await buy())).toBe("200 cached");
      expect((await states())[0]).toBe("fulfilled");
      expect(await paidSince(before)).toEqual({ settled: 1, attempts: 1, inFlight: 0 });
    },
  );
});

test("invariant 4: an object that dies while the alarm asks leaves the alarm behind, and the next one asks again", async () => {
  await tell("fault/hang");
  await tell("hold/pay");
  const first = buy(0).catch(() => null);
  await tell("arrived/pay");
  await abort();
  await tell("let-go/pay");
  await first;
  vi.useFakeTimers({ now: Date.now() + LATER_MS, toFake: ["Date"] });
  await tell("hold/lookup");
  const interrupted = runDurableObjectAlarm(object()).catch(() => null);
  await tell("arrived/lookup");
  await abort();
  await tell("let-go/lookup");
  await interrupted;
  expect(await runInDurableObject(object(), (_wallet, { storage }) => storage.getAlarm())).not.toBeNull();
  await tell("release");
  await alarmLater();
  expect(await states()).toEqual(["paid"]);
  expect(await paidSince(before)).toEqual({ settled: 1, attempts: 1, inFlight: 0 });
});
