/**
 * The folder of one run: state, secrets and logs. On the sandbox all of it is worthless and goes at the end. On a live network it is never
 * deleted: the key-encryption key in it and the stored envelopes are all there is of wallets that may still hold money. It lies in the home
 * folder then, since a system may empty its temporary one whenever it likes.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { WALLET_ID } from "../../lightning/schema.ts";
import type { Environment } from "../environments.ts";

export interface RunFolder {
  readonly path: string;
  /** A file readable by this user only. @throws Error when it is there already: nothing kept is written over */
  keep(name: string, text: string): void;
  /** The `age` text of a create answer. @throws Error for what is no wallet's id, or when there is one already */
  keepBackup(walletId: string, age: string): void;
  hasBackup(walletId: string): boolean;
  /** Deletes the sandbox's; says where a live one is. */
  leave(): void;
}

/** @param parent of the folder; null for the usual place @throws Error when it cannot be made */
export function runFolder(environment: Environment, say: (line: string) => void, parent: string | null = null): RunFolder {
  const live = environment !== "sandbox";
  const above = parent ?? (live ? join(homedir(), ".lightning-worker") : tmpdir());
  if (live) mkdirSync(above, { recursive: true, mode: 0o700 });
  // mkdtemp makes it 0700.
  const path = mkdtempSync(join(above, live ? `spike-${environment}-` : "lightning-worker-spike-"));
  const tell = (): void => {
    if (live) say(`  ${path} keeps the keys of wallets that may hold money: it is not deleted`);
  };
  const keep = (name: string, text: string): void => writeFileSync(join(path, name), text, { mode: 0o600, flag: "wx" });
  const backupFile = (walletId: string): string => {
    // The id may come from a Worker that is not ours, and becomes a file's name.
    if (!WALLET_ID.test(walletId)) throw new Error("a wallet was made whose id is none");
    return `${walletId}.age`;
  };
  tell();
  return {
    path,
    keep,
    keepBackup: (walletId, age) => keep(backupFile(walletId), age),
    hasBackup: (walletId) => existsSync(join(path, backupFile(walletId))),
    leave: () => {
      if (live) tell();
      else rmSync(path, { recursive: true, force: true });
    },
  };
}
