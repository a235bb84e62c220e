/**
 * The Wallet core and the Worker's flow, whole, between the sandbox's own seller, wire, executor and node, in one process and on one clock
 * that jumps from timer to timer: days pass in milliseconds, and every run is the same. Messages can be seen as they cross the border, and
 * at that moment the object, or the whole Worker with it, can die. (What it does not do is choose interleavings: test/simulation does.)
 */
import { nodeCipher } from "../../durable-objects/cipher.ts";
import type { Sql } from "../../durable-objects/sql.ts";
import { WalletCore } from "../../durable-objects/wallet/core.ts";
import type { WalletPorts } from "../../durable-objects/wallet/ports.ts";
import type { SecurityState, WalletRecord } from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import { sats, type Msat } from "../../lightning/msat.ts";
import type { Payer, PaymentOutcome } from "../../lightning/payer.ts";
import type { Policy } from "../../lightning/policy.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import type { Auth, WalletPort } from "../../lightning/wallet-api.ts";
import { createExecutor } from "../../sandbox/executor.ts";
import { createGateway, type Gateway } from "../../sandbox/gateway.ts";
import { manualPorts, type ManualPorts } from "../../sandbox/manual-ports.ts";
import { SimulatedNode } from "../../sandbox/node.ts";
import { createWire, type Wire } from "../../sandbox/wire.ts";
import { wakeOpenWallets, type Round } from "../../worker/cron.ts";
import type { FetchCall, FlowAnswer, FlowPorts, QuoteFlowAnswer } from "../../worker/flow-types.ts";
import { purchase, quoteFlow } from "../../worker/flow.ts";
import { NodeSql } from "./sql-node.ts";
import { asSellerResponse, drain, empty, uuid } from "./virtual-parts.ts";

export const SELLER = "https://seller.example";
const OWNER = "virtual";
const WALLET = "w_virtual000000000";
const START = 1_800_000_000_000;
const BUDGET: Auth = { kind: "binding", budget: "agent" };

/** A message that is about to leave: to the seller (with a paid credential or without), to the payer, to the control plane. */
export type Border = "seller" | "seller_paid" | "pay" | "lookup" | "security";

export interface Asked {
  readonly idempotencyKey?: string;
  readonly maxMsat?: Msat;
}

export class VirtualWorld {
  readonly ports: ManualPorts = manualPorts(START);
  readonly node: SimulatedNode;
  readonly gateway: Gateway;
  readonly sql: NodeSql;
  /** False: the payer is one of those that can keep no fence. */
  fences = true;
  security: SecurityState = { version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 };
  /** How long an answer to an order is on its way, ms. */
  answerTakesMs = 0;
  /** What the payer says when it is asked; null: what it knows. */
  lookupSays: (() => Promise<PaymentOutcome>) | null = null;
  /** As the wallet has told the control plane. */
  openRows = 0;
  /** Called before a message leaves; every row before it is durable by then. */
  onBorder: (message: Border) => void = () => {};
  /** Where requests for a path really go: a seller that has changed. */
  readonly detours = new Map<string, string>();
  readonly #wire: Wire;
  readonly #payer: Payer;
  #core: WalletCore;
  /** Of the object. What an older one still waits for never comes. */
  #life = 0;
  /** Of the Worker, its flows with it. */
  #worker = 0;
  readonly #callers = new Set<(error: Error) => void>();
  #alarmAt: number | null = null;
  #cancelAlarm: () => void = () => {};
  #handling = false;

