/**
 * A Durable Object's platform, as facts/wallet-core.md measured it. A turn's writes are one unit; the scheduler commits it
 * later; what the object sends meanwhile is held back by the output gate. A crash before the commit loses writes, alarm and
 * messages together. Answers to a dead instance are lost. A fired alarm is gone only with its handler's last commit.
 * A superseded instance runs on beside its successor: its storage throws, but what it says without an unconfirmed write still leaves.
 */
import type { Bind, Sql } from "../../durable-objects/sql.ts";
import type { Weather } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimSql } from "./sim-sql.ts";

interface Alarmed {
  alarm(): Promise<void>;
}

/** One life of the object. */
export class Instance<Core> {
  standing: "live" | "old" | "dead" = "live";
  readonly generation: number;
  readonly sql: Sql;
  /** Callers without an answer. */
  readonly waiting = new Set<(error: Error) => void>();
  core: Core | null = null;
  readonly #storage: SimSql;
  /** It was superseded with writes that nobody has confirmed: whatever it says afterwards stays behind them. */
  #mute = false;

  constructor(generation: number, storage: SimSql) {
    this.generation = generation;
    this.#storage = storage;
    const mine = (): SimSql => {
      if (this.standing !== "live") throw new Error("Internal error: this object's storage is no longer accessible");
      return storage;
    };
    this.sql = {
      script: (text) => mine().script(text),
      rows: <T>(query: string, ...bind: Bind[]) => mine().rows<T>(query, ...bind),
      transaction: <T>(body: () => T) => mine().transaction(body),
    };
  }

  /** It gets no answer and no time any more. */
  get gone(): boolean {
    return this.standing === "dead";
  }

  setAlarm(at: number | null): void {
    if (this.standing !== "live") throw new Error("Internal error: this object's storage is no longer accessible");
    this.#storage.setAlarm(at);
  }

  send(message: () => void): void {
    if (this.standing === "live") this.#storage.send(message);
    else if (this.standing === "old" && !this.#mute) message();
  }

  supersede(): void {
    this.#mute = this.#storage.open;
    this.standing = "old";
  }

  die(): void {
    this.standing = "dead";
    const broken = [...this.waiting];
    this.waiting.clear();
    for (const tell of broken) tell(Object.assign(new Error("the object was reset"), { durableObjectReset: true, retryable: true }));
  }
}

/** After so many alarms that did not come to an end the platform gives up (facts, "alarms"). */
const MOST_TRIES = 6;

export class SimObject<Core extends Alarmed> {
  readonly sql = new SimSql();
  crashes = 0;
  /** Something durable has changed since somebody last looked. */
  dirty = false;
  /** What the object's host takes for the time, beyond the true one. Milliseconds. */
  clockOffset = 0;
  readonly #scheduler: Scheduler;
  readonly #weather: Weather;
  readonly #make: (instance: Instance<Core>) => Core;
  #live: Instance<Core> | null = null;
  #generation = 0;
  #tries = 0;
  #alarmAt: number | null = null;
  #cancelAlarm: () => void = () => {};
  #cancelCommit: () => void = () => {};

  constructor(scheduler: Scheduler, weather: Weather, make: (instance: Instance<Core>) => Core) {
    this.#scheduler = scheduler;
    this.#weather = weather;
    this.#make = make;
    this.sql.onOpen = () => {
      this.#cancelCommit = scheduler.after(scheduler.choice.pick([0, 0, 1, 3, 20]), "commit", () => this.commit()).cancel;
    };
  }

  get live(): Instance<Core> & { core: Core } {
    if (this.#live === null) {
      this.#live = new Instance<Core>(++this.#generation, this.sql);
      this.#live.core = this.#make(this.#live);
    }
    return this.#live as Instance<Core> & { core: Core };
  }

  get alive(): boolean {
    return this.#live !== null;
  }

  commit(): void {
    this.#cancelCommit();
    this.sql.commit();
    this.dirty = true;
  }

