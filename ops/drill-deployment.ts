/**
 * One Worker of the drill: a state folder and an operator of its own, and a key-encryption key that is given at each start, so that it can be
 * lost and come back. Which world it pays in is shared with the other one; which payer it has is the drill's.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { sats } from "../lightning/msat.ts";
import type { Policy } from "../lightning/policy.ts";
import { ChainCheck, readRecord } from "../lightning/receipt-check.ts";
import { GENESIS } from "../lightning/receipt.ts";
import type { RunningWorkerd } from "../sandbox/runtime/workerd.ts";
import type { Sandbox } from "../sandbox/server.ts";
import { Api, type ApiAnswer } from "./api.ts";
import { sha256Hex } from "./local-state.ts";

/** What did not hold; one line. */
export class DrillFault extends Error {}

/** @throws DrillFault with the expectation, and what was seen instead */
export function must(holds: boolean, expectation: string, seen?: unknown): asserts holds {
  if (!holds) throw new DrillFault(`${expectation}${seen === undefined ? "" : `, saw ${JSON.stringify(seen).slice(0, 300)}`}`);
}

/** A cold wallet builds its wasm and syncs with three operators first. */
const BALANCE_WITHIN_MS = 30_000;
const ASK_EVERY_MS = 50;

export class Deployment {
  /** All that it ever answered. The answer that carries a backup is among them: it is sealed. */
  readonly answers: string[] = [];
  log = "";
  readonly operatorKey: string;
  readonly #dir: string;
  readonly #world: Sandbox;
  readonly #secret = randomBytes(32).toString("base64url");
  #worker: RunningWorkerd | null = null;
  #api: Api | null = null;

  /** @param world with a Spark network: that is what it pays through; without: the executor */
  constructor(dir: string, world: Sandbox) {
    this.#dir = dir;
    this.#world = world;
    this.operatorKey = `lwo.main.root.${this.#secret}`;
  }

  get api(): Api {
    if (this.#api === null) throw new Error("this deployment is down");
    return this.#api;
  }

  async start(kek: string): Promise<void> {
    const { startWorkerd } = await import("../sandbox/runtime/workerd.ts");
    this.#worker = await startWorkerd({
      dir: this.#dir,
      vars: {
        WALLET_KEK_V1: kek,
        LIGHTNING_OPERATOR_KEY_SHA256: sha256Hex(this.#secret),
        LIGHTNING_NETWORK: "regtest",
        LIGHTNING_LOCAL_HOSTS: new URL(this.#world.sellerUrl).host,
        ...payerVars(this.#world),
      },
    });
    this.#api = new Api(this.#worker.url, (request, answer) =>
      this.answers.push(JSON.stringify([request, [...answer.headers], answer.text])),
    );
  }

  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = this.#api = null;
    if (worker === null) return;
    await worker.close();
    this.log = worker.stderr();
  }

  operate(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.api.expect(method, path, { key: this.operatorKey, ...(body === undefined ? {} : { body }) });
  }

  /** @returns the key of an agent that may spend on the wallet's one budget */
  async agent(walletId: string): Promise<string> {
    await this.operate("PUT", `/v1/wallets/${walletId}/budgets/drill`, { policy: this.policy() });
    return String((await this.operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "drill", label: "drill" }))["key"]);
  }

  buy(key: string, path: string): Promise<ApiAnswer> {
    return this.api.call("POST", "/v1/fetch", { key, body: { url: new URL(path, this.#world.sellerUrl).href } });
  }

  /** As the payer tells it now. @returns msat @throws DrillFault when it is not told within 30 s */
  async spendable(walletId: string): Promise<number> {
    for (const began = performance.now(); performance.now() - began < BALANCE_WITHIN_MS; await pause(ASK_EVERY_MS)) {
      const { status, json } = await this.api.call("GET", `/v1/wallets/${walletId}/balance`, { key: this.operatorKey });
      const told = status === 200 && json?.["stale"] === false ? (json["balance"] as { readonly spendableMsat: number | null }) : null;
      if (told !== null && told.spendableMsat !== null) return told.spendableMsat;
    }
    throw new DrillFault(`the balance of ${walletId} was not told`);
  }

  /** `failed`: an order left, and the payer refused it. `denied`: the object itself refused, and none left. */
  async lastState(walletId: string): Promise<string> {
    const { purchases } = (await this.operate("GET", `/v1/wallets/${walletId}/purchases?limit=1`)) as {
      readonly purchases: readonly { readonly state: string }[];
    };
    return purchases[0]?.state ?? "none";
  }

  /** The whole chain, checked. @throws DrillFault where it breaks */
  async receipts(walletId: string): Promise<readonly { readonly epoch: number }[]> {
    const { text } = await this.api.call("GET", `/v1/wallets/${walletId}/receipts?format=jsonl`, { key: this.operatorKey });
    const check = new ChainCheck(GENESIS);
    return text
      .trim()
      .split("\n")
      .map((line) => {
        const read = readRecord(line);
        if (!read.ok) throw new DrillFault(`a receipt cannot be read: ${read.why}`);
        const fault = check.next(read.record);
        if (fault !== null) throw new DrillFault(`the receipts do not verify: ${fault.why}`);
        return { epoch: read.record.receipt.epoch };
      });
  }

  policy(): Policy {
    return {
      perPaymentMsat: sats(100),
      hosts: { mode: "listed", allow: [new URL(this.#world.sellerUrl).host], block: [], unknown: "deny" },
      fee: { floorMsat: sats(5), ppm: 10_000 },
      opaqueTokens: "deny",
      network: "regtest",
    };
  }
}

function payerVars({ spark, executorUrl, executorToken }: Sandbox): Readonly<Record<string, string>> {
  if (spark !== null) return { WALLET_BACKEND: "spark-wasm", SPARK_NETWORK_CONFIG: JSON.stringify(spark.networkAt()) };
  return {
    WALLET_BACKEND: "http-executor",
    OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: executorUrl,
    OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: executorToken,
  };
}
