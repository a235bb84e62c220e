/**
 * The whole chain, killable: a real Aperture and three real lnds, Spark operators and an SSP over one of these, and the Worker in raw workerd
 * with the Spark SDK in its Wallet objects. All that the Worker sends passes one of two toll gates. It dies by SIGKILL and comes back on the
 * same state folder; everything else lives on, as the outside world does. The clock and all time limits are the real ones.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sats } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import { Api, type ApiAnswer } from "../../ops/api.ts";
import { startRegtestSandbox, type RegtestSandbox } from "../../sandbox/regtest/main.ts";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import type { Service } from "../../sandbox/services.ts";
import type { SparkWorld } from "../../sandbox/spark-world.ts";
import { tollGate, type TollGate } from "../kill/toll-gate.ts";

export interface Buyer {
  readonly walletId: string;
  readonly key: string;
}

export interface SparkKillRig {
  readonly regtest: RegtestSandbox;
  readonly spark: SparkWorld;
  readonly seller: TollGate;
  /** Operators and SSP. */
  readonly network: TollGate;
  /** Holds one SQLite file per Wallet object. */
  readonly walletsDir: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts again on the same state. */
  start(): Promise<void>;
  buyer(): Promise<Buyer>;
  /** An invoice that pays into the wallet. @throws Error when the Worker makes none */
  invoice(buyer: Buyer, amountSats: number): Promise<string>;
  /** The wallet's own balance in sats, asked now; null when it could not be asked. */
  balance(buyer: Buyer): Promise<number | null>;
  /** Rejects when the connection breaks, as it does when the Worker is killed. */
  fetch(buyer: Buyer, request: { readonly path: string; readonly idempotencyKey: string; readonly waitMs: number }): Promise<ApiAnswer>;
  /** What the Worker has written, all lives. */
  log(): string;
  close(): Promise<void>;
}

export async function startSparkKillRig(services: readonly Service[], onProgress: (line: string) => void): Promise<SparkKillRig> {
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-spark-kill-"));
  const regtest = await startRegtestSandbox({ services, onProgress, spark: { checks: "full" } });
  const { spark } = regtest;
  if (spark === null) throw new Error("this network has no Spark");
  const seller = await tollGate(regtest.sellerUrl);
  const network = await tollGate(spark.url);
  const secret = randomBytes(32).toString("base64url");
  const operatorKey = `lwo.main.root.${secret}`;
  const vars = {
    WALLET_KEK_V1: randomBytes(32).toString("base64"),
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(secret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
    LIGHTNING_LOCAL_HOSTS: new URL(seller.url).host,
    WALLET_BACKEND: "spark-wasm",
    SPARK_NETWORK_CONFIG: JSON.stringify(spark.networkAt(network.url)),
  };
  const start = (): Promise<RunningWorkerd> => startWorkerd({ dir, vars, reuseBundle: true });
  let worker = await start();
  const policy: Policy = {
    perPaymentMsat: sats(100),
    hosts: { mode: "listed", allow: [new URL(seller.url).host], block: [], unknown: "deny" },
    fee: { floorMsat: sats(5), ppm: 10_000 },
    opaqueTokens: "deny",
    network: "regtest",
  };
  const operate = (method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> =>
    new Api(worker.url).expect(method, path, { key: operatorKey, ...(body === undefined ? {} : { body }) });

  return {
    regtest,
    spark,
    seller,
    network,
    walletsDir: join(worker.stateDir, "lightning-worker-Wallet"),
    kill: () => worker.kill("SIGKILL"),
    start: async () => {
      worker = await start();
    },
    buyer: async () => {
      const walletId = String((await operate("POST", "/v1/wallets", { policy }))["walletId"]);
      await operate("PUT", `/v1/wallets/${walletId}/budgets/agent`, { policy });
      return { walletId, key: String((await operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "agent" }))["key"]) };
    },
    invoice: async ({ walletId }, amountSats) =>
      String((await operate("POST", `/v1/wallets/${walletId}/invoices`, { amountSats }))["bolt11"]),
    balance: async ({ walletId }) => {
      const answer = await new Api(worker.url).call("GET", `/v1/wallets/${walletId}/balance`, { key: operatorKey });
      // On a busy machine a cold wallet needs longer than the door waits: that is no answer, and no fault.
      if (answer.status !== 200) return null;
      const { balance, stale } = answer.json as { readonly balance: { readonly spendableMsat: number | null }; readonly stale: boolean };
      return stale || balance.spendableMsat === null ? null : balance.spendableMsat / 1000;
    },
    fetch: ({ key }, { path, idempotencyKey, waitMs }) =>
      new Api(worker.url).call("POST", "/v1/fetch", {
        key,
        body: { url: seller.url + path },
        headers: { "idempotency-key": idempotencyKey, "lightning-wait-ms": String(waitMs) },
      }),
    log: () => worker.stderr(),
    close: async () => {
      await worker.kill("SIGKILL");
      await Promise.all([seller.close(), network.close()]);
      await regtest.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