  /** An RPC call that has arrived. `reply` runs when the answer may leave; `broken` when the instance dies first. */
  call<T>(method: (core: Core) => Promise<T>, reply: (answer: T) => void, broken: (error: Error) => void): void {
    const instance = this.live;
    instance.waiting.add(broken);
    method(instance.core).then(
      (answer) =>
        instance.send(() => {
          if (instance.waiting.delete(broken)) reply(answer);
        }),
      (error: unknown) => {
        // The object's own exception is a bug in this house, never part of a run; a superseded one has lost its storage.
        if (instance.standing === "live") this.#scheduler.fail(error);
        else if (instance.waiting.delete(broken))
          broken(Object.assign(new Error("the object was superseded"), { durableObjectReset: true, retryable: true }));
      },
    );
  }

  crash(): void {
    this.crashes++;
    this.#scheduler.note("CRASH");
    const instance = this.#take();
    instance?.die();
  }

  /** Another instance takes over while this one does not know it yet. */
  supersede(): void {
    this.crashes++;
    this.#scheduler.note("SUPERSEDED");
    const old = this.#live;
    old?.supersede();
    this.#take();
    this.#scheduler.after(this.#scheduler.choice.delay(120_000), "the old instance ends", () => old?.die());
  }

  /** New code, in an orderly way: nothing is lost, and the constructor runs its migrations over open rows. */
  deploy(): void {
    this.#scheduler.note("DEPLOY");
    this.commit();
    this.crash();
  }

  /** The host's clock is set, forwards or backwards. */
  jump(by: number): void {
    this.clockOffset += by;
    this.#scheduler.note(`CLOCK ${by}`);
    this.#cancelAlarm();
    this.#alarmAt = null;
  }

  #take(): Instance<Core> | null {
    const instance = this.#live;
    this.#cancelCommit();
    this.#cancelAlarm();
    this.#alarmAt = null;
    this.sql.crash();
    this.#live = null;
    this.dirty = true;
    return instance;
  }

  /** Call after every step: a durable alarm that is not yet on the list is put there, a little late as alarms are. */
  tend(): void {
    const { durableAlarm, open, handling } = this.sql;
    if (open || handling || durableAlarm === this.#alarmAt) return;
    this.#cancelAlarm();
    this.#alarmAt = durableAlarm;
    if (durableAlarm === null) return;
    const { choice, now } = this.#scheduler;
    const late = choice.pick([0, 0, 5, 700, 3000]) + (this.#weather.strikes("alarms", 15) ? choice.delay(600_000) : 0);
    this.#cancelAlarm = this.#scheduler.after(durableAlarm - this.clockOffset - now + late, "alarm", () => this.#fire()).cancel;
  }

  #fire(): void {
    this.commit();
    if (this.#weather.strikes("alarms", 40) || this.#tries >= MOST_TRIES) {
      this.#scheduler.note("ALARM DROPPED");
      this.#tries = 0;
      this.sql.drop();
      // It gives up on handlers that die: the last instance is dead too, and the next one arms again.
      this.crash();
      return;
    }
    this.#tries++;
    const instance = this.live;
    // Making the instance may have written and armed; what fires now is no longer set.
    this.commit();
    this.sql.alarm = null;
    this.sql.said = false;
    this.sql.handling = true;
    const again = this.#weather.strikes("alarms", 15);
    instance.core.alarm().then(
      () => {
        if (instance.standing !== "live") return;
        this.#tries = 0;
        this.#alarmAt = null;
        this.sql.handled();
        // At least once, says the platform, and means it.
        if (again)
          this.#scheduler.after(this.#scheduler.choice.delay(5000), "alarm again", () =>
            this.call(
              (core) => core.alarm(),
              () => {},
              () => {},
            ),
          );
      },
      (error: unknown) => {
        if (instance.standing === "live") this.#scheduler.fail(error);
      },
    );
  }
}
