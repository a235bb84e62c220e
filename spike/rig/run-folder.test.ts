/** What must not be lost is not lost, and what is worthless does not stay. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { amountsOf } from "../thresholds.ts";
import { runFolder, type RunFolder } from "./run-folder.ts";
import { sellerElsewhere } from "./sellers.ts";
import { Stage, type StageParts } from "./stage.ts";

const WALLET = "w_0123456789abcdef";
let parent = "";
let said: string[] = [];
const say = (line: string): void => void said.push(line);
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "lightning-worker-folder-test-"));
  said = [];
});
afterEach(() => rmSync(parent, { recursive: true }));

describe("the folder of a run", () => {
  it.each(["hosted-regtest", "mainnet"] as const)("on %s it stays, and is named at both ends", (environment) => {
    const folder = runFolder(environment, say, parent);
    folder.keepBackup(WALLET, "age text");
    folder.leave();
    expect(readFileSync(join(folder.path, `${WALLET}.age`), "utf8")).toBe("age text");
    expect(statSync(join(folder.path, `${WALLET}.age`)).mode & 0o777).toBe(0o600);
    expect(said).toHaveLength(2);
    for (const line of said) expect(line).toContain(folder.path);
  });
  it("on the sandbox it goes, and nothing is said", () => {
    const folder = runFolder("sandbox", say, parent);
    expect(existsSync(folder.path)).toBe(true);
    folder.leave();
    expect([existsSync(folder.path), said]).toEqual([false, []]);
  });
  it("writes over nothing, and takes no file name from a Worker", () => {
    const folder = runFolder("mainnet", say, parent);
    folder.keepBackup(WALLET, "first");
    expect(() => folder.keepBackup(WALLET, "second")).toThrow("EEXIST");
    expect(readFileSync(join(folder.path, `${WALLET}.age`), "utf8")).toBe("first");
    expect(() => folder.keepBackup("../w", "elsewhere")).toThrow("whose id is none");
  });
});

describe("money", () => {
  const stageOn = (network: StageParts["network"], folder: RunFolder, funded: string[]): Stage =>
    new Stage({
      environment: network === "mainnet" ? "mainnet" : "hosted-regtest",
      place: "deployed",
      amounts: amountsOf("mainnet"),
      operatorKey: "lwo.main.root.worthless",
      seller: sellerElsewhere("https://seller.example/{n}"),
      worker: null,
      deployedUrl: null,
      world: null,
      network,
      kek: null,
      fund: (_stage, walletId) => Promise.resolve(void funded.push(walletId)),
      walletExtras: {},
      folder,
      say,
    });
  it("is not asked for on mainnet for a wallet whose backup is not kept", async () => {
    const folder = runFolder("mainnet", say, parent);
    const funded: string[] = [];
    const stage = stageOn("mainnet", folder, funded);
    await expect(stage.fund(WALLET, 1)).rejects.toThrow("no backup");
    expect(funded).toEqual([]);
    folder.keepBackup(WALLET, "age text");
    await stage.fund(WALLET, 1);
    expect(funded).toEqual([WALLET]);
  });
  it("needs no backup where it is worthless", async () => {
    const funded: string[] = [];
    await stageOn("regtest", runFolder("hosted-regtest", say, parent), funded).fund(WALLET, 1);
    expect(funded).toEqual([WALLET]);
  });
});
