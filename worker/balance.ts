/**
 * What can be spent, and when that was known. A payer that is away cannot say; then the last word it gave, kept in the control plane, is
 * shown with its instant and marked stale. It decides nothing: policy never looks at a balance, and a payer refuses what it cannot pay.
 */
import type { ControlPlane, KnownStatus } from "../lightning/control-plane.ts";
import type { PayerStatus } from "../lightning/payer.ts";
import { json, problemResponse } from "./answers.ts";
import type { Door } from "./door.ts";

/** @param live what the payer said just now; null when it did not answer */
export async function balanceResponse(door: Door, owner: string, walletId: string, live: PayerStatus | null): Promise<Response> {
  const control = door.control(owner);
  if (live !== null && live.spendableMsat !== null) {
    const asOf = door.now();
    door.waitUntil(control.keepStatus(walletId, { at: asOf, status: live }).catch(() => undefined));
    return json({ walletId, balance: live, asOf, stale: false });
  }
  const known = await lastKnown(control, walletId);
  // It was online then; now it is not.
  if (known !== null) return json({ walletId, balance: { ...known.status, online: live?.online ?? false }, asOf: known.at, stale: true });
  return live === null
    ? problemResponse("backend_unavailable", "the payment backend did not answer, and no earlier balance is known")
    : json({ walletId, balance: live, asOf: null, stale: true });
}

async function lastKnown(control: ControlPlane, walletId: string): Promise<KnownStatus | null> {
  try {
    return await control.lastStatus(walletId);
  } catch {
    return null;
  }
}
