/**
 * Time limits and second tries, on a clock that is a port. A call to the Wallet object may be repeated because it names its
 * purchase: the object answers a known id with what became of it, so the second call never begins a second purchase.
 * The port must take a fresh stub for each call: a stub is broken after some errors (Cloudflare, "Durable Objects error handling").
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { FlowPorts } from "./flow-types.ts";

type Clock = FlowPorts["clock"];

export type InTime<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "late" };

/** `work`, or `late` after `ms`; what `work` does afterwards is nobody's concern. @throws what `work` throws in time */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<InTime<T>> {
  const timer = clock.timer(ms);
  try {
    return await Promise.race([
      work.then((value) => ({ kind: "done", value }) as const),
      timer.done.then(() => ({ kind: "late" }) as const),
    ]);
  } finally {
    timer.cancel();
  }
}

export type Reply<T> = { readonly kind: "reply"; readonly value: T } | { readonly kind: "lost" };

const REPEATS = 3;
const BASE_MS = 100;

/**
 * Calls the object, and again up to three times when the call or its reply was lost. `lost` means just that: it may have run.
 * @param seed spreads the pauses of many callers; the purchase id, so that a replay pauses alike
 * @param patienceMs how long one try may take
 */
export async function persist<T>(clock: Clock, seed: string, patienceMs: number, call: () => Promise<T>): Promise<Reply<T>> {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await within(clock, patienceMs, call());
      // A call that hangs for all of that time would hang again.
      return answer.kind === "done" ? { kind: "reply", value: answer.value } : { kind: "lost" };
    } catch (error) {
      if (tries === REPEATS || !mayRepeat(error)) return { kind: "lost" };
    }
    await clock.timer(pauseMs(seed, tries)).done;
  }
}

/** Half fixed, half spread: 50 to 100 ms, then doubling. */
function pauseMs(seed: string, tries: number): number {
  const most = BASE_MS * 2 ** tries;
  const spread = (sha256(utf8ToBytes(seed))[tries] ?? 0) / 255;
  return Math.round(most / 2 + (most / 2) * spread);
}

/**
 * Flags that workerd sets on an error of a stub call; wrappers keep it as `cause`. `overloaded` must not be pushed further;
 * `remote` without a reset is the object's own exception, a bug that a second call would meet again. No flag at all is a
 * lost connection.
 */
export function mayRepeat(error: unknown): boolean {
  const flags = new Set<string>();
  let link = error;
  for (let depth = 0; depth < 5 && typeof link === "object" && link !== null; depth += 1) {
    for (const [name, value] of Object.entries(flagsOf(link))) if (value === true) flags.add(name);
    link = (link as { readonly cause?: unknown }).cause;
  }
  if (flags.has("overloaded")) return false;
  return flags.has("durableObjectReset") || flags.has("retryable") || !flags.has("remote");
}

function flagsOf(error: object): Record<"overloaded" | "durableObjectReset" | "retryable" | "remote", unknown> {
  const { overloaded, durableObjectReset, retryable, remote } = error as Partial<
    Record<"overloaded" | "durableObjectReset" | "retryable" | "remote", unknown>
  >;
  return { overloaded, durableObjectReset, retryable, remote };
}
