/** The Spark network over a routed Lightning network: the payer's lnd is the SSP's, and the router is the stranger who pays into wallets. */
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { sats } from "../../lightning/msat.ts";
import { realPorts } from "../ports.ts";
import { legConnection, lndLeg } from "../spark/lnd-leg.ts";
import type { OutsidePayment } from "../spark/simulated-leg.ts";
import { startSparkWorld, type SparkChecks, type SparkWorld } from "../spark-world.ts";
import { lndNode } from "./lnd.ts";
import type { Regtest } from "./network.ts";

const PAY_WITHIN_MS = 30_000;

/** @throws Error when the network has no router, or what listening says; nothing is left open then */
export async function sparkOverLnd(network: Regtest, checks: SparkChecks): Promise<SparkWorld> {
  if (network.router === null) throw new Error("Spark needs a routed network");
  const leg = lndLeg(await legConnection(network.payer));
  const stranger = lndNode(network.router.connection);
  const payInvoice = async (bolt11: string): Promise<OutsidePayment> => {
    const decoded = decodeBolt11(bolt11);
    if (!decoded.ok) return { kind: "refused", code: "unknown_invoice" };
    const { paymentHash, amountMsat } = decoded.invoice;
    // lnd could be told an amount; no wallet of ours makes such an invoice.
    if (amountMsat === null) return { kind: "refused", code: "amount_needed" };
    const paid = await stranger.pay({ bolt11, paymentHash, maxFeeMsat: sats(10), waitMs: PAY_WITHIN_MS });
    switch (paid.kind) {
      case "settled":
        if (paid.preimage === null) throw new Error("the router's lnd shows no preimage");
        return { kind: "settled", preimage: paid.preimage, at: paid.settledAt };
      case "failed":
        return paid.code === "invoice_expired" ? { kind: "refused", code: "expired" } : { kind: "cancelled" };
      case "in_flight":
      case "never_initiated":
        throw new Error("the router's payment has not come to an end");
    }
  };
  const closeNodes = (): void => {
    leg.close();
    stranger.close();
  };
  try {
    const world = await startSparkWorld({ ports: realPorts(), leg, checks, payInvoice });
    return {
      ...world,
      close: async () => {
        await world.close();
        closeNodes();
      },
    };
  } catch (error) {
    closeNodes();
    throw error;
  }
}
