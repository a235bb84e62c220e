/**
 * A real lnd as the node behind the executor. `pay` is safe to call again: lnd refuses a second payment of a hash (code 6) and we then
 * look up the first. An answer that got lost is looked up too, and where even that does not tell, the promise rejects, which the
 * executor reports as unknown: never as a failure (invariant 4).
 */
import { isMsat, msat } from "../../lightning/msat.ts";
import type { LightningNode, NodePayment } from "../lightning-node.ts";
import { field, readPayment, readRefusal, type LndReply } from "./lnd-payment.ts";
import { connectLnd, expectOk, LndUnreachable, text, urlBase64OfHex, type LndConnection, type LndRest } from "./lnd-rest.ts";

/** All that an executor needs; its macaroon opens no channel, makes no address, sees no other payment or invoice than those it can name. */
export const PAYER_RIGHTS: readonly string[] = [
  "/routerrpc.Router/SendPaymentV2",
  "/routerrpc.Router/TrackPaymentV2",
  "/lnrpc.Lightning/ChannelBalance",
  "/lnrpc.Lightning/AddInvoice",
];

/**
 * @param admin a connection that may bake macaroons
 * @returns the same node with a macaroon that can send, track, read the channel balance and make an invoice
 */
export async function payerConnection(admin: LndRest): Promise<LndConnection> {
  const permissions = PAYER_RIGHTS.map((action) => ({ entity: "uri", action }));
  const baked = await expectOk(admin.call("/v1/macaroon", { permissions }));
  return { ...admin.connection, macaroonHex: text(baked, "macaroon") };
}

export interface LndOptions {
  /** How long lnd looks for routes. Left out: for as long as the caller of `pay` waits. */
  readonly searchMs?: number;
  /** An invoice of this very node is paid too, over a peer and back. Left out: it is refused. */
  readonly payItself?: boolean;
}

/**
 * @param connection to a node on 127.0.0.1, with at least the rights that {@link payerConnection} bakes
 * @returns `pay` and `lookup` in msat and ms; both reject when lnd cannot be reached or understood. `close` drops its connections.
 */
export function lndNode(connection: LndConnection, { searchMs, payItself = false }: LndOptions = {}): LightningNode & { close(): void } {
  const lnd = connectLnd(connection);

  /** @param signal given: waits until the payment is terminal or it is aborted; else tells what is known now */
  const lookup = async (paymentHash: string, signal?: AbortSignal): Promise<NodePayment> => {
    // Without updates in flight lnd is silent until the payment is terminal.
    const path = `/v2/router/track/${urlBase64OfHex(paymentHash)}?no_inflight_updates=${signal !== undefined}`;
    const reply = await lnd.first(path, () => true, signal);
    const known = interpret(reply);
    if (known.kind === "ask") throw new LndUnreachable("lnd answered a lookup with an error that says nothing about the payment");
    return known;
  };

  const send = async (
    bolt11: string,
    paymentHash: string,
    maxFeeMsat: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<NodePayment> => {
    const order = {
      payment_request: bolt11,
      // Parts that are on their way are waited for beyond it.
      timeout_seconds: Math.max(1, Math.ceil((searchMs ?? waitMs) / 1000)),
      fee_limit_msat: String(maxFeeMsat),
      no_inflight_updates: true,
      allow_self_payment: payItself,
    };
    let reply: LndReply;
    try {
      reply = await lnd.call("/v2/router/send", order);
    } catch (error) {
      const found = await lookup(paymentHash);
      // The order may still be on its way to lnd: not there yet is not the same as never.
      if (found.kind === "never_initiated") throw error;
      return found;
    }
    const known = interpret(reply);
    if (known.kind !== "ask") return known;
    // Paid before, on its way since another call, or refused: the track ends with the payment, or at once.
    const found = await lookup(paymentHash, signal);
    // lnd answered, and with an error, and knows of no such payment: it refused the order before writing it.
    return found.kind === "never_initiated" ? { kind: "failed", code: "payment_failed" } : found;
  };

  return {
    network: "regtest",
    async pay({ bolt11, paymentHash, maxFeeMsat, waitMs }) {
      const { promise: late, resolve } = Promise.withResolvers<NodePayment>();
      const timer = setTimeout(() => resolve({ kind: "in_flight" }), waitMs);
      const listening = new AbortController();
      const sent = send(bolt11, paymentHash, maxFeeMsat, waitMs, listening.signal);
      // After `waitMs` nobody listens any more; lookups will tell what became of it.
      sent.catch(() => {});
      try {
        return await Promise.race([sent, late]);
      } finally {
        clearTimeout(timer);
        // Ends a track, never the order itself: that one may not have left this machine yet.
        listening.abort();
      }
    },
    lookup: (paymentHash) => lookup(paymentHash),
    async spendableMsat() {
      const balance = await expectOk(lnd.call("/v1/balance/channels"));
      const local = Number(text(field(balance, "local_balance"), "msat"));
      if (!isMsat(local)) throw new LndUnreachable("lnd's balance is not an amount");
      return msat(local);
    },
    async receive({ amountMsat, description }) {
      const made = await lnd.call("/v1/invoices", { value_msat: String(amountMsat), memo: description });
      if (made.kind === "refused") throw new LndUnreachable("lnd made no invoice");
      return { bolt11: text(made.value, "payment_request") };
    },
    close: () => lnd.close(),
  };
}

function interpret(reply: LndReply): NodePayment | { readonly kind: "ask" } {
  if (reply.kind === "refused") return readRefusal(reply.code, reply.message);
  return readPayment(reply.value) ?? { kind: "ask" };
}
