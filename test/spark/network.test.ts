/**
 * The hermetic Spark network against the real SDK: every way of paying and being paid, and every way in which it goes wrong that a wallet must
 * survive. Money is conserved throughout, and at the end the network must have verified what it says it verifies.
 */
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { NetworkRig, preimageOf, proves, type TestWallet } from "./network-rig.ts";

const DAY = 86_400_000;
/** The SSP asks its node again by a timer of its own. */
const POLL = { timeout: 20_000 };
const rig = new NetworkRig();
let wallet: TestWallet;

beforeAll(async () => {
  // The SDK writes a line for each payment it knows already.
  vi.spyOn(console, "debug").mockImplementation(() => {});
  wallet = await rig.wallet(1);
});

beforeEach(() => {
  rig.spark.faults.clear();
  rig.spark.resetCalls();
});

afterAll(() => rig.close());

/** Leaves that the SSP sends, claimed. */
async function fund(...leaves: readonly number[]): Promise<void> {
  rig.spark.mint(wallet.id, leaves);
  await wallet.sync();
}

const calls = (name: string): number => rig.spark.counts()[name] ?? 0;
const htlcOf = (transferId: string) => rig.spark.ledger().htlcs.find((htlc) => htlc.transferId === transferId);
const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The wallet and the operators mean the same sum, and nothing is missing anywhere. */
async function settled(): Promise<void> {
  await wallet.sync();
  expect(await wallet.balance()).toBe(rig.spark.balance(wallet.id));
  expect(rig.spark.check()).toEqual([]);
}

