/**
 * A Durable Object's platform, as facts/wallet-core.md measured it. A turn's writes are one unit; the scheduler commits it
 * later; what the object sends meanwhile is held back by the output gate. A crash before the commit loses writes, alarm and
 * messages together. Answers to a dead instance are lost. A fired alarm is gone only with its handler's last commit.
 */
import { NodeSql } from "../support/sql-node.ts";
import type { Scheduler } from "./scheduler.ts";

/** Storage with one open unit around everything since the last commit. */
export class SimSql extends NodeSql {
  open = false;
  alarm: number | null = null;
  /** The running handler has said what comes next, even if that is nothing. */
  said = false;
  durableAlarm: number | null = null;
  handling = false;
  #held: (() => void)[] = [];
  onOpen: () => void = () => {};

  protected override onWrite(): void {
    if (this.open) return;
    this.control("BEGIN");
    this.open = true;
    this.onOpen();
  }

  override transaction<T>(body: () => T): T {
    this.onWrite();
    const before = this.alarm;
    try {
      return super.transaction(body);
    } catch (error) {
      this.alarm = before;
      throw error;
    }
  }

  setAlarm(at: number | null): void {
    this.onWrite();
    this.alarm = at;
    this.said = true;
  }

  handled(): void {
    this.onWrite();
    this.handling = false;
  }

  /** The output gate: a message leaves when every write before it is durable. */
  send(message: () => void): void {
    if (this.open) this.#held.push(message);
    else message();
  }

  commit(): void {
    if (!this.open) return;
    this.control("COMMIT");
    this.open = false;
    this.durableAlarm = this.handling && !this.said ? this.durableAlarm : this.alarm;
    const held = this.#held;
    this.#held = [];
    for (const message of held) message();
  }

  crash(): void {
    if (this.open) this.control("ROLLBACK");
    this.open = false;
    this.#held = [];
    this.handling = false;
    this.alarm = this.durableAlarm;
  }
}

interface Alarmed {
  alarm(): Promise<void>;
}

/** One object: at most one live instance, made on demand, thrown away by a crash. */
export class SimObject<Core extends Alarmed> {
  readonly sql = new SimSql();
  generation = 0;
  crashes = 0;
  /** Something durable has changed since somebody last looked. */
  dirty = false;
  readonly #scheduler: Scheduler;
  readonly #make: (generation: number) => Core;
  #core: Core | null = null;
  #alarmAt: number | null = null;
  #cancelAlarm: () => void = () => {};
  #cancelCommit: () => void = () => {};
  readonly #broken = new Set<(error: Error) => void>();

  constructor(scheduler: Scheduler, make: (generation: number) => Core) {
    this.#scheduler = scheduler;
    this.#make = make;
    this.sql.onOpen = () => {
      this.#cancelCommit = scheduler.after(scheduler.choice.pick([0, 0, 1, 3, 20]), "commit", () => { this.sql.commit(); this.dirty = true; }).cancel;
    };
  }

  instance(): Core {
    this.#core ??= this.#make(this.generation);
    return this.#core;
  }

  get alive(): boolean {
    return this.#core !== null;
  }

  /** An RPC call that has arrived. `reply` runs when the answer may leave; `broken` when the instance dies first. */
  call<T>(method: (core: Core) => Promise<T>, reply: (answer: T) => void, broken: (error: Error) => void): void {
    const { generation } = this;
    this.#broken.add(broken);
    const finish = (tell: () => void): void => {
      if (generation !== this.generation) return;
      this.#broken.delete(broken);
      this.sql.send(tell);
    };
    method(this.instance()).then((answer) => finish(() => reply(answer)), (error: unknown) => {
      // The object's own exception is a bug in this house, never part of a run.
      if (generation === this.generation) this.#scheduler.fail(error);
    });
  }

  crash(): void {
    this.crashes++;
    this.#scheduler.note("CRASH");
    this.#cancelCommit();
    this.#cancelAlarm();
    this.#alarmAt = null;
    this.sql.crash();
    this.#core = null;
    this.generation++;
    this.dirty = true;
    const broken = [...this.#broken];
    this.#broken.clear();
    for (const tell of broken) tell(Object.assign(new Error("the object was reset"), { durableObjectReset: true, retryable: true }));
  }

  /** Call after every step: a durable alarm that is not yet on the list is put there, a little late as alarms are. */
  tend(): void {
    const { durableAlarm, open, handling } = this.sql;
    if (open || handling || durableAlarm === this.#alarmAt) return;
    this.#cancelAlarm();
    this.#alarmAt = durableAlarm;
    if (durableAlarm === null) return;
    const { choice, now } = this.#scheduler;
    this.#cancelAlarm = this.#scheduler.after(durableAlarm - now + choice.pick([0, 0, 5, 700, 3000]), "alarm", () => this.#fire()).cancel;
  }

  #fire(): void {
    const { generation } = this;
    this.sql.commit();
    this.sql.alarm = null;
    this.sql.said = false;
    this.sql.handling = true;
    const core = this.instance();
    core.alarm().then(() => {
      if (generation !== this.generation) return;
      this.#alarmAt = null;
      this.sql.handled();
    }, (error: unknown) => this.#scheduler.fail(error));
  }
}
