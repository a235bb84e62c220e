import { describe, expect, it } from "vitest";
import { planRun, type SpikeFlags } from "./arguments.ts";

const none: SpikeFlags = { env: null, deployed: null, seller: null, backup: null };
const RECIPIENT = `age1${"q".repeat(58)}`;
const live = { ...none, env: "mainnet", seller: "https://seller.example/{n}", backup: RECIPIENT };

describe("a run", () => {
  it("on the sandbox needs nothing", () => {
    expect(planRun({ ...none, env: "sandbox" }, {})).toMatchObject({ kind: "run", plan: { environment: "sandbox", deployed: null } });
  });
  it("on hosted regtest needs no key, and is given none", () => {
    expect(planRun({ ...none, env: "hosted-regtest" }, { BREEZ_API_KEY: "k" })).toMatchObject({ kind: "run", plan: { breezApiKey: null } });
  });
  it("on mainnet is not run without a key, whatever else is there", () => {
    expect(planRun(live, {})).toEqual({ kind: "not_run", because: "no BREEZ_API_KEY" });
    expect(planRun({ ...none, env: "mainnet" }, { BREEZ_API_KEY: "" })).toEqual({ kind: "not_run", because: "no BREEZ_API_KEY" });
  });
  it("on mainnet goes with a key, a seller and a backup", () => {
    expect(planRun(live, { BREEZ_API_KEY: "k" })).toMatchObject({ kind: "run", plan: { breezApiKey: "k", backupRecipient: RECIPIENT } });
  });
  it("against a deployed Worker needs its operator's key, and no Breez key of ours", () => {
    const flags = { ...live, deployed: "https://worker.example" };
    expect(planRun(flags, {})).toMatchObject({ kind: "not_run" });
    expect(planRun(flags, { LIGHTNING_OPERATOR_KEY: "lwo.a.b.c" })).toMatchObject({
      kind: "run",
      plan: { deployed: { url: "https://worker.example", operatorKey: "lwo.a.b.c" } },
    });
  });
});

describe("what is lacking", () => {
  it.each<[string, Partial<SpikeFlags>, RegExp | null]>([
    ["mainnet without a seller", { ...live, seller: null }, /^--seller/u],
    ["mainnet without a backup", { ...live, backup: null }, /^--backup/u],
    ["a deployed Worker without a seller", { env: "hosted-regtest", deployed: "https://worker.example" }, /^--seller/u],
    ["mainnet with both", live, null],
    ["hosted regtest on this machine", { env: "hosted-regtest" }, null],
  ])("is said of %s, once somebody is reached", (_name, flags, lacks) => {
    const planned = planRun({ ...none, ...flags }, { BREEZ_API_KEY: "k", LIGHTNING_OPERATOR_KEY: "k" });
    expect(planned).toMatchObject({ kind: "run", plan: { lacks: lacks === null ? null : expect.stringMatching(lacks) } });
  });
});

describe("arguments that are not right", () => {
  it.each<[string, Partial<SpikeFlags>]>([
    ["no environment", {}],
    ["an unknown one", { env: "moon" }],
    ["a deployed sandbox", { env: "sandbox", deployed: "https://worker.example" }],
    ["a Worker over http", { env: "hosted-regtest", deployed: "http://worker.example" }],
    ["a seller without {n}", { env: "hosted-regtest", seller: "https://seller.example/" }],
    ["a seller over http", { env: "hosted-regtest", seller: "http://seller.example/{n}" }],
    ["a backup for nobody", { env: "hosted-regtest", backup: "me" }],
  ])("are refused with one line: %s", (_name, flags) => {
    const planned = planRun({ ...none, ...flags }, { BREEZ_API_KEY: "k", LIGHTNING_OPERATOR_KEY: "k" });
    expect(planned).toMatchObject({ kind: "usage", line: expect.stringMatching(/^--|^The sandbox/u) });
  });
});
