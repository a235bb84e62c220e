/**
 * The project under `wrangler dev`: a copy of it in a folder of this run, so that code, state, secrets and logs of a run lie together, nothing
 * touches the checkout, and nobody who edits it changes what runs. A second script of `wrangler dev` takes neither `--var` nor `--persist-to`;
 * `.dev.vars` beside the files reaches both. wrangler starts two workerd processes: its proxy, and the one that runs us.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { copyProject, WRANGLER_FILES, wranglerProgram } from "./wrangler-files.ts";
import { isAlive, processTree, residentBytes } from "./processes.ts";

const READY_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 50;
const RIG_SECRETS: readonly string[] = ["SPIKE_MNEMONIC", "BREEZ_API_KEY", "LIGHTNING_OPERATOR_KEY"];

export interface DevWorker {
  /** Of the life that runs now; another port after each start. */
  url(): string;
  /** Starts again on the same state. @returns ms until wrangler said it was ready */
  start(): Promise<number>;
  /** SIGKILL to wrangler and its workerd processes, as in a power cut; resolves when they are gone. */
  kill(): Promise<void>;
  /** As `kill`, for good: a gate that is still at work cannot start it again, in a folder that is about to go. */
  end(): Promise<void>;
  /** All that wrangler and workerd wrote, over all lives, wrangler's own log files with it. */
  log(): string;
  /** Every file that this system has stored. */
  readonly stateDir: string;
  /** Resident memory of the larger workerd, which is ours: the other one is wrangler's proxy. Bytes; null where the system does not tell. */
  memory(): number | null;
  /** Those of workerd, as long as they run. */
  workerdPids(): readonly number[];
  /** Other secrets for the next start. */
  setVars(vars: Readonly<Record<string, string>>): void;
}

/** @param vars added to the files' own; they end in `.dev.vars` in `dir`, readable by this user only */
export function devWorker(dir: string, vars: Readonly<Record<string, string>>): DevWorker {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  copyProject(dir, Object.keys(vars));
  const output = join(dir, "wrangler.out");
  const logs = join(dir, "wrangler-logs");
  let child: ChildProcess | null = null;
  let exited: Promise<void> = Promise.resolve();
  let url = "";
  let over = false;

  const setVars = (next: Readonly<Record<string, string>>): void =>
    writeFileSync(
      join(dir, ".dev.vars"),
      Object.entries(next)
        .map(([name, value]) => `${name}='${quotable(name, value)}'\n`)
        .join(""),
      { mode: 0o600 },
    );
  setVars(vars);

  async function start(): Promise<number> {
    if (over) throw new Error("the run is over");
    if (child !== null) throw new Error("wrangler dev runs already");
    const began = performance.now();
    const before = existsSync(output) ? readFileSync(output).length : 0;
    const file = openSync(output, "a", 0o600);
    const started = spawn(
      process.execPath,
      [
        wranglerProgram(),
        "dev",
        ...WRANGLER_FILES.flatMap((name) => ["-c", name]),
        "--ip",
        "127.0.0.1",
        "--port",
        "0",
        "--inspector-port",
        "0",
        "--show-interactive-dev-session=false",
      ],
      {
        cwd: dir,
        stdio: ["ignore", file, file],
        // A group of its own, so that its end is also the end of what it has started.
        detached: true,
        env: {
          ...withoutSecrets(process.env),
          WRANGLER_SEND_METRICS: "false",
          WRANGLER_HIDE_BANNER: "true",
          WRANGLER_LOG_PATH: logs,
          WRANGLER_REGISTRY_PATH: join(dir, "registry"),
          FORCE_COLOR: "0",
        },
      },
    );
    closeSync(file);
    child = started;
    let gone = false;
    exited = new Promise((done) =>
      started.once("exit", () => {
        gone = true;
        done();
      }),
    );
    endWithParent(started, exited);
    const said = (): string => readFileSync(output).subarray(before).toString("utf8");
    const deadline = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const ready = /Ready on (http:\/\/127\.0\.0\.1:\d+)/u.exec(said());
      if (ready?.[1] !== undefined) {
        url = ready[1];
        return performance.now() - began;
      }
      if (gone || performance.now() > deadline) {
        await kill();
        throw new Error(`wrangler dev did not start: ${lastWords(said())}`);
      }
      await pause(LOOK_EVERY_MS);
    }
  }

  async function kill(): Promise<void> {
    if (child?.pid === undefined) return;
    const group = child.pid;
    const members = processTree(group);
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      // It ended by itself.
    }
    await exited;
    child = null;
    const deadline = performance.now() + 5000;
    while (members.some(({ pid }) => isAlive(pid)) && performance.now() < deadline) await pause(LOOK_EVERY_MS);
  }

  const workerdPids = (): readonly number[] =>
    child?.pid === undefined
      ? []
      : processTree(child.pid)
          .filter(({ name }) => name === "workerd")
          .map(({ pid }) => pid);
  return {
    url: () => url,
    start,
    kill,
    end: () => {
      over = true;
      return kill();
    },
    workerdPids,
    setVars,
    log: () =>
      [output, ...filesBelow(logs)]
        .filter((file) => existsSync(file))
        .map((file) => readFileSync(file, "utf8"))
        .join("\n"),
    stateDir: join(dir, ".wrangler", "state"),
    memory: () => {
      const sizes = workerdPids().map(residentBytes);
      return sizes.length === 0 || sizes.includes(null) ? null : Math.max(...sizes.map((size) => size ?? 0));
    },
  };
}

/**
 * The rig's own secrets stay with the rig: what the Worker needs is in `.dev.vars`, and gate 2 searches workerd's memory, of which the
 * environment is a part.
 */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const rest = { ...env };
  for (const name of RIG_SECRETS) delete rest[name];
  return rest;
}

/** Copies the stored state, so that a later life cannot change what is looked at. */
export function copyState(from: string, to: string): void {
  for (const file of filesBelow(from)) {
    const target = join(to, file.slice(from.length + 1));
    mkdirSync(resolve(target, ".."), { recursive: true });
    copyFileSync(file, target);
  }
}

export function filesBelow(dir: string): readonly string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** `.dev.vars` is dotenv's format: between single quotes nothing is special but the quote itself. */
function quotable(name: string, value: string): string {
  if (/['\n\r]/u.test(value)) throw new Error(`${name} cannot stand in .dev.vars`);
  return value;
}

const lastWords = (text: string): string =>
  text
    .split("\n")
    .filter((line) => /error|not found|cannot|fail/iu.test(line))
    .slice(0, 3)
    .join(" | ") || "no word why";

/** However we end, wrangler's group ends too: a shell holds a pipe whose other end only we have. (`kill -KILL -- -1` is no word of dash.) */
function endWithParent(child: ChildProcess, exited: Promise<void>): void {
  const guard = spawn("/bin/sh", ["-c", 'read -r _; kill -s KILL -- "-$1"', "guard", String(child.pid ?? 0)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.unref();
  guard.on("error", () => undefined);
  guard.stdin?.on("error", () => undefined);
  // Once it has gone its number may become somebody else's.
  void exited.then(() => guard.kill("SIGKILL"));
}
