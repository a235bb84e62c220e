/**
 * Money in. The SSP makes the invoice; that it is for our preimage, amount and network is checked here, since SDK 0.19.2 does not: paid to
 * another hash it would be the SSP's. The hash that was asked for is read from the SDK's own request on its way out.
 */
import { decodeBolt11, type Network } from "../../lightning/bolt11.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { LiveSpark } from "./engine.ts";

export interface WantedInvoice {
  /** Whole satoshi. */
  readonly amountMsat: Msat;
  readonly description: string;
  readonly seconds: number;
  readonly network: Network;
}

export interface MadeInvoice {
  readonly bolt11: string;
  readonly paymentHash: string;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/** Null when it is not the invoice that was asked for. */
export async function makeInvoice(live: LiveSpark, wanted: WantedInvoice): Promise<MadeInvoice | null> {
  // Two at once see each other's requests: each hash is of a preimage of ours.
  const asked = new Set<string>();
  const unwatch = live.egress.watch(new URL(live.config.sparkConfig?.sspConfig.baseUrl ?? "").origin, (body) => {
    const hash = askedPaymentHash(body);
    if (hash !== null) asked.add(hash);
  });
  try {
    const { paymentRequest } = await live.sdk.receivePayment({
      paymentMethod: {
        type: "bolt11Invoice",
        description: wanted.description,
        amountSats: wanted.amountMsat / 1000,
        expirySecs: wanted.seconds,
      },
    });
    const read = decodeBolt11(paymentRequest);
    if (!read.ok) return null;
    const { paymentHash, amountMsat, network, expiresAt } = read.invoice;
    const right = asked.has(paymentHash) && amountMsat === wanted.amountMsat && network === wanted.network;
    return right ? { bolt11: paymentRequest, paymentHash, expiresAt } : null;
  } finally {
    unwatch();
  }
}

/** Payment hashes of what has come in. */
export async function arrived(live: LiveSpark): Promise<readonly string[]> {
  const { payments } = await live.sdk.listPayments({ typeFilter: ["receive"], statusFilter: ["completed"], limit: 100 });
  return payments.flatMap(({ details }) => (details?.type === "lightning" ? [details.htlcDetails.paymentHash] : []));
}

/** What the SDK asked the SSP to make an invoice for. */
function askedPaymentHash(body: string): string | null {
  if (!body.includes("RequestLightningReceive")) return null;
  return /"payment_hash"\s*:\s*"([0-9a-f]{64})"/u.exec(body)?.[1] ?? null;
}
