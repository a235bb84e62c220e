/**
 * Runs the project's Worker in raw workerd: the engine Cloudflare runs, with no wrangler or miniflare between. It is up in tens of
 * milliseconds, and the child's pid is workerd's own, so a test can kill exactly the process that holds the money's journal.
 * What it has not: cron triggers (nothing here calls `scheduled`), Cloudflare's edge, and more than one machine.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, constants, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { bundleWorker } from "./bundle.ts";
import { capnpConfig, type ConfiguredWorker } from "./capnp.ts";
import { wranglerFacts } from "./wrangler-facts.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** The front door first: it has the address. What is deployed by default; the figures behind it are in ADR.md. */
export const TWO_SCRIPTS: readonly string[] = [join(ROOT, "wrangler.toml"), join(ROOT, "wrangler.vault.toml")];
export const ONE_SCRIPT: readonly string[] = [join(ROOT, "wrangler.single.toml")];
const READY_WITHIN_MS = 20_000;
const TERM_GRACE_MS = 2_000;

export interface WorkerdOptions {
  /** Holds bundle, configuration, log and `state/`; the same folder again is the same system again. Made if missing. */
  readonly dir: string;
  /** Added to wrangler.toml's `[vars]`: secrets and addresses. They end in `config.capnp` inside `dir`, readable by this user only. */
  readonly vars: Readonly<Record<string, string>>;
  /** 0 or absent: any free one. */
  readonly port?: number;
  /** Takes the bundles that an earlier start in the same folder has left there: a restart, not a deployment. */
  readonly reuseBundle?: boolean;
  /**
   * Other scripts than the project's own ({@link TWO_SCRIPTS}): paths of their wrangler.toml, the one with the address first. All get `vars`,
   * and their Durable Objects are stored under the first one's name, so that a class may move between scripts and find its objects.
   */
  readonly wrangler?: string | readonly string[];
  /** A second Worker, such as the chat Worker, from its own wrangler.toml; `props` replaces that file's for every service binding. */
  readonly chat?: {
    readonly wrangler: string;
    readonly props?: Readonly<Record<string, unknown>>;
    readonly vars?: Readonly<Record<string, string>>;
  };
}

export interface RunningWorkerd {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly chatUrl: string | null;
  readonly pid: number;
  readonly stateDir: string;
  /** All that the Worker and workerd wrote (standard output and error), this life and earlier ones in the same folder. */
  stderr(): string;
  /** Sends the signal and resolves when the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** SIGTERM, and SIGKILL after 2 s. */
  close(): Promise<void>;
  /** Resolves with the exit code or signal, whoever ended it. */
  readonly exited: Promise<string>;
}

