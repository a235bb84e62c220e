/** A whole system for the benchmark: sandbox node and executor, the benchmark's seller, the Worker in raw workerd. */
import { decodeBolt11 } from "../lightning/bolt11.ts";
import { sats } from "../lightning/msat.ts";
import type { Policy } from "../lightning/policy.ts";
import { startLocal } from "../ops/setup.ts";
import { startSandbox } from "../sandbox/server.ts";
import type { Target } from "./load.ts";
import { startSeller } from "./seller.ts";

export interface BenchAgent {
  readonly walletId: string;
  readonly key: string;
}

export interface Rig {
  readonly url: string;
  readonly sellerUrl: string;
  readonly dir: string;
  /** New wallets, one agent each. */
  agents(count: number): Promise<readonly BenchAgent[]>;
  /** `POST /v1/fetch` for a path of the seller. */
  purchase(agent: BenchAgent, path: string): Target;
  /** Pays an invoice of the seller past the Worker. @returns the preimage, hex */
  payByHand(bolt11: string): Promise<string>;
  close(): Promise<void>;
}

export async function startRig(): Promise<Rig> {
  const sandbox = await startSandbox({ balanceMsat: sats(1_000_000_000) });
  const seller = await startSeller(sandbox.node);
  const { executorUrl, executorToken } = sandbox;
  const system = await startLocal({
    kind: "simulated",
    stateDir: null,
    port: 0,
    world: () =>
      Promise.resolve({
        sellerUrl: seller.url,
        executorUrl,
        executorToken,
        ledger: () => sandbox.ledger(),
        sellerRequests: () => Promise.resolve(0),
        close: async () => {
          await seller.close();
          await sandbox.close();
        },
      }),
  });
  const { api, operatorKey } = system;
  const policy: Policy = {
    hosts: { mode: "listed", allow: [new URL(seller.url).host], block: [], unknown: "deny" },
    fee: { floorMsat: sats(5), ppm: 10_000 },
    opaqueTokens: "deny",
    network: "regtest",
    dayMsat: sats(100_000_000),
    perPaymentMsat: sats(100),
  };
  return {
    url: api.url,
    sellerUrl: seller.url,
    dir: system.stateDir,
    agents: (count) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const wallet = await api.expect("POST", "/v1/wallets", { key: operatorKey, body: { policy } });
          const walletId = String(wallet["walletId"]);
          await api.expect("PUT", `/v1/wallets/${walletId}/budgets/bench`, { key: operatorKey, body: { policy } });
          const key = await api.expect("POST", `/v1/wallets/${walletId}/keys`, { key: operatorKey, body: { budget: "bench" } });
          return { walletId, key: String(key["key"]) };
        }),
      ),
    purchase: ({ key }, path) => ({
      url: `${api.url}/v1/fetch`,
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ url: `${seller.url}${path}` }),
    }),
    payByHand: async (bolt11) => {
      const decoded = decodeBolt11(bolt11);
      if (!decoded.ok) throw new Error("the seller's invoice cannot be read");
      const payment = await sandbox.node.pay({ bolt11, paymentHash: decoded.invoice.paymentHash, maxFeeMsat: sats(5), waitMs: 1000 });
      if (payment.kind !== "settled" || payment.preimage === null) throw new Error("the payment by hand did not settle");
      return payment.preimage;
    },
    close: () => system.close(),
  };
}
