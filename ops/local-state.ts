/**
 * The state folder of a local system: worthless keys made on this machine, the Worker's files, and who is using it. Never for real money:
 * the key-encryption key lies in a file beside what it encrypts.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface LocalKeys {
  /** 32 random bytes, base64: WALLET_KEK_V1. */
  readonly kek: string;
  /** The secret part of the first operator key. */
  readonly operatorSecret: string;
}

/** What another command on this machine needs to use a running system; written with mode 0600. */
export interface SystemFile {
  readonly url: string;
  readonly operatorKey: string;
  readonly kind: "simulated" | "regtest";
  readonly payer: "spark" | "executor";
  readonly sellerUrl: string;
  readonly witnessUrl: string;
}

export interface LocalState {
  readonly dir: string;
  readonly keys: LocalKeys;
  publish(system: SystemFile): void;
  /** Ends our claim on the folder, and removes it if it was temporary. */
  release(): void;
}

const CLAIM = "running.pid";

/** @param dir null for a temporary folder that `release` removes @throws Error with one line when another process uses the folder */
export function openState(dir: string | null): LocalState {
  const folder = dir === null ? mkdtempSync(join(tmpdir(), "lightning-worker-")) : resolve(dir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const claim = join(folder, CLAIM);
  const holder = existsSync(claim) ? Number(readFileSync(claim, "utf8")) : 0;
  if (holder !== process.pid && isAlive(holder))
    throw new Error(`Another Lightning Worker (pid ${holder}) uses ${folder}: stop it, or choose another folder with --state.`);
  writeFileSync(claim, String(process.pid));

  const keyFile = join(folder, "keys.json");
  const stored = existsSync(keyFile) ? (JSON.parse(readFileSync(keyFile, "utf8")) as LocalKeys) : null;
  const keys = stored ?? { kek: randomBytes(32).toString("base64"), operatorSecret: randomBytes(32).toString("base64url") };
  if (stored === null) writeFileSync(keyFile, JSON.stringify(keys), { mode: 0o600 });

  const systemFile = join(folder, "system.json");
  const release = (): void => {
    process.removeListener("exit", release);
    if (dir === null) rmSync(folder, { recursive: true, force: true });
    else for (const file of [systemFile, claim]) rmSync(file, { force: true });
  };
  // However we end, short of SIGKILL: no keys of a system that is gone stay behind.
  process.once("exit", release);
  return { dir: folder, keys, publish: (system) => writeFileSync(systemFile, JSON.stringify(system), { mode: 0o600 }), release };
}

/** The system that runs on this folder, or null. */
export function readSystem(dir: string): SystemFile | null {
  const file = join(resolve(dir), "system.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as SystemFile) : null;
}

export const sha256Hex = (text: string): string => createHash("sha256").update(text).digest("hex");

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // EPERM: it lives, but belongs to somebody else.
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
}