  private constructor(sql: NodeSql) {
    this.sql = sql;
    this.node = new SimulatedNode(this.ports, {
      network: "regtest",
      balanceMsat: sats(1_000_000),
      feeBaseMsat: 100 as Msat,
      signInvoices: false,
    });
    this.gateway = createGateway(this.node, this.ports);
    const executor = createExecutor(this.node, this.ports);
    this.#wire = createWire(executor, this.ports, (paymentHash) =>
      this.node.faults.take("wire", paymentHash, this.node.routeOf(paymentHash)),
    );
    const wire = this.#wire;
    this.#payer = {
      backend: "http-executor",
      granularity: "msat",
      pay: async (order) => {
        this.onBorder("pay");
        const heard = await wire.pay(order);
        if (this.answerTakesMs > 0) await new Promise<void>((arrived) => this.ports.timer(this.answerTakesMs, arrived));
        if (heard.kind === "nothing" || heard.outcome.kind === "operation_conflict") throw new Error("the connection broke");
        return heard.outcome;
      },
      lookup: async (operation) => {
        this.onBorder("lookup");
        if (this.lookupSays !== null) return this.lookupSays();
        const outcome = await executor.lookup(operation);
        if (outcome.kind === "operation_conflict") throw new Error("refused");
        return outcome;
      },
      cancel: async (operation) => (this.fences ? executor.cancel(operation) : "cannot_fence"),
      status: () => executor.status(),
    };
    this.#core = new WalletCore(this.#walletPorts());
  }

  /**
   * A wallet with one budget.
   * @param caps beside an allowlist of {@link SELLER} alone
   * @param sql a database that an earlier world has left, emptied here: preparing every statement anew is most of a short run's cost
   */
  static async create(caps: Partial<Policy> = {}, sql: NodeSql = new NodeSql()): Promise<VirtualWorld> {
    empty(sql);
    const world = new VirtualWorld(sql);
    const policy: Policy = {
      hosts: { mode: "listed", allow: ["seller.example"], block: [], unknown: "deny" },
      fee: { floorMsat: sats(5), ppm: 10_000 },
      opaqueTokens: "allow",
      network: "regtest",
      ...caps,
    };
    const record: WalletRecord = {
      walletId: WALLET,
      owner: OWNER,
      label: "",
      network: "regtest",
      backend: "http-executor",
      epoch: 1,
      walletSource: "embedded_envelope",
      createdAt: START,
    };
    // The core never opens the envelope: only the payer in the object does, and this payer is outside.
    await world.drained(world.core.create(record, { walletId: WALLET, owner: OWNER } as Envelope, policy));
    await world.drained(world.core.putBudget("agent", policy, false));
    return world;
  }

  get core(): WalletCore {
    return this.#core;
  }

  /** The object dies and the next one stands in its place. With `process`, the Worker and its callers are gone too. */
  die(what: "object" | "process"): void {
    this.#life += 1;
    if (what === "process") this.#worker += 1;
    // A fired alarm is gone only with its handler's last commit: one that was interrupted comes again.
    if (this.#handling && this.#alarmAt === null) this.#alarmAt = this.ports.now();
    this.#handling = false;
    const callers = [...this.#callers];
    this.#callers.clear();
    this.#core = new WalletCore(this.#walletPorts());
    this.#armAlarm();
    for (const tell of callers) tell(Object.assign(new Error("the object was reset"), { durableObjectReset: true, retryable: true }));
  }

  /** The platform gives the alarm up, as it does after six failures: nothing fires until somebody sets it again. */
  dropAlarm(): void {
    this.#alarmAt = null;
    this.#cancelAlarm();
  }

  /** A round of the Worker's cron, over what the control plane knows. */
  cron(): Promise<Round> {
    return wakeOpenWallets({
      platform: { owners: async ({ after }) => (after === null ? [OWNER] : []) },
      control: (owner) => ({ walletsWithOpenRows: async () => (owner === OWNER && this.openRows > 0 ? [WALLET] : []) }),
      wake: () => this.#core.alarm(),
      clock: this.#clock(() => true),
    });
  }

  /** One request of an agent, its body read to the end. Resolves only while the clock runs: {@link run}. */
  async fetch(path: string, asked: Asked = {}): Promise<FlowAnswer> {
    const answer = await purchase(this.#flowPorts(), this.#call(path, asked));
    if (answer.kind === "answer" && answer.response.body !== null) await new Response(answer.response.body).arrayBuffer().catch(() => null);
    return answer;
  }

  quote(path: string): Promise<QuoteFlowAnswer> {
    return quoteFlow(this.#flowPorts(), this.#call(path, {}));
  }

  /** Lets time pass, at most `ms`, until nothing is left that could happen or `until` says so. */
  async run(ms: number, until: () => boolean = () => false): Promise<void> {
    const end = this.ports.now() + ms;
    for (;;) {
      await drain();
      if (until()) return;
      const due = this.ports.nextDue();
      if (due === null || due > end) break;
      this.ports.advance(due - this.ports.now());
    }
    this.ports.advance(end - this.ports.now());
  }

  /** The clock runs until `work` is done. @throws Error when an hour is not enough */
  async drained<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    const done = work.finally(() => (ended = true));
    done.catch(() => undefined);
    await this.run(3_600_000, () => ended);
    if (!ended) throw new Error("it did not end within an hour");
    return done;
  }

  /** Everything that hangs comes to its end: payments in flight settle, orders that were held back arrive. */
  release(): void {
    this.#wire.deliver(null);
    this.node.release(null);
  }

  /** Ends the world, not its database. */
  close(): void {
    this.#wire.close();
    this.#life += 1;
    this.#worker += 1;
  }

  #call(path: string, { idempotencyKey, maxMsat }: Asked): FetchCall {
    return {
      auth: BUDGET,
      method: "GET",
      url: SELLER + path,
      headers: [],
      body: null,
      idempotencyKey: idempotencyKey ?? null,
      maxMsat: maxMsat ?? null,
      subject: null,
      waitMs: 35_000,
    };
  }

  // ---- the Worker
  #flowPorts(): FlowPorts {
    const worker = this.#worker;
    /** To a Worker that is gone nothing comes any more. */
    const alive = <T>(work: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        work.then(
          (value) => (worker === this.#worker ? resolve(value) : undefined),
          (error: unknown) => (worker === this.#worker ? reject(error as Error) : undefined),
        );
      });
    const wallet =
      <A extends unknown[], T>(method: (core: WalletPort, ...given: A) => Promise<T>) =>
      (...given: A): Promise<T> =>
        alive(
          new Promise<T>((resolve, reject) => {
            this.#callers.add(reject);
            const life = this.#life;
            const told = (tell: () => void): void => {
              if (life !== this.#life) return;
              this.#callers.delete(reject);
              tell();
            };
            method(this.#core, ...structuredClone(given)).then(
              (value) => told(() => resolve(structuredClone(value))),
              (error: unknown) => told(() => reject(error as Error)),
            );
          }),
        );
    return {
      wallet: {
        open: wallet((core, request) => core.open(request)),
        pay: wallet((core, request) => core.pay(request)),
        quote: wallet((core, request) => core.quote(request)),
        conclude: wallet((core, ...given) => core.conclude(...given)),
        delivered: wallet((core, ...given) => core.delivered(...given)),
      },
      fetch: (url, init) => {
        this.onBorder(init.headers.some(([name]) => name.toLowerCase() === "authorization") ? "seller_paid" : "seller");
        const { pathname, search } = new URL(url);
        const headers = init.headers.map(([name, value]) => [name.toLowerCase(), value] as const);
        const asked = {
          method: init.method,
          url: this.detours.get(pathname) ?? pathname + search,
          headers,
          body: init.body ?? new Uint8Array(0),
          remoteAddress: "127.0.0.1",
        };
        return alive(Promise.resolve(this.gateway.handle(asked)).then(asSellerResponse));
      },
      clock: this.#clock(() => worker === this.#worker),
      random: { uuid: () => uuid(this.ports.random(16)) },
      waitUntil: (work) => void work.catch(() => undefined),
      localHosts: [],
    };
  }

  #clock(isAlive: () => boolean): WalletPorts["clock"] {
    return {
      now: () => this.ports.now(),
      timer: (ms) => {
        let cancel = (): void => {};
        const done = new Promise<void>((resolve) => {
          cancel = this.ports.timer(ms, () => (isAlive() ? resolve() : undefined));
        });
        return { done, cancel };
      },
    };
  }

  // ---- the object
  #walletPorts(): WalletPorts {
    const life = this.#life;
    const isAlive = (): boolean => life === this.#life;
    const mine = <T>(work: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        work.then(
          (value) => (isAlive() ? resolve(value) : undefined),
          (error: unknown) => (isAlive() ? reject(error as Error) : undefined),
        );
      });
    const { sql } = this;
    const guard = (): void => {
      if (!isAlive()) throw new Error("this object has been superseded");
    };
    const guarded: Sql = {
      script: (text) => (guard(), sql.script(text)),
      rows: (query, ...bind) => (guard(), sql.rows(query, ...bind)),
      transaction: (body) => {
        guard();
        const before = this.#alarmAt;
        try {
          return sql.transaction(body);
        } catch (error) {
          this.#setAlarm(before);
          throw error;
        }
      },
    };
    const payer = this.#payer;
    return {
      sql: guarded,
      alarm: { set: (at) => (isAlive() ? this.#setAlarm(at) : undefined), clear: () => (isAlive() ? this.#setAlarm(null) : undefined) },
      clock: this.#clock(isAlive),
      random: { bytes: (length) => this.ports.random(length) },
      sealer: {
        seal: (key, nonce, context, plain) => sealRecord(nodeCipher, key, nonce, context, plain),
        open: (key, context, sealed) => openRecord(nodeCipher, key, context, sealed),
      },
      keys: {
        wrap: async (key) => ({ kekVersion: "v1", wrapped: Uint8Array.from(key) }),
        unwrap: async (_version, wrapped) => Uint8Array.from(wrapped),
      },
      payer: {
        ...payer,
        pay: (order) => mine(payer.pay(order)),
        lookup: (operation) => mine(payer.lookup(operation)),
        cancel: (operation) => mine(payer.cancel(operation)),
        status: () => mine(payer.status()),
      },
      control: {
        security: () => {
          this.onBorder("security");
          return mine(Promise.resolve(this.security));
        },
        ingestReceipts: (_walletId, records) => mine(Promise.resolve({ acknowledged: records.at(-1)?.receipt.sequence ?? 0 })),
        putSnapshot: async ({ openRows }) => {
          this.openRows = openRows;
          await mine(Promise.resolve());
        },
      },
      log: () => {},
    };
  }

  #setAlarm(at: number | null): void {
    this.#alarmAt = at;
    if (!this.#handling) this.#armAlarm();
  }

  #armAlarm(): void {
    this.#cancelAlarm();
    if (this.#alarmAt === null) return;
    this.#cancelAlarm = this.ports.timer(Math.max(0, this.#alarmAt - this.ports.now()), () => {
      const life = this.#life;
      this.#alarmAt = null;
      this.#handling = true;
      const ended = (): void => {
        if (life !== this.#life) return;
        this.#handling = false;
        this.#armAlarm();
      };
      this.#core.alarm().then(ended, ended);
    });
  }
}
