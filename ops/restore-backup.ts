/**
 * From a backup to a wallet, on the machine of whoever holds the identity. The words exist here in memory and in one request body, over TLS,
 * to the deployment that restores; they are written to no file and no log.
 */
import { Decrypter, armor } from "age-encryption";
import { readBackup, type BackupResult } from "../lightning/backup.ts";
import type { Policy } from "../lightning/policy.ts";
import type { Api } from "./api.ts";

/**
 * @param text the armored age file; or what `age --decrypt` made of it, for identities that live in hardware
 * @param identity the text of an identity file (`AGE-SECRET-KEY-1…` on a line of its own), not needed for what is decrypted already
 */
export async function openBackup(text: string, identity: string | null): Promise<BackupResult> {
  if (!text.trimStart().startsWith("-----BEGIN AGE ENCRYPTED FILE-----")) return readBackup(text);
  const keys = (identity ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("AGE-SECRET-KEY-"));
  if (keys.length === 0) return { ok: false, detail: "no identity was given: a file with a line AGE-SECRET-KEY-1…" };
  const decrypter = new Decrypter();
  try {
    for (const key of keys) decrypter.addIdentity(key);
    return readBackup(await decrypter.decrypt(armor.decode(text.trim()), "text"));
  } catch {
    // The library's words might quote a line of either file.
    return { ok: false, detail: "this identity does not open this backup, or one of the two is damaged" };
  }
}

export interface RestoreOptions {
  /** One more than the highest epoch of the lost deployment: in its receipts, and in its wallet's status. */
  readonly epoch: number;
  readonly label?: string;
  /** Left out: the starter preset, which allows nothing yet. */
  readonly policy?: Policy;
  /** For the new deployment's own backup. */
  readonly backupRecipient?: string;
}

export interface Restored {
  readonly walletId: string;
  readonly epoch: number;
  /** The armored file, or null where none was asked for. */
  readonly backup: string | null;
}

/** @throws Error with one line: method, path, status, code and detail; never a word of the mnemonic */
export async function restoreWallet(
  api: Api,
  operatorKey: string,
  backup: Extract<BackupResult, { readonly ok: true }>,
  options: RestoreOptions,
): Promise<Restored> {
  const { walletId, network } = backup.facts;
  const made = await api.expect("POST", `/v1/wallets/${walletId}/restore`, {
    key: operatorKey,
    body: { mnemonic: backup.mnemonic, network, ...options },
  });
  return { walletId, epoch: options.epoch, backup: typeof made["backup"] === "string" ? made["backup"] : null };
}
