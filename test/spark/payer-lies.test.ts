/**
 * What the payer makes of a network that lies (facts/spark-sandbox.md, section 3), with the real Wallet core above it: the SDK believes nearly
 * everything, so what protects the wallet is what is checked here.
 */
import { afterEach, expect, test } from "vitest";
import { LEAF, QUICK } from "./rigs/recovery-cases.ts";
import { SparkWalletRig, type Purchase } from "./rigs/spark-wallet.ts";
import { SparkWorld } from "./rigs/spark-world.ts";

const AMOUNT = LEAF - 1;
const DAY = 86_400_000;
const open: SparkWalletRig[] = [];

afterEach(() => {
  for (const rig of open.splice(0)) {
    rig.close();
    rig.world.close();
  }
});

async function wallet(leaves: readonly number[] = [LEAF, LEAF, LEAF, LEAF]): Promise<SparkWalletRig> {
  const rig = await SparkWalletRig.open(new SparkWorld({ checks: "light" }), leaves, QUICK);
  open.push(rig);
  return rig;
}

/** A purchase that has come as far as it can by itself for now. */
async function buy(rig: SparkWalletRig, ms = 1_500): Promise<Purchase> {
  const { purchase } = await rig.begin(AMOUNT);
  await rig.settle(purchase, ms);
  return purchase;
}

test("invariant 5: a wrong preimage buys nothing under its name, and the operators' own puts it right", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.lie("preimage");
  const purchase = await buy(rig, 10_000);
  // The SSP lies to the end: the proof comes from the HTLC, which the SSP could only take with the true one.
  expect(await rig.told(purchase)).toEqual(["unknown preimage_mismatch", "paid"]);
  expect(rig.state(purchase)).toBe("paid");
  expect(rig.journalSats()).toBe(LEAF);
});

test("invariant 5: while the operators do not tell either, a wrong preimage waits under its name", async () => {
  const rig = await wallet();
  const { faults } = rig.world.sandbox;
  faults.lie("preimage");
  faults.add({ side: "operators", call: "query_htlc", fault: { kind: "grpc_error", when: "before", code: 14 } });
  const purchase = await buy(rig);
  expect([rig.state(purchase), rig.code(purchase)]).toEqual(["payment_unknown", "preimage_mismatch"]);
  expect(rig.sql.rows("SELECT id FROM credential")).toEqual([]);
  expect(rig.world.settlements(purchase.paymentHash)).toBe(1);
  faults.clear();
  expect(await rig.settle(purchase, 10_000)).toBe(true);
  expect(rig.state(purchase)).toBe("paid");
});

test("invariant 3: a fee that the SSP invents is not booked: nothing more can have left than what was agreed", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.lie("fee");
  const purchase = await buy(rig, 10_000);
  expect(rig.state(purchase)).toBe("paid");
  expect(rig.sql.rows("SELECT charge_msat, fee_msat FROM payment")).toMatchObject([{ charge_msat: AMOUNT * 1000, fee_msat: 1000 }]);
  expect(rig.world.sandbox.balance(rig.identity)).toBe(3 * LEAF);
});

test("a fee that rises between the quote and the send is refused before anything leaves", async () => {
  const rig = await wallet();
  // The quote, then the SDK's own estimate for the send.
  rig.world.sandbox.faults.nextFees(1, 5);
  const purchase = await buy(rig, 10_000);
  expect([rig.state(purchase), rig.code(purchase)]).toEqual(["failed", "fee_over_cap"]);
  expect(rig.world.sandbox.ledger().htlcs).toEqual([]);
});

test("leaves said to be worth ten times as much are believed, and the operators refuse what is sent with them: nothing is paid", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.lie("value");
  rig.evict();
  expect((await rig.payer.status()).spendableMsat).toBe(4 * LEAF * 10_000);
  const { purchase } = await rig.begin(LEAF * 10 - 1);
  await rig.settle(purchase, 1_500);
  rig.world.sandbox.faults.clear();
  expect(rig.state(purchase)).toBe("payment_unknown");
  // It passed the gate, so only the order's deadline makes it sure that nothing arrives any more.
  rig.pass(QUICK.timing.payDeadline + QUICK.timing.grace);
  expect(await rig.settle(purchase, 20_000)).toBe(true);
  expect(rig.state(purchase)).toBe("failed");
  expect(rig.world.settlements(purchase.paymentHash)).toBe(0);
  expect(rig.world.sandbox.check()).toEqual([]);
  expect(rig.world.sandbox.balance(rig.identity)).toBe(4 * LEAF);
});

test("operators that disagree about leaves make them unspendable: the purchase is refused, and goes through once they agree", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.lie("refund_disagrees");
  rig.evict();
  const refused = await buy(rig, 10_000);
  expect(["failed", "cancelled"]).toContain(rig.state(refused));
  expect(rig.world.sandbox.ledger().htlcs).toEqual([]);
  rig.world.sandbox.faults.clear();
  await rig.payer.status();
  expect(rig.state(await buy(rig, 10_000))).toBe("paid");
});

test("an incoming transfer that cannot be claimed holds up neither answers nor payments, and the wallet says that it is degraded", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.lie("leaf_signature");
  rig.world.sandbox.mint(rig.identity, [LEAF]);
  rig.world.sandbox.faults.clear();
  const asked = performance.now();
  const status = await rig.payer.status();
  expect(performance.now() - asked).toBeLessThan(QUICK.spark.answer + 500);
  expect(status).toMatchObject({ online: false, spendableMsat: null, degraded: ["not_synced"] });
  expect(rig.state(await buy(rig, 10_000)), "in the instance that is held up").toBe("paid");
  rig.evict();
  expect(rig.state(await buy(rig, 10_000)), "and in a new one").toBe("paid");
});

