/**
 * Asks the engine what the design leans on. Each method does one thing to its own object, so that the test beside it can see what is left
 * of it; `OUTSIDE` is the test's own server, which can hold an answer back and sees when a connection is given up.
 */
import { DurableObject } from "cloudflare:workers";

interface ProbeEnv {
  readonly PROBE: DurableObjectNamespace<Probe>;
  readonly OUTSIDE: string;
}

/** What lies between a write and the abort that follows it. */
export type Between = "nothing" | "microtasks" | "webcrypto" | "alarm" | "sync" | "fetch" | "timer";

const HOUR = 3_600_000;

export class Probe extends DurableObject<ProbeEnv> {
  constructor(ctx: DurableObjectState, env: ProbeEnv) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS note (text TEXT NOT NULL) STRICT");
  }

  async look(): Promise<{ readonly notes: readonly string[]; readonly alarm: number | null }> {
    return { notes: this.#notes(), alarm: await this.ctx.storage.getAlarm() };
  }

  async writeThenAbort(between: Between): Promise<void> {
    await this.ctx.storage.sync();
    this.#note(between);
    await this.#pass(between);
    this.ctx.abort("the probe's own crash");
  }

  async writeAndSetAlarmThenAbort(): Promise<void> {
    await this.ctx.storage.sync();
    this.ctx.storage.transactionSync(() => {
      this.#note("row");
      void this.ctx.storage.setAlarm(Date.now() + HOUR);
    });
    this.ctx.abort("the probe's own crash");
  }

  /** A message that follows a write of its own turn. */
  async writeAndSendThenAbort(): Promise<void> {
    await this.ctx.storage.sync();
    this.ctx.storage.transactionSync(() => this.#note("row"));
    void this.#ask("left-without-its-row").catch(() => undefined);
    this.ctx.abort("the probe's own crash");
  }

  async writeAndSend(): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#note("row"));
    await this.#ask("left-with-its-row");
  }

  async alarmInTransaction(end: "commit" | "rollback"): Promise<void> {
    try {
      this.ctx.storage.transactionSync(() => {
        this.#note(end);
        void this.ctx.storage.setAlarm(Date.now() + HOUR);
        if (end === "rollback") throw new Error("rolled back");
      });
    } catch (error) {
      if (end === "commit") throw error;
    }
  }

  /** What the Sql port refuses, as the platform itself treats it. */
  async asyncTransactionBody(): Promise<string> {
    const later = this.ctx.storage.transactionSync(async () => {
      this.#note("before the await");
      await Promise.resolve();
      throw new Error("too late to undo anything");
    });
    return later.then(
      () => "resolved",
      () => "rejected",
    );
  }

  async throwAfterWrite(): Promise<void> {
    this.#note("kept in spite of the throw");
    throw new Error("the probe's own error");
  }

  async setAlarmSoon(): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now());
  }

  async setAlarmAndAbort(inMs: number): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + inMs);
    await this.ctx.storage.sync();
    this.ctx.abort("the probe's own crash");
  }

  override async alarm(): Promise<void> {
    await this.#ask(`alarm/${this.ctx.id.name}`);
    this.#note("alarm done");
    await this.#ask(`alarm-done/${this.ctx.id.name}`);
  }

  /** A payment's shape: a row, a call to the outside that takes its time, another row. */
  async slow(): Promise<string> {
    return this.#work();
  }

  /** The same, but its caller has had the answer before it is done. */
  async startSlow(): Promise<string> {
    void this.#work();
    return "started";
  }

  async #work(): Promise<string> {
    this.#note("before");
    const answer = await this.#ask(`held/${this.ctx.id.name}`);
    this.#note("after");
    await this.#ask(`finished/${this.ctx.id.name}`);
    return answer;
  }

  async #pass(between: Between): Promise<void> {
    switch (between) {
      case "nothing":
        return;
      case "microtasks":
        for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
        return;
      case "webcrypto":
        await crypto.subtle.digest("SHA-256", new Uint8Array(1000));
        return;
      case "alarm":
        await this.ctx.storage.setAlarm(Date.now() + HOUR);
        return;
      case "sync":
        return this.ctx.storage.sync();
      case "fetch":
        await this.#ask("between");
        return;
      case "timer":
        return new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  #note(text: string): void {
    this.ctx.storage.sql.exec("INSERT INTO note (text) VALUES (?)", text).toArray();
  }

  #notes(): readonly string[] {
    return this.ctx.storage.sql
      .exec<{ text: string }>("SELECT text FROM note ORDER BY rowid")
      .toArray()
      .map(({ text }) => text);
  }

  async #ask(path: string): Promise<string> {
    return (await fetch(`${this.env.OUTSIDE}/${path}`)).text();
  }
}

/** `GET /<object>/<method>/<argument>` */
export default {
  async fetch(request, env, ctx): Promise<Response> {
    const [, object = "", method = "", argument = ""] = new URL(request.url).pathname.split("/");
    const probe = env.PROBE.getByName(object);
    const call = async (): Promise<unknown> => {
      switch (method) {
        case "look":
          return probe.look();
        case "writeThenAbort":
          return probe.writeThenAbort(argument as Between);
        case "writeAndSetAlarmThenAbort":
          return probe.writeAndSetAlarmThenAbort();
        case "writeAndSendThenAbort":
          return probe.writeAndSendThenAbort();
        case "writeAndSend":
          return probe.writeAndSend();
        case "alarmInTransaction":
          return probe.alarmInTransaction(argument === "commit" ? "commit" : "rollback");
        case "asyncTransactionBody":
          return probe.asyncTransactionBody();
        case "throwAfterWrite":
          return probe.throwAfterWrite();
        case "setAlarmSoon":
          return probe.setAlarmSoon();
        case "setAlarmAndAbort":
          return probe.setAlarmAndAbort(Number(argument));
        case "slow":
          // Beside the object's work, some of the Worker's own: what the caller's leaving ends of it, the outside sees.
          return Promise.all([probe.slow(), fetch(`${env.OUTSIDE}/held/worker-${object}`)]);
        case "keep": {
          const kept = async (): Promise<void> => {
            await fetch(`${env.OUTSIDE}/held/kept-${object}`);
            await fetch(`${env.OUTSIDE}/finished/kept-${object}`);
          };
          ctx.waitUntil(kept());
          return fetch(`${env.OUTSIDE}/held/worker-${object}`);
        }
        case "startSlow":
          return probe.startSlow();
        default:
          throw new Error(`no such probe: ${method}`);
      }
    };
    try {
      return Response.json({ answer: (await call()) ?? null });
    } catch (error) {
      const reset = error instanceof Error && "durableObjectReset" in error && error.durableObjectReset === true;
      return Response.json({ failed: String(error), reset });
    }
  },
} satisfies ExportedHandler<ProbeEnv>;
