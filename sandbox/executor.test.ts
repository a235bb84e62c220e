import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { decodeBolt11 } from "../lightning/bolt11.ts";
import { sats, type Msat } from "../lightning/msat.ts";
import type { OperationRef, PaymentOrder } from "../lightning/payer.ts";
import { createExecutor, type Executor } from "./executor.ts";
import { manualPorts, type ManualPorts } from "./manual-ports.ts";
import { SimulatedNode } from "./node.ts";

describe("the executor", () => {
  let ports: ManualPorts;
  let node: SimulatedNode;
  let executor: Executor;

  beforeEach(() => {
    ports = manualPorts();
    node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1000), signInvoices: false });
    executor = createExecutor(node, ports, { answerWithinMs: 9000 });
  });

  function order(over: Partial<PaymentOrder> = {}): PaymentOrder {
    const invoice =
      over.paymentHash === undefined
        ? node.createInvoice({ amountMsat: sats(21), description: "L402" })
        : { bolt11: "", paymentHash: over.paymentHash };
    return {
      walletId: "w1",
      epoch: 1,
      operationId: randomUUID(),
      amountMsat: sats(21),
      maxFeeMsat: sats(5),
      deadline: ports.now() + 10_000,
      ...invoice,
      ...over,
    };
  }
  const again = (first: PaymentOrder, over: Partial<PaymentOrder> = {}): PaymentOrder => ({ ...first, ...over });
  const ref = ({ walletId, epoch, operationId, paymentHash }: PaymentOrder): OperationRef => ({
    walletId,
    epoch,
    operationId,
    paymentHash,
  });
  const REFUSED = { kind: "failed", code: "payment_failed", definite: true };

  it("invariant 2: the same operation again gives the stored outcome and pays once", async () => {
    const first = order();
    const outcomes = await Promise.all([executor.pay(first), executor.pay(again(first)), executor.pay(again(first))]);
    expect(outcomes[0]).toMatchObject({ kind: "settled", feeMsat: 0, reference: first.paymentHash });
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
    expect(await executor.lookup(ref(first))).toEqual(outcomes[0]);
    expect(node.ledger()).toMatchObject({ attempts: 1, payments: [{ settlements: 1, repeats: 0 }] });
  });

  it("invariant 2: the same hash under another operation never pays again: its own wallet gets the outcome, another wallet nothing", async () => {
    const first = order();
    const paid = await executor.pay(first);
    expect(await executor.pay(again(first, { operationId: randomUUID() }))).toEqual(paid);
    const stranger = again(first, { operationId: randomUUID(), walletId: "w2" });
    expect(await executor.pay(stranger)).toEqual(REFUSED);
    expect(await executor.lookup({ ...ref(stranger), operationId: randomUUID() })).toEqual({ kind: "never_seen", asOf: ports.now() });
    expect(node.ledger()).toMatchObject({ attempts: 1, payments: [{ settlements: 1, repeats: 0 }] });
  });

  it("lets a new operation try an invoice whose payment has definitely failed", async () => {
    const first = order();
    node.faults.forNext({ kind: "no_route" });
    expect(await executor.pay(first)).toEqual({ kind: "failed", code: "no_route", definite: true });
    expect(await executor.pay(first)).toEqual({ kind: "failed", code: "no_route", definite: true });
    expect(await executor.pay(again(first, { operationId: randomUUID() }))).toMatchObject({ kind: "settled" });
    expect(await executor.lookup(ref(first))).toEqual({ kind: "failed", code: "no_route", definite: true });
  });

  it("calls an operation id that comes back with another hash a conflict, and pays nothing", async () => {
    const first = order();
    await executor.pay(first);
    expect(await executor.pay(order({ operationId: first.operationId }))).toEqual({ kind: "operation_conflict" });
    expect(await executor.lookup({ ...ref(first), paymentHash: "00".repeat(32) })).toEqual({ kind: "operation_conflict" });
    expect(node.ledger().attempts).toBe(1);
  });

  it("refuses an order after its deadline for good, and takes one that arrives on it", async () => {
    const late = order();
    const onTime = order();
    ports.advance(10_000);
    expect(await executor.pay(onTime)).toMatchObject({ kind: "settled" });
    ports.advance(1);
    expect(await executor.pay(late)).toEqual(REFUSED);
    expect(await executor.pay(again(late, { deadline: ports.now() + 10_000 }))).toEqual(REFUSED);
    expect(node.ledger().attempts).toBe(1);
  });

  it.each<[string, Partial<PaymentOrder>]>([
    ["amount", { amountMsat: 20_999 as Msat }],
    ["hash", { paymentHash: "ab".repeat(32) }],
  ])("invariant 7: an order whose %s is not the invoice's is refused before any attempt", async (_what, wrong) => {
    const real = order();
    expect(await executor.pay({ ...real, ...wrong })).toEqual(REFUSED);
    expect(node.ledger().attempts).toBe(0);
  });

  it("invariant 4: `never_seen` is as of when the node was asked, however long it takes to answer", async () => {
    const { promise, resolve } = Promise.withResolvers<{ readonly kind: "never_initiated" }>();
    const slow = createExecutor(
      {
        network: "regtest",
        lookup: () => promise,
        pay: (payment) => node.pay(payment),
        spendableMsat: () => node.spendableMsat(),
        receive: (invoice) => node.receive(invoice),
      },
      ports,
    );
    const asked = ports.now();
    const answer = slow.lookup(ref(order()));
    ports.advance(5000);
    resolve({ kind: "never_initiated" });
    expect(await answer).toEqual({ kind: "never_seen", asOf: asked });
  });

  it("a fence set before the order arrives refuses it, now and later", async () => {
    const fenced = order();
    expect(await executor.cancel(ref(fenced))).toBe("fenced");
    expect(await executor.pay(fenced)).toEqual(REFUSED);
    expect(await executor.lookup(ref(fenced))).toEqual(REFUSED);
    expect(await executor.cancel(ref(fenced))).toBe("fenced");
    expect(node.ledger().attempts).toBe(0);
  });

  it("an order that arrives while a fence is being set is not paid", async () => {
    const raced = order();
    const [fence] = await Promise.all([executor.cancel(ref(raced)), executor.pay(raced)]);
    expect(fence).toBe("fenced");
    expect(await executor.lookup(ref(raced))).toEqual(REFUSED);
    expect(node.ledger().attempts).toBe(0);
  });

  it("cannot fence what was taken up, and still tells what became of it", async () => {
    const taken = order();
    node.faults.forNext({ kind: "hang" });
    const paying = executor.pay(taken);
    ports.advance(9000);
    expect(await paying).toEqual({ kind: "pending" });
    expect(await executor.cancel(ref(taken))).toBe("cannot_fence");
    node.release(null);
    expect(await executor.lookup(ref(taken))).toMatchObject({ kind: "settled" });
    expect(await executor.cancel(ref(taken))).toBe("cannot_fence");
  });

  it("after a restart it neither pays again nor fences what its node has under way", async () => {
    const taken = order();
    node.faults.forNext({ kind: "hang" });
    const paying = executor.pay(taken);
    const restarted = createExecutor(node, ports);
    expect(await restarted.cancel(ref(taken))).toBe("cannot_fence");
    expect(await restarted.lookup(ref(taken))).toEqual({ kind: "pending" });
    node.release(null);
    await paying;
    expect(await restarted.pay(taken)).toMatchObject({ kind: "settled" });
    expect(node.ledger()).toMatchObject({ attempts: 1, payments: [{ settlements: 1 }] });
  });

  it("invariant 13: refuses an epoch below the highest seen, without calling a paid operation failed", async () => {
    const old = order();
    const paid = await executor.pay(old);
    const unsent = order();
    expect(await executor.lookup({ ...ref(order()), epoch: 2 })).toEqual({ kind: "never_seen", asOf: ports.now() });
    expect(await executor.pay(unsent)).toEqual({ kind: "failed", code: "spender_superseded", definite: true });
    expect(await executor.pay(old)).toEqual({ kind: "unknown", reason: "spender_superseded" });
    expect(await executor.lookup(ref(old))).toEqual({ kind: "unknown", reason: "spender_superseded" });
    expect(await executor.cancel(ref(order()))).toBe("cannot_fence");
    expect(await executor.lookup({ ...ref(old), epoch: 2 })).toEqual(paid);
    expect(await executor.pay(order({ walletId: "w2" }))).toMatchObject({ kind: "settled" });
    expect(node.ledger().attempts).toBe(2);
  });

  it("answers pending in time even where its node overstays, and never takes a stale failure for this payment's", async () => {
    const slow = createExecutor(
      { ...bound(node), pay: () => new Promise(() => {}), lookup: () => Promise.resolve({ kind: "failed", code: "no_route" }) },
      ports,
      { answerWithinMs: 9000 },
    );
    const taken = order();
    const paying = slow.pay(taken);
    ports.advance(9000);
    expect(await paying).toEqual({ kind: "pending" });
    expect(await slow.lookup(ref(taken))).toEqual({ kind: "pending" });
    expect(ports.pending()).toBe(0);
  });

  it("invariant 4: a node that cannot be reached makes unknown, never failed", async () => {
    const dead = createExecutor(
      {
        ...bound(node),
        pay: () => Promise.reject(new Error("down")),
        lookup: () => Promise.reject(new Error("down")),
        spendableMsat: () => Promise.reject(new Error("down")),
      },
      ports,
    );
    const taken = order();
    expect(await dead.pay(taken)).toEqual({ kind: "unknown", reason: "node_unreachable" });
    expect(await dead.lookup(ref(taken))).toEqual({ kind: "unknown", reason: "node_unreachable" });
    expect(await dead.cancel(ref(order()))).toBe("cannot_fence");
    expect(await dead.status()).toMatchObject({ online: false, spendableMsat: null });
  });

  it("gives the right proof once its node does", async () => {
    const taken = order();
    node.faults.forNext({ kind: "wrong_preimage" });
    const wrong = await executor.pay(taken);
    node.release(null);
    const right = await executor.lookup(ref(taken));
    expect(right).toMatchObject({ kind: "settled" });
    expect(right).not.toEqual(wrong);
    expect(node.ledger()).toMatchObject({ attempts: 1, settled: 1 });
  });

  it("makes an invoice that pays in, which its own node cannot pay, and none where its node is away", async () => {
    const made = await executor.invoice({ amountMsat: sats(250), description: "Lightning Worker w1" });
    const decoded = decodeBolt11(made?.bolt11 ?? "");
    if (!decoded.ok) throw new Error(decoded.detail);
    expect(decoded.invoice).toMatchObject({ network: "regtest", amountMsat: 250_000, description: "Lightning Worker w1" });
    const { paymentHash, bolt11 } = { ...decoded.invoice, bolt11: made?.bolt11 ?? "" };
    expect(await executor.pay(order({ paymentHash, bolt11, amountMsat: sats(250) }))).toEqual(REFUSED);
    expect(node.payIn(bolt11)).toBe(true);
    expect([node.payIn(bolt11), await node.spendableMsat()]).toEqual([false, 1_250_000]);
    const dead = createExecutor({ ...bound(node), receive: () => Promise.reject(new Error("down")) }, ports);
    expect(await dead.invoice({ amountMsat: sats(1), description: "" })).toBeNull();
  });

  it("says what can be spent now, and when it last paid", async () => {
    expect(await executor.status()).toMatchObject({ online: true, spendableMsat: 1_000_000, network: "regtest", lastPaymentAt: null });
    await executor.pay(order());
    expect(await executor.status()).toMatchObject({ spendableMsat: 979_000, lastPaymentAt: ports.now() });
  });
});

function bound(node: SimulatedNode): {
  network: "regtest";
  pay: SimulatedNode["pay"];
  lookup: SimulatedNode["lookup"];
  spendableMsat: SimulatedNode["spendableMsat"];
  receive: SimulatedNode["receive"];
} {
  return {
    network: "regtest",
    pay: (payment) => node.pay(payment),
    lookup: (hash) => node.lookup(hash),
    spendableMsat: () => node.spendableMsat(),
    receive: (invoice) => node.receive(invoice),
  };
}
