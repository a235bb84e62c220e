/**
 * One wallet, its platform, the Worker's flow, a seller, a payer's node and the control plane, in one process and one thread,
 * all driven by one seed. The cores are the product's own: this file only stands around them and chooses what goes wrong.
 */
import { WalletCore } from "../../durable-objects/wallet/core.ts";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { TIMING, type Timing, type WalletPorts } from "../../durable-objects/wallet/ports.ts";
import type { SecurityState, WalletRecord } from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import { sats, type Msat } from "../../lightning/msat.ts";
import type { PaymentOutcome } from "../../lightning/payer.ts";
import type { Policy } from "../../lightning/policy.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import type { Auth, WalletPort } from "../../lightning/wallet-api.ts";
import type { FetchCall, FlowAnswer, FlowPorts, SellerResponse } from "../../worker/flow-types.ts";
import { bytesToHex } from "@noble/hashes/utils.js";
import { purchase } from "../../worker/flow.ts";
import { Books, checkAtEnd } from "./invariants.ts";
import { SimNode } from "./sim-node.ts";
import { SimObject } from "./sim-object.ts";
import { SimSeller } from "./sim-seller.ts";
import { EPOCH, Scheduler } from "./scheduler.ts";

/** What may go wrong. A run without a fault is still a run of every interleaving. */
export const FAULTS = ["crash", "lostCall", "lostReply", "lateAnswer", "hang", "late", "pending", "fail", "wrongPreimage", "dearFee", "payerError", "badInvoices", "refuse", "errors", "switches", "leaving"] as const;
export type Fault = (typeof FAULTS)[number];

export interface RunOptions {
  readonly seed: number;
  readonly purchases: number;
  readonly faults?: ReadonlySet<Fault>;
  readonly traced?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly purchases: number;
  readonly steps: number;
  readonly crashes: number;
  readonly payments: number;
  readonly digest: string;
  readonly answers: Readonly<Record<string, number>>;
  readonly trace: readonly string[] | null;
}

const OWNER = "sim";
const WALLET = "w_simulated0000000";
const LONGEST = 96 * 3_600_000;
/** A day for what costs nothing, so that runs see it go; the chain is kept whole for the last check. */
const KEEPING: Timing = { ...TIMING, keepUnpaid: 86_400_000, keepReceipts: Infinity, keepSecrets: 2 * 86_400_000 };
const ALL: ReadonlySet<Fault> = new Set(FAULTS);

