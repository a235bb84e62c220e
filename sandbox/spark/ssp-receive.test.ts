import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, it } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { sats } from "../../lightning/msat.ts";
import { manualPorts } from "../manual-ports.ts";
import { SimulatedNode } from "../node.ts";
import { SparkFaults } from "./faults.ts";
import { isFields, type Fields } from "./graphql.ts";
import { GrpcError, type TransferView } from "./operators-port.ts";
import { SimulatedLeg } from "./simulated-leg.ts";
import { SspReceive, type ReceiveContext } from "./ssp-receive.ts";
import { SspRequests } from "./ssp-requests.ts";
import { Webhooks } from "./webhooks.ts";

const WALLET = `02${"ab".repeat(32)}`;
const preimage = new Uint8Array(32).fill(9);
const paymentHash = bytesToHex(sha256(preimage));
const ASK: Fields = { input: { payment_hash: paymentHash, amount_sats: 777, memo: "hello", expiry_secs: 600, network: "REGTEST" } };

/** Operators that hold shares of the preimage, or not yet. */
class FakeOperators {
  holds = true;
  known: string | null = null;
  status: TransferView["status"] = "key_tweaked";
  readonly given: (readonly number[])[] = [];
  holdsPreimage(): boolean {
    return this.holds;
  }
  receive({ values }: { readonly values: readonly number[] }): { transferId: string; preimage: string } {
    if (!this.holds) throw new GrpcError(5, "no shares");
    this.given.push(values);
    return { transferId: "t1", preimage: bytesToHex(preimage) };
  }
  receiveHeld({ values }: { readonly values: readonly number[] }): { transferId: string } {
    this.given.push(values);
    this.status = "key_tweak_pending";
    return { transferId: "t1" };
  }
  preimageOf(): string | null {
    return this.known;
  }
  transfer(): TransferView {
    const facts = { sender: "", receiver: WALLET, totalSats: 777, leafIds: [], paymentHash, expiresAt: null, createdAt: 0, updatedAt: 0 };
    return { id: "t1", type: "preimage_swap", status: this.status, ...facts };
  }
}

function rig() {
  const ports = manualPorts();
  const node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(0), signInvoices: false });
  const leg = new SimulatedLeg(node, ports);
  const operators = new FakeOperators();
  const faults = new SparkFaults(new Set());
  const delivered: { readonly url: string; readonly signature: string; readonly body: string }[] = [];
  let answers: readonly boolean[] = [];
  let serial = 0;
  const uuid = (): string => String((serial += 1));
  const later = (ms: number, job: () => void): void => void ports.timer(ms, job);
  const webhooks = new Webhooks({
    now: ports.now,
    uuid,
    later,
    deliver: (url, headers, body) => {
      delivered.push({ url, signature: headers["x-spark-signature"] ?? "", body });
      const [first = true, ...rest] = answers;
      answers = rest;
      return Promise.resolve(first);
    },
  });
  const requests = new SspRequests();
  const context: ReceiveContext = {
    ports: { ...ports, uuid },
    operators,
    leg,
    requests,
    faults,
    webhooks,
    fee: () => 0,
    later,
    closed: () => false,
  };
  const receive = new SspReceive(context);
  return {
    ports,
    node,
    leg,
    operators,
    faults,
    webhooks,
    delivered,
    answer: (...next: readonly boolean[]) => void (answers = next),
    ask: async (variables = ASK, owner = WALLET) => invoiceOf(await receive.order(variables, owner)),
    status: () => requests.receiveOf(paymentHash)?.status,
  };
}

function invoiceOf(data: Fields): string {
  const { request_lightning_receive: answer } = data;
  if (!isFields(answer) || !isFields(answer["request"]) || !isFields(answer["request"]["invoice"]))
    throw new Error("not a receive request");
  return String(answer["request"]["invoice"]["encoded_invoice"]);
}

const drain = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

