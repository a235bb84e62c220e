/**
 * The three real binaries (btcd, lnd, Aperture), built from one Go module: `go install module@version` refuses them because lnd and
 * Aperture need a `replace` of protobuf, which only a main module may carry. They land in node_modules/.cache, outside git, in a folder
 * named by everything that decides their bytes; a folder that exists is complete, because it is renamed into place after the last build.
 */
import { spawn, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const MODULE = dirname(fileURLToPath(import.meta.url));
const CACHE = join(MODULE, "../../node_modules/.cache/lightning-worker/regtest");
const TAGS = "invoicesrpc routerrpc signrpc walletrpc chainrpc";
const PACKAGES = {
  btcd: "github.com/btcsuite/btcd",
  lnd: "github.com/lightningnetwork/lnd/cmd/lnd",
  aperture: "github.com/lightninglabs/aperture/cmd/aperture",
} as const;
const HEARTBEAT_MS = 5_000;

export type Binary = keyof typeof PACKAGES;
export type Binaries = Readonly<Record<Binary, string>>;

export type BuildResult =
  /** Paths of the executables; `built` is false when the cache was warm. */
  | { readonly kind: "ready"; readonly binaries: Binaries; readonly go: string; readonly built: boolean }
  /** `reason` is one line for people. */
  | { readonly kind: "unavailable"; readonly code: "go_missing" | "go_too_old" | "build_failed"; readonly reason: string };

/**
 * Makes sure that the binaries exist. Warm: reads two files and asks `go version`, some tens of milliseconds. Cold: about five minutes with
 * nothing in Go's own caches, under half a minute with them.
 * @param onProgress one line per stage, and one at least every 10 s while a stage lasts
 */
export async function buildRegtest(onProgress: (line: string) => void = () => {}): Promise<BuildResult> {
  const [mod, sum, go] = await Promise.all([
    readFile(join(MODULE, "go.mod"), "utf8"),
    readFile(join(MODULE, "go.sum"), "utf8"),
    goVersion(),
  ]);
  const wanted = /^go (\S+)$/m.exec(mod)?.[1] ?? "1";
  if (go === null)
    return unavailable("go_missing", `regtest needs Go ${wanted} or newer to build btcd, lnd and Aperture; no "go" was found on PATH`);
  if (!atLeast(go, wanted))
    return unavailable("go_too_old", `regtest needs Go ${wanted} or newer to build btcd, lnd and Aperture; this machine has ${go}`);

  const key = createHash("sha256")
    .update(JSON.stringify([mod, sum, TAGS, go, process.platform, process.arch]))
    .digest("hex")
    .slice(0, 20);
  const home = join(CACHE, key);
  if (existsSync(home)) return { kind: "ready", binaries: binariesIn(home), go, built: false };

  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "building-"));
  const started = performance.now();
  const elapsed = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  try {
    for (const name of Object.keys(PACKAGES) as Binary[]) {
      onProgress(`building ${name} with Go ${go} (${elapsed()}; the first time takes minutes)`);
      const failure = await goBuild(PACKAGES[name], join(draft, name), (doing) => onProgress(`building ${name}: ${doing}, ${elapsed()}`));
      if (failure !== null) return unavailable("build_failed", `go build of ${name} failed: ${failure}`);
    }
    // Where another process was quicker its folder is as good as ours.
    await rename(draft, home).catch((error: unknown) => {
      if (!existsSync(home)) throw error;
    });
    onProgress(`built btcd, lnd and aperture in ${elapsed()}`);
    return { kind: "ready", binaries: binariesIn(home), go, built: true };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** `1.26.8` from `go version`, or null when it cannot be run. GOTOOLCHAIN=local: asking must not download a toolchain. */
function goVersion(): Promise<string | null> {
  return new Promise((resolve) => {
    execFile("go", ["version"], { env: { ...process.env, GOTOOLCHAIN: "local" } }, (error, out) => {
      resolve(error === null ? (/\bgo(\d+(?:\.\d+)*)/.exec(out)?.[1] ?? null) : null);
    });
  });
}

/** Compares dotted versions number by number: 1.9 is older than 1.26. */
export function atLeast(have: string, wanted: string): boolean {
  const [a, b] = [have, wanted].map((version) => version.split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Runs one `go build`. @returns null, or the last line that `go` said. */
function goBuild(path: string, output: string, heartbeat: (doing: string) => void): Promise<string | null> {
  return new Promise((resolve) => {
    let downloaded = 0;
    let compiled = 0;
    let last = "";
    let rest = "";
    const child = spawn("go", ["build", "-v", "-buildvcs=false", "-tags", TAGS, "-o", output, path], {
      cwd: MODULE,
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, GOTOOLCHAIN: "local", GOWORK: "off" },
    });
    const timer = setInterval(() => heartbeat(`${downloaded} modules downloaded, ${compiled} packages compiled`), HEARTBEAT_MS);
    const onExit = () => child.kill("SIGKILL");
    process.once("exit", onExit);
    const done = (failure: string | null) => {
      clearInterval(timer);
      process.off("exit", onExit);
      resolve(failure);
    };
    // With -v, `go build` names on stderr each module it downloads and each package it compiles.
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("go: downloading")) downloaded++;
        else compiled++;
        if (line.trim() !== "") last = line.trim();
      }
    });
    child.once("error", (error) => done(error.message));
    child.once("close", (code) => done(code === 0 ? null : rest.trim() || last || `exit ${code}`));
  });
}

function binariesIn(home: string): Binaries {
  return { btcd: join(home, "btcd"), lnd: join(home, "lnd"), aperture: join(home, "aperture") };
}

function unavailable(code: "go_missing" | "go_too_old" | "build_failed", reason: string): BuildResult {
  return { kind: "unavailable", code, reason };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = await buildRegtest((line) => console.error(`regtest: ${line}`));
  if (result.kind === "ready") console.error(`regtest: binaries ready (Go ${result.go}, ${result.built ? "built now" : "cached"})`);
  else {
    console.error(`regtest: ${result.reason}`);
    process.exitCode = 1;
  }
}