export class World {
  readonly scheduler: Scheduler;
  readonly seller: SimSeller;
  readonly node: SimNode;
  readonly object: SimObject<WalletCore>;
  readonly policy: Policy;
  readonly budgets: ReadonlyMap<string, Policy>;
  readonly answers: Record<string, number> = {};
  begun = 0;
  /** The control plane's truth, and since when a switch has been on. */
  security: SecurityState = { version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 };
  stoppedSince: number | null = null;
  readonly #options: RunOptions;
  readonly #faults: ReadonlySet<Fault>;
  readonly #books: Books;
  #quiet = false;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#faults = options.faults ?? ALL;
    this.scheduler = new Scheduler(options.seed, options.traced ?? false);
    this.seller = new SimSeller(this.scheduler, { badInvoices: this.#on("badInvoices"), refuse: this.#on("refuse"), errors: this.#on("errors") });
    this.node = new SimNode(this.scheduler, { fail: this.#on("fail"), late: this.#on("late"), hang: this.#on("hang"), pending: this.#on("pending"), wrongPreimage: this.#on("wrongPreimage"), dearFee: this.#on("dearFee") }, this.seller.preimages);
    const base = { hosts: { mode: "listed", allow: ["seller.example", "other.example:8443"], block: [], unknown: "deny" }, fee: { floorMsat: 3000 as Msat, ppm: 10_000 }, opaqueTokens: "deny", network: "regtest" } as const;
    // Caps low enough to bind in many runs, and high enough to let most purchases through.
    this.policy = { ...base, perPaymentMsat: sats(80), hourMsat: sats(25 * options.purchases), totalMsat: sats(14 * options.purchases), rolling: [{ windowMs: 90_000, capMsat: sats(400) }] };
    this.budgets = new Map([["alpha", { ...base, dayMsat: sats(9 * options.purchases), paymentsPerMinute: 20 }], ["beta", { ...base, totalMsat: sats(6 * options.purchases), pathPrefixes: ["/plain/a"] }]]);
    this.object = new SimObject(this.scheduler, (generation) => new WalletCore(this.#ports(generation), KEEPING));
    this.#books = new Books(this);
    this.node.onAccept = (entry, order) => this.#books.accepted(entry, order);
  }

  /** @throws Violation */
  async run(): Promise<RunResult> {
    await this.#found();
    this.#schedule();
    try {
      await this.scheduler.run(EPOCH + LONGEST, () => this.#afterStep());
      this.object.sql.commit();
      this.#books.check();
      checkAtEnd(this);
      const { seed, purchases } = this.#options;
      const { steps, digest, trace } = this.scheduler;
      return { seed, purchases, steps, crashes: this.object.crashes, payments: this.node.ledger.length, digest: digest.toString(16).padStart(8, "0"), answers: this.answers, trace };
    } finally {
      this.object.sql.close();
    }
  }

  #on(fault: Fault): boolean {
    return this.#faults.has(fault);
  }

  /** Set-up is not part of the run: no fault, no clock. */
  async #found(): Promise<void> {
    const core = new WalletCore({ ...this.#ports(-1), keys: { wrap: async (key) => ({ kekVersion: "v1", wrapped: Uint8Array.from(key) }), unwrap: async (_version, wrapped) => Uint8Array.from(wrapped) } });
    const record: WalletRecord = { walletId: WALLET, owner: OWNER, label: "", network: "regtest", backend: "http-executor", epoch: 1, walletSource: "embedded_envelope", createdAt: EPOCH };
    const made = await core.create(record, { walletId: WALLET, owner: OWNER } as Envelope, this.policy);
    if (!made.ok) throw new Error(`the wallet was not made: ${made.detail}`);
    for (const [name, policy] of this.budgets) await core.putBudget(name, policy, false);
    this.object.sql.commit();
    this.object.generation++;
  }

  #schedule(): void {
    const { choice } = this.scheduler;
    let at = 0;
    for (let index = 0; index < this.#options.purchases; index++) {
      at += choice.delay(choice.pick([10, 400, 60_000]));
      this.scheduler.after(at, `purchase ${index}`, () => this.#buy(index));
    }
    if (this.#on("switches")) for (let i = choice.below(3); i > 0; i--) {
      const from = choice.below(at + 1);
      this.scheduler.after(from, "switch on", () => this.#turn(true));
      this.scheduler.after(from + choice.delay(60_000), "switch off", () => this.#turn(false));
    }
    // After this nothing more goes wrong by itself, and everything must come to an end.
    this.scheduler.after(at + 3_600_000, "faults stop", () => { this.#quiet = true; });
  }

  #turn(on: boolean): void {
    const { security } = this;
    this.security = { ...security, version: security.version + 1, globalPause: on };
    this.stoppedSince = on ? this.scheduler.now : null;
  }

  #buy(index: number): void {
    const { choice } = this.scheduler;
    this.begun++;
    // A quarter are the same request as another, some with its key; the paths of one scope share a token.
    const which = choice.oneIn(4) ? choice.below(index + 1) : index;
    const origin = choice.oneIn(6) ? "https://other.example:8443" : choice.oneIn(25) ? "https://unlisted.example" : "https://seller.example";
    const path = choice.pick([`/joke/${which % 5}`, `/report/${which % 3}`, `/plain/a/${which % 4}`, `/plain/b${which}`, `/s${which}/x`, choice.oneIn(3) ? "/free" : "/joke/0"]);
    const keyed = choice.oneIn(3);
    const call: FetchCall = {
      auth: { kind: "binding", budget: choice.pick(["alpha", "beta"]) } satisfies Auth,
      method: keyed && choice.oneIn(2) ? "POST" : "GET", url: origin + path, headers: [], body: null,
      idempotencyKey: keyed ? `key-${which % 7}-${path}` : null,
      maxMsat: choice.oneIn(5) ? sats(5 + choice.below(60)) : null, subject: null,
      waitMs: choice.oneIn(3) && this.#on("leaving") ? choice.delay(60_000) : 45_000,
    };
    this.#send(index, call);
    // A caller with a key may well send the same again: at once, or long after what it bought has expired.
    if (keyed && choice.oneIn(2)) this.scheduler.after(choice.delay(2_000_000), `purchase ${index} again`, () => this.#send(index, call));
  }

  #send(index: number, call: FetchCall): void {
    purchase(this.#flowPorts(), call).then((answer) => this.#answered(index, answer)).catch((error: unknown) => this.scheduler.fail(error));
  }

  #answered(index: number, answer: FlowAnswer): void {
    const label = answer.kind === "answer" ? answer.status : answer.code;
    this.answers[label] = (this.answers[label] ?? 0) + 1;
    this.scheduler.note(`answer ${index} ${label}`);
    this.#books.answered(answer);
  }

  #afterStep(): void {
    const { choice } = this.scheduler;
    this.object.tend();
    if (this.object.dirty || this.node.dirty) {
      this.object.dirty = this.node.dirty = false;
      this.#books.check();
    }
    if (!this.#quiet && this.#on("crash") && this.object.alive && choice.oneIn(50)) {
      this.object.crash();
      this.object.tend();
      this.#books.check();
    }
  }

  #strikes(fault: Fault, oneIn: number): boolean {
    // The choice is drawn either way, so that taking one fault out of a run does not reshuffle all others.
    return this.scheduler.choice.oneIn(oneIn) && !this.#quiet && this.#on(fault);
  }

  /** A message's way over the network. */
  #travel(): number {
    const { choice } = this.scheduler;
    return this.#strikes("lateAnswer", 20) ? choice.delay(45_000) : choice.delay(30);
  }

  // ---- between the Worker and the object
  #flowPorts(): FlowPorts {
    const { scheduler } = this;
    const call = <K extends keyof WalletPort>(name: K) => (...args: Parameters<WalletPort[K]>): ReturnType<WalletPort[K]> => this.#rpc(name, (core) => (core[name] as (...given: typeof args) => Promise<unknown>)(...structuredClone(args))) as ReturnType<WalletPort[K]>;
    return {
      wallet: { open: call("open"), pay: call("pay"), quote: call("quote"), conclude: call("conclude"), delivered: call("delivered") },
      fetch: (url, init) => new Promise<SellerResponse>((resolve, reject) => {
        if (this.#strikes("lostCall", 40)) { scheduler.after(this.#travel(), "seller unreachable", () => reject(new Error("connection refused"))); return; }
        scheduler.after(this.#travel(), "seller asked", () => {
          let response: SellerResponse;
          try { response = this.seller.handle(url, init); } catch (error) { scheduler.fail(error); return; }
          if (this.#strikes("lostReply", 40)) scheduler.after(this.#travel(), "seller's answer lost", () => reject(new Error("connection reset")));
          else scheduler.after(this.#travel(), `seller answers ${response.status}`, () => resolve(response));
        });
      }),
      clock: this.#clock(),
      random: { uuid: () => bytesToHex(scheduler.choice.bytes(16)) },
      waitUntil: (work) => void work.catch((error: unknown) => scheduler.fail(error)),
      localHosts: [],
    };
  }

  #rpc<T>(name: string, method: (core: WalletCore) => Promise<T>): Promise<T> {
    const { scheduler } = this;
    return new Promise<T>((resolve, reject) => {
      const lost = (): void => void scheduler.after(this.#travel(), `${name} breaks`, () => reject(Object.assign(new Error("Network connection lost"), { retryable: true })));
      if (this.#strikes("lostCall", 25)) return lost();
      scheduler.after(this.#travel(), name, () => {
        const replyLost = this.#strikes("lostReply", 25);
        this.object.call(method, (answer) => {
          if (replyLost) return lost();
          scheduler.after(this.#travel(), `${name} answers`, () => resolve(structuredClone(answer)));
        }, (error) => void scheduler.after(this.#travel(), `${name} reset`, () => reject(error)));
      });
    });
  }

  // ---- around the object
  /** @param alive what a dead instance waits for never comes, its own timers too */
  #clock(alive: () => boolean = () => true): WalletPorts["clock"] {
    const { scheduler } = this;
    return {
      now: () => scheduler.now,
      timer: (ms) => {
        let cancel = (): void => {};
        const done = new Promise<void>((resolve) => { cancel = scheduler.after(ms, "timer", () => { if (alive()) resolve(); }).cancel; });
        return { done, cancel: () => cancel() };
      },
      turn: () => new Promise((resolve) => { scheduler.after(0, "turn", () => { if (alive()) resolve(); }); }),
    };
  }

  #ports(generation: number): WalletPorts {
    const { scheduler } = this;
    const { sql } = this.object;
    const mine = (): boolean => generation === this.object.generation;
    /** A port's answer: later, and only to the instance that asked. */
    const later = <T>(label: string, delay: number, settle: () => T): Promise<T> => new Promise((resolve, reject) => {
      scheduler.after(delay, label, () => { if (!mine()) return; try { resolve(settle()); } catch (error) { reject(error as Error); } });
    });
    /** A call to another object: it leaves through the output gate, and is worked on where it arrives. */
    const remote = <T>(label: string, work: () => T): Promise<T> => new Promise((resolve, reject) => {
      sql.send(() => void scheduler.after(this.#travel(), label, () => {
        let tell: () => void;
        try { const answer = work(); tell = () => resolve(answer); } catch (error) { tell = () => reject(error as Error); }
        if (this.#strikes("lostReply", 30)) return;
        scheduler.after(this.#travel(), `${label} answers`, () => { if (mine()) tell(); });
      }));
    });
    const ask = (what: "pay" | "lookup", arrive: (reply: (outcome: PaymentOutcome) => void) => void): Promise<PaymentOutcome> => new Promise((resolve, reject) => {
      const back = (label: string, tell: () => void): void => void scheduler.after(this.#travel(), label, () => { if (mine()) tell(); });
      sql.send(() => {
        if (this.#strikes("lostCall", 15)) { if (scheduler.choice.oneIn(2)) back(`${what} refused`, () => reject(new Error("connection refused"))); return; }
        const replyLost = this.#strikes("lostReply", 12);
        const broken = this.#strikes("payerError", 20);
        const twice = scheduler.choice.oneIn(12);
        // The line is cut while the order is still on its way: it arrives all the same, later.
        const cut = this.#strikes("payerError", 20);
        if (cut) back(`${what} cut`, () => reject(new Error("connection reset")));
        scheduler.after(cut ? scheduler.choice.delay(60_000) : this.#travel(), `${what} arrives`, () => {
          if (broken) back(`${what} broken`, () => reject(new Error("connection reset")));
          arrive((outcome) => {
            if (replyLost) return;
            back(`${what}: ${outcome.kind}`, () => resolve(outcome));
            if (twice) back(`${what} again: ${outcome.kind}`, () => resolve(outcome));
          });
        });
      });
    });
    return {
      sql,
      alarm: { set: (at) => { if (mine() || generation === -1) sql.setAlarm(at); }, clear: () => { if (mine()) sql.setAlarm(null); } },
      clock: this.#clock(mine),
      random: { bytes: (length) => scheduler.choice.bytes(length) },
      sealer: { seal: (key, nonce, context, plain) => sealRecord(nodeCipher, key, nonce, context, plain), open: (key, context, sealed) => openRecord(nodeCipher, key, context, sealed) },
      keys: { wrap: (key) => later("kek", 1, () => ({ kekVersion: "v1", wrapped: Uint8Array.from(key) })), unwrap: (_version, wrapped) => later("kek", scheduler.choice.delay(5), () => Uint8Array.from(wrapped)) },
      payer: {
        backend: "http-executor", granularity: "msat",
        pay: (order) => { this.#books.sent(order); return ask("pay", (reply) => this.node.pay(order, reply)); },
        lookup: (operation) => ask("lookup", (reply) => this.node.lookup(operation, reply)),
        cancel: async () => "cannot_fence",
        status: async () => ({ backend: "http-executor", online: true, spendableMsat: null, network: "regtest", lastPaymentAt: null, version: null }),
      },
      control: {
        security: () => remote("security", () => this.security),
        ingestReceipts: (_walletId, records) => remote("receipts", () => {
          if (this.#strikes("payerError", 10)) throw new Error("the control plane is down");
          return { acknowledged: this.#books.ingest(records) };
        }),
        putSnapshot: () => remote("snapshot", () => {}),
      },
      log: () => {},
    };
  }
}