describe("a wallet that all goes well for", () => {
  test("claims what it is sent", async () => {
    await fund(1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1);
    expect(await wallet.balance()).toBe(2048);
    await settled();
  });

  test("pays an invoice with one leaf, in seven requests, and holds the preimage", async () => {
    const before = await wallet.balance();
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    rig.spark.resetCalls();
    const payment = await wallet.send(bolt11, key);
    expect(payment).toMatchObject({ id: key, status: "completed", amount: 63n, fees: 1n });
    expect(proves(payment, paymentHash)).toBe(true);
    const requests = Object.entries(rig.spark.counts()).filter(([name]) => !name.startsWith("check:"));
    expect(requests.reduce((sum, [, times]) => sum + times, 0)).toBe(7);
    expect([await wallet.balance(), rig.paid(paymentHash)]).toEqual([before - 64, 1]);

    // The same key again is the same payment; another key for the same invoice is refused by the operators.
    expect(await wallet.send(bolt11, key)).toMatchObject({ id: key, status: "completed" });
    await expect(wallet.send(bolt11)).rejects.toThrow(/preimage request/u);
    expect(rig.paid(paymentHash)).toBe(1);
    await settled();
  });

  test("swaps leaves first where they do not add up", async () => {
    await fund(4096);
    const before = await wallet.balance();
    const { bolt11, paymentHash } = rig.invoice(3000);
    const payment = await wallet.send(bolt11);
    expect(payment.status).toBe("completed");
    expect(proves(payment, paymentHash)).toBe(true);
    expect(calls("ssp:RequestSwap")).toBe(1);
    await settled();
    expect(await wallet.balance()).toBe(before - 3001);
  });

  test("receives over Lightning without being online, and is told by webhook", async () => {
    const before = await wallet.balance();
    const secret = randomBytes(16).toString("hex");
    const { webhookId } = await wallet.sdk.registerWebhook({
      url: "https://hook.invalid/",
      secret,
      eventTypes: [{ type: "lightningReceiveFinished" }],
    });
    const bolt11 = await wallet.invoice(777);
    expect(decodeBolt11(bolt11)).toMatchObject({ ok: true, invoice: { network: "regtest", amountMsat: 777_000 } });
    expect((await rig.leg.payInvoice(bolt11)).kind).toBe("settled");
    await settled();
    expect(await wallet.balance()).toBe(before + 777);
    const [received] = (await wallet.sdk.listPayments({ typeFilter: ["receive"], limit: 1 })).payments;
    expect(received).toMatchObject({ status: "completed", amount: 777n, details: { type: "lightning", invoice: bolt11 } });
    expect(rig.deliveries).toMatchObject([
      {
        url: "https://hook.invalid/",
        signature: createHmac("sha256", secret)
          .update(rig.deliveries[0]?.body ?? "")
          .digest("hex"),
      },
    ]);
    await wallet.sdk.unregisterWebhook({ webhookId });
  });

  test("receives for a hash of its own, and only against the preimage", async () => {
    const before = await wallet.balance();
    const preimage = randomBytes(32);
    const bolt11 = await wallet.invoice(64, createHash("sha256").update(preimage).digest("hex"));
    const paying = rig.leg.payInvoice(bolt11);
    await wallet.sync();
    expect(await wallet.balance()).toBe(before);
    await wallet.sdk.claimHtlcPayment({ preimage: preimage.toString("hex") });
    expect(await paying).toMatchObject({ kind: "settled", preimage: preimage.toString("hex") });
    await settled();
    expect(await wallet.balance()).toBe(before + 64);
  });

  test("pays another wallet, by Spark address and by an invoice of the same SSP", async () => {
    const other = await rig.wallet(2);
    const { paymentRequest } = await other.sdk.receivePayment({ paymentMethod: { type: "sparkAddress" } });
    const prepareResponse = await wallet.sdk.prepareSendPayment({ paymentRequest: { type: "input", input: paymentRequest }, amount: 32n });
    const { payment } = await wallet.sdk.sendPayment({ prepareResponse, idempotencyKey: randomUUID() });
    expect(payment).toMatchObject({ status: "completed", amount: 32n });
    await other.sync();
    expect(await other.balance()).toBe(32);

    const sent = await wallet.send(await other.invoice(15));
    expect(sent.status).toBe("completed");
    await other.sync();
    expect(await other.balance()).toBe(47);
    expect(rig.spark.balance(other.id)).toBe(47);
    await settled();
  });

  test("pays several invoices at once, and one invoice once however often it is told to", async () => {
    await fund(8, 8, 8);
    const [a, b, c] = [rig.invoice(7), rig.invoice(7), rig.invoice(7)];
    const key = randomUUID();
    const payments = await Promise.all([wallet.send(a.bolt11), wallet.send(b.bolt11)]);
    expect(payments.map(({ status }) => status)).toEqual(["completed", "completed"]);
    await Promise.allSettled([wallet.send(c.bolt11, key), wallet.send(c.bolt11, key)]);
    await settled();
    expect((await wallet.payment(key)).status).toBe("completed");
    expect([a, b, c].map(({ paymentHash }) => rig.paid(paymentHash))).toEqual([1, 1, 1]);
  });
});

