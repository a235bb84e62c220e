/** A whole system for the benchmark: the sandbox in a process of its own, the Worker in raw workerd, and this process as the client. */
import { fork } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sats } from "../lightning/msat.ts";
import { readOffers } from "../lightning/offers.ts";
import type { PaymentOrder } from "../lightning/payer.ts";
import type { Policy } from "../lightning/policy.ts";
import { Api, type ApiAnswer } from "../ops/api.ts";
import type { Ledger } from "../sandbox/ledger.ts";
import { startWorkerd, type RunningWorkerd } from "../sandbox/runtime/workerd.ts";
import type { Target } from "./load.ts";
import type { WorldAddresses } from "./world-process.ts";

/** Room for half a million purchases of `/many/<n>`. */
const CAP = sats(100_000_000);

/** Who sits on the two sides of an approval, each with the API as it is from there. */
export interface ApprovalSeats {
  /** @param path of the seller */
  buy(path: string): Promise<ApiAnswer>;
  approve(approvalId: string): Promise<ApiAnswer>;
}

export interface Rig {
  readonly sellerUrl: string;
  /** Holds what the rig keeps; gone at `close`. */
  readonly dir: string;
  /** New wallets, each with one agent's key. */
  keys(wallets: number): Promise<readonly string[]>;
  /** A new wallet whose every payment a person must approve, its agent and its approver. */
  approvals(): Promise<ApprovalSeats>;
  /** `POST /v1/fetch` for a path of the seller. */
  purchase(key: string, path: string): Target;
  /** What an agent without Lightning Worker does: pays the invoice itself. @returns the `Authorization` value */
  buyByHand(path: string): Promise<string>;
  /** Kills workerd and starts it on the same state. @returns how long until it listened, ms, its bundle included */
  restart(): Promise<number>;
  /** SIGKILL; what lies on disk can then be read. */
  kill(): Promise<void>;
  /** Of the workerd that runs now. */
  pid(): number;
  /** One SQLite file for each Wallet object. */
  readonly walletsDir: string;
  /** What the node did. */
  ledger(): Promise<Ledger>;
  close(): Promise<void>;
}

/** @throws Error with one line when something does not start */
export async function startRig(): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-bench-"));
  const child = fork(join(import.meta.dirname, "world-process.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const world = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("the sandbox did not start"))),
  ]).then(([message]) => message as WorldAddresses);
  const { sellerUrl, executorUrl, executorToken } = world;
  const secret = randomBytes(32).toString("base64url");
  const operatorKey = `lwo.main.root.${secret}`;
  const vars = {
    WALLET_KEK_V1: randomBytes(32).toString("base64"),
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(secret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
    WALLET_BACKEND: "http-executor",
    LIGHTNING_LOCAL_HOSTS: new URL(sellerUrl).host,
    OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: executorUrl,
    OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: executorToken,
  };
  const start = (): Promise<RunningWorkerd> => startWorkerd({ dir: join(dir, "worker"), vars });
  let worker = await start();
  const policy: Policy = {
    hosts: { mode: "listed", allow: [new URL(sellerUrl).host], block: [], unknown: "deny" },
    fee: { floorMsat: sats(5), ppm: 10_000 },
    opaqueTokens: "deny",
    network: "regtest",
    // Caps as a deployment has them: two windows and a cap for one payment, each looked at in every decision.
    perPaymentMsat: sats(100),
    dayMsat: CAP,
    monthMsat: CAP,
  };

  const operate = (method: string, path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> =>
    new Api(worker.url).expect(method, path, { key: operatorKey, body });

  async function newWallet(caps: Policy): Promise<{ readonly walletId: string; readonly key: string }> {
    const walletId = String((await operate("POST", "/v1/wallets", { policy: caps }))["walletId"]);
    await operate("PUT", `/v1/wallets/${walletId}/budgets/bench`, { policy: caps });
    return { walletId, key: String((await operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "bench" }))["key"]) };
  }

  return {
    sellerUrl,
    dir,
    keys: async (wallets) => {
      const keys: string[] = [];
      for (let n = 0; n < wallets; n++) keys.push((await newWallet(policy)).key);
      return keys;
    },
    approvals: async () => {
      const { walletId, key } = await newWallet({ ...policy, approvalAboveMsat: sats(1) });
      const approver = String((await operate("POST", "/v1/approver-keys", {}))["key"]);
      const api = new Api(worker.url);
      return {
        buy: (path) => api.call("POST", "/v1/fetch", { key, body: { url: sellerUrl + path } }),
        approve: (approvalId) => api.call("POST", `/v1/wallets/${walletId}/approvals/${approvalId}/approve`, { key: approver }),
      };
    },
    purchase: (key, path) => ({
      url: `${worker.url}/v1/fetch`,
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ url: sellerUrl + path }),
    }),
    buyByHand: async (path) => {
      const now = Date.now();
      const challenge = (await fetch(sellerUrl + path)).headers.get("www-authenticate");
      const { choice } = readOffers(challenge, { network: "regtest", now });
      if (choice === null) throw new Error("the seller offers nothing");
      const { invoice: bolt11, paymentHash, amountMsat, scheme, token } = choice;
      const order: PaymentOrder = {
        walletId: "by-hand",
        epoch: 1,
        operationId: randomUUID(),
        bolt11,
        paymentHash,
        amountMsat,
        maxFeeMsat: sats(5),
        deadline: now + 10_000,
      };
      const headers = { authorization: `Bearer ${executorToken}`, "content-type": "application/json" };
      const outcome = (await (await fetch(`${executorUrl}/v1/pay`, { method: "POST", headers, body: JSON.stringify(order) })).json()) as {
        readonly preimage?: string;
      };
      if (outcome.preimage === undefined) throw new Error("the payment by hand did not settle");
      return `${scheme} ${token}:${outcome.preimage}`;
    },
    kill: () => worker.kill("SIGKILL"),
    pid: () => worker.pid,
    walletsDir: join(worker.stateDir, "lightning-worker-Wallet"),
    ledger: async () => ((await (await fetch(`${world.adminUrl}/ledger`)).json()) as { readonly node: Ledger }).node,
    restart: async () => {
      await worker.kill("SIGKILL");
      const began = performance.now();
      worker = await start();
      return performance.now() - began;
    },
    close: async () => {
      await worker.close();
      child.disconnect();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
