/**
 * One Wallet core over `node:sqlite` with every port in the test's hand: the clock moves, timers fire, orders are answered and the object
 * dies only when the test says so. The simulation chooses what happens; here a test writes it down. A dead instance keeps running, as a
 * superseded one does, but its storage throws.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { WalletCore } from "../../durable-objects/wallet/core.ts";
import { TIMING, type Timing, type WalletPorts } from "../../durable-objects/wallet/ports.ts";
import type { ReceiptRecord, SecurityState, WalletRecord, WalletSnapshot } from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { OperationRef, Payer, PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import type { Policy } from "../../lightning/policy.ts";
import type { State } from "../../lightning/purchase.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import type { Auth, OpenAnswer, OpenRequest, PayAnswer, PayRequest } from "../../lightning/wallet-api.ts";
import { HandClock, quiet } from "./hand-clock.ts";
import { RigSeller, type Offer, type OfferPlan } from "./rig-seller.ts";
import { RigSql } from "./rig-sql.ts";
import { checkWallet } from "./wallet-checks.ts";

/** 2027-01-15T08:20:00Z: an hour and a day begin well before and end well after. */
export const START = Date.UTC(2027, 0, 15, 8, 20);
export const ORIGIN = "https://seller.example";
export const WALLET_ID = "w_0123456789abcdef";
export const AGENTS: Auth = { kind: "binding", budget: "agents" };

