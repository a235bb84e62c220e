/**
 * What the design takes for granted about Durable Objects, asked of the engine itself: raw workerd, a Worker of its own, real kills, and a
 * client that really goes. It speaks for local workerd of the pinned version; on Cloudflare none of this has been run.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import { startOutside, type Outside } from "../platform/outside.ts";

let dir: string;
let outside: Outside;
let workerd: RunningWorkerd;

const start = (): Promise<RunningWorkerd> =>
  startWorkerd({ dir, vars: { OUTSIDE: outside.url }, wrangler: join(import.meta.dirname, "../platform/wrangler.toml") });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "platform-"));
  outside = await startOutside((path) => path.startsWith("held/") || path === "alarm/interrupted");
  workerd = await start();
});

afterAll(async () => {
  await workerd.close();
  await outside.close();
  await rm(dir, { recursive: true });
});

const call = async (object: string, method: string, argument = ""): Promise<unknown> =>
  (await fetch(`${workerd.url}/${object}/${method}/${argument}`)).json();
const look = (object: string): Promise<unknown> => call(object, "look");
const left = (notes: readonly string[], alarm: unknown = null): unknown => ({ answer: { notes, alarm } });
const CRASHED = { failed: "Error: the probe's own crash", reset: true };

/** Asks, and cuts the connection (RST) once the outside has seen what `until` waits for. */
async function askAndVanish(object: string, method: string, until: readonly string[]): Promise<void> {
  const socket = connect(Number(new URL(workerd.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`GET /${object}/${method} HTTP/1.1\r\nHost: probe\r\n\r\n`);
  await Promise.all(until.map((path) => outside.arrived(path)));
  socket.resetAndDestroy();
}

describe("a turn's writes", () => {
  it.each(["nothing", "microtasks", "webcrypto", "alarm"])(
    "are lost together with a crash when only this lies between: %s",
    async (between) => {
      expect(await call(`lost-${between}`, "writeThenAbort", between)).toEqual(CRASHED);
      expect(await look(`lost-${between}`)).toEqual(left([]));
    },
  );

  it.each(["sync", "fetch", "timer"])("are durable once this has been awaited: %s", async (between) => {
    expect(await call(`kept-${between}`, "writeThenAbort", between)).toEqual(CRASHED);
    expect(await look(`kept-${between}`)).toEqual(left([between]));
  });

  it("take their alarm with them", async () => {
    expect(await call("with-alarm", "writeAndSetAlarmThenAbort")).toEqual(CRASHED);
    expect(await look("with-alarm")).toEqual(left([]));
  });

  it("invariant 1: hold back the messages that follow them, and lose them too", async () => {
    expect(await call("message", "writeAndSendThenAbort")).toEqual(CRASHED);
    await call("message", "writeAndSend");
    expect(outside.seen).toContain("left-with-its-row");
    expect(outside.seen).not.toContain("left-without-its-row");
    expect(await look("message")).toEqual(left(["row"]));
  });

  it("stay when the method throws: only transactionSync undoes", async () => {
    expect(await call("thrown", "throwAfterWrite")).toEqual({ failed: "Error: the probe's own error", reset: false });
    expect(await look("thrown")).toEqual(left(["kept in spite of the throw"]));
  });

  it("are there after the process was killed, once they have been answered for", async () => {
    await call("killed", "writeAndSend");
    await workerd.kill("SIGKILL");
    workerd = await start();
    expect(await look("killed")).toEqual(left(["row"]));
  });
});

describe("transactionSync", () => {
  it("takes setAlarm along: undone with a rollback, kept with a commit", async () => {
    await call("alarm-tx", "alarmInTransaction", "rollback");
    expect(await look("alarm-tx")).toEqual(left([]));
    await call("alarm-tx", "alarmInTransaction", "commit");
    expect(await look("alarm-tx")).toEqual(left(["commit"], expect.any(Number)));
  });

  it("accepts an async body and commits its first part, which is why the Sql port refuses promises", async () => {
    expect(await call("async-tx", "asyncTransactionBody")).toEqual({ answer: "rejected" });
    expect(await look("async-tx")).toEqual(left(["before the await"]));
  });
});

describe("an alarm", () => {
  it("invariant 4: comes to an object that has crashed, without any request", async () => {
    expect(await call("crashed", "setAlarmAndAbort", "0")).toEqual(CRASHED);
    await outside.arrived("alarm-done/crashed");
    expect(await look("crashed")).toEqual(left(["alarm done"]));
  });

  it("invariant 4: comes after the process was killed before it was due, without any request", async () => {
    await call("before-due", "setAlarmAndAbort", "300");
    await workerd.kill("SIGKILL");
    workerd = await start();
    await outside.arrived("alarm-done/before-due");
    expect(await look("before-due")).toEqual(left(["alarm done"]));
  });

  it("invariant 4: comes again when the process was killed while it was handled", async () => {
    await call("interrupted", "setAlarmSoon");
    await outside.arrived("alarm/interrupted");
    await workerd.kill("SIGKILL");
    outside.release("alarm/interrupted");
    workerd = await start();
    await outside.arrived("alarm-done/interrupted");
    expect(outside.seen.filter((path) => path === "alarm/interrupted")).toHaveLength(2);
    expect(await look("interrupted")).toEqual(left(["alarm done"]));
  });
});

describe("a caller that goes", () => {
  it("invariant 2: ends the Worker's own work, but not what it called in the object, which runs on to its last row", async () => {
    await askAndVanish("gone", "slow", ["held/gone", "held/worker-gone"]);
    // That the Worker gives up its own request shows that it has noticed.
    await outside.givenUp("held/worker-gone");
    outside.release("held/gone");
    await outside.arrived("finished/gone");
    expect(await look("gone")).toEqual(left(["before", "after"]));
  });

  it("does not end what the Worker put into waitUntil", async () => {
    await askAndVanish("waiting", "keep", ["held/kept-waiting", "held/worker-waiting"]);
    outside.release("held/kept-waiting");
    await outside.arrived("finished/kept-waiting");
    expect(outside.seen).toContain("finished/kept-waiting");
  });

  it("invariant 2: may have its answer before the object's work is done", async () => {
    expect(await call("detached", "startSlow")).toEqual({ answer: "started" });
    outside.release("held/detached");
    await outside.arrived("finished/detached");
    expect(await look("detached")).toEqual(left(["before", "after"]));
  });
});
