/**
 * What a sync really did. `syncWallet` resolves even when every request failed, and its `synced` event says nothing after the first; only
 * one line of the SDK's log tells. The filter lets lines of that module through and no other, and nothing of a line is kept but two booleans.
 */
export interface SyncReport {
  /** All operators answered: leaves and balance are true. */
  readonly wallet: boolean;
  /** The list of payments was read to its end. */
  readonly payments: boolean;
}

/** For `initLogging`. Its other levels and modules dump whole requests. */
export const SYNC_LOG_FILTER = "off,breez_sdk_spark::sdk::sync=info";

/** @returns null for any other line */
export function readSyncLine(line: string): SyncReport | null {
  const found = /Wallet sync completed in .*InternalSyncedEvent \{ wallet: (true|false), wallet_state: (true|false)\b/u.exec(line);
  return found === null ? null : { wallet: found[1] === "true", payments: found[2] === "true" };
}
