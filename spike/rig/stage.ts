/**
 * What the gates work with: a Worker that runs, a seller, and money for its wallets, wherever they are. The gates see nothing but the HTTP
 * API, and, where the place allows it, the process and the files. Every answer is kept for the canary scan; every key shown once is a canary.
 */
import { randomBytes } from "node:crypto";
import { sats } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import { Api, type ApiAnswer } from "../../ops/api.ts";
import type { Sandbox } from "../../sandbox/server.ts";
import type { SparkWorld } from "../../sandbox/spark-world.ts";
import type { Secret } from "../../test/support/canary.ts";
import type { Environment, Place } from "../environments.ts";
import type { Amounts } from "../thresholds.ts";
import type { DevWorker } from "./dev-worker.ts";
import type { RunFolder } from "./run-folder.ts";
import type { SparkTap } from "./spark-tap.ts";

/** The outside world where it is ours. */
export interface OwnWorld {
  readonly sandbox: Sandbox;
  readonly spark: SparkWorld;
  readonly tap: SparkTap;
}

export interface Buyer {
  readonly walletId: string;
  readonly key: string;
}

export interface Seller {
  /** Each number is a resource of its own, that is bought anew. */
  resource(n: number): string;
  readonly host: string;
  /** Whether what passes it can be known here. */
  readonly ours: boolean;
  /** What it has handed out that is nobody else's business. */
  secrets(): readonly Secret[];
  close(): Promise<void>;
}

export interface StageParts {
  readonly environment: Environment;
  readonly place: Place;
  readonly amounts: Amounts;
  readonly operatorKey: string;
  readonly seller: Seller;
  readonly worker: DevWorker | null;
  readonly deployedUrl: string | null;
  readonly world: OwnWorld | null;
  readonly network: "regtest" | "mainnet";
  /** Base64; null where it is not ours to know. */
  readonly kek: string | null;
  /** Puts money in. @throws Error with one line when it does not arrive in time */
  readonly fund: (stage: Stage, walletId: string, amountSats: number) => Promise<void>;
  readonly walletExtras: Readonly<Record<string, unknown>>;
  /** Where backups are kept. */
  readonly folder: RunFolder;
  readonly say: (line: string) => void;
}

/** As an agent would wait, and a little more than a payer takes. */
const WAIT_MS = 20_000;

export class Stage {
  readonly parts: StageParts;
  readonly #answers: string[] = [];
  readonly #shownKeys: Secret[] = [];
  /** Added by gates that know more: a mnemonic, a data key. */
  readonly moreSecrets: Secret[] = [];
  #resource = 0;
  /** The wallet that most checks use, once gate 1 has made it. */
  main: Buyer | null = null;
  /** What it had when gate 1 had funded it, msat. */
  mainMsat = 0;

  constructor(parts: StageParts) {
    this.parts = parts;
  }

  get api(): Api {
    const url = this.parts.worker?.url() ?? this.parts.deployedUrl ?? "";
    return new Api(url, (request, answer) => this.#keep(request, answer));
  }

  operate(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.api.expect(method, path, { key: this.parts.operatorKey, ...(body === undefined ? {} : { body }) });
  }

  /** A resource that nobody has bought. */
  fresh(): string {
    this.#resource += 1;
    return this.parts.seller.resource(this.#resource);
  }

  policy(caps: Partial<Policy> = {}): Policy {
    return {
      perPaymentMsat: sats(1000),
      hosts: { mode: "listed", allow: [this.parts.seller.host], block: [], unknown: "deny" },
      fee: { floorMsat: sats(10), ppm: 10_000 },
      opaqueTokens: "deny",
      network: this.parts.network,
      ...caps,
    };
  }

  async buyer(caps: Partial<Policy> = {}, extras: Readonly<Record<string, unknown>> = {}): Promise<Buyer> {
    const policy = this.policy(caps);
    const wallet = await this.operate("POST", "/v1/wallets", { label: "spike", policy, ...this.parts.walletExtras, ...extras });
    const walletId = String(wallet["walletId"]);
    // No other answer carries it.
    if (typeof wallet["backup"] === "string") this.parts.folder.keepBackup(walletId, wallet["backup"]);
    return this.keyFor(walletId, "spike", policy);
  }

  async keyFor(walletId: string, budget: string, policy: Policy): Promise<Buyer> {
    await this.operate("PUT", `/v1/wallets/${walletId}/budgets/${budget}`, { policy });
    return { walletId, key: String((await this.operate("POST", `/v1/wallets/${walletId}/keys`, { budget }))["key"]) };
  }

  /** @throws Error with one line when it does not arrive in time, or when a wallet for real money has no backup that is kept */
  async fund(walletId: string, amountSats: number): Promise<void> {
    if (this.parts.network === "mainnet" && !this.parts.folder.hasBackup(walletId))
      throw new Error(`no backup of ${walletId} is kept, so no money is asked for`);
    return this.parts.fund(this, walletId, amountSats);
  }

  fetch(buyer: Buyer, url: string, headers: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> {
    return this.api.call("POST", "/v1/fetch", {
      key: buyer.key,
      body: { url },
      headers: { "lightning-wait-ms": String(WAIT_MS), ...headers },
    });
  }

  /** Asked for now; null when the payer did not say. */
  async balanceMsat(walletId: string): Promise<number | null> {
    const answer = await this.operate("GET", `/v1/wallets/${walletId}/balance`);
    const { spendableMsat } = answer["balance"] as { readonly spendableMsat: number | null };
    return answer["stale"] === false ? spendableMsat : null;
  }

  /** Payments that the outside world's node has begun and settled; null where that node is not ours. */
  async ledger(): Promise<{ readonly attempts: number; readonly settled: number } | null> {
    return this.parts.world === null ? null : this.parts.world.sandbox.ledger();
  }

  /** The wallet whose purchases came before, with money in it. @throws Error when gate 1 did not get so far */
  needMain(): Buyer {
    if (this.main === null) throw new Error("there is no funded wallet: see gate 1");
    return this.main;
  }

  answers(): string {
    return this.#answers.join("\n");
  }

  secrets(): readonly Secret[] {
    const { kek, operatorKey, seller, world } = this.parts;
    return [
      ...(kek === null ? [] : [{ name: "key-encryption key", text: kek }]),
      { name: "operator key", text: operatorKey.split(".").at(-1) ?? operatorKey },
      ...this.#shownKeys,
      ...seller.secrets(),
      ...(world?.tap.secrets() ?? []),
      ...this.moreSecrets,
    ];
  }

  /** The one answer that may carry a key's secret is the one that made the key; an invoice to be paid by others is made to be shown. */
  #keep(request: string, answer: ApiAnswer): void {
    let text = JSON.stringify([request, [...answer.headers], answer.text]);
    const key = /^POST .*keys$/u.test(request) ? answer.json?.["key"] : undefined;
    if (typeof key === "string") {
      this.#shownKeys.push({ name: "agent key", text: key.split(".").at(-1) ?? key });
      text = text.replaceAll(key, "");
    }
    const invoice = /^POST .*\/invoices$/u.test(request) ? answer.json?.["bolt11"] : undefined;
    if (typeof invoice === "string") text = text.replaceAll(invoice, "");
    this.#answers.push(text);
  }
}

/** An owner's first operator key, and the hash that the Worker is told. */
export const newOperatorSecret = (): string => randomBytes(32).toString("base64url");
