/**
 * Between block one and block two: the payer makes itself ready (invariant 1), and what it can refuse is refused before anything is sent.
 * A stopped wallet's payer is not even asked, so that no key is opened for it; block two then says why. What this finds is old by the
 * time it is used: block two checks everything again.
 */
import type { FailureCode, Readiness } from "../../lightning/payer.ts";
import { inTime } from "./in-time.ts";
import { draft } from "./order.ts";
import type { Vault } from "./vault.ts";

const AWAY: Readiness = { ready: false, code: "backend_unavailable" };

/** Never throws. @returns why the payment, still unsent, is to be released; null: go on to block two */
export async function prepare(vault: Vault, purchaseId: string, bolt11: string): Promise<FailureCode | null> {
  const { payer } = vault.ports;
  if (payer.prepare === undefined) return null;
  for (;;) {
    const order = draft(vault, purchaseId, bolt11);
    if (order === null) return null;
    const { forgets } = vault;
    const readiness = await inTime(vault.ports, vault.timing.prepareDeadline, async () => payer.prepare?.(order) ?? AWAY, AWAY);
    if (!readiness.ready) return readiness.code;
    // It may have taken longer than what is known of the switches lives.
    if (vault.security.current() === null) await vault.security.refresh(order.walletId);
    // A rotation in between has taken away what was made ready.
    if (vault.forgets === forgets) return null;
  }
}
