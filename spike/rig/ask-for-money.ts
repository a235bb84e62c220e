/**
 * Money on a network that is not ours comes from a person: the rig shows an invoice and waits. Mainnet's comes from any Lightning wallet;
 * hosted regtest's from a wallet of the same network that its faucet has filled.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Stage } from "./stage.ts";

const WITHIN_MS = 900_000;
const LOOK_EVERY_MS = 3000;

/** @throws Error with one line when nothing has arrived after 15 minutes */
export async function askForMoney(stage: Stage, walletId: string, amountSats: number): Promise<void> {
  const before = (await stage.balanceMsat(walletId)) ?? 0;
  const { bolt11 } = await stage.operate("POST", `/v1/wallets/${walletId}/invoices`, { amountSats });
  stage.parts.say(`\nPay ${amountSats} sat to this invoice (${stage.parts.environment}) within 15 minutes:\n\n${String(bolt11)}\n`);
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    const now = await stage.balanceMsat(walletId);
    if (now !== null && now - before >= amountSats * 1000) return;
    if (performance.now() > deadline) throw new Error(`nobody paid the funding invoice of ${amountSats} sat`);
    await pause(LOOK_EVERY_MS);
  }
}
