import { describe, expect, it } from "vitest";
import { sats } from "../../lightning/msat.ts";
import type { NodePayment } from "../lightning-node.ts";
import { manualPorts, type ManualPorts } from "../manual-ports.ts";
import { SimulatedNode } from "../node.ts";
import { SparkFaults } from "./faults.ts";
import { isFields, type Fields } from "./graphql.ts";
import { GrpcError, type HtlcView } from "./operators-port.ts";
import { SimulatedLeg } from "./simulated-leg.ts";
import { SspRequests } from "./ssp-requests.ts";
import { SspSend, type SendContext } from "./ssp-send.ts";
import { Webhooks } from "./webhooks.ts";

const WALLET = `02${"ab".repeat(32)}`;
const TRANSFER = "11111111-1111-4111-8111-111111111111";

/** The operators' side of one HTLC, with nothing but its states. */
class FakeHtlc {
  view: HtlcView;
  provided: string | null = null;
  constructor(view: HtlcView) {
    this.view = view;
  }
  htlc(id: string): HtlcView | null {
    return id === this.view.transferId ? this.view : null;
  }
  providePreimage(_id: string, preimage: string): void {
    if (this.view.state === "returned") throw new GrpcError(9, "returned");
    this.provided = preimage;
    this.view = { ...this.view, state: "shared" };
  }
  returnHtlc(): void {
    if (this.view.state === "shared") throw new GrpcError(9, "shared");
    this.view = { ...this.view, state: "returned" };
  }
}

interface Rig {
  readonly ports: ManualPorts;
  readonly node: SimulatedNode;
  readonly leg: SimulatedLeg & { pay: SimulatedLeg["pay"] };
  readonly operators: FakeHtlc;
  readonly faults: SparkFaults;
  readonly invoice: { readonly bolt11: string; readonly paymentHash: string };
  order(bolt11?: string, owner?: string): Promise<Fields>;
  status(): unknown;
}

function rig(options: { readonly totalSats?: number; readonly latencyMs?: number } = {}): Rig {
  const ports = manualPorts();
  const node = new SimulatedNode(ports, {
    network: "regtest",
    balanceMsat: sats(1_000_000),
    latencyMs: options.latencyMs ?? 0,
    signInvoices: false,
  });
  const leg = new SimulatedLeg(node, ports);
  const invoice = node.createInvoice({ amountMsat: sats(100), description: "" });
  const operators = new FakeHtlc({
    transferId: TRANSFER,
    paymentHash: invoice.paymentHash,
    bolt11: invoice.bolt11,
    amountSats: 100,
    totalSats: options.totalSats ?? 101,
    sender: WALLET,
    receiver: `02${"cd".repeat(32)}`,
    state: "waiting",
    expiresAt: ports.now() + 16 * 86_400_000,
  });
  const faults = new SparkFaults(new Set());
  let serial = 0;
  const uuid = (): string => `00000000-0000-4000-8000-${String((serial += 1)).padStart(12, "0")}`;
  const later = (ms: number, job: () => void): void => void ports.timer(ms, job);
  const context: SendContext = {
    ports: { ...ports, uuid },
    operators,
    leg,
    requests: new SspRequests(),
    faults,
    webhooks: new Webhooks({ now: ports.now, uuid, later, deliver: () => Promise.resolve(true) }),
    fee: () => faults.takeFee() ?? 1,
    later,
    closed: () => false,
  };
  const send = new SspSend(context);
  return {
    ports,
    node,
    leg,
    operators,
    faults,
    invoice,
    order: async (bolt11 = invoice.bolt11, owner = WALLET) =>
      shown(await send.order({ input: { encoded_invoice: bolt11, user_outbound_transfer_external_id: TRANSFER } }, owner)),
    status: () => {
      const row = context.requests.byTransfer(TRANSFER);
      return row?.kind === "send" ? row.status : null;
    },
  };
}

function shown(data: Fields): Fields {
  const { request_lightning_send: answer } = data;
  if (!isFields(answer) || !isFields(answer["request"])) throw new Error("not a send request");
  return answer["request"];
}

/** Lets promises settle; no clock moves. */
const drain = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

async function advance(rigged: Rig, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    rigged.ports.advance(Math.min(left, 250));
    await drain();
  }
}

