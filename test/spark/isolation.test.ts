/**
 * Wallets in one isolate do not feel each other: each has an instance of the wasm of its own, and what panics or hangs in one is dropped with
 * it. What a dropped instance still wants to send does not leave.
 */
import { expect, test } from "vitest";
import type { SparkPorts } from "../../durable-objects/spark/ports.ts";
import { LEAF, QUICK } from "./rigs/recovery-cases.ts";
import { PayerRig } from "./payer-rig.ts";
import { SparkWalletRig } from "./rigs/spark-wallet.ts";
import { SparkWorld } from "./rigs/spark-world.ts";

const AMOUNT = LEAF - 1;

interface Traffic {
  /** Requests that each instance made, and of these the ones that left. */
  readonly wanted: number[];
  readonly left: number[];
}

/** Ports that know which instance a request is from: the payer's egress decides, in the same turn, whether it leaves. */
function observed(ports: SparkPorts): { readonly ports: SparkPorts; readonly traffic: Traffic } {
  const traffic: Traffic = { wanted: [], left: [] };
  let sending = -1;
  const count = (counts: number[], instance: number): void => {
    counts[instance] = (counts[instance] ?? 0) + 1;
  };
  const { create, module } = ports.wasm;
  return {
    traffic,
    ports: {
      ...ports,
      fetch: (request) => {
        count(traffic.left, sending);
        return ports.fetch(request);
      },
      wasm: {
        module,
        create: (of, host) => {
          const instance = traffic.wanted.push(0) - 1;
          traffic.left[instance] = 0;
          return create(of, {
            ...host,
            fetch: (input, init) => {
              count(traffic.wanted, instance);
              sending = instance;
              return host.fetch(input, init);
            },
          });
        },
      },
    },
  };
}

test("two payers have an instance each, with a memory each", async () => {
  const world = new SparkWorld({ checks: "light" });
  const memories: WebAssembly.Memory[] = [];
  const rigs = [1, 2].map(async () => {
    const rig = await PayerRig.open({ fetch: (request) => world.fetch(request), settings: world.settings });
    const { create, module } = rig.ports.wasm;
    const keep: SparkPorts["wasm"]["create"] = (of, host) => {
      const breez = create(of, host);
      memories.push(breez.memory);
      return breez;
    };
    rig.ports = { ...rig.ports, wasm: { module, create: keep } };
    await rig.restart().status();
    return rig;
  });
  for (const rig of await Promise.all(rigs)) rig.close();
  expect(memories).toHaveLength(2);
  expect(memories[0]).not.toBe(memories[1]);
  expect(memories[0]?.buffer).not.toBe(memories[1]?.buffer);
  world.close();
});

test("a panic in one wallet leaves the other's payment alone, and the wallet that panicked builds itself anew and finishes its own", async () => {
  const [one, other] = [new SparkWorld({ checks: "light" }), new SparkWorld({ checks: "light" })];
  const panicking = await SparkWalletRig.open(one, [LEAF, LEAF], QUICK);
  const quiet = await SparkWalletRig.open(other, [LEAF, LEAF], QUICK);
  const uncaught = catchUncaught();
  let told = 0;
  // The leaves are promised and the SSP has been asked; its answer is what the SDK dies of.
  one.onUrl = (call) => (call === "RequestLightningSend" && told++ === 0 ? "missing" : "whole");
  let panicked = (): void => {};
  const panic = new Promise<void>((resolve) => {
    panicked = resolve;
  });
  panicking.onLog = (event) => event === "spark_panicked" && panicked();
  // The other one's payment is under way while that happens: its SSP is asked before, and answers after it.
  const held = new Promise<void>((resolve) => {
    other.onHeld = (call) => (call === "RequestLightningSend" ? (resolve(), panic) : null);
  });
  const mine = await quiet.begin(AMOUNT);
  await held;
  const theirs = await panicking.begin(AMOUNT);
  await panic;
  expect(panicking.payer.memory()).toBeNull();
  // Thrown in a task of the wasm's own, where no promise can catch it; in workerd it is a line in the log.
  expect(uncaught.restore()).toEqual(["url parse"]);
  expect(await quiet.settle(mine.purchase, 10_000)).toBe(true);
  expect(quiet.state(mine.purchase)).toBe("paid");
  expect(quiet.logged).not.toContain("spark_panicked");
  expect(await panicking.settle(theirs.purchase, 10_000)).toBe(true);
  expect(panicking.state(theirs.purchase)).toBe("paid");
  expect(one.settlements(theirs.purchase.paymentHash)).toBe(1);
  expect([one.sandbox.check(), other.sandbox.check()]).toEqual([[], []]);
  for (const rig of [panicking, quiet]) rig.close();
  for (const world of [one, other]) world.close();
});