test("invariant 4: the SSP's word that it failed releases nothing until the leaves are back, however late and whatever came between", async () => {
  const rig = await wallet();
  const { world } = rig;
  world.sandbox.faults.payMode = "hang";
  const failed = sayFailed(world);
  const purchase = await buy(rig);
  expect(rig.state(purchase)).not.toBe("failed");
  expect(rig.world.sandbox.ledger().htlcs).toMatchObject([{ state: "waiting" }]);
  world.sandbox.faults.payMode = "ok";
  world.node.faults.forHash(purchase.paymentHash, { kind: "no_route" });
  // The SSP has its way with this one only once its own node has refused; meanwhile others overtake it, and the list is read past it.
  expect(rig.state(await buy(rig, 10_000))).toBe("paid");
  expect(rig.state(await buy(rig, 10_000))).toBe("paid");
  expect(await rig.settle(purchase, 15_000)).toBe(true);
  expect(rig.state(purchase)).toBe("failed");
  expect(failed()).toBeGreaterThan(0);
  expect(world.sandbox.ledger().htlcs[0]).toMatchObject({ paymentHash: purchase.paymentHash, state: "returned" });
  expect(world.sandbox.balance(rig.identity)).toBe(2 * LEAF);
});

test("invariant 2: a payment that the SSP called failed and then made is found, with its proof", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.payMode = "hang";
  sayFailed(rig.world);
  const purchase = await buy(rig);
  expect(rig.state(purchase)).not.toBe("failed");
  rig.world.onReply = () => null;
  rig.world.sandbox.faults.payMode = "ok";
  expect(await rig.settle(purchase, 15_000)).toBe(true);
  expect(rig.state(purchase)).toBe("paid");
  expect(rig.journalSats()).toBe(LEAF);
});

test("a payment that later ones overtook while it was pending is still found by a new instance", async () => {
  const rig = await wallet();
  rig.world.sandbox.faults.payMode = "hang";
  const purchase = await buy(rig);
  rig.world.sandbox.faults.payMode = "ok";
  rig.evict();
  // The SDK alone would never read it again: it steps back by the number of pending payments, and two have come after this one.
  const later = [await buy(rig, 10_000), await buy(rig, 10_000)];
  expect(later.map((each) => rig.state(each))).toEqual(["paid", "paid"]);
  rig.evict();
  await rig.skipToFirstLook(purchase);
  expect(await rig.settle(purchase, 10_000)).toBe(true);
  expect(rig.state(purchase)).toBe("paid");
  expect(rig.journalSats()).toBe(3 * LEAF);
});

test("what the SSP was never asked to pay comes back when the HTLC runs out, and ends failed without a person", async () => {
  const rig = await wallet();
  const { world } = rig;
  world.onRequest = (call) => {
    if (call !== "RequestLightningSend") return "pass";
    rig.evict();
    return "lose_request";
  };
  const order = rig.order(world.invoice(AMOUNT).bolt11);
  await rig.payer.prepare(order);
  const cut = rig.payer;
  void cut.pay(order).catch(() => {});
  while (rig.payer === cut) await new Promise((resolve) => setImmediate(resolve));
  expect(await rig.payer.lookup(order)).toEqual({ kind: "pending", resumable: true });
  expect(world.sandbox.balance(rig.identity)).toBe(3 * LEAF);
  world.ahead = 17 * DAY;
  expect(await rig.payer.lookup(order)).toEqual({ kind: "failed", code: "payment_failed", definite: true });
  expect(world.sandbox.balance(rig.identity)).toBe(4 * LEAF);
});

test("a list of payments that cannot be read is a state with a name, and absence from it proves nothing", async () => {
  const rig = await wallet();
  const { faults } = rig.world.sandbox;
  const never = rig.order(rig.world.invoice(AMOUNT).bolt11);
  faults.payMode = "hang";
  const purchase = await buy(rig);
  faults.lie("htlc_without_expiry");
  rig.evict();
  expect(await rig.payer.status()).toMatchObject({ online: true, spendableMsat: 3 * LEAF * 1000, degraded: ["payment_list_stuck"] });
  expect(await rig.payer.lookup(never)).toEqual({ kind: "unknown", reason: "payment_list_stuck" });
  await rig.skipToFirstLook(purchase);
  expect(rig.hasEnded(purchase)).toBe(false);
  expect(rig.logged).toContain("spark_payment_list");
  faults.clear();
  expect(await rig.settle(purchase, 10_000)).toBe(true);
  expect(rig.state(purchase)).toBe("paid");
  expect((await rig.payer.status()).degraded).toEqual([]);
  expect(await rig.payer.lookup(never)).toMatchObject({ kind: "never_seen" });
});

/** On its way to the wallet, the first send's status becomes a failure. @returns how often that was done */
function sayFailed(world: SparkWorld): () => number {
  let told = 0;
  let first: string | null = null;
  world.onReply = (_call, text) => {
    first ??= /"id":"(SparkLightningSendRequest:[0-9a-f-]+)"/u.exec(text)?.[1] ?? null;
    if (first === null || !text.includes(first) || !text.includes("LIGHTNING_PAYMENT_INITIATED")) return null;
    told++;
    return text.replaceAll("LIGHTNING_PAYMENT_INITIATED", "LIGHTNING_PAYMENT_FAILED");
  };
  return () => told;
}
