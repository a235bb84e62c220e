/** Timelocks that are used up, with the real SDK: it renews each leaf before it spends it, in the three ways the protocol has. */
import { afterAll, expect, test } from "vitest";
import { NetworkRig, proves } from "./network-rig.ts";

const rig = new NetworkRig();
afterAll(() => rig.close());

const CASES = [
  { name: "takes 100 blocks off the node while it has some", mint: { refundSequence: 200 } },
  { name: "puts a new node under the leaf when the node has no more than 100", mint: { refundSequence: 200, nodeSequence: 100 } },
  { name: "does so without a direct refund when the node has none", mint: { refundSequence: 200, nodeSequence: 0 } },
] as const;

for (const [number, { name, mint }] of CASES.entries()) {
  test(`a wallet whose leaf has 100 blocks left ${name}, and pays with it`, async () => {
    const wallet = await rig.wallet(100 + number);
    const before = rig.spark.counts()["op0:renew_leaf"] ?? 0;
    rig.spark.mint(wallet.id, [101, 50], mint);
    await wallet.sync();
    expect(await wallet.balance()).toBe(151);
    const { bolt11, paymentHash } = rig.invoice(100);
    const payment = await wallet.send(bolt11);
    expect(payment.status).toBe("completed");
    expect(proves(payment, paymentHash)).toBe(true);
    expect(rig.spark.counts()["op0:renew_leaf"]).toBe(before + 2);
    expect(await wallet.balance()).toBe(50);
    expect(rig.spark.balance(wallet.id)).toBe(50);
    expect(rig.spark.check()).toEqual([]);
  });
}

test("a leaf that goes to and fro between wallets is renewed on the way, and worth what it was", async () => {
  const [a, b] = [await rig.wallet(200), await rig.wallet(201)];
  rig.spark.mint(a.id, [64], { refundSequence: 400 });
  await a.sync();
  const before = rig.spark.counts()["op0:renew_leaf"] ?? 0;
  for (let hop = 0; hop < 4; hop++) {
    const [from, to] = hop % 2 === 0 ? [a, b] : [b, a];
    const { paymentRequest } = await to.sdk.receivePayment({ paymentMethod: { type: "sparkAddress" } });
    const prepareResponse = await from.sdk.prepareSendPayment({ paymentRequest: { type: "input", input: paymentRequest }, amount: 64n });
    await from.sdk.sendPayment({ prepareResponse });
    await to.sync();
    expect([await from.balance(), await to.balance()]).toEqual([0, 64]);
  }
  expect(rig.spark.counts()["op0:renew_leaf"]).toBe(before + 1);
  expect(rig.spark.check()).toEqual([]);
});
