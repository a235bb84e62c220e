import { expect, test } from "vitest";
import { readSyncLine } from "./sync-report.ts";

const line = (wallet: boolean, payments: boolean): string =>
  `sync_wallet_internal: Wallet sync completed in 17.649572ms: InternalSyncedEvent { wallet: ${wallet}, wallet_state: ${payments}, deposits: true, lnurl_metadata: true, storage_incoming: None }`;

test("the one line that tells is read for leaves and payments apart", () => {
  expect(readSyncLine(line(true, true))).toEqual({ wallet: true, payments: true });
  expect(readSyncLine(line(false, true))).toEqual({ wallet: false, payments: true });
  expect(readSyncLine(line(true, false))).toEqual({ wallet: true, payments: false });
});

test("every other line says nothing", () => {
  expect(readSyncLine("background claim completed, unclaimed deposits: []")).toBeNull();
  expect(readSyncLine("sync_wallet_internal: Wallet sync completed in 1s: InternalSyncedEvent { tokens: true }")).toBeNull();
});