export const POLICY: Policy = {
  hosts: { mode: "listed", allow: ["seller.example", "other.example"], block: [], unknown: "deny" },
  fee: { floorMsat: 1000 as Msat, ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};

/** An order that has left for the payer. */
export interface Sent {
  readonly order: PaymentOrder;
  /** What the journal said of it at the instant the payer was called. */
  readonly stateThen: string;
  settle(feeMsat?: number, preimage?: string | null): Promise<void>;
  answer(outcome: PaymentOutcome): Promise<void>;
  lose(): Promise<void>;
}

/** Nothing is ever pruned, so that an idle wallet has no alarm at all. */
const FOREVER: Timing = { ...TIMING, keepUnpaid: Infinity, keepReceipts: Infinity, keepSecrets: Infinity, keepHours: Infinity };

export interface RigOptions {
  readonly policy?: Policy;
  readonly budgets?: Readonly<Record<string, Policy>>;
  readonly timing?: Partial<Timing>;
  /** What this payer can do beyond what every payer can. */
  readonly payer?: Partial<Pick<Payer, "prepare" | "resume" | "maintain" | "forget" | "receive" | "granularity" | "status">>;
}

/** Every rig of the running test, for {@link checkRigs}. */
const rigs: WalletRig[] = [];

export class WalletRig {
  readonly sql = new RigSql();
  security: SecurityState = { version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 };
  /** How the control plane behaves when asked for the switches. */
  controlSays: "the state" | "an error" | "nothing" = "the state";
  securityAsked = 0;
  readonly sent: Sent[] = [];
  /** Orders that have left and are not answered. */
  running = 0;
  mostRunning = 0;
  lookups: OperationRef[] = [];
  onLookup: (operation: OperationRef) => Promise<PaymentOutcome> = async () => ({ kind: "never_seen" });
  onPay: (order: PaymentOrder) => Promise<PaymentOutcome> | null = () => null;
  readonly cancels: OperationRef[] = [];
  onCancel: (operation: OperationRef) => Promise<"fenced" | "cannot_fence"> = async () => "cannot_fence";
  onUnwrap: (wrapped: Uint8Array) => Promise<Uint8Array | null> = async (wrapped) => Uint8Array.from(wrapped);
  readonly ingested: (readonly ReceiptRecord[])[] = [];
  readonly snapshots: WalletSnapshot[] = [];
  /** Answers with the last sequence number the control plane then holds. */
  onIngest: (records: readonly ReceiptRecord[]) => Promise<number> = async (records) => records.at(-1)?.receipt.sequence ?? 0;
  /** What happens while the control plane takes a snapshot. */
  onSnapshot: () => Promise<void> = async () => {};
  readonly logged: string[] = [];
  core: WalletCore;
  readonly #timing: Timing;
  readonly #more: NonNullable<RigOptions["payer"]>;
  #generation = 0;
  #count = 0;
  readonly #clock = new HandClock(START);
  readonly #seller = new RigSeller();

  private constructor(timing: Timing, more: NonNullable<RigOptions["payer"]>) {
    this.#timing = timing;
    this.#more = more;
    this.core = this.#boot();
  }

  /** A wallet with the budget `agents`, unless others are given. */
  static async make(options: RigOptions = {}): Promise<WalletRig> {
    const rig = WalletRig.empty({ ...FOREVER, ...options.timing }, options.payer);
    const { policy = POLICY, budgets = { agents: POLICY } } = options;
    const record: WalletRecord = {
      walletId: WALLET_ID,
      owner: "main",
      label: "",
      network: "regtest",
      backend: "http-executor",
      epoch: 1,
      walletSource: "embedded_envelope",
      createdAt: START,
    };
    const made = await rig.core.create(record, { walletId: WALLET_ID, owner: "main" } as Envelope, policy);
    if (!made.ok) throw new Error(made.detail);
    for (const [name, its] of Object.entries(budgets)) {
      const put = await rig.core.putBudget(name, its, false);
      if (!put.ok) throw new Error(put.detail);
    }
    return rig;
  }

  /** An object that nobody has created a wallet in. */
  static empty(timing: Timing = FOREVER, more: NonNullable<RigOptions["payer"]> = {}): WalletRig {
    const rig = new WalletRig(timing, more);
    rigs.push(rig);
    return rig;
  }

  // ---- time

  get now(): number {
    return this.#clock.now;
  }

  set now(at: number) {
    this.#clock.now = at;
  }

  /** Until every microtask has run. No time passes. */
  readonly quiet = quiet;

  /** Moves the clock, firing timers on the way; the alarm is the platform's and fires only by {@link alarm} or {@link runAlarms}. */
  advance(ms: number): Promise<void> {
    return this.#clock.advance(ms);
  }

  /** The platform fires the alarm, whatever the time: a fired alarm is gone. */
  async alarm(): Promise<void> {
    this.sql.alarm = null;
    await this.core.alarm();
    await this.quiet();
  }

  /** Lets time pass with alarms firing when they are due. @returns how many fired */
  async runAlarms(ms: number, most = 1000): Promise<number> {
    const until = this.now + ms;
    let fired = 0;
    while (this.sql.alarm !== null && this.sql.alarm <= until) {
      if (fired++ === most) throw new Error(`more than ${most} alarms in ${ms} ms: it spins`);
      await this.advance(Math.max(0, this.sql.alarm - this.now));
      await this.alarm();
    }
    await this.advance(until - this.now);
    return fired;
  }

  /** The instance dies between two turns; the next call makes a new one over what has been written. */
  crash(): void {
    this.#generation++;
    this.running = 0;
    this.core = this.#boot();
  }

  // ---- buying

  newId(): string {
    return `00000000-0000-4000-8000-${String(++this.#count).padStart(12, "0")}`;
  }

  offer(plan: OfferPlan = {}): Offer {
    return this.#seller.offer(this.now, plan);
  }

  open(purchaseId: string, given: Partial<OpenRequest> = {}): Promise<OpenAnswer> {
    return this.core.open({
      purchaseId,
      auth: AGENTS,
      method: "GET",
      url: `${ORIGIN}/joke`,
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 45_000,
      ...given,
    });
  }

  pay(purchaseId: string, challenge: string, given: Partial<PayRequest> = {}): Promise<PayAnswer> {
    const answer = this.core.pay({ purchaseId, auth: AGENTS, challenge, refusedCredentialId: null, waitMs: 45_000, ...given });
    // A caller whose instance dies gets no answer; a test that does not wait for one is not told twice.
    answer.catch(() => {});
    return answer;
  }

  /** Opens and pays; returns when nothing more happens by itself. The answer stays a promise: the payer has not spoken. */
  async begin(
    offer: Offer = this.offer(),
    given: Partial<OpenRequest> = {},
  ): Promise<{ readonly id: string; readonly answer: Promise<PayAnswer> }> {
    const id = this.newId();
    const opened = await this.open(id, given);
    if (opened.kind !== "fetch") throw new Error(`not opened: ${opened.kind} ${opened.code}`);
    const answer = this.pay(id, offer.challenge, given.waitMs === undefined ? {} : { waitMs: given.waitMs });
    await this.quiet();
    return { id, answer };
  }

  /** A whole purchase, paid and delivered. @returns its id and the credential's */
  async buy(
    offer: Offer = this.offer(),
    given: Partial<OpenRequest> = {},
  ): Promise<{ readonly id: string; readonly credentialId: string }> {
    const { id, answer } = await this.begin(offer, given);
    await this.sent.at(-1)?.settle();
    const paid = await answer;
    if (paid.kind !== "credential") throw new Error(`not paid: ${paid.code}`);
    await this.deliver(id, paid.credential.id);
    return { id, credentialId: paid.credential.id };
  }

  deliver(purchaseId: string, credentialId: string | null, status = 200): Promise<void> {
    return this.core.delivered(AGENTS, [{ purchaseId, credentialId, status, bytes: 2, sha256: "00".repeat(32), complete: true }]);
  }

  // ---- looking

  state(purchaseId: string): State | null {
    return this.sql.rows<{ state: State }>("SELECT state FROM purchase WHERE id = ?", purchaseId)[0]?.state ?? null;
  }

  code(purchaseId: string): string | null {
    return this.sql.rows<{ code: string | null }>("SELECT code FROM purchase WHERE id = ?", purchaseId)[0]?.code ?? null;
  }

  one(query: string): number {
    return this.sql.rows<{ n: number }>(query)[0]?.n ?? 0;
  }

  async receipts(): Promise<readonly ReceiptRecord[]> {
    const all: ReceiptRecord[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page = await this.core.receipts({ after, limit: 200 });
      if (!page.ok) return [];
      all.push(...page.value.receipts);
      after = page.value.next;
    }
    return all;
  }

  /** A purchase's receipts as words: `paid`, `denied wallet_paused`. */
  async told(purchaseId: string): Promise<readonly string[]> {
    return (await this.receipts())
      .filter(({ receipt }) => receipt.purchaseId === purchaseId)
      .map(({ receipt }) => (receipt.code === null ? receipt.kind : `${receipt.kind} ${receipt.code}`));
  }

  async walletState(): Promise<string> {
    const status = await this.core.status();
    return status.ok ? `${status.value.state}${status.value.pausedBecause === null ? "" : `: ${status.value.pausedBecause}`}` : status.code;
  }

  /** What must hold at the end of every scenario. */
  async check(): Promise<void> {
    this.sql.broken = false;
    if (this.one("SELECT COUNT(*) AS n FROM sqlite_master WHERE name = 'wallet'") === 0) return;
    const records = await this.receipts();
    checkWallet(this.sql, records);
    const shown = JSON.stringify([records, this.logged]);
    if ([...this.#seller.secrets].some((secret) => shown.includes(secret)))
      throw new Error("invariant 9: a secret stands in a receipt or a log");
  }

  // ---- the world

  #boot(): WalletCore {
    return new WalletCore(this.#ports(this.#generation), this.#timing);
  }

  #ports(generation: number): WalletPorts {
    const alive = (): void => {
      if (generation !== this.#generation) throw new Error("this instance has been superseded");
    };
    const { sql } = this;
    return {
      sql: {
        script: (text) => {
          alive();
          sql.script(text);
        },
        rows: (query, ...bind) => {
          alive();
          return sql.rows(query, ...bind);
        },
        transaction: (body) => {
          alive();
          return sql.transaction(body);
        },
      },
      alarm: {
        set: (at) => {
          alive();
          sql.alarm = at;
        },
        clear: () => {
          alive();
          sql.alarm = null;
        },
      },
      clock: { now: () => this.now, timer: (ms) => this.#clock.timer(ms) },
      random: { bytes: (length) => sha256(utf8ToBytes(`random ${++this.#count}`)).slice(0, length) },
      sealer: {
        seal: (key, nonce, context, plain) => sealRecord(nodeCipher, key, nonce, context, plain),
        open: (key, context, sealed) => openRecord(nodeCipher, key, context, sealed),
      },
      keys: {
        wrap: async (key) => ({ kekVersion: "v1", wrapped: Uint8Array.from(key) }),
        unwrap: (_version, wrapped) => this.onUnwrap(wrapped),
      },
      payer: this.#payer(),
      control: {
        security: () => {
          this.securityAsked++;
          switch (this.controlSays) {
            case "the state":
              return Promise.resolve(this.security);
            case "an error":
              return Promise.reject(new Error("the control plane is down"));
            case "nothing":
              return new Promise(() => {});
          }
        },
        ingestReceipts: async (_walletId, records) => {
          this.ingested.push(records);
          return { acknowledged: await this.onIngest(records) };
        },
        putSnapshot: async (snapshot) => {
          this.snapshots.push(snapshot);
          await this.onSnapshot();
        },
      },
      log: (event, facts) => {
        this.logged.push(JSON.stringify({ event, ...facts }));
      },
    };
  }

  #payer(): Payer {
    return {
      backend: "http-executor",
      granularity: "msat",
      pay: (order) => {
        const own = this.onPay(order);
        if (own !== null) return own;
        const { promise, resolve, reject } = Promise.withResolvers<PaymentOutcome>();
        const stateThen =
          this.sql.rows<{ state: string }>(
            "SELECT p.state FROM purchase p JOIN payment m ON m.purchase_id = p.id WHERE m.operation_id = ?",
            order.operationId,
          )[0]?.state ?? "not in the journal";
        this.mostRunning = Math.max(this.mostRunning, ++this.running);
        const end = async (tell: () => void): Promise<void> => {
          this.running--;
          tell();
          await this.quiet();
        };
        this.sent.push({
          order,
          stateThen,
          settle: (feeMsat = 0, preimage = this.#seller.preimages.get(order.paymentHash) ?? null) =>
            end(() => resolve({ kind: "settled", preimage, feeMsat: feeMsat as Msat, settledAt: this.now, reference: order.operationId })),
          answer: (outcome) => end(() => resolve(outcome)),
          lose: () => end(() => reject(new Error("connection reset"))),
        });
        return promise;
      },
      lookup: (operation) => {
        this.lookups.push(operation);
        return this.onLookup(operation);
      },
      cancel: (operation) => {
        this.cancels.push(operation);
        return this.onCancel(operation);
      },
      status: async () => ({
        backend: "http-executor",
        online: true,
        spendableMsat: null,
        network: "regtest",
        lastPaymentAt: null,
        version: null,
      }),
      ...this.#more,
    };
  }
}

/** For `afterEach`: {@link WalletRig.check} of every rig that the test made. */
export async function checkRigs(): Promise<void> {
  for (const rig of rigs.splice(0)) {
    await rig.check();
    rig.sql.close();
  }
}
