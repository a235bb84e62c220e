import { expect, test } from "vitest";
import type { Auth, Delivery } from "../lightning/wallet-api.ts";
import { DeliveryBatches, FLUSH_AFTER_MS, MOST_PER_CALL, type DeliveryClock } from "./deliveries.ts";

const key = (keyId: string): Auth => ({ kind: "agent_key", keyId, secret: "s" });
const record = (purchaseId: string): Delivery => ({ purchaseId, credentialId: null, status: 200, bytes: 1, sha256: null, complete: true });

/** Timers that fire when the test says so. */
function hand(): DeliveryClock & { at: number; asked: number[]; fire(): void } {
  const waiting: (() => void)[] = [];
  const asked: number[] = [];
  const clock = {
    at: 0,
    asked,
    now: () => clock.at,
    timer: (ms: number) => {
      asked.push(ms);
      return { done: new Promise<void>((resolve) => void waiting.push(resolve)) };
    },
    fire: () => waiting.splice(0).forEach((resolve) => resolve()),
  };
  return clock;
}

function sink() {
  const sent: [string, string[]][] = [];
  const send = (auth: Auth, deliveries: readonly Delivery[]): Promise<void> => {
    sent.push([auth.kind === "agent_key" ? auth.keyId : auth.budget, deliveries.map(({ purchaseId }) => purchaseId)]);
    return Promise.resolve();
  };
  return { sent, send };
}

test("records of one wallet and caller travel together, and only the first one's request waits for them", async () => {
  const batches = new DeliveryBatches();
  const clock = hand();
  const { sent, send } = sink();
  const first = batches.add("main/w", key("a"), [record("1")], clock, send);
  await batches.add("main/w", key("a"), [record("2")], clock, send);
  await batches.add("main/w", key("a"), [record("3")], clock, send);
  expect([sent, clock.asked]).toEqual([[], [FLUSH_AFTER_MS]]);
  clock.fire();
  await first;
  expect(sent).toEqual([["a", ["1", "2", "3"]]]);
});

test("two wallets and two callers never share a call", async () => {
  const batches = new DeliveryBatches();
  const clock = hand();
  const { sent, send } = sink();
  const binding: Auth = { kind: "binding", budget: "a" };
  const flushes = [
    batches.add("main/w", key("a"), [record("1")], clock, send),
    batches.add("main/w", key("b"), [record("2")], clock, send),
    batches.add("main/v", key("a"), [record("3")], clock, send),
    batches.add("main/w", binding, [record("4")], clock, send),
  ];
  clock.fire();
  await Promise.all(flushes);
  expect(sent).toEqual([
    ["a", ["1"]],
    ["b", ["2"]],
    ["a", ["3"]],
    ["a", ["4"]],
  ]);
});

test("a call carries at most a hundred, the rest follows", async () => {
  const batches = new DeliveryBatches();
  const clock = hand();
  const { sent, send } = sink();
  const ids = Array.from({ length: 250 }, (_, index) => String(index));
  const flush = batches.add("main/w", key("a"), ids.map(record), clock, send);
  clock.fire();
  await flush;
  expect(sent.map(([, list]) => list.length)).toEqual([MOST_PER_CALL, MOST_PER_CALL, 50]);
  expect(sent.flatMap(([, list]) => list)).toEqual(ids);
});

test("an object out of reach loses the batch and nothing else", async () => {
  const batches = new DeliveryBatches();
  const clock = hand();
  const lost = batches.add("main/w", key("a"), [record("1")], clock, () => Promise.reject(new Error("gone")));
  clock.fire();
  expect(await lost).toBeUndefined();
  const { sent, send } = sink();
  const next = batches.add("main/w", key("a"), [record("2")], clock, send);
  clock.fire();
  await next;
  expect(sent).toEqual([["a", ["2"]]]);
});

test("a batch whose request ended before it could flush is taken over by a later one", async () => {
  const batches = new DeliveryBatches();
  const dead = hand();
  const { sent, send } = sink();
  void batches.add("main/w", key("a"), [record("1")], dead, send);
  const alive = hand();
  alive.at = 60_000;
  const flush = batches.add("main/w", key("a"), [record("2")], alive, send);
  alive.fire();
  await flush;
  expect(sent).toEqual([["a", ["1", "2"]]]);
});
