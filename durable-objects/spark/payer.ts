/**
 * The payer of topology A: the Spark SDK inside the Wallet object. The order's operation id is the transfer's id, so sending it twice is
 * sending it once; it is written down before anything is done, and the SDK's payment observer is a second gate right before the operators are
 * asked. Lightning is forced (a transfer inside Spark has no preimage). After any error the truth is asked of the operators, never guessed.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import type { Payment, PrepareSendPaymentResponse } from "@breeztech/breez-sdk-spark/web";
import { isMsat, type Msat } from "../../lightning/msat.ts";
import type {
  Degradation,
  FailureCode,
  OperationRef,
  Payer,
  PayerStatus,
  PaymentOrder,
  PaymentOutcome,
  Readiness,
} from "../../lightning/payer.ts";
import { SparkEngine, SparkUnavailable, type LiveSpark } from "./engine.ts";
import { Incoming } from "./incoming.ts";
import { OpenSends } from "./open-sends.ts";
import { Operations } from "./operations.ts";
import { messageOf, outcomeOf, refusalOf } from "./outcome.ts";
import { SPARK_TIMING, type SparkPorts, type SparkTiming } from "./ports.ts";
import { feeOf, quoteFor, whyUnsent } from "./quote.ts";
import { arrived, makeInvoice } from "./receive.ts";
import { askAgain } from "./rescue.ts";
import { sparkSessionStore } from "./session-store.ts";
import { NO_SUCH_PAYMENT } from "./storage-payments.ts";
import { sparkStorage } from "./storage.ts";
import type { SyncReport } from "./sync-report.ts";
import { SparkWallet } from "./wallet-row.ts";

/** The version of the SDK, for status and receipts of the spike. */
export const SPARK_SDK_VERSION = "0.19.2";
/** Milliseconds to the next round of making change. */
const NEXT_ROUND = 1_000;
const MOST_QUOTES = 64;
/** Transfers. */
const FAR_BACK = 300;
const unknown = (reason: string): PaymentOutcome => ({ kind: "unknown", reason });

export class SparkPayer implements Payer {
  readonly backend = "spark-wasm";
  readonly granularity = "sat";
  readonly #ports: SparkPorts;
  readonly #timing: SparkTiming;
  readonly #engine: SparkEngine;
  readonly #operations: Operations;
  readonly #incoming: Incoming;
  readonly #openSends: OpenSends;
  readonly #wallet: SparkWallet;
  readonly #sessions: ReturnType<typeof sparkSessionStore>;
  /** Quotes that `prepare` got and `pay` uses: the fee that was agreed to is the most the SDK will send. */
  readonly #quotes = new Map<string, PrepareSendPaymentResponse>();
  /** Operations whose send is running in this instance. */
  readonly #sending = new Set<string>();
  #paymentsListed = true;