describe("the SSP receives a Lightning payment", () => {
  it("gives the wallet leaves for what came in, and settles with the operators' preimage", async () => {
    const r = rig();
    const paying = r.leg.payInvoice(await r.ask());
    expect(await paying).toMatchObject({ kind: "settled", preimage: bytesToHex(preimage) });
    await drain();
    expect(r.operators.given).toEqual([[512, 256, 8, 1]]);
    expect(r.status()).toBe("TRANSFER_COMPLETED");
    expect(r.node.spendable()).toBe(sats(777));
  });

  it("makes one invoice for one order, however often and however fast it is sent", async () => {
    const r = rig();
    const [first, second] = await Promise.all([r.ask(), r.ask()]);
    expect(second).toBe(first);
    expect(await r.ask()).toBe(first);
    await expect(r.ask(ASK, `03${"ab".repeat(32)}`)).rejects.toThrow("another request");
  });

  it("never gives leaves twice when its node reports a held payment again", async () => {
    const r = rig();
    const invoice = await r.ask();
    r.operators.holds = false;
    void r.leg.payInvoice(invoice);
    r.leg.onHeld(() => {});
    await drain();
    expect(r.operators.given).toHaveLength(1);
  });

  it("holds a payment to a hash of the wallet's own until the wallet shows the preimage", async () => {
    const r = rig();
    r.operators.holds = false;
    const paying = r.leg.payInvoice(await r.ask());
    r.ports.advance(5_000);
    expect(r.status()).toBe("PAYMENT_PREIMAGE_PENDING");
    expect(r.node.spendable()).toBe(0);
    r.operators.known = bytesToHex(preimage);
    r.ports.advance(500);
    expect(await paying).toMatchObject({ kind: "settled" });
    expect(r.node.spendable()).toBe(sats(777));
  });

  it("gives a held payment back when the wallet's time is up", async () => {
    const r = rig();
    r.operators.holds = false;
    const paying = r.leg.payInvoice(await r.ask());
    r.operators.status = "returned";
    r.ports.advance(500);
    expect(await paying).toEqual({ kind: "cancelled" });
    expect(r.status()).toBe("HTLC_FAILED");
    expect(r.node.spendable()).toBe(0);
  });

  it("lies about hash or amount in the invoice alone, where only a careful wallet looks", async () => {
    for (const [lie, told] of [
      ["receive_hash", { amountMsat: sats(777) }],
      ["receive_amount", { amountMsat: sats(778), paymentHash }],
    ] as const) {
      const r = rig();
      r.faults.lie(lie);
      const decoded = decodeBolt11(await r.ask());
      expect(decoded).toMatchObject({ ok: true, invoice: told });
      if (lie === "receive_hash" && decoded.ok) expect(decoded.invoice.paymentHash).not.toBe(paymentHash);
    }
  });

  it("tells a webhook with a signature over the body, and tries again when nobody takes it", async () => {
    const r = rig();
    const events = ["SPARK_LIGHTNING_RECEIVE_FINISHED"];
    r.webhooks.register({ input: { url: "https://hook.example/a", secret: "s3cret", event_types: events } }, WALLET);
    r.webhooks.register({ input: { url: "https://hook.example/b", secret: "other", event_types: events } }, `03${"ab".repeat(32)}`);
    r.answer(false);
    await r.leg.payInvoice(await r.ask());
    await drain();
    r.ports.advance(1_000);
    await drain();
    expect(r.delivered).toHaveLength(2);
    const [hook] = r.delivered;
    expect(JSON.parse(hook?.body ?? "{}")).toMatchObject({
      type: "SPARK_LIGHTNING_RECEIVE_FINISHED",
      request_status: "COMPLETED",
      payment_preimage: bytesToHex(preimage),
      receiver_identity_public_key: WALLET,
      htlc_amount: { value: 777, unit: "SATOSHI" },
    });
    const key = await crypto.subtle.importKey("raw", new TextEncoder().encode("s3cret"), { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
    ]);
    const wanted = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(hook?.body ?? "")));
    expect(hook?.signature).toBe(bytesToHex(wanted));
    expect(r.webhooks.list(WALLET)).toMatchObject({
      wallet_webhooks: { webhooks: [{ url: "https://hook.example/a", event_types: events }] },
    });
  });
});