describe("the SSP pays a Lightning invoice", () => {
  it("pays once, shows the preimage and takes the leaves with it", async () => {
    const r = rig();
    const request = await r.order();
    expect(request).toMatchObject({ status: "TRANSFER_COMPLETED", fee: { original_value: 1 } });
    expect(request["lightning_send_payment_preimage"]).toBe(r.operators.provided);
    expect(r.node.ledger()).toMatchObject({ settled: 1, attempts: 1 });
  });

  it("answers an order for the same transfer with the same request, and pays nothing more", async () => {
    const r = rig();
    const first = await r.order();
    expect(await r.order()).toEqual(first);
    expect(r.node.ledger().payments).toMatchObject([{ attempts: 1, repeats: 0 }]);
    await expect(r.order(r.node.createInvoice({ amountMsat: sats(100), description: "other" }).bolt11)).rejects.toThrow("another request");
    await expect(r.order(r.invoice.bolt11, `03${"ab".repeat(32)}`)).rejects.toThrow("another request");
  });

  it("refuses an order that its HTLC does not cover, and pays nothing", async () => {
    const r = rig({ totalSats: 100 });
    await expect(r.order()).rejects.toThrow("does not cover");
    expect(r.node.ledger().attempts).toBe(0);
  });

  it("refuses another wallet's transfer and another invoice's HTLC", async () => {
    const r = rig();
    await expect(r.order(r.invoice.bolt11, `03${"ab".repeat(32)}`)).rejects.toThrow("no matching");
    await expect(r.order(r.node.createInvoice({ amountMsat: sats(100), description: "" }).bolt11)).rejects.toThrow("no matching");
    expect(r.node.ledger().attempts).toBe(0);
  });

  it("gives the leaves back when the payment fails", async () => {
    const r = rig();
    r.node.faults.forNext({ kind: "no_route" });
    expect(await r.order()).toMatchObject({ status: "USER_SWAP_RETURNED", lightning_send_payment_preimage: null });
    expect(r.operators.view.state).toBe("returned");
  });

  it("holds the leaves while the node does not know, and ends when it does", async () => {
    const r = rig();
    r.node.faults.forNext({ kind: "hang" });
    const ordering = r.order();
    await drain();
    await advance(r, 1_000);
    expect(await ordering).toMatchObject({ status: "LIGHTNING_PAYMENT_INITIATED", lightning_send_payment_preimage: null });
    await advance(r, 60_000);
    expect(r.operators.view.state).toBe("waiting");
    r.node.release(null);
    await advance(r, 6_000);
    expect(r.status()).toBe("TRANSFER_COMPLETED");
    expect(r.operators.view.state).toBe("shared");
  });

  it("neither takes nor returns leaves for a payment whose preimage is wrong or withheld", async () => {
    for (const kind of ["wrong_preimage", "no_preimage"] as const) {
      const r = rig();
      r.node.faults.forNext({ kind });
      await r.order();
      await advance(r, 30_000);
      expect(r.operators.view.state).toBe("waiting");
      r.node.release(null);
      await advance(r, 6_000);
      expect(r.operators.view.state).toBe("shared");
    }
  });

  it("tries again an invoice that its node says it was never told to pay", async () => {
    const r = rig();
    const pay = r.leg.pay.bind(r.leg);
    let calls = 0;
    r.leg.pay = (order): Promise<NodePayment> => {
      calls += 1;
      return calls === 1 ? Promise.reject(new Error("connection refused")) : pay(order);
    };
    expect(await r.order()).toMatchObject({ status: "LIGHTNING_PAYMENT_INITIATED" });
    await advance(r, 2_000);
    expect(calls).toBe(2);
    expect(r.status()).toBe("TRANSFER_COMPLETED");
    expect(r.node.ledger()).toMatchObject({ settled: 1, attempts: 1 });
  });

  it("does not begin a slow payment once its HTLC has gone back to the wallet", async () => {
    const r = rig();
    r.faults.payMode = "slow";
    r.faults.slowMs = 10_000;
    await r.order();
    r.operators.returnHtlc();
    await advance(r, 20_000);
    expect(r.status()).toBe("USER_SWAP_RETURNED");
    expect(r.node.ledger().attempts).toBe(0);
  });

  it("hangs for as long as it is told to, then goes on", async () => {
    const r = rig();
    r.faults.payMode = "hang";
    expect(await r.order()).toMatchObject({ status: "LIGHTNING_PAYMENT_INITIATED" });
    await advance(r, 30_000);
    expect(r.node.ledger().attempts).toBe(0);
    r.faults.payMode = "ok";
    await advance(r, 500);
    expect(r.status()).toBe("TRANSFER_COMPLETED");
  });

  it("says so when the leaves went back while its payment was on the way: the loss is the SSP's, never the wallet's", async () => {
    const r = rig({ latencyMs: 5_000 });
    const ordering = r.order();
    await drain();
    await advance(r, 1_000);
    await ordering;
    r.operators.returnHtlc();
    await advance(r, 20_000);
    expect(r.status()).toBe("PREIMAGE_PROVIDING_FAILED");
    expect(r.operators.view.state).toBe("returned");
    expect(r.node.spendable()).toBe(sats(999_900));
  });

  it("lies about preimage and fee only where it is told to, and only in words", async () => {
    const r = rig();
    await r.order();
    const stop = [r.faults.lie("preimage"), r.faults.lie("fee")];
    expect(await r.order()).toMatchObject({ lightning_send_payment_preimage: "11".repeat(32), fee: { original_value: 999 } });
    for (const end of stop) end();
    expect(await r.order()).toMatchObject({ lightning_send_payment_preimage: r.operators.provided, fee: { original_value: 1 } });
  });
});