  constructor(ports: SparkPorts, timing: SparkTiming = SPARK_TIMING) {
    this.#ports = ports;
    this.#timing = timing;
    const now = (): number => ports.clock.now();
    this.#operations = new Operations(ports.sql, now);
    this.#incoming = new Incoming(ports.sql, now);
    this.#wallet = new SparkWallet(ports.sql);
    this.#sessions = sparkSessionStore({ sql: ports.sql, ...sealingOf(ports) }, now);
    this.#openSends = new OpenSends(sparkStorage({ sql: ports.sql, ...sealingOf(ports) }, now));
    this.#engine = new SparkEngine(ports, timing, {
      storage: this.#openSends.storage,
      sessions: this.#sessions,
      observer: {
        beforeSend: async (payments) => {
          for (const { paymentId } of payments) if (!this.#operations.pass(paymentId)) throw new Error("refused at the gate");
        },
        afterSend: async () => {},
      },
      identity: {
        stored: () => this.#wallet.stored(),
        store: (network, identity) => this.#wallet.store(network, identity, ports.facts()?.epoch ?? 1),
      },
    });
  }

  async prepare(order: Omit<PaymentOrder, "deadline">): Promise<Readiness> {
    try {
      return await this.#engine.use(async (live): Promise<Readiness> => {
        if (!live.synced()) await this.#sync(live);
        const quote = await quoteFor(live, order);
        if (quote === null) return { ready: false, code: "payment_failed" };
        if (quote.feeSats * 1000 > order.maxFeeMsat) return { ready: false, code: "fee_over_cap" };
        const lacks = async (): Promise<boolean> => (await live.sdk.getInfo({})).balanceSats < quote.amountSats + quote.feeSats;
        // That there is no more is only known after a whole sync just now, and where no swap that was broken off may still bring some back.
        if ((await lacks()) && (await this.#sync(live), await lacks()))
          return { ready: false, code: live.synced() && !this.#mayReturn() ? "insufficient_funds" : "backend_unavailable" };
        // Quotes of orders that never came.
        if (this.#quotes.size >= MOST_QUOTES) this.#quotes.clear();
        this.#quotes.set(order.operationId, quote.response);
        return { ready: true };
      }, this.#timing.answer);
    } catch (error) {
      return { ready: false, code: error instanceof SparkUnavailable ? "backend_unavailable" : refusalOf(error) };
    }
  }

  pay(order: PaymentOrder): Promise<PaymentOutcome> {
    // In the same turn as block two: the order is on record before anything is awaited.
    const refused = this.#accept(order);
    return refused === null ? this.#answered(order, this.#send(order)) : Promise.resolve(refused);
  }

  async lookup(operation: OperationRef): Promise<PaymentOutcome> {
    // Known without asking anybody: it never passed the gate and never will, or its leaves came back.
    const state = this.#operations.row(operation.operationId)?.state;
    if (state === "fenced" || state === "failed") return { kind: "failed", code: "payment_failed", definite: true };
    try {
      return await this.#engine.use((live) => this.#find(live, operation), this.#timing.answer);
    } catch (error) {
      return unknown(error instanceof SparkUnavailable ? error.why : "lookup_failed");
    }
  }

  resume(order: PaymentOrder): Promise<PaymentOutcome> {
    const refused = this.#accept(order);
    return refused === null ? this.#answered(order, this.#resume(order)) : Promise.resolve(refused);
  }

  cancel(operation: OperationRef): Promise<"fenced" | "cannot_fence"> {
    return Promise.resolve(this.#operations.fence(operation) ? "fenced" : "cannot_fence");
  }

  async status(): Promise<PayerStatus> {
    const base = {
      backend: this.backend,
      network: this.#ports.settings.network,
      lastPaymentAt: this.#wallet.lastPaymentAt(),
      version: SPARK_SDK_VERSION,
    } as const;
    // Of a disabled wallet nobody gets more than what is known: only an open payment may still have its key opened, to learn its end.
    if (this.#ports.facts()?.state === "disabled") return { ...base, online: false, spendableMsat: null };
    try {
      return await this.#engine.use(async (live) => {
        const report = await this.#sync(live);
        const { balanceSats } = await live.sdk.getInfo({});
        const spendable = balanceSats * 1000;
        const degraded: Degradation[] = [];
        if (!report.wallet) degraded.push("not_synced");
        else if (!report.payments) degraded.push("payment_list_stuck");
        // A balance that was not synced just now may be an empty instance's zero.
        return { ...base, online: report.wallet, spendableMsat: report.wallet && isMsat(spendable) ? (spendable as Msat) : null, degraded };
      }, this.#timing.answer);
    } catch (error) {
      const fault = error instanceof SparkUnavailable ? error.fault : null;
      const degraded: Degradation[] = fault === null ? [] : [fault === "another_identity" ? "identity_mismatch" : "misconfigured"];
      return { ...base, online: false, spendableMsat: null, degraded };
    }
  }

  async receive(amountMsat: Msat, description: string): Promise<{ readonly bolt11: string } | null> {
    if (amountMsat % 1000 !== 0 || amountMsat === 0 || this.#ports.facts()?.state === "disabled") return null;
    const wanted = { amountMsat, description, seconds: Math.floor(this.#timing.invoice / 1000), network: this.#ports.settings.network };
    const made = await this.#engine.use((live) => makeInvoice(live, wanted), this.#timing.answer);
    if (made === null) {
      this.#ports.log("spark_invoice_refused", { walletId: this.#ports.facts()?.walletId ?? "" });
      return null;
    }
    this.#incoming.expect(made.paymentHash, amountMsat / 1000, made.expiresAt);
    return { bolt11: made.bolt11 };
  }

  /**
   * Takes in what has arrived, and makes change while nobody is paying: a send for which no leaves add up waits for a swap with the SSP, about
   * three times as long. One round a call, so that a payment never waits for more than that.
   */
  async maintain(): Promise<number | null> {
    this.#operations.forgetOld();
    this.#incoming.forgetExpired();
    const watching = this.#incoming.open() > 0;
    const { now } = this.#ports.clock;
    const quietAt = (): number => (this.#sending.size > 0 ? now() : (this.#wallet.lastPaymentAt() ?? -Infinity)) + this.#timing.quiet;
    if (!watching && !this.#wallet.wantsChange()) return null;
    // A busy wallet is left alone: a sync for nothing would be ten requests a time.
    if (!watching && quietAt() > now()) return quietAt();
    const again = await this.#engine.use(async (live) => {
      const report = await this.#sync(live);
      if (report.payments && watching && this.#incoming.received(await arrived(live)) > 0) this.#wallet.spoilChange();
      if (!this.#wallet.wantsChange()) return Infinity;
      // Thrown, so that the alarm comes back later and later: one operator may be down for hours.
      if (!report.wallet) throw new Error("not synced");
      if (quietAt() > now()) return quietAt();
      this.#wallet.swapping(now());
      const { outcome } = await live.sdk.optimizeLeaves({ mode: "singleRound" });
      this.#wallet.swapping(null);
      if (outcome.type === "completed") this.#wallet.changeMade();
      return outcome.type === "completed" ? Infinity : now() + NEXT_ROUND;
    });
    const next = Math.min(this.#incoming.nextLook() ?? Infinity, again);
    return Number.isFinite(next) ? next : null;
  }

  forget(): void {
    this.#quotes.clear();
    this.#engine.drop();
  }

  /** Bytes of wasm memory, or null while nothing is open; for measurements. */
  memory(): number | null {
    return this.#engine.live?.memory() ?? null;
  }

  /** A swap that was broken off may still bring leaves back. */
  #mayReturn(): boolean {
    return this.#operations.brokenOff() || this.#wallet.mayBeSwapping(this.#ports.clock.now());
  }

  /** @returns why this order is not taken, or null. A refusal is a failure only where nothing of the operation can have left before. */
  #accept(order: PaymentOrder): PaymentOutcome | null {
    const known = this.#operations.row(order.operationId);
    const refuse = (code: FailureCode): PaymentOutcome =>
      known === null || known.state === "asked"
        ? this.#unsent(order, code)
        : known.state === "fenced"
          ? { kind: "failed", code, definite: true }
          : unknown(code);
    if (!this.#wallet.raiseEpoch(order.epoch)) return refuse("spender_superseded");
    // An order that comes too late is refused; one that was sent before is still looked after.
    if (known === null && order.deadline <= this.#ports.clock.now()) return refuse("payment_failed");
    return this.#operations.ask(order).state === "fenced" ? refuse("payment_failed") : null;
  }

  /** An answer in time: what is still running goes on, and is found by the next lookup. */
  async #answered(order: PaymentOrder, running: Promise<PaymentOutcome>): Promise<PaymentOutcome> {
    const timer = this.#ports.clock.timer(Math.max(0, Math.min(this.#timing.answer, order.deadline - this.#ports.clock.now())));
    try {
      return await Promise.race([running, timer.done.then((): PaymentOutcome => ({ kind: "pending" }))]);
    } finally {
      timer.cancel();
    }
  }

  async #send(order: PaymentOrder): Promise<PaymentOutcome> {
    const { operationId } = order;
    const sent = (): boolean => this.#operations.row(operationId)?.state !== "asked";
    const again = sent();
    const { now } = this.#ports.clock;
    const began = now();
    this.#sending.add(operationId);
    try {
      return await this.#engine.use(async (live) => {
        // Sent before by an instance that is gone: what became of it comes first, or innocent leaves would be reserved beside it.
        const report = again || !live.synced() ? await this.#syncFor(live, operationId) : null;
        if (again) {
          const found = await this.#found(live, operationId);
          if (found !== null) return found;
          if (report?.payments !== true) return unknown("not_synced");
        }
        const quote = this.#quotes.get(operationId) ?? (await quoteFor(live, order))?.response;
        if (quote === undefined || feeOf(quote) * 1000 > order.maxFeeMsat)
          return this.#unsent(order, quote === undefined ? "payment_failed" : "fee_over_cap");
        this.#operations.agree(operationId, feeOf(quote), await this.#openSends.place());
        try {
          const { payment } = await live.sdk.sendPayment({
            prepareResponse: quote,
            idempotencyKey: operationId,
            options: {
              type: "bolt11Invoice",
              preferSpark: false,
              completionTimeoutSecs: Math.max(0, Math.floor((began + this.#timing.answer - now()) / 1000) - 1),
            },
          });
          const outcome = this.#read(payment);
          // The SSP says that it failed: whether the leaves are back, the operators know.
          if (payment.status !== "failed" || outcome.kind === "failed") return outcome;
          await this.#syncFor(live, operationId);
          return (await this.#found(live, operationId)) ?? outcome;
        } catch (error) {
          const known = live.synced();
          live.stale();
          if (!sent()) {
            const code = await whyUnsent(live, order, quote, error, known);
            if (code === "insufficient_funds") this.#operations.disagree(operationId);
            return this.#unsent(order, code);
          }
          return (await this.#syncFor(live, operationId)).wallet
            ? ((await this.#found(live, operationId)) ?? unknown("send_interrupted"))
            : unknown("send_interrupted");
        }
      });
    } catch (error) {
      // No instance was to be had, or it was lost on the way: only what never passed the gate is definitely unsent, and then nothing can pass it any more.
      const why = error instanceof SparkUnavailable ? error.why : "send_interrupted";
      return again ? unknown(why) : this.#unsent(order, "backend_unavailable", why);
    } finally {
      this.#quotes.delete(operationId);
      this.#sending.delete(operationId);
    }
  }

  /** Definitely unsent, if it can be fenced: from then on nothing passes the gate for it, not even a call that was given up. */
  #unsent(order: PaymentOrder, code: FailureCode, why = "send_interrupted"): PaymentOutcome {
    return this.#operations.fence(order) ? { kind: "failed", code, definite: true } : unknown(why);
  }

  /** The rescue: a transfer that the SSP was never asked to pay for. Anything else is the same operation again, under the same id. */
  async #resume(order: PaymentOrder): Promise<PaymentOutcome> {
    try {
      const outcome = await this.#engine.use(async (live) => {
        await this.#syncFor(live, order.operationId);
        const found = await this.#found(live, order.operationId);
        if (found === null || found.kind !== "pending" || found.resumable !== true) return found;
        const { sspConfig } = live.config.sparkConfig ?? {};
        const asked = await askAgain(
          {
            url: `${sspConfig?.baseUrl ?? ""}/${sspConfig?.schemaEndpoint ?? "graphql/spark/2025-03-19"}`,
            token: this.#sessions.token(sspConfig?.identityPublicKey ?? ""),
            fetch: (request) => live.egress.fetch(request),
          },
          order,
        );
        this.#ports.log("spark_rescue", { operationId: order.operationId, taken: asked });
        live.stale();
        await this.#syncFor(live, order.operationId);
        return (await this.#found(live, order.operationId)) ?? unknown("not_listed");
      });
      return outcome ?? (await this.#send(order));
    } catch (error) {
      return unknown(error instanceof SparkUnavailable ? error.why : "resume_failed");
    }
  }

  async #find(live: LiveSpark, operation: OperationRef): Promise<PaymentOutcome> {
    const asOf = this.#ports.clock.now();
    const row = this.#operations.row(operation.operationId);
    // Proven is proven; anything less is asked again, for a wrong preimage may yet be put right.
    const stored = await this.#found(live, operation.operationId);
    if (stored?.kind === "settled" && opens(stored.preimage, operation.paymentHash)) return stored;
    const report = await this.#syncFor(live, operation.operationId);
    const found = await this.#found(live, operation.operationId);
    const sending = this.#sending.has(operation.operationId);
    if (found !== null) return sending && found.kind === "pending" ? { kind: "pending" } : found;
    // Absence proves something only where everything was read.
    if (!report.wallet || !report.payments) return unknown(report.wallet ? "payment_list_stuck" : "not_synced");
    if (sending) return { kind: "pending" };
    // Passed the gate and never arrived: the same id again is safe while the order is still good.
    if (row?.state === "gated" && asOf < row.deadline) return { kind: "pending", resumable: true };
    return { kind: "never_seen", asOf };
  }

  async #found(live: LiveSpark, operationId: string): Promise<PaymentOutcome | null> {
    try {
      const { payment } = await live.sdk.getPayment({ paymentId: operationId });
      return this.#read(payment);
    } catch (error) {
      // The words of our own storage. A row that is there and does not open is not an absent one.
      if (messageOf(error).includes(NO_SUCH_PAYMENT)) return null;
      throw error;
    }
  }

  #read(payment: Payment): PaymentOutcome {
    const row = this.#operations.row(payment.id);
    const outcome = outcomeOf(payment, row?.fee_sats ?? null, this.#ports.clock.now());
    if (outcome.kind === "settled") this.#operations.end(payment.id, "settled");
    if (outcome.kind === "failed") this.#operations.end(payment.id, "failed");
    return outcome;
  }

  /** A sync that also reads again what has become of one send, however many have overtaken it. */
  async #syncFor(live: LiveSpark, operationId: string): Promise<SyncReport> {
    const place = this.#operations.row(operationId)?.place ?? null;
    if (place === null) return this.#sync(live);
    const far = (await this.#openSends.place()) - place > FAR_BACK;
    if (!far || this.#sending.size === 0) return this.#openSends.readFrom(place, () => this.#sync(live));
    // A long way back takes long, and whoever is sending would wait for it. Not read to its end: absence proves nothing this time.
    return { ...(await this.#sync(live)), payments: false };
  }

  async #sync(live: LiveSpark): Promise<SyncReport> {
    const report = await live.sync();
    if (report.payments !== this.#paymentsListed && report.wallet) {
      this.#paymentsListed = report.payments;
      this.#ports.log("spark_payment_list", { stuck: !report.payments });
    }
    return report;
  }
}

const opens = (preimage: string | null, paymentHash: string): boolean =>
  preimage !== null && /^[0-9a-f]{64}$/u.test(preimage) && bytesToHex(sha256(hexToBytes(preimage))) === paymentHash;

function sealingOf({ sealing }: SparkPorts) {
  return {
    seal: (context: string, plain: Uint8Array) => sealing.seal(context, plain),
    open: (context: string, sealed: Uint8Array) => sealing.open(context, sealed),
  };
}