export class WorkerdError extends Error {
  override readonly name = "WorkerdError";
  readonly code: "port_in_use" | "build_failed" | "not_installed" | "start_failed";
  constructor(code: WorkerdError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** @throws WorkerdError with a `code` and one clear line */
export async function startWorkerd(options: WorkerdOptions): Promise<RunningWorkerd> {
  const dir = resolve(options.dir);
  const stateDir = join(dir, "state");
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const reuse = options.reuseBundle ?? false;
  const scripts = typeof options.wrangler === "string" ? [options.wrangler] : (options.wrangler ?? TWO_SCRIPTS);
  const workers: ConfiguredWorker[] = [];
  for (const script of scripts)
    workers.push(await prepare(dir, reuse, resolve(script), options.vars, options.port ?? 0, undefined, workers[0]?.keyPrefix));
  const main = workers[0]?.name ?? "";
  const chat =
    options.chat === undefined
      ? null
      : await prepare(dir, reuse, resolve(options.chat.wrangler), options.chat.vars ?? {}, 0, options.chat.props);
  if (chat !== null) workers.push(chat);
  const config = join(dir, "config.capnp");
  writeFileSync(config, capnpConfig(workers, stateDir), { mode: 0o600 });

  const log = join(dir, "worker.log");
  const logFile = openSync(log, "a", 0o600);
  // Control messages (one JSON line per listening socket) come on descriptor 3.
  const child = spawn(workerdBinary(), ["serve", "--experimental", "--control-fd=3", config, "config"], {
    stdio: ["ignore", logFile, logFile, "pipe"],
    cwd: dir,
  });
  closeSync(logFile);
  const exited = new Promise<string>((done) => child.once("exit", (code, signal) => done(signal ?? String(code))));
  const stderr = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const before = stderr().length;
  endWithParent(child, exited);

  const ports = await listening(
    child,
    exited,
    workers.filter(({ port }) => port !== null).map(({ name }) => name),
  ).catch(async (cause: unknown) => {
    child.kill("SIGKILL");
    await exited;
    const said = stderr().slice(before);
    if (/already in use|EADDRINUSE/iu.test(said)) throw new WorkerdError("port_in_use", `Port ${options.port ?? 0} is in use.`);
    throw new WorkerdError(
      "start_failed",
      `workerd did not start (${cause instanceof Error ? cause.message : "unknown"}): ${said.trim().split("\n").slice(-3).join(" | ")}`,
    );
  });
  const urlOf = (name: string): string => `http://127.0.0.1:${ports.get(name) ?? 0}`;
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    url: urlOf(main),
    chatUrl: chat === null ? null : urlOf(chat.name),
    pid: child.pid ?? 0,
    stateDir,
    stderr,
    kill,
    exited,
    close: async () => {
      const hard = setTimeout(() => child.kill("SIGKILL"), TERM_GRACE_MS);
      await kill("SIGTERM");
      clearTimeout(hard);
    },
  };
}

async function prepare(
  dir: string,
  reuse: boolean,
  wranglerPath: string,
  vars: Readonly<Record<string, string>>,
  port: number,
  props: Readonly<Record<string, unknown>> | undefined,
  keyPrefix?: string,
): Promise<ConfiguredWorker> {
  const facts = wranglerFacts(readFileSync(wranglerPath, "utf8"));
  const module = `${facts.name}.js`;
  // Which wasm modules belong to a bundle is written beside it: a restart reads that and builds nothing.
  const manifest = join(dir, `${facts.name}.modules.json`);
  if (!reuse || !existsSync(manifest)) {
    const { code, wasm } = await bundleWorker(resolve(dirname(wranglerPath), facts.main)).catch((cause: unknown) => {
      throw new WorkerdError(
        "build_failed",
        `The Worker does not build: ${cause instanceof Error ? (cause.message.split("\n")[1] ?? cause.message) : "unknown"}`,
      );
    });
    for (const { name, path } of wasm) copyFileSync(path, join(dir, name), constants.COPYFILE_FICLONE);
    writeFileSync(join(dir, module), code);
    writeFileSync(manifest, JSON.stringify(wasm.map(({ name }) => name)));
  }
  return {
    name: facts.name,
    keyPrefix: keyPrefix ?? facts.name,
    module,
    wasm: JSON.parse(readFileSync(manifest, "utf8")) as string[],
    facts,
    port: facts.hasAddress ? port : null,
    vars: { ...facts.vars, ...vars },
    services: facts.services.map((service) => ({ ...service, props: { ...service.props, ...props } })),
  };
}

/** The npm package's `bin/workerd` becomes the native binary at install; where install scripts are off it stays a launcher, whose pid is not workerd's. */
function workerdBinary(): string {
  const require = createRequire(import.meta.url);
  try {
    // workerd is wrangler's dependency, not ours: resolved from there, so the two can never differ.
    const fromWrangler = createRequire(require.resolve("wrangler/package.json"));
    const workerd = fromWrangler.resolve("workerd/package.json");
    const native = createRequire(workerd).resolve(
      `@cloudflare/workerd-${process.platform}-${process.arch === "x64" ? "64" : process.arch}/bin/workerd`,
    );
    return native;
  } catch {
    throw new WorkerdError("not_installed", "workerd is not installed for this platform: run `npm ci` first.");
  }
}

/** The port of each named socket, from workerd's control messages. */
async function listening(child: ChildProcess, exited: Promise<string>, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const control = child.stdio[3];
  if (control === null || control === undefined || !("setEncoding" in control)) throw new Error("no control descriptor");
  const ports = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  const ready = new Promise<void>((done) => {
    let pending = "";
    control.setEncoding("utf8");
    control.on("data", (chunk: string) => {
      const lines = (pending + chunk).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) {
        const message: unknown = JSON.parse(line);
        if (isListen(message)) ports.set(message.socket, message.port);
      }
      if (names.every((name) => ports.has(name))) done();
    });
  });
  const gone = exited.then((how) => Promise.reject(new Error(`it ended with ${how}`)));
  const late = new Promise<never>(
    (_, fail) => (timer = setTimeout(() => fail(new Error(`not ready within ${READY_WITHIN_MS} ms`)), READY_WITHIN_MS)),
  );
  try {
    await Promise.race([ready, gone, late]);
  } finally {
    clearTimeout(timer);
    gone.catch(() => undefined);
  }
  return ports;
}

function isListen(message: unknown): message is { readonly event: "listen"; readonly socket: string; readonly port: number } {
  return (
    typeof message === "object" &&
    message !== null &&
    "event" in message &&
    message.event === "listen" &&
    "socket" in message &&
    "port" in message
  );
}

/**
 * workerd must not outlive us, not even after SIGKILL, when no handler of ours runs. A shell holds the read end of a pipe whose write end
 * only we have: when we are gone, however that came, its `read` ends and it ends workerd by pid.
 */
function endWithParent(child: ChildProcess, exited: Promise<string>): void {
  const guard = spawn("/bin/sh", ["-c", 'read -r _; kill -KILL "$1"', "guard", String(child.pid ?? 0)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.unref();
  guard.on("error", () => undefined);
  guard.stdin?.on("error", () => undefined);
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);
  // Once workerd has gone its pid may become somebody else's: the guard must not survive it.
  void exited.then(() => {
    process.removeListener("exit", onExit);
    guard.kill("SIGKILL");
  });
}
