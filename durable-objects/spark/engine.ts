/**
 * The SDK's one instance in this object: built from the envelope when it is needed, dropped when it is idle, disabled, rotated or not to be
 * trusted any more. A Rust panic leaves its promise pending for ever and a hung operator does the same, so every use has a deadline, and an
 * instance that missed one is never used again: its requests are cut off, its timers cleared, its heap left to the collector.
 */
import type { BreezSdk, Config, PaymentObserver, SdkBuilder, SessionStore, Storage } from "@breeztech/breez-sdk-spark/web";
import { openEnvelope, type Envelope, type EnvelopeBinding } from "../../lightning/envelope.ts";
import type { KeyRing } from "../../lightning/kek.ts";
import type { Breez, BreezHost } from "./generated/breez.js";
import { egress, type Egress } from "./egress.ts";
import { envelopeFault, faultOf, type Fault } from "./guard.ts";
import { hostTimers } from "./host-timers.ts";
import type { SparkPorts, SparkTiming } from "./ports.ts";
import { originsOf, sdkConfig } from "./sdk-config.ts";
import { seedOf } from "./seed.ts";
import { readSyncLine, SYNC_LOG_FILTER, type SyncReport } from "./sync-report.ts";

/** `misconfigured` stays until somebody mends it; the others may pass. */
export class SparkUnavailable extends Error {
  override readonly name = "SparkUnavailable";
  readonly why: "misconfigured" | "envelope_unopenable" | "deadline" | "panicked" | "dropped";
  readonly fault: Fault | null;
  constructor(why: SparkUnavailable["why"], fault: Fault | null = null) {
    super(why);
    this.why = why;
    this.fault = fault;
  }
}

export interface LiveSpark {
  /** Throws SparkUnavailable once the instance has ended: a call on what was freed panics outside any promise. */
  readonly sdk: BreezSdk;
  readonly egress: Egress;
  readonly config: Config;
  /** False until all operators have answered a sync, and again after anything that went wrong. */
  readonly synced: () => boolean;
  stale(): void;
  /** What it has really done; nothing, where it was not done in time: it goes on, and the next one to ask joins it. */
  sync(): Promise<SyncReport>;
  /** Bytes of its wasm memory. */
  readonly memory: () => number;
}

interface Instance extends LiveSpark {
  readonly ended: Promise<never>;
  end(why: SparkUnavailable["why"]): void;
}

export interface EngineParts {
  readonly storage: Storage;
  readonly sessions: SessionStore;
  readonly observer: PaymentObserver;
  readonly identity: {
    stored(): { readonly network: string; readonly identity: string } | null;
    store(network: string, identity: string): void;
  };
}

export class SparkEngine {
  readonly #ports: SparkPorts;
  readonly #timing: SparkTiming;
  readonly #parts: EngineParts;
  #building: Promise<Instance> | null = null;
  #instance: Instance | null = null;
  #generation = 0;
  #users = 0;
  #idle: { cancel(): void } | null = null;

  constructor(ports: SparkPorts, timing: SparkTiming, parts: EngineParts) {
    this.#ports = ports;
    this.#timing = timing;
    this.#parts = parts;
  }

  /** Null while nothing is open in memory. */
  get live(): LiveSpark | null {
    return this.#instance;
  }

  /**
   * Runs `body` with the instance, which is built if there is none. Two clocks: after `ms` the caller is let go, while the work goes on (each
   * of its requests has a deadline of its own); work that has not ended by {@link SparkTiming.call} never will, and takes the instance with it.
   * @throws SparkUnavailable when there is no instance to be had, or it was dropped meanwhile, or time is up; else what `body` throws
   */
  async use<T>(body: (live: LiveSpark) => Promise<T>, ms: number = this.#timing.call): Promise<T> {
    this.#users++;
    this.#idle?.cancel();
    this.#idle = null;
    const running = this.#run(body);
    this.#watch(running);
    const timer = this.#ports.clock.timer(ms);
    try {
      return await Promise.race([
        running,
        timer.done.then((): never => {
          throw new SparkUnavailable("deadline");
        }),
      ]);
    } finally {
      timer.cancel();
    }
  }

