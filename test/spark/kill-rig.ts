/**
 * A Spark wallet's whole system that can be killed: the sandbox with its Spark network in this process behind two toll gates, and the Worker
 * in raw workerd with the SDK's wasm in its Wallet objects. It dies by SIGKILL and comes back on the same state folder, as after a power cut;
 * the network lives on, as the outside world does. The clock and all time limits are the real ones.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sats } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import { Api, type ApiAnswer } from "../../ops/api.ts";
import { fundWallet } from "../../ops/fund-wallet.ts";
import type { SparkBooks } from "../../sandbox/regtest/spark-books.ts";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import { startSandbox, type Sandbox } from "../../sandbox/server.ts";
import type { SparkWorld } from "../../sandbox/spark-world.ts";
import { tollGate, type TollGate } from "../kill/toll-gate.ts";

/** A wallet is found at the operators by the one payment it gets over Lightning. */
const FIRST_SATS = 5;
const CLAIMED_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 100;

export interface Buyer {
  readonly walletId: string;
  readonly key: string;
}

export interface SparkKillRig {
  readonly sandbox: Sandbox;
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
  /** Wallets with these leaves each, sats, and a few sats more. @throws Error when one has not taken them in within a minute */
  buyers(count: number, leaves: readonly number[]): Promise<readonly Buyer[]>;
  /** Rejects when the connection breaks, as it does when the Worker is killed. */
  fetch(buyer: Buyer, request: { readonly path: string; readonly idempotencyKey: string; readonly waitMs: number }): Promise<ApiAnswer>;
  /** What everybody but the wallets has written down. */
  books(): Promise<SparkBooks>;
  close(): Promise<void>;
}

export async function startSparkKillRig(): Promise<SparkKillRig> {
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-spark-kill-"));
  const sandbox = await startSandbox({ spark: { checks: "full" } });
  const { spark } = sandbox;
  if (spark === null) throw new Error("the sandbox has no Spark network");
  const [seller, network] = [await tollGate(sandbox.sellerUrl), await tollGate(spark.url)];
  const secret = randomBytes(32).toString("base64url");
  const operatorKey = `lwo.main.root.${secret}`;
  const host = new URL(seller.url).host;
  const vars = {
    WALLET_KEK_V1: randomBytes(32).toString("base64"),
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(secret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
    LIGHTNING_LOCAL_HOSTS: host,
    WALLET_BACKEND: "spark-wasm",
    SPARK_NETWORK_CONFIG: JSON.stringify(spark.networkAt(network.url)),
  };
  const start = (): Promise<RunningWorkerd> => startWorkerd({ dir, vars, reuseBundle: true });
  let worker = await start();
  const policy: Policy = {
    perPaymentMsat: sats(100),
    hosts: { mode: "listed", allow: [host], block: [], unknown: "deny" },
    fee: { floorMsat: sats(5), ppm: 10_000 },
    opaqueTokens: "deny",
    network: "regtest",
  };
  const operate = (method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> =>
    new Api(worker.url).expect(method, path, { key: operatorKey, ...(body === undefined ? {} : { body }) });
  const newBuyer = async (): Promise<Buyer> => {
    const walletId = String((await operate("POST", "/v1/wallets", { policy }))["walletId"]);
    await operate("PUT", `/v1/wallets/${walletId}/budgets/agent`, { policy });
    return { walletId, key: String((await operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "agent" }))["key"]) };
  };
  const identities = (): readonly string[] => spark.sandbox.ledger().owners.flatMap(({ ssp, identity }) => (ssp ? [] : [identity]));
  /** What came in, as the SSP's node would have it: by invoice, or minted. */
  const cameIn: { readonly paymentHash: string; readonly amountMsat: number }[] = [];

  const claimed = async (walletId: string, amountSats: number): Promise<void> => {
    for (const began = performance.now(); performance.now() - began < CLAIMED_WITHIN_MS; await pause(ASK_EVERY_MS)) {
      const { status, json } = await new Api(worker.url).call("GET", `/v1/wallets/${walletId}/balance`, { key: operatorKey });
      if (status !== 200 || json?.["stale"] !== false) continue;
      if ((json["balance"] as { readonly spendableMsat: number | null }).spendableMsat === sats(amountSats)) return;
    }
    throw new Error("a wallet has not taken in what it was sent");
  };

  return {
    sandbox,
    spark,
    seller,
    network,
    walletsDir: join(worker.stateDir, "lightning-worker-Wallet"),
    kill: () => worker.kill("SIGKILL"),
    start: async () => {
      worker = await start();
    },
    buyers: async (count, leaves) => {
      const sum = leaves.reduce((total, each) => total + each, FIRST_SATS);
      const buyers: Buyer[] = [];
      while (buyers.length < count) {
        const buyer = await newBuyer();
        const known = new Set(identities());
        await fundWallet({ api: new Api(worker.url), operatorKey, payInvoice: spark.payInvoice }, buyer.walletId, FIRST_SATS);
        const identity = identities().find((each) => !known.has(each));
        if (identity === undefined) throw new Error("the operators know of no new wallet");
        cameIn.push({ paymentHash: spark.sandbox.mint(identity, leaves), amountMsat: sats(sum) });
        buyers.push(buyer);
      }
      await Promise.all(buyers.map(({ walletId }) => claimed(walletId, sum)));
      return buyers;
    },
    fetch: ({ key }, { path, idempotencyKey, waitMs }) =>
      new Api(worker.url).call("POST", "/v1/fetch", {
        key,
        body: { url: seller.url + path },
        headers: { "idempotency-key": idempotencyKey, "lightning-wait-ms": String(waitMs) },
      }),
    books: async () => {
      const paidOut = await sandbox.ledger();
      // One node pays and is paid here: what it settled is what was received.
      const payees = paidOut.payments.filter(({ state }) => state === "settled");
      return { paidOut, takenIn: cameIn, payees, routedFeesMsat: null, spark: spark.sandbox.ledger(), operators: spark.sandbox.check() };
    },
    close: async () => {
      await worker.kill("SIGKILL");
      await Promise.all([seller.close(), network.close(), sandbox.close()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