describe("a wallet whose network misbehaves", () => {
  test("says pending while the SSP is slow, and learns the preimage when it syncs", async () => {
    await fund(128);
    rig.spark.faults.payMode = "hang";
    const { bolt11, paymentHash } = rig.invoice(127);
    const key = randomUUID();
    const pending = await wallet.send(bolt11, key, 0);
    expect([pending.status, preimageOf(pending), rig.paid(paymentHash)]).toEqual(["pending", null, 0]);
    rig.spark.faults.payMode = "ok";
    await expect.poll(() => htlcOf(key)?.state, POLL).toBe("shared");
    await settled();
    const payment = await wallet.payment(key);
    expect(payment.status).toBe("completed");
    expect(proves(payment, paymentHash)).toBe(true);
  });

  test("gets its leaves back when the SSP cannot pay, and may pay the invoice anew", async () => {
    await fund(64);
    const before = await wallet.balance();
    rig.spark.faults.payMode = "fail";
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    expect((await wallet.send(bolt11, key)).status).toBe("failed");
    await settled();
    expect(await wallet.balance()).toBe(before);
    rig.spark.faults.payMode = "ok";
    expect((await wallet.send(bolt11, key)).status).toBe("failed");
    expect((await wallet.send(bolt11)).status).toBe("completed");
    expect(rig.paid(paymentHash)).toBe(1);
    await settled();
  });

  test("keeps its leaves locked while the SSP's own node does not know", async () => {
    await fund(64);
    rig.node.faults.forNext({ kind: "hang" });
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    expect((await wallet.send(bolt11, key, 0)).status).toBe("pending");
    expect(htlcOf(key)?.state).toBe("waiting");
    rig.node.release(paymentHash, "failed");
    await expect.poll(() => htlcOf(key)?.state, POLL).toBe("returned");
    await settled();
    expect((await wallet.payment(key)).status).toBe("failed");
  });

  test("is stuck when the SSP is down after the leaves are locked, until the SSP is asked again", async () => {
    await fund(64);
    rig.spark.faults.add({ side: "ssp", call: "RequestLightningSend", fault: { kind: "http_error", when: "before", status: 503 } });
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    await expect(wallet.send(bolt11, key)).rejects.toThrow();
    expect([calls("ssp:RequestLightningSend"), htlcOf(key)?.state]).toEqual([3, "waiting"]);
    rig.spark.faults.clear();
    await wallet.sync();
    expect(await wallet.send(bolt11, key)).toMatchObject({ status: "pending" });
    expect(rig.paid(paymentHash)).toBe(0);

    const answers = [await wallet.orderAgain(bolt11, key), await wallet.orderAgain(bolt11, key)];
    expect(answers[1]).toBe(answers[0]);
    await settled();
    const payment = await wallet.payment(key);
    expect([payment.status, proves(payment, paymentHash), rig.paid(paymentHash)]).toEqual(["completed", true, 1]);
  });

  test("finds the transfer again whose reply was lost", async () => {
    await fund(64);
    rig.spark.faults.add({ side: "operators", call: "initiate_preimage_swap_v3", times: 1, fault: { kind: "drop", when: "after" } });
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    await expect(wallet.send(bolt11, key)).rejects.toThrow();
    expect(htlcOf(key)?.state).toBe("waiting");
    await wallet.sync();
    expect(await wallet.payment(key)).toMatchObject({ status: "pending" });
    await wallet.orderAgain(bolt11, key);
    await settled();
    expect(await wallet.payment(key)).toMatchObject({ status: "completed" });
    expect(rig.paid(paymentHash)).toBe(1);
  });

  test("sends nothing when the operators refuse before they commit", async () => {
    await fund(64);
    const before = await wallet.balance();
    rig.spark.faults.add({ side: "operators", call: "initiate_preimage_swap_v3", fault: { kind: "grpc_error", when: "before", code: 3 } });
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    await expect(wallet.send(bolt11, key)).rejects.toThrow();
    expect([htlcOf(key), rig.paid(paymentHash)]).toEqual([undefined, 0]);
    await settled();
    expect(await wallet.balance()).toBe(before);
  });

  test("is told when its money does not suffice", async () => {
    await expect(wallet.send(rig.invoice(10_000_000).bolt11)).rejects.toSatisfy((error) => /insufficient funds/iu.test(message(error)));
  });

  test("refuses a fee that rose since it was asked, and pays one that fell", async () => {
    await fund(64);
    rig.spark.faults.nextFees(1, 5);
    await expect(wallet.send(rig.invoice(59).bolt11)).rejects.toSatisfy((error) => /Fee exceeds maximum/u.test(message(error)));
    rig.spark.faults.nextFees(5, 1, 1);
    expect(await wallet.send(rig.invoice(63).bolt11)).toMatchObject({ status: "completed", fees: 1n });
    await settled();
  });

  test("keeps an old balance while one operator is down, and mends when it is back", async () => {
    const before = await wallet.balance();
    rig.spark.faults.add({ side: "operators", call: "query_nodes", operator: 2, fault: { kind: "grpc_error", when: "before", code: 14 } });
    rig.spark.mint(wallet.id, [2]);
    await wallet.sync();
    expect(await wallet.balance()).toBe(before);
    rig.spark.faults.clear();
    await settled();
    expect(await wallet.balance()).toBe(before + 2);
  });

  test("signs in again when every host has forgotten it", async () => {
    await fund(64);
    rig.spark.dropSessions();
    expect((await wallet.send(rig.invoice(63).bolt11)).status).toBe("completed");
    expect([calls("op0:verify_challenge"), calls("ssp:VerifyChallenge")]).toEqual([1, 1]);
    await settled();
  });
});