  async #run<T>(body: (live: LiveSpark) => Promise<T>): Promise<T> {
    const instance = await this.#open();
    return Promise.race([body(instance), instance.ended]);
  }

  /** A user until it ends, or until it is clear that it never will. */
  #watch(running: Promise<unknown>): void {
    const generation = this.#generation;
    const timer = this.#ports.clock.timer(this.#timing.call);
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      timer.cancel();
      this.#users--;
      if (this.#users === 0) this.#watchIdle();
    };
    running.then(end, end);
    void timer.done.then(() => {
      if (over) return;
      if (generation === this.#generation) this.drop("deadline");
      end();
    });
  }

  /** Key and wasm leave memory. Whoever is using the instance gets `dropped` (or why it was). */
  drop(why: SparkUnavailable["why"] = "dropped"): void {
    this.#generation++;
    this.#building = null;
    const instance = this.#instance;
    this.#instance = null;
    this.#idle?.cancel();
    this.#idle = null;
    instance?.end(why);
  }

  #watchIdle(): void {
    if (this.#instance === null) return;
    const timer = this.#ports.clock.timer(this.#timing.idle);
    this.#idle = timer;
    void timer.done.then(() => {
      if (this.#idle === timer && this.#users === 0) this.drop();
    });
  }

  #open(): Promise<Instance> {
    if (this.#instance !== null) return Promise.resolve(this.#instance);
    const generation = this.#generation;
    this.#building ??= this.#build()
      .then((instance) => {
        if (generation !== this.#generation) {
          instance.end("dropped");
          throw new SparkUnavailable("dropped");
        }
        this.#instance = instance;
        return instance;
      })
      .finally(() => {
        if (generation === this.#generation) this.#building = null;
      });
    return this.#building;
  }

  async #build(): Promise<Instance> {
    const { settings, sealing } = this.#ports;
    const facts = this.#ports.facts();
    const fault = faultOf(settings, facts);
    if (facts === null || fault !== null) throw this.#refused(fault ?? "no_wallet");
    const [ready, envelope, keks] = await Promise.all([sealing.ready(), this.#ports.envelope(facts.walletId), this.#ports.keys()]);
    if (!ready || envelope === null || keks === null) throw new SparkUnavailable("envelope_unopenable");
    const unsafe = envelopeFault(settings, envelope);
    if (unsafe !== null) throw this.#refused(unsafe);

    let report: SyncReport | null = null;
    let lost = (_why: "panicked" | "deadline"): void => {};
    const timers = hostTimers();
    const gate = egress({ allowed: originsOf(settings), timeoutMs: this.#timing.request, fetch: this.#ports.fetch });
    const host: BreezHost = { fetch: (input, init) => gate.fetch(input, init), timers, console: { error: () => lost("panicked") } };
    const breez = this.#ports.wasm.create(this.#ports.wasm.module, host);
    const config = sdkConfig(breez, settings);
    const close = (): void => {
      gate.close();
      timers.close();
    };
    try {
      await breez.initLogging({ log: ({ line }) => void (report = readSyncLine(line) ?? report) }, SYNC_LOG_FILTER);
      const sdk = await this.#sdk(breez, config, { envelope, keks, binding: facts });
      const { identityPubkey } = await sdk.getInfo({});
      this.#recognise(facts.network, identityPubkey);
      const instance = live({
        sdk,
        breez,
        config,
        egress: gate,
        close,
        clock: this.#ports.clock,
        timing: this.#timing,
        tooLate: () => lost("deadline"),
        takeReport: () => {
          const taken = report;
          report = null;
          return taken;
        },
      });
      // The panic's text may quote what it was working on; that it happened is all that may be told.
      lost = (why) => {
        if (why === "panicked") this.#ports.log("spark_panicked", { walletId: facts.walletId });
        if (this.#instance === instance) this.drop(why);
        else instance.end(why);
      };
      return instance;
    } catch (error) {
      close();
      throw error;
    }
  }

  async #sdk(breez: Breez, config: Config, { envelope, keks, binding }: Secrets): Promise<BreezSdk> {
    const { storage, sessions, observer } = this.#parts;
    const opened = await openEnvelope({ cipher: this.#ports.cipher, keks }, envelope, binding, async (mnemonic): Promise<SdkBuilder> => {
      const secret = await seedOf(mnemonic);
      try {
        return breez.SdkBuilder.new(config, secret.seed);
      } finally {
        secret.erase();
      }
    });
    if (!opened.ok) throw new SparkUnavailable("envelope_unopenable");
    return opened.value.withStorage(storage).withSessionStore(sessions).withPaymentObserver(observer).build();
  }

  /** The first build writes down whose wallet it is; a later one that opens another's is refused before anything is sent. */
  #recognise(network: string, identity: string): void {
    const stored = this.#parts.identity.stored();
    if (stored === null) this.#parts.identity.store(network, identity);
    else if (stored.identity !== identity || stored.network !== network) throw this.#refused("another_identity");
  }

  #refused(fault: Fault): SparkUnavailable {
    this.#ports.log("spark_refused", { fault });
    return new SparkUnavailable("misconfigured", fault);
  }
}

interface Secrets {
  readonly envelope: Envelope;
  readonly keks: KeyRing;
  readonly binding: EnvelopeBinding;
}

interface Made {
  readonly sdk: BreezSdk;
  readonly breez: Breez;
  readonly config: Config;
  readonly egress: Egress;
  readonly close: () => void;
  readonly clock: SparkPorts["clock"];
  readonly timing: SparkTiming;
  /** A sync has not come back within one call's time. */
  readonly tooLate: () => void;
  readonly takeReport: () => SyncReport | null;
}

function live({ sdk, breez, config, egress: gate, close, clock, timing, tooLate, takeReport }: Made): Instance {
  let synced = false;
  let syncing: Promise<SyncReport> | null = null;
  let fail: (error: SparkUnavailable) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Nobody may be listening when it ends.
  ended.catch(() => {});
  let over: SparkUnavailable | null = null;
  const open = (): BreezSdk => {
    if (over !== null) throw over;
    return sdk;
  };
  const sync = async (): Promise<SyncReport> => {
    takeReport();
    await open().syncWallet({});
    const report = takeReport() ?? { wallet: false, payments: false };
    synced = report.wallet;
    return report;
  };
  const begun = (): Promise<SyncReport> => {
    const limit = clock.timer(timing.call);
    void limit.done.then(tooLate);
    return sync().finally(() => {
      limit.cancel();
      syncing = null;
    });
  };
  return {
    get sdk() {
      return open();
    },
    egress: gate,
    config,
    synced: () => synced,
    stale: () => {
      synced = false;
    },
    async sync() {
      syncing ??= begun();
      const late = clock.timer(timing.sync);
      try {
        return await Promise.race([syncing, late.done.then((): SyncReport => ({ wallet: false, payments: false }))]);
      } finally {
        late.cancel();
      }
    },
    memory: () => breez.memory.buffer.byteLength,
    ended,
    end: (why) => {
      close();
      over = new SparkUnavailable(why);
      fail(over);
      // Only an instance that is whole may be asked to tidy up; of another one nothing more is wanted.
      if (why === "dropped") void tidy(sdk);
    },
  };
}

/** Rust objects are freed while we are in the object's own context: a finalizer would run outside any. */
async function tidy(sdk: BreezSdk): Promise<void> {
  try {
    await sdk.disconnect();
    sdk.free();
  } catch {
    // Somebody was using it: the collector will.
  }
}
