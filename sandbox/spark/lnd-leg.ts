/**
 * The SSP's Lightning leg over a real lnd. Paying is that of the executor's node. Taking in goes by hold invoices: lnd knows the hash only,
 * holds what comes for it, and gives it back by itself before the sender's time lock runs out. lnd's stream of all invoices is silent about
 * held ones, so each open invoice has a stream of its own, which begins with its present state: what was held while nobody listened is told too.
 */
import { createHash } from "node:crypto";
import { field, type LndReply } from "../regtest/lnd-payment.ts";
import { connectLnd, expectOk, hexOfBase64, LndUnreachable, text, base64OfHex, urlBase64OfHex } from "../regtest/lnd-rest.ts";
import type { LndConnection, LndRest } from "../regtest/lnd-rest.ts";
import { lndNode, PAYER_RIGHTS } from "../regtest/lnd.ts";
import type { IncomingPayment, LightningLeg } from "./lightning-leg.ts";

const LEG_RIGHTS = [
  ...PAYER_RIGHTS,
  "/lnrpc.Lightning/ListInvoices",
  "/lnrpc.Lightning/LookupInvoice",
  "/invoicesrpc.Invoices/AddHoldInvoice",
  "/invoicesrpc.Invoices/SubscribeSingleInvoice",
  "/invoicesrpc.Invoices/SettleInvoice",
  "/invoicesrpc.Invoices/CancelInvoice",
];
const SEARCH_MS = 30_000;
/** A lost stream is asked for again after this long. */
const AGAIN_MS = 500;

/** @returns the same node with a macaroon for what an SSP does, and nothing else */
export async function legConnection(admin: LndRest): Promise<LndConnection> {
  const permissions = LEG_RIGHTS.map((action) => ({ entity: "uri", action }));
  return { ...admin.connection, macaroonHex: text(await expectOk(admin.call("/v1/macaroon", { permissions })), "macaroon") };
}

export interface LndLeg extends LightningLeg {
  readonly connection: LndConnection;
  /** What the node can send, msat. */
  spendableMsat(): Promise<number>;
  /** Drops every connection and listener. What is held stays held, and is told to the next leg that listens. */
  close(): void;
}

/**
 * @param connection with at least the rights that {@link legConnection} bakes; reads its certificate at once, opens no connection
 * @returns a leg whose methods reject with {@link LndUnreachable} when lnd cannot be reached, or refuses; no error holds an invoice or a preimage
 */
export function lndLeg(connection: LndConnection): LndLeg {
  const lnd = connectLnd(connection);
  // The SSP waits a second for an answer, and much longer for the payment: lnd must not give it up with the answer. And one of the SSP's
  // wallets may pay another.
  const node = lndNode(connection, { searchMs: SEARCH_MS, payItself: true });
  /** Who listens, and which hashes are watched for it. */
  const listeners = new Map<AbortController, { readonly tell: (payment: IncomingPayment) => void; readonly watched: Set<string> }>();

  const invoiceOf = async (paymentHash: string): Promise<unknown> => {
    const found = await lnd.call(`/v1/invoice/${paymentHash}`);
    return found.kind === "ok" ? found.value : null;
  };

  /** Where lnd refuses what it has done already, asking again must not fail: the answer to the first call may have been lost. */
  async function bring(to: "SETTLED" | "CANCELED", paymentHash: string, call: Promise<LndReply>): Promise<void> {
    if ((await call).kind === "ok") return;
    if (field(await invoiceOf(paymentHash), "state") === to) return;
    throw new LndUnreachable(`lnd did not make a held invoice ${to.toLowerCase()}`);
  }

  /** Until the invoice is held, or can never be. */
  async function watch(paymentHash: string, over: AbortController): Promise<void> {
    const listener = listeners.get(over);
    if (listener === undefined || listener.watched.has(paymentHash)) return;
    listener.watched.add(paymentHash);
    const path = `/v2/invoices/subscribe/${urlBase64OfHex(paymentHash)}`;
    const reply = await persistently(over.signal, () => lnd.first(path, isNoLongerOpen, over.signal));
    listener.watched.delete(paymentHash);
    if (reply?.kind !== "ok" || field(reply.value, "state") !== "ACCEPTED" || over.signal.aborted) return;
    listener.tell({ paymentHash, amountSats: heldSats(reply.value) });
  }

  /** What was made before this leg listened. */
  async function watchOpenOnes(over: AbortController): Promise<void> {
    const list = await persistently(over.signal, () => expectOk(lnd.call("/v1/invoices?pending_only=true&num_max_invoices=10000")));
    const invoices = field(list, "invoices");
    if (!Array.isArray(invoices)) return;
    for (const invoice of invoices) void watch(hexOfBase64(text(invoice, "r_hash")), over);
  }

  return {
    connection,
    network: node.network,
    pay: (payment) => node.pay(payment),
    lookup: (paymentHash) => node.lookup(paymentHash),
    spendableMsat: () => node.spendableMsat(),

    async holdInvoice({ paymentHash, amountSats, description, expirySeconds }) {
      const wanted = { hash: base64OfHex(paymentHash), value: String(amountSats), memo: description, expiry: String(expirySeconds) };
      const made = await lnd.call("/v2/invoices/hodl", wanted);
      // Refused where the hash has its invoice already: the answer to the first call was lost, and this is it.
      const invoice = made.kind === "ok" ? made.value : await invoiceOf(paymentHash);
      const bolt11 = field(invoice, "payment_request");
      if (typeof bolt11 !== "string" || (made.kind === "refused" && field(invoice, "value") !== String(amountSats)))
        throw new LndUnreachable("lnd made no hold invoice");
      for (const over of listeners.keys()) void watch(paymentHash, over);
      return { bolt11 };
    },

    settle(preimage) {
      const paymentHash = createHash("sha256").update(preimage, "hex").digest("hex");
      return bring("SETTLED", paymentHash, lnd.call("/v2/invoices/settle", { preimage: base64OfHex(preimage) }));
    },

    cancel: (paymentHash) => bring("CANCELED", paymentHash, lnd.call("/v2/invoices/cancel", { payment_hash: base64OfHex(paymentHash) })),

    onHeld(listener) {
      const over = new AbortController();
      listeners.set(over, { tell: listener, watched: new Set() });
      void watchOpenOnes(over);
      return () => {
        listeners.delete(over);
        over.abort();
      };
    },

    close() {
      for (const over of listeners.keys()) over.abort();
      listeners.clear();
      lnd.close();
      node.close();
    },
  };
}

/** A refusal ends it as well: lnd knows no such invoice. */
const isNoLongerOpen = (reply: LndReply): boolean => reply.kind === "refused" || field(reply.value, "state") !== "OPEN";

/** What really came in, whole satoshi: a sender may pay up to twice what was asked. */
function heldSats(invoice: unknown): number {
  const htlcs = field(invoice, "htlcs");
  const parts = Array.isArray(htlcs) ? htlcs.filter((htlc: unknown) => field(htlc, "state") === "ACCEPTED") : [];
  return Math.floor(parts.reduce((sum: number, htlc: unknown) => sum + Number(field(htlc, "amt_msat")), 0) / 1000);
}

/** Asks again for as long as lnd cannot be reached. @returns null when it was aborted */
async function persistently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T | null> {
  while (!signal.aborted) {
    try {
      return await ask();
    } catch {
      await pause(signal);
    }
  }
  return null;
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, AGAIN_MS);
    signal.addEventListener("abort", done);
  });
}
