/**
 * The sandbox's Spark network, up on loopback beside a seller: three operators and an SSP over whatever Lightning the seller's invoices are
 * paid with. What a Worker needs of it is one line of configuration; what a test needs is in `sandbox`.
 */
import type { SparkNetwork } from "../lightning/spark-network.ts";
import type { SandboxPorts } from "./ports.ts";
import { createSpark, type SparkSandbox } from "./spark/handler.ts";
import { startSparkHttp } from "./spark/http.ts";
import type { LightningLeg } from "./spark/lightning-leg.ts";
import type { OutsidePayment } from "./spark/simulated-leg.ts";

/** `light` leaves out the dear half of the cryptographic checks: for load, never for proof. */
export type SparkChecks = "full" | "light";

export interface SparkWorld {
  readonly url: string;
  /** JSON routes for tests in other processes; the token is their bearer. */
  readonly adminUrl: string;
  readonly adminToken: string;
  /** For `SPARK_NETWORK_CONFIG`. @param url another address for the same network, such as a recording proxy's */
  networkAt(url?: string): SparkNetwork;
  /** Pays an invoice of this network as somebody outside would; resolves once it is settled, rejects when it cannot be. The wallet takes it in when it next syncs. */
  payInvoice(bolt11: string): Promise<void>;
  readonly sandbox: SparkSandbox;
  close(): Promise<void>;
}

/** @throws the listen error, with nothing left open */
export async function startSparkWorld(options: {
  readonly ports: SandboxPorts;
  readonly leg: LightningLeg;
  readonly checks: SparkChecks;
  /** How somebody outside pays an invoice of a wallet. */
  readonly payInvoice: (bolt11: string, amountSats?: number) => Promise<OutsidePayment>;
  readonly port?: number;
}): Promise<SparkWorld> {
  const { ports, leg, checks, payInvoice } = options;
  const sandbox = createSpark({ ports: { ...ports, uuid: () => crypto.randomUUID() }, leg, checks });
  const front = await startSparkHttp(sandbox, options.port ?? 0, { payInvoice }).catch((error: unknown) => {
    sandbox.close();
    throw error;
  });
  const { config } = sandbox;
  return {
    url: front.url,
    adminUrl: front.adminUrl,
    adminToken: front.adminToken,
    networkAt: (url = front.url) => ({
      coordinator: config.coordinatorIdentifier,
      threshold: config.threshold,
      operators: config.operators.map(({ path, ...operator }) => ({ ...operator, address: url + path })),
      ssp: { baseUrl: url + config.ssp.path, identityPublicKey: config.ssp.identityPublicKey, schemaEndpoint: "graphql/spark/rc" },
    }),
    payInvoice: async (bolt11) => {
      const paid = await payInvoice(bolt11);
      if (paid.kind !== "settled")
        throw new Error(`the payment into the wallet ended as ${paid.kind === "refused" ? paid.code : paid.kind}`);
    },
    sandbox,
    close: async () => {
      await front.close();
      sandbox.close();
    },
  };
}
