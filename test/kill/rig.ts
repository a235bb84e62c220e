/**
 * A whole system that can be killed: the sandbox in this process behind two toll gates, and the Worker in raw workerd, whose pid is our
 * child's. It dies by SIGKILL and comes back on the same state folder, as after a power cut. The clock and all time limits are the real ones.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sats } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import { Api, type ApiAnswer } from "../../ops/api.ts";
import { startSandbox, type Sandbox, type SandboxOptions } from "../../sandbox/server.ts";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import { tollGate, type TollGate } from "./toll-gate.ts";

export interface Buyer {
  readonly walletId: string;
  readonly key: string;
}

export interface Request {
  readonly path: string;
  readonly idempotencyKey?: string;
  readonly waitMs?: number;
}

export interface KillRig {
  readonly sandbox: Sandbox;
  readonly seller: TollGate;
  readonly executor: TollGate;
  /** Holds one SQLite file per Wallet object. */
  readonly walletsDir: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts again on the same state. @returns ms until it listened */
  start(): Promise<number>;
  buyer(caps?: Partial<Policy>): Promise<Buyer>;
  /** Rejects when the connection breaks, as it does when the Worker is killed. */
  fetch(buyer: Buyer, request: Request): Promise<ApiAnswer>;
  quote(buyer: Buyer, path: string): Promise<ApiAnswer>;
  operate(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

export async function startKillRig(options: SandboxOptions = {}): Promise<KillRig> {
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-kill-"));
  const sandbox = await startSandbox({ signInvoices: false, ...options });
  const seller = await tollGate(sandbox.sellerUrl);
  const executor = await tollGate(sandbox.executorUrl);
  const secret = randomBytes(32).toString("base64url");
  const operatorKey = `lwo.main.root.${secret}`;
  const vars = {
    WALLET_KEK_V1: randomBytes(32).toString("base64"),
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(secret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
    WALLET_BACKEND: "http-executor",
    LIGHTNING_LOCAL_HOSTS: new URL(seller.url).host,
    OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: executor.url,
    OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: sandbox.executorToken,
  };
  const start = (): Promise<RunningWorkerd> => startWorkerd({ dir, vars, reuseBundle: true });
  let worker = await start();
  const policy = (caps: Partial<Policy>): Policy => ({
    perPaymentMsat: sats(100),
    hosts: { mode: "listed", allow: [new URL(seller.url).host], block: [], unknown: "deny" },
    fee: { floorMsat: sats(5), ppm: 10_000 },
    opaqueTokens: "deny",
    network: "regtest",
    ...caps,
  });
  const operate = (method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> =>
    new Api(worker.url).expect(method, path, { key: operatorKey, ...(body === undefined ? {} : { body }) });
  const ask = (route: string, { key }: Buyer, { path, idempotencyKey, waitMs }: Request): Promise<ApiAnswer> =>
    new Api(worker.url).call("POST", route, {
      key,
      body: { url: seller.url + path },
      headers: {
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        ...(waitMs === undefined ? {} : { "lightning-wait-ms": String(waitMs) }),
      },
    });

  return {
    sandbox,
    seller,
    executor,
    walletsDir: join(worker.stateDir, "lightning-worker-Wallet"),
    kill: () => worker.kill("SIGKILL"),
    start: async () => {
      const began = performance.now();
      worker = await start();
      return performance.now() - began;
    },
    buyer: async (caps = {}) => {
      const walletId = String((await operate("POST", "/v1/wallets", { policy: policy(caps) }))["walletId"]);
      await operate("PUT", `/v1/wallets/${walletId}/budgets/agent`, { policy: policy(caps) });
      return { walletId, key: String((await operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "agent" }))["key"]) };
    },
    fetch: (buyer, request) => ask("/v1/fetch", buyer, request),
    quote: (buyer, path) => ask("/v1/quote", buyer, { path }),
    operate,
    close: async () => {
      await worker.kill("SIGKILL");
      await Promise.all([seller.close(), executor.close(), sandbox.close()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
