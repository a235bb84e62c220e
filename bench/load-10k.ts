/**
 * Load: many purchases, every one paid, over many wallets in one workerd, the sandbox in another process. It says three things beside the
 * rate: whether any failed, whether workerd's memory grew, and whether journals and node agree to the millisatoshi afterwards.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { differences, readBooks } from "../test/kill/books.ts";
import { atMost, type Figure } from "./figures.ts";
import { Client } from "./load.ts";
import type { Rig } from "./rig.ts";

export interface LoadSize {
  readonly wallets: number;
  readonly purchases: number;
}

export interface LoadResult extends LoadSize {
  /** Ended without a payment, a second try included. */
  readonly failed: number;
  /** Refused because the switches could not be read in time, which denies (invariant 10), and sent again: an overloaded machine does that. */
  readonly retried: number;
  /** What the first failed one was told, or null. */
  readonly firstFailure: string | null;
  readonly perSecond: number;
  /** Resident memory of workerd, bytes: when every wallet has been used, the highest seen, the mean of the last tenth, and of each. */
  readonly memory: { readonly start: number; readonly peak: number; readonly end: number; readonly tenths: readonly number[] };
  /** Of the objects' databases together, for each thousand purchases. */
  readonly bytesPerThousand: number;
  /** Settled at the node and in the journals, the warming up left out. */
  readonly settled: { readonly node: number; readonly journals: number };
  readonly differences: readonly string[];
}

const PARALLEL = 32;
/** For each wallet before anything is measured: its object, its tables and the isolate's code are there by then. */
const WARM = 4;
const SAMPLE_MS = 50;
/** The engine's heap finds its size within the first thousands; SQLite keeps up to 2 MB of pages for each open database. */
const FLAT_BYTES = 40_000_000;

/** Leaves the rig's workerd dead: its files are read. @throws Error when something cannot be measured at all */
export async function loadRun(rig: Rig, { wallets, purchases }: LoadSize): Promise<LoadResult> {
  const keys = await rig.keys(wallets);
  const key = (n: number): string => keys[n % keys.length] ?? "";
  const client = new Client(PARALLEL, (status, lightning) => status === 200 && lightning === "paid");
  try {
    const warm = WARM * wallets;
    await client.together((n) => rig.purchase(key(n), `/many/${n + 1}`), warm, PARALLEL);
    const sizeBefore = databaseBytes(rig);
    const samples = [residentBytes(rig.pid())];
    const sampler = setInterval(() => samples.push(residentBytes(rig.pid())), SAMPLE_MS);
    let failed = 0;
    let retried = 0;
    let firstFailure: string | null = null;
    let next = 0;
    const began = performance.now();
    const caller = async (): Promise<void> => {
      while (next < purchases) {
        const target = rig.purchase(key(warm + next), `/many/${warm + ++next}`);
        const again = (cause: unknown): Promise<number> => {
          if (!String(cause).includes("control_plane_unavailable")) throw cause;
          retried += 1;
          return client.send(target);
        };
        await client
          .send(target)
          .catch(again)
          .catch((cause: unknown) => {
            failed += 1;
            firstFailure ??= cause instanceof Error ? cause.message : "unknown";
          });
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, caller));
    const seconds = (performance.now() - began) / 1000;
    clearInterval(sampler);
    samples.push(residentBytes(rig.pid()));
    await rig.kill();
    const books = readBooks(rig.walletsDir);
    const ledger = await rig.ledger();
    const tenths = Array.from({ length: 10 }, (_, n) =>
      mean(samples.slice(Math.floor((samples.length * n) / 10), Math.floor((samples.length * (n + 1)) / 10))),
    );
    return {
      wallets,
      purchases,
      failed,
      retried,
      firstFailure,
      perSecond: purchases / seconds,
      memory: { start: samples[0] ?? 0, peak: Math.max(...samples), end: tenths.at(-1) ?? 0, tenths },
      bytesPerThousand: ((databaseBytes(rig) - sizeBefore) / purchases) * 1000,
      settled: {
        node: ledger.settled - warm,
        journals: books.reduce((sum, { payments }) => sum + payments.filter(({ state }) => state === "settled").length, 0) - warm,
      },
      differences: differences(books, ledger),
    };
  } finally {
    client.close();
  }
}

export function loadFigures({
  perSecond,
  memory,
  bytesPerThousand,
  failed,
  differences: found,
  settled,
  purchases,
}: LoadResult): readonly Figure[] {
  return [
    { id: "load_per_second", name: "paid purchases per second", value: perSecond, unit: "per_second", goal: null },
    { id: "load_failed", name: "purchases that failed", value: failed, unit: "count", goal: atMost(0) },
    {
      id: "load_missing",
      name: "purchases without a payment at the node",
      value: purchases - settled.node,
      unit: "count",
      goal: atMost(0),
    },
    {
      id: "load_differences",
      name: "differences between journals, receipts and ledger",
      value: found.length,
      unit: "count",
      goal: atMost(0),
    },
    { id: "load_memory_start", name: "workerd's memory, wallets warm", value: memory.start, unit: "bytes", goal: null },
    { id: "load_memory_peak", name: "workerd's memory, peak", value: memory.peak, unit: "bytes", goal: null },
    { id: "load_memory_end", name: "workerd's memory, at the end", value: memory.end, unit: "bytes", goal: null },
    {
      id: "load_memory_growth",
      name: "workerd's memory, growth in the second half",
      value: memory.end - (memory.tenths[4] ?? 0),
      unit: "bytes",
      goal: atMost(FLAT_BYTES),
    },
    { id: "database_per_thousand", name: "databases, per 1,000 paid purchases", value: bytesPerThousand, unit: "bytes", goal: null },
  ];
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

function databaseBytes(rig: Rig): number {
  return readBooks(rig.walletsDir).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Linux tells it in a file; elsewhere `ps` does, in KiB. */
function residentBytes(pid: number): number {
  const file = `/proc/${pid}/status`;
  const kib = existsSync(file)
    ? /^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(file, "utf8"))?.[1]
    : spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim();
  const bytes = Number(kib) * 1024;
  if (!Number.isFinite(bytes) || bytes <= 0) throw new Error("workerd's memory cannot be read");
  return bytes;
}
