/**
 * 25 wallets, each with a live SDK that has synced, claimed and paid, in one isolate of raw workerd. An isolate has 128 MB on Cloudflare;
 * workerd itself sets no limit, so what is asserted is what was measured: the wasm memories, and how much the process grows with each wallet.
 * The JavaScript heap beside them, read once through workerd's inspector, was 17.6 MiB for all 25: 99 MiB with the wasm. Whether Cloudflare
 * counts the wasm's compiled code too (about 25 MiB, shared by all) only a deployed run can tell.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entropyToMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import type { Msat } from "../../lightning/msat.ts";
import { startSparkHttp, type SparkHttp } from "../../sandbox/spark/http.ts";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import type { MemoryCall, MemoryReport } from "./memory-worker/index.ts";
import { settingsOf, SparkWorld } from "./rigs/spark-world.ts";

const WALLETS = 25;
const LEAF = 8;
const LEAVES = [LEAF, LEAF, LEAF, LEAF];
const PAYMENTS = 2;
const MIB = 1024 * 1024;
const world = new SparkWorld({ checks: "light" });
let dir = "";
let front: SparkHttp;
let worker: RunningWorkerd;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "lightning-worker-"));
  front = await startSparkHttp(world.sandbox);
  const wrangler = join(import.meta.dirname, "memory-worker/wrangler.toml");
  worker = await startWorkerd({ dir, wrangler, vars: { SPARK: JSON.stringify(settingsOf(world.sandbox, front.url)) } });
});

afterAll(async () => {
  await worker.close();
  await front.close();
  world.close();
  rmSync(dir, { recursive: true });
});

async function ask(wallet: number, call: MemoryCall): Promise<MemoryReport> {
  const response = await fetch(`${worker.url}/w_${wallet}`, { method: "POST", body: JSON.stringify(call) });
  if (response.status !== 200) throw new Error(`wallet ${wallet}: ${response.status} ${worker.stderr().slice(-500)}`);
  return (await response.json()) as MemoryReport;
}

async function pay(wallet: number): Promise<string | null> {
  const { bolt11 } = world.invoice(LEAF - 1);
  const read = decodeBolt11(bolt11);
  if (!read.ok || read.invoice.amountMsat === null) throw new Error("the test's invoice is none");
  const { paymentHash, amountMsat } = read.invoice;
  const order = {
    walletId: `w_${wallet}`,
    epoch: 1,
    operationId: crypto.randomUUID(),
    bolt11,
    paymentHash,
    amountMsat,
    maxFeeMsat: 1_000 as Msat,
    deadline: Date.now() + 30_000,
  };
  return (await ask(wallet, { call: "pay", order })).outcome;
}

/** Resident bytes of workerd, its pages shared with files among them. */
function resident(): number {
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${worker.pid}/status`, "utf8"))?.[1]) * 1024;
}

async function live(wallet: number): Promise<void> {
  const mnemonic = entropyToMnemonic(new Uint8Array(16).fill(wallet + 1), wordlist);
  const { identity } = await ask(wallet, { call: "open", mnemonic });
  world.sandbox.mint(identity, LEAVES);
  const { spendableMsat } = await ask(wallet, { call: "status" });
  expect(spendableMsat).toBe(LEAVES.length * LEAF * 1000);
  for (let payment = 0; payment < PAYMENTS; payment++) expect(await pay(wallet)).toBe("settled");
}

test("25 wallets are live in one isolate, and leave room in its 128 MB for their JavaScript", { timeout: 300_000 }, async () => {
  // The first brings the wasm's code into the process.
  const empty = resident();
  await live(0);
  const one = resident();
  for (let wallet = 1; wallet < WALLETS; wallet++) await live(wallet);
  const reports = await Promise.all(Array.from({ length: WALLETS }, (_, wallet) => ask(wallet, { call: "status" })));
  const memories = reports.map(({ memory }) => memory ?? 0);
  const all = resident();
  const wasm = memories.reduce((sum, bytes) => sum + bytes, 0);
  const round = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10;
  console.warn(
    JSON.stringify({
      event: "spark_memory",
      wallets: WALLETS,
      wasmMib: round(wasm),
      largestMib: round(Math.max(...memories)),
      emptyMib: round(empty),
      oneMib: round(one),
      allMib: round(all),
      perWalletMib: round((all - one) / (WALLETS - 1)),
    }),
  );
  expect(new Set(reports.map(({ identity }) => identity)).size).toBe(WALLETS);
  expect(Math.min(...memories), "every one of them is live").toBeGreaterThan(0);
  for (const { spendableMsat } of reports) expect(spendableMsat).toBe((LEAVES.length - PAYMENTS) * LEAF * 1000);
  // Measured: 3.3 MiB of wasm memory and 3.4 to 4.5 MiB of the process for each wallet.
  expect(wasm).toBeLessThan(100 * MIB);
  expect((all - one) / (WALLETS - 1)).toBeLessThan(8 * MIB);
  expect(world.sandbox.check()).toEqual([]);
  expect(world.node.ledger()).toMatchObject({ settled: WALLETS * PAYMENTS });
});
