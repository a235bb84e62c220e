/**
 * Money into a new wallet, as its owner would bring it: the operator asks the wallet for an invoice, somebody outside pays it, and the wallet
 * takes it in. Only where the money is the wallet's own (Spark); behind an executor all wallets spend what its node has.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { System } from "./setup.ts";

/** A cold wallet builds its wasm, syncs with three operators and claims; a busy machine needs a few seconds for it. */
const WITHIN_MS = 30_000;
const ASK_EVERY_MS = 50;

export interface Funded {
  readonly walletId: string;
  readonly spendableMsat: number;
  /** From asking for the invoice until the balance showed it. */
  readonly ms: number;
}

/** @throws Error with one line: no invoice, not paid, or not in the balance within 30 s */
export async function fundWallet(
  { api, operatorKey, payInvoice }: Pick<System, "api" | "operatorKey" | "payInvoice">,
  walletId: string,
  amountSats: number,
): Promise<Funded> {
  const began = performance.now();
  const { bolt11 } = await api.expect("POST", `/v1/wallets/${walletId}/invoices`, { key: operatorKey, body: { amountSats } });
  await payInvoice(String(bolt11));
  for (;;) {
    const { status, code, json } = await api.call("GET", `/v1/wallets/${walletId}/balance`, { key: operatorKey });
    // A wallet that is still being opened cannot say yet.
    if (status !== 200 && code !== "backend_unavailable")
      throw new Error(`the wallet's balance was answered ${status} ${code ?? ""}`.trim());
    const spendableMsat = status === 200 ? freshBalance(json) : null;
    const ms = performance.now() - began;
    if (spendableMsat !== null && spendableMsat >= amountSats * 1000) return { walletId, spendableMsat, ms };
    if (ms > WITHIN_MS) throw new Error(`${amountSats} sat were paid to the wallet, but its balance does not show them`);
    await pause(ASK_EVERY_MS);
  }
}

/** What can be spent, msat; null where the answer is an earlier one, or none. */
function freshBalance(answer: Readonly<Record<string, unknown>> | null): number | null {
  if (answer?.["stale"] !== false) return null;
  return (answer["balance"] as { readonly spendableMsat: number | null }).spendableMsat;
}
