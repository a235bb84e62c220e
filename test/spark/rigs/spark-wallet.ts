/**
 * A whole wallet over the real SDK: the Wallet core and the Spark payer on one database, as in the object, with the machine's clock and an
 * alarm that fires when it is due. `evict` ends a life as the platform does: what it has sent is sent, its storage throws, its answers go
 * nowhere, and the next call begins a new life from the database.
 */
import { nodeCipher } from "../../../durable-objects/cipher.ts";
import { SparkPayer } from "../../../durable-objects/spark/payer.ts";
import { SPARK_TIMING, type SparkPorts, type SparkTiming } from "../../../durable-objects/spark/ports.ts";
import { WalletCore } from "../../../durable-objects/wallet/core.ts";
import { TIMING, type Timing, type WalletPorts } from "../../../durable-objects/wallet/ports.ts";
import type { Envelope } from "../../../lightning/envelope.ts";
import { sats, type Msat } from "../../../lightning/msat.ts";
import type { PaymentOrder } from "../../../lightning/payer.ts";
import type { Policy } from "../../../lightning/policy.ts";
import type { State } from "../../../lightning/purchase.ts";
import { openRecord, sealRecord } from "../../../lightning/seal.ts";
import type { Auth, PayAnswer } from "../../../lightning/wallet-api.ts";
import { mintMacaroon } from "../../../sandbox/mint-macaroon.ts";
import { RigSql } from "../../support/rig-sql.ts";
import { timer } from "../../../durable-objects/timer.ts";
import { PayerRig, type PayerRigOptions } from "../payer-rig.ts";
import type { SparkWorld } from "./spark-world.ts";

