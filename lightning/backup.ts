/**
 * What a backup says, once its owner has opened it: text that a person can read and type into any wallet, and that `npm run restore` can
 * read too. The words stand on a line of their own; the lines with `#` say whose they are, so that a backup found years later explains itself.
 */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { Network } from "./bolt11.ts";
import { concat } from "./seal.ts";

export interface BackupFacts {
  readonly walletId: string;
  readonly owner: string;
  readonly network: Network;
  /** Epoch ms. */
  readonly createdAt: number;
}

export type BackupResult =
  | { readonly ok: true; readonly facts: BackupFacts; readonly mnemonic: string }
  | { readonly ok: false; readonly detail: string };

const TITLE = "# Lightning Worker wallet backup, version 1";
const NETWORKS: readonly Network[] = ["mainnet", "testnet", "signet", "regtest"];

/** @param mnemonic UTF-8; copied, and still the caller's to overwrite @returns UTF-8; the caller overwrites it too */
export function writeBackup({ walletId, owner, network, createdAt }: BackupFacts, mnemonic: Uint8Array): Uint8Array {
  const about = [
    TITLE,
    `# wallet: ${walletId}`,
    `# owner: ${owner}`,
    `# network: ${network}`,
    `# created: ${new Date(createdAt).toISOString()}`,
  ];
  return concat(utf8ToBytes(`${about.join("\n")}\n`), mnemonic, utf8ToBytes("\n"));
}

/** No error here quotes a word of it. The words themselves are checked where they are imported. */
export function readBackup(text: string): BackupResult {
  const refused = (detail: string): BackupResult => ({ ok: false, detail });
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines[0] !== TITLE) return refused("this is no wallet backup of version 1");
  const fact = (name: string): string => lines.find((line) => line.startsWith(`# ${name}: `))?.slice(name.length + 4) ?? "";
  const words = lines.filter((line) => !line.startsWith("#"));
  const network = NETWORKS.find((name) => name === fact("network"));
  const createdAt = Date.parse(fact("created"));
  const mnemonic = words[0];
  if (mnemonic === undefined || words.length !== 1) return refused("the backup does not hold exactly one line of words");
  if (fact("wallet") === "" || fact("owner") === "" || network === undefined || Number.isNaN(createdAt))
    return refused("the backup does not say whose it is");
  return { ok: true, facts: { walletId: fact("wallet"), owner: fact("owner"), network, createdAt }, mnemonic };
}
