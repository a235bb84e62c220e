/**
 * What a payer must do from time to time without anybody asking (take in what has arrived, keep change small). A job of the alarm's, soon
 * after a payment ended, after an invoice was made and when the wallet is created or enabled; then whenever the payer says. Only while the
 * wallet is active and nothing above it says stop: it needs the open key. The alarm does not wait for it, for it may take long.
 */
import { inTime } from "./in-time.ts";
import { isOurs } from "./order.ts";
import type { Timing } from "./ports.ts";
import type { Vault } from "./vault.ts";

const JOB = "maintain";
/** A payer that says "at once" is not asked in a circle. Milliseconds. */
const PAUSE = 1_000;
const FAILED: unique symbol = Symbol("failed");

/** Inside the caller's transaction. Nothing where the payer has nothing to maintain, or is to be asked sooner anyway. */
export function maintainSoon(vault: Vault): void {
  if (vault.ports.payer.maintain === undefined) return;
  const at = vault.clock.now() + vault.timing.maintainDelay;
  const job = vault.journal.job(JOB);
  if (job === null || job.at > at) vault.journal.schedule(JOB, at);
}

/** Runs when due; returns when the payer has been called. */
export async function maintain(vault: Vault): Promise<void> {
  const wallet = vault.wallet();
  const isDue = (): boolean => (vault.journal.job(JOB)?.at ?? Infinity) <= vault.clock.now();
  if (wallet === null || !isDue()) return;
  await vault.security.refresh(wallet.wallet_id);
  const net = vault.transact(() => (isDue() ? begin(vault) : null));
  if (net !== null) void run(vault, net);
}

/** @returns when it comes again if nothing more is heard of this run; null: it is not for now */
function begin(vault: Vault): number | null {
  const { journal, timing } = vault;
  const job = journal.job(JOB);
  const wallet = vault.wallet();
  if (job === null || wallet === null) return null;
  // Whoever enables the wallet, moves its spender or sees a switch go off again schedules it anew; after an eviction the next payment or invoice does.
  if (vault.ports.payer.maintain === undefined || vault.isStopped || !isOurs(vault, wallet)) {
    journal.unschedule(JOB);
    return null;
  }
  const now = vault.clock.now();
  if (vault.security.current() === null) {
    journal.schedule(JOB, now + backoff(timing, job.tries), job.tries + 1);
    return null;
  }
  const at = now + timing.maintainDeadline + timing.retryFirst;
  journal.schedule(JOB, at, job.tries);
  return at;
}

const backoff = ({ retryFirst, retryMost }: Timing, tries: number): number => Math.min(retryFirst * 2 ** Math.min(tries, 20), retryMost);

async function run(vault: Vault, net: number): Promise<void> {
  const { payer } = vault.ports;
  try {
    const next = await inTime(vault.ports, vault.timing.maintainDeadline, async () => (await payer.maintain?.()) ?? null, FAILED);
    vault.transact(() => over(vault, net, next === null || Number.isSafeInteger(next) ? next : FAILED));
    // The net is gone, and nobody is to be woken for it.
    vault.rearm(vault.ports.clock.now() + 1);
  } catch (error) {
    vault.ports.log("maintain_interrupted", { error: error instanceof Error ? error.name : "unknown" });
  }
}

function over(vault: Vault, net: number, next: number | null | typeof FAILED): void {
  const { journal, timing } = vault;
  const job = journal.job(JOB);
  const now = vault.clock.now();
  // Somebody has asked for another run meanwhile, or has called it off.
  if (job === null || job.at !== net) return;
  if (next === null) journal.unschedule(JOB);
  else if (next === FAILED) journal.schedule(JOB, now + backoff(timing, job.tries), job.tries + 1);
  else journal.schedule(JOB, Math.max(next, now + PAUSE));
}
