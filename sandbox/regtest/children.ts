/**
 * The child processes of a network, and the promise that none outlives us. close() and the `exit` event kill by pid; but a parent that
 * is killed, or dies of a signal nobody handles, runs no code. So a small `sh` waits on a pipe that only we hold: when it reads the end
 * of it, it kills what is left and removes the folder. The state is thrown away anyway, hence SIGKILL: lnd needs a second to stop politely.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/** Reads `+pid`, `-pid` and `done` lines. At the end of its input without `done`: kills what is left and removes the folder in $1. */
const REAPER = `trap '' INT TERM HUP
pids=" "
while read -r line; do case "$line" in
  +*) pids="$pids\${line#+} " ;;
  -*) pid="\${line#-}"; case "$pids" in *" $pid "*) pids="\${pids%% $pid *} \${pids#* $pid }" ;; esac ;;
  done) exit 0 ;;
esac; done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
rm -rf "$1" 2>/dev/null || { sleep 1; rm -rf "$1"; }`;

/**
 * The child tells the reaper of itself before it becomes the program: whoever is killed between starting it and noting it down leaves nothing
 * behind. It lets go of the pipe with the same step, so the end of the pipe is ours alone.
 */
const REGISTER = `echo "+$$" >&3; exec "$0" "$@" 3>&-`;

const POLL_MS = 50;
const TAIL_LINES = 12;

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** All that it has said so far. */
  log(): Promise<string>;
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>;
  /**
   * Tries `probe` until it gives something that is neither null nor false.
   * @throws Error at once when the process ends, or after `timeoutMs`: one sentence and the tail of its log
   */
  until<T>(what: string, probe: () => Promise<T | null | false>, timeoutMs?: number): Promise<T>;
}

export interface Children {
  /** Starts a program with its output in `<dir>/<name>.log`. */
  start(name: string, executable: string, args: readonly string[]): Child;
  /** Ends every child, then removes the folder. Can be called twice. */
  close(): Promise<void>;
}

/** @param dir an existing folder that belongs to these children alone; it is removed with them */
export function holdChildren(dir: string): Children {
  const alive = new Set<ChildProcess>();
  // Own process groups: Ctrl-C in a terminal reaches us, and we decide in which order the others end.
  const reaper = spawn("/bin/sh", ["-c", REAPER, "reaper", dir], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  reaper.unref();
  reaper.stdin.on("error", () => {});
  const onExit = () => {
    for (const child of alive) child.kill("SIGKILL");
  };
  process.once("exit", onExit);

  const ended = (child: ChildProcess) =>
    new Promise<void>((resolve) => void (alive.has(child) ? child.once("exit", () => resolve()) : resolve()));

  const start = (name: string, executable: string, args: readonly string[]): Child => {
    const logFile = join(dir, `${name}.log`);
    const log = openSync(logFile, "a");
    // Their own HOME: none of the three may read or write its user's configuration. The cast: wrangler's types add the Worker's secrets
    // to ProcessEnv as required, and these programs have no business with them.
    const env = { PATH: process.env["PATH"] ?? "", HOME: dir } as Partial<NodeJS.ProcessEnv> as NodeJS.ProcessEnv;
    const child = spawn("/bin/sh", ["-c", REGISTER, executable, ...args], {
      stdio: ["ignore", log, log, reaper.stdin],
      detached: true,
      env,
    });
    closeSync(log);
    let failure: string | null = null;
    child.once("error", (error) => (failure = error.message));
    if (child.pid !== undefined) {
      alive.add(child);
      child.once("exit", (code, signal) => {
        alive.delete(child);
        failure = `ended with ${signal ?? `exit code ${code}`}`;
        reaper.stdin.write(`-${child.pid}\n`);
      });
    }
    const tail = () => readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
    return {
      name,
      pid: child.pid ?? 0,
      log: () => readFile(logFile, "utf8"),
      async stop() {
        child.kill("SIGTERM");
        await ended(child);
      },
      async until(what, probe, timeoutMs = 60_000) {
        const end = performance.now() + timeoutMs;
        let last = "";
        while (failure === null && performance.now() < end) {
          try {
            const found = await probe();
            if (found !== null && found !== false) return found;
          } catch (error) {
            last = error instanceof Error ? `: ${error.message}` : "";
          }
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        }
        throw new Error(`${name} ${failure ?? `did not get to "${what}" in ${timeoutMs / 1000} s${last}`}; its log ends:\n${tail()}`);
      },
    };
  };

  return {
    start,
    async close() {
      process.off("exit", onExit);
      const waiting = [...alive].map((child) => ended(child));
      onExit();
      await Promise.all(waiting);
      reaper.stdin.end("done\n");
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** A port on 127.0.0.1 that was free a moment ago: none of the three programs can say which one the system chose for it. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

/** Whether something listens on that port of 127.0.0.1. */
export function listening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