const AGENTS: Auth = { kind: "binding", budget: "agents" };
const POLICY: Policy = {
  hosts: { mode: "listed", allow: ["seller.example"], block: [], unknown: "deny" },
  fee: { floorMsat: 1000 as Msat, ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};
/** States in which nothing is awaited of the payer any more. */
const ENDED: ReadonlySet<State> = new Set(["paid", "fulfilled", "paid_unfulfilled", "failed", "cancelled", "expired", "denied"]);
const FOREVER = Number.POSITIVE_INFINITY;

export interface Purchase {
  readonly id: string;
  readonly paymentHash: string;
  readonly amountSats: number;
}

export interface SparkWalletOptions {
  readonly timing?: Partial<Timing>;
  readonly spark?: Partial<SparkTiming>;
  readonly wallet?: Pick<PayerRigOptions, "mnemonic">;
}

export class SparkWalletRig {
  readonly world: SparkWorld;
  readonly sql = new RigSql();
  readonly logged: string[] = [];
  onLog: (event: string) => void = () => {};
  core: WalletCore;
  payer: SparkPayer;
  readonly #rig: PayerRig;
  readonly #timing: Timing;
  readonly #sparkTiming: SparkTiming;
  #life = { alive: true };
  lives = 0;
  #bought = 0;
  /** Milliseconds by which the object's clock has been moved on. */
  #ahead = 0;

  private constructor(world: SparkWorld, rig: PayerRig, sql: RigSql, options: SparkWalletOptions) {
    this.world = world;
    this.#rig = rig;
    this.sql = sql;
    this.#timing = { ...TIMING, keepUnpaid: FOREVER, keepReceipts: FOREVER, keepSecrets: FOREVER, keepHours: FOREVER, ...options.timing };
    this.#sparkTiming = { ...SPARK_TIMING, quiet: 1, ...options.spark };
    [this.payer, this.core] = this.#begin();
  }

  /** @param leaves sats of each leaf it starts with */
  static async open(world: SparkWorld, leaves: readonly number[], options: SparkWalletOptions = {}): Promise<SparkWalletRig> {
    const sql = new RigSql();
    const rig = await PayerRig.open({ sql, settings: world.settings, fetch: (request) => world.fetch(request), ...options.wallet });
    const wallet = new SparkWalletRig(world, rig, sql, options);
    const { walletId = "" } = rig.ports.facts() ?? {};
    const record = {
      walletId,
      owner: "main",
      label: "",
      network: "regtest",
      backend: "spark-wasm",
      epoch: 1,
      walletSource: "embedded_envelope",
      createdAt: Date.now(),
    } as const;
    const made = await wallet.core.create(record, { walletId, owner: "main" } as Envelope, POLICY);
    if (!made.ok) throw new Error(made.detail);
    await wallet.core.putBudget("agents", POLICY, false);
    await wallet.payer.status();
    if (leaves.length > 0) await wallet.fund(leaves);
    return wallet;
  }

  get identity(): string {
    return this.sql.rows<{ identity: string }>("SELECT identity FROM spark_wallet")[0]?.identity ?? "";
  }

  /** Leaves of these values arrive and are claimed. */
  async fund(leaves: readonly number[]): Promise<void> {
    this.world.sandbox.mint(this.identity, leaves);
    const { spendableMsat } = await this.payer.status();
    if (spendableMsat === null) throw new Error("the wallet could not be funded");
  }

  /** The instance dies now, whatever it does. */
  evict(): void {
    const { payer } = this;
    this.#life.alive = false;
    // Its timers and requests end with its isolate.
    payer.forget();
    this.lives++;
    [this.payer, this.core] = this.#begin();
  }

  /** An order of its own, past the core: for what only the payer can be asked. */
  order(bolt11: string, changes: Partial<PaymentOrder> = {}): PaymentOrder {
    return this.#rig.order(bolt11, { deadline: this.now + 30_000, ...changes });
  }

  get now(): number {
    return Date.now() + this.#ahead;
  }

  pass(ms: number): void {
    this.#ahead += ms;
  }

  /**
   * Alarms fire, and the object's clock moves on to each, until somebody has looked at the purchase: what a successor of an evicted object
   * waits for is the order's deadline.
   */
  async skipToFirstLook(purchase: Purchase): Promise<void> {
    const looked = (): boolean =>
      this.sql.rows(
        "SELECT 1 FROM purchase WHERE id = ? AND (state NOT IN ('reserved', 'paying') OR (state = 'paying' AND tries > 0))",
        purchase.id,
      ).length > 0;
    for (const { lives } = this; this.lives === lives && !looked();) {
      if (this.sql.alarm === null) throw new Error(`nothing wakes an object with a purchase in ${this.state(purchase)}`);
      this.#ahead += Math.max(0, this.sql.alarm - this.now);
      this.sql.alarm = null;
      await this.core.alarm();
    }
  }

  /** Asks the wallet for a purchase and does not wait for what comes of it. */
  async begin(amountSats: number): Promise<{ readonly purchase: Purchase; readonly answer: Promise<PayAnswer | null> }> {
    const id = crypto.randomUUID();
    const path = `joke-${++this.#bought}`;
    const { bolt11, paymentHash } = this.world.invoice(amountSats);
    const token = mintMacaroon({
      rootKey: new Uint8Array(32),
      paymentHash,
      tokenId: new Uint8Array(32),
      caveats: [{ condition: "services", value: `${path}:0` }],
    });
    const opened = await this.core.open({
      purchaseId: id,
      auth: AGENTS,
      method: "GET",
      url: `https://seller.example/${path}`,
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 60_000,
    });
    if (opened.kind !== "fetch") throw new Error(`not opened: ${opened.kind}`);
    const challenge = `L402 macaroon="${token}", invoice="${bolt11}"`;
    const answer = this.core
      .pay({ purchaseId: id, auth: AGENTS, challenge, refusedCredentialId: null, waitMs: 60_000 })
      // A caller whose object dies gets no answer.
      .catch(() => null);
    return { purchase: { id, paymentHash, amountSats }, answer };
  }

  state(purchase: Purchase): State | null {
    return this.sql.rows<{ state: State }>("SELECT state FROM purchase WHERE id = ?", purchase.id)[0]?.state ?? null;
  }

  code(purchase: Purchase): string | null {
    return this.sql.rows<{ code: string | null }>("SELECT code FROM purchase WHERE id = ?", purchase.id)[0]?.code ?? null;
  }

  /** Milliseconds of real time: alarms fire when they are due, until the purchase has ended or the object is evicted. @returns whether it has ended */
  async settle(purchase: Purchase, ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    const { lives } = this;
    while (!this.hasEnded(purchase) && this.lives === lives) {
      const left = until - performance.now();
      if (left <= 0) return false;
      // An alarm is the platform's: it fires at its instant and in whatever life there is then.
      await timer(Math.max(1, Math.min(left, 50, (this.sql.alarm ?? Infinity) - this.now))).done;
      if (this.sql.alarm === null || this.sql.alarm > this.now) continue;
      this.sql.alarm = null;
      await this.core.alarm();
    }
    return this.hasEnded(purchase);
  }

  /** A purchase's receipts as words: `paid`, `unknown preimage_mismatch`. */
  async told(purchase: Purchase): Promise<readonly string[]> {
    const page = await this.core.receipts({ after: 0, limit: 200 });
    if (!page.ok) throw new Error(page.code);
    return page.value.receipts
      .filter(({ receipt }) => receipt.purchaseId === purchase.id)
      .map(({ receipt }) => (receipt.code === null ? receipt.kind : `${receipt.kind} ${receipt.code}`));
  }

  /** Sats spent as the journal has them: of payments that settled, with their fees. */
  journalSats(): number {
    const [row] = this.sql.rows<{ n: number }>("SELECT coalesce(sum(charge_msat + fee_msat), 0) AS n FROM payment WHERE state = 'settled'");
    return (row?.n ?? 0) / sats(1);
  }

  close(): void {
    this.#life.alive = false;
    this.payer.forget();
    this.sql.close();
  }

  /** Nothing is awaited of the payer any more. */
  hasEnded(purchase: Purchase): boolean {
    const state = this.state(purchase);
    return state !== null && ENDED.has(state);
  }

  #begin(): [SparkPayer, WalletCore] {
    const life = { alive: true };
    this.#life = life;
    const payer = new SparkPayer(this.#sparkPorts(life), this.#sparkTiming);
    return [payer, new WalletCore(this.#ports(life, payer), this.#timing)];
  }

  #sparkPorts(life: { readonly alive: boolean }): SparkPorts {
    const { ports } = this.#rig;
    return {
      ...ports,
      sql: this.#sqlOf(life),
      clock: { now: () => this.now, timer },
      fetch: (request) => (life.alive ? this.#answered(life, request) : Promise.reject(new TypeError("this life is over"))),
      log: (event) => this.#log(life, event),
    };
  }

  #log(life: { readonly alive: boolean }, event: string): void {
    if (!life.alive) return;
    this.logged.push(event);
    this.onLog(event);
  }

  async #answered(life: { readonly alive: boolean }, request: Request): Promise<Response> {
    const response = await this.world.fetch(request);
    return life.alive ? response : new Promise(() => {});
  }

  #sqlOf(life: { readonly alive: boolean }): SparkPorts["sql"] {
    const { sql } = this;
    const must = (): void => {
      if (!life.alive) throw new Error("this life is over");
    };
    return {
      script: (text) => (must(), sql.script(text)),
      rows: (query, ...bind) => (must(), sql.rows(query, ...bind)),
      transaction: (body) => (must(), sql.transaction(body)),
    };
  }

  #ports(life: { readonly alive: boolean }, payer: SparkPayer): WalletPorts {
    const { sql } = this;
    return {
      sql: this.#sqlOf(life),
      alarm: {
        set: (at) => {
          if (life.alive) sql.alarm = at;
        },
        clear: () => {
          if (life.alive) sql.alarm = null;
        },
      },
      clock: { now: () => this.now, timer },
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      sealer: {
        seal: (key, nonce, context, plain) => sealRecord(nodeCipher, key, nonce, context, plain),
        open: (key, context, sealed) => openRecord(nodeCipher, key, context, sealed),
      },
      keys: {
        wrap: (key) => Promise.resolve({ kekVersion: "v1", wrapped: Uint8Array.from(key) }),
        unwrap: (_version, wrapped) => Promise.resolve(Uint8Array.from(wrapped)),
      },
      payer,
      control: {
        security: () => Promise.resolve({ version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 }),
        ingestReceipts: (_walletId, records) => Promise.resolve({ acknowledged: records.at(-1)?.receipt.sequence ?? 0 }),
        putSnapshot: () => Promise.resolve(),
      },
      log: (event) => this.#log(life, event),
    };
  }
}