test("an operator that hangs costs its instance and no more: the call ends, and nothing the instance still wants leaves", async () => {
  const world = new SparkWorld({ checks: "light" });
  // Requests outlive the call, so that the instance is given up while it waits for one.
  const timing = { request: 60_000, call: 1_500, sync: 1_000, answer: 1_000 };
  const rig = await PayerRig.open({ fetch: (request) => world.fetch(request), settings: world.settings, timing });
  const { ports, traffic } = observed(rig.ports);
  rig.ports = ports;
  await rig.restart().status();
  const [{ identity } = { identity: "" }] = rig.sql.rows<{ identity: string }>("SELECT identity FROM spark_wallet");
  world.sandbox.mint(identity, [LEAF, LEAF]);
  await rig.payer.status();
  expect(traffic.wanted).toHaveLength(1);

  const { faults } = world.sandbox;
  faults.add({ side: "operators", call: "get_signing_commitments", fault: { kind: "hang", when: "before" }, times: 1 });
  const { bolt11, paymentHash } = world.invoice(AMOUNT);
  const order = rig.order(bolt11);
  expect(await rig.payer.prepare(order)).toEqual({ ready: true });
  expect(await rig.payer.pay(order)).toEqual({ kind: "pending" });
  while (rig.payer.memory() !== null) await new Promise((resolve) => setTimeout(resolve, 5));
  const then = traffic.left[0];
  faults.release();
  // The next instance syncs and pays; the dropped one, whose request has come back meanwhile, adds nothing to what has left.
  expect(await rig.payer.lookup(order)).toEqual({ kind: "pending", resumable: true });
  const next = rig.order(world.invoice(AMOUNT).bolt11);
  expect(await rig.payer.pay(next)).toMatchObject({ kind: "settled" });
  expect(traffic.wanted.length).toBe(2);
  expect(traffic.left[0]).toBe(then);
  expect(world.settlements(paymentHash)).toBe(0);
  expect(world.sandbox.check()).toEqual([]);
  rig.close();
  world.close();
});

test("a wallet that is stopped in the middle of a send sends nothing more, whatever its instance still wants", async () => {
  const world = new SparkWorld({ checks: "light" });
  const rig = await PayerRig.open({ fetch: (request) => world.fetch(request), settings: world.settings });
  const { ports, traffic } = observed(rig.ports);
  rig.ports = ports;
  await rig.restart().status();
  const [{ identity } = { identity: "" }] = rig.sql.rows<{ identity: string }>("SELECT identity FROM spark_wallet");
  world.sandbox.mint(identity, [LEAF, LEAF]);
  await rig.payer.status();
  const { bolt11, paymentHash } = world.invoice(AMOUNT);
  const order = rig.order(bolt11);
  expect(await rig.payer.prepare(order)).toEqual({ ready: true });
  let stoppedAt = 0;
  world.onRequest = (call) => {
    if (call === "op0:get_signing_commitments" && stoppedAt === 0) {
      stoppedAt = traffic.left[0] ?? 0;
      rig.payer.forget();
    }
    return "pass";
  };
  // It had passed the gate, so what becomes of it is asked, not guessed.
  expect(await rig.payer.pay(order)).toEqual({ kind: "unknown", reason: "dropped" });
  expect(await rig.payer.lookup(order)).toEqual({ kind: "pending", resumable: true });
  expect(await rig.payer.pay(rig.order(world.invoice(AMOUNT).bolt11))).toMatchObject({ kind: "settled" });
  expect(traffic.left[0]).toBe(stoppedAt);
  expect(world.settlements(paymentHash)).toBe(0);
  rig.close();
  world.close();
});

/** Until restored, an uncaught exception is noted instead of ending the process. */
function catchUncaught(): { restore(): readonly string[] } {
  const caught: string[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => caught.push(error.message));
  return {
    restore() {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) process.on("uncaughtException", listener);
      return caught;
    },
  };
}
