import { utf8ToBytes } from "@noble/hashes/utils.js";
import { expect, it } from "vitest";
import { MNEMONIC } from "../test/support/custody-vectors.ts";
import { readBackup, writeBackup, type BackupFacts } from "./backup.ts";

const facts: BackupFacts = { walletId: "w_0123456789abcdef", owner: "main", network: "regtest", createdAt: 1_700_000_000_000 };
const text = new TextDecoder().decode(writeBackup(facts, utf8ToBytes(MNEMONIC)));

it("a backup says whose it is and holds the words on a line of their own", () => {
  expect(readBackup(text)).toEqual({ ok: true, facts, mnemonic: MNEMONIC });
  expect(text.split("\n")).toContain(MNEMONIC);
  expect(readBackup(text.replaceAll("\n", "\r\n"))).toEqual({ ok: true, facts, mnemonic: MNEMONIC });
});

it.each([
  ["nothing", ""],
  ["bare words", MNEMONIC],
  ["another version", text.replace("version 1", "version 2")],
  ["no words", text.replace(MNEMONIC, "")],
  ["words twice", `${text}${MNEMONIC}\n`],
  ["no wallet", text.replace("# wallet: ", "# walet: ")],
  ["an unknown network", text.replace("regtest", "liquid")],
  ["no instant", text.replace("2023-", "in ")],
])("a backup with %s is refused, and no word of it is repeated", (_what, changed) => {
  const read = readBackup(changed);
  expect(read.ok).toBe(false);
  expect(JSON.stringify(read)).not.toContain("abandon");
});