describe("a network that lies", () => {
  test("is believed about a preimage, a fee and a leaf's value: what the SDK does not check, its caller must", async () => {
    await fund(64, 64);
    const { bolt11, paymentHash } = rig.invoice(63);
    rig.spark.faults.lie("preimage");
    const fooled = await wallet.send(bolt11);
    expect([fooled.status, proves(fooled, paymentHash)]).toEqual(["completed", false]);
    rig.spark.faults.clear();
    rig.spark.faults.lie("fee");
    expect(await wallet.send(rig.invoice(63).bolt11)).toMatchObject({ fees: 999n });
    rig.spark.faults.clear();
    rig.spark.faults.lie("value");
    await wallet.sync();
    expect(await wallet.balance()).toBe(10 * rig.spark.balance(wallet.id));
    rig.spark.faults.clear();
    await settled();
  });

  test("is caught where a key does not fit: the leaf is not counted", async () => {
    const stop = rig.spark.faults.lie("verifying_key");
    await wallet.sync();
    expect(await wallet.balance()).toBe(0);
    stop();
    await settled();
  });

  test("makes an invoice for another hash or amount, which the SDK passes on", async () => {
    rig.spark.faults.lie("receive_amount");
    expect(decodeBolt11(await wallet.invoice(100))).toMatchObject({ ok: true, invoice: { amountMsat: 101_000 } });
  });
});

describe("time", () => {
  test("renews a leaf whose timelock has run down before it is sent", async () => {
    const old = await rig.wallet(3);
    rig.spark.mint(old.id, [64], { refundSequence: 200 });
    await old.sync();
    expect(await old.balance()).toBe(64);
    const { bolt11, paymentHash } = rig.invoice(63);
    await old.sync();
    expect((await old.send(bolt11)).status).toBe("completed");
    expect([rig.paid(paymentHash), await old.balance(), rig.spark.balance(old.id)]).toEqual([1, 0, 0]);
    expect(calls("op0:renew_leaf")).toBeGreaterThan(0);
    expect(rig.spark.check()).toEqual([]);
  });

  test("returns the leaves of a swap that the SSP never answered", async () => {
    // A network of its own: nothing can be sent on one whose clock has left the wallets' behind.
    const late = new NetworkRig();
    const other = await late.wallet(4, [128]);
    late.spark.faults.add({ side: "ssp", call: "RequestSwap", fault: { kind: "http_error", when: "before", status: 503 } });
    await expect(other.send(late.invoice(50).bolt11)).rejects.toThrow();
    expect(late.spark.balance(other.id)).toBe(0);
    late.advance(17 * DAY);
    late.spark.faults.clear();
    await other.sync();
    expect([late.spark.balance(other.id), await other.balance()]).toEqual([128, 128]);
    expect(late.spark.check()).toEqual([]);
    await late.close();
  });

  test("returns an HTLC that nobody took, whole, and the wallet sees it fail", async () => {
    await fund(64);
    const before = await wallet.balance();
    rig.spark.faults.payMode = "hang";
    const { bolt11, paymentHash } = rig.invoice(63);
    const key = randomUUID();
    expect((await wallet.send(bolt11, key, 0)).status).toBe("pending");
    expect(rig.spark.balance(wallet.id)).toBe(before - 64);
    rig.advance(17 * DAY);
    expect(htlcOf(key)?.state).toBe("returned");
    rig.spark.faults.payMode = "ok";
    await settled();
    expect(await wallet.balance()).toBe(before);
    expect([(await wallet.payment(key)).status, rig.paid(paymentHash)]).toEqual(["failed", 0]);
  });
});

test("the books are right, nothing broke inside, and every kind of signature was verified", () => {
  expect(rig.spark.check()).toEqual([]);
  const counts = rig.spark.counts();
  expect(Object.keys(counts).filter((name) => name.startsWith("bug:"))).toEqual([]);
  for (const name of ["user_shares", "aggregated_signatures", "adaptor_signatures", "feldman_shares", "packages"])
    expect(counts[`check:${name}`], name).toBeGreaterThan(0);
});
