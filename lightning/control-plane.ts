/** The port to what is shared beyond one wallet. Implemented by the embedded Durable Object and, later, by Convex. */
import type { Envelope } from "./envelope.ts";
import type { Receipt } from "./receipt.ts";
import type { Backend, PayerStatus } from "./payer.ts";
import type { Network } from "./bolt11.ts";

/**
 * Everything that can stop new money. `version` grows with every change anywhere in it; a reader never replaces a higher
 * version by a lower one, and treats a state it asked for more than 5 s ago as stale.
 */
export interface SecurityState {
  readonly version: number;
  readonly globalPause: boolean;
  readonly ownerKillSwitch: boolean;
  /** The one spender of this wallet: an object whose own epoch is lower pays nothing (invariant 13). */
  readonly epoch: number;
}

export interface WalletRecord {
  readonly walletId: string;
  readonly owner: string;
  readonly label: string;
  readonly network: Network;
  readonly backend: Backend;
  readonly epoch: number;
  readonly walletSource: "embedded_envelope" | "convex_envelope" | "legacy_env";
  readonly createdAt: number;
}

export interface WalletSnapshot {
  readonly walletId: string;
  readonly at: number;
  readonly status: PayerStatus | null;
  readonly openRows: number;
}

export interface ReceiptRecord {
  readonly receiptId: string;
  readonly chain: string;
  readonly receipt: Receipt;
}

/** What `moveSpender` stores. `epoch` is the new one, and the old one is `epoch - 1`. */
export interface SpenderChange {
  readonly epoch: number;
  readonly backend: Backend;
  readonly envelope: Envelope;
  readonly expected: Envelope;
}

/** A request to make a wallet that may be sent twice: the caller's own key, and what it was about (hex sha256). */
export interface WalletRequest {
  readonly key: string;
  readonly hash: string;
}

/** What a payer said of itself, and when (epoch ms). */
export interface KnownStatus {
  readonly at: number;
  readonly status: PayerStatus;
}

/** A key as its owner may see it; its secret is stored nowhere, its hash is shown to nobody. */
export interface ControlKeyView {
  readonly keyId: string;
  readonly label: string;
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

/** What is known beyond one owner. Only the Worker's cron asks: no principal of an owner may see who else is there. */
export interface PlatformControl {
  /** Owners who have wallets, by name, after `after`. */
  owners(page: { readonly after: string | null; readonly limit: number }): Promise<readonly string[]>;
}

/** One owner's part of the control plane, as a wallet or the Worker sees it. Calls may fail by throwing: callers fail closed. */
export interface ControlPlane {
  security(walletId: string): Promise<SecurityState>;
  /** The owner's and the global switch, about no wallet in particular: `epoch` is 0. */
  switches(): Promise<SecurityState>;
  setGlobalPause(active: boolean, by: string): Promise<SecurityState>;
  setOwnerKillSwitch(active: boolean, by: string): Promise<SecurityState>;

  /**
   * The first record and envelope of an id stay. With a `request` that has made a wallet before, the answer is that wallet
   * (`created: false`), or `conflict: true` where it was about something else.
   */
  createWallet(
    record: WalletRecord,
    envelope: Envelope,
    request?: WalletRequest,
  ): Promise<{ readonly created: boolean; readonly record: WalletRecord; readonly conflict?: boolean }>;
  wallet(walletId: string): Promise<WalletRecord | null>;
  wallets(): Promise<readonly WalletRecord[]>;
  envelope(walletId: string): Promise<Envelope | null>;
  /** A rotation: `next` takes the place of `expected` if that is still what is stored. False, and nothing changed, if it is not. */
  putEnvelope(next: Envelope, expected: Envelope): Promise<boolean>;
  /** New envelope, backend and epoch in one transaction, compare-and-set on envelope and epoch (invariant 13). The caller has seen to it that no row is open. */
  moveSpender(move: SpenderChange): Promise<{ readonly moved: boolean; readonly record: WalletRecord }>;
  /** Another deployment spends for this wallet under `epoch`: whoever is behind it here pays nothing from now on. Raises, never lowers. */
  fenceSpender(walletId: string, epoch: number): Promise<WalletRecord>;

  /** Receipts in chain order, from sequence number `from`; answers with the last sequence number it holds. Idempotent. */
  ingestReceipts(walletId: string, records: readonly ReceiptRecord[]): Promise<{ readonly acknowledged: number }>;
  /** What it holds of a wallet's chain after a sequence number, in order, at most 200: also what the wallet itself no longer keeps. */
  receipts(walletId: string, page: { readonly after: number; readonly limit: number }): Promise<readonly ReceiptRecord[]>;
  putSnapshot(snapshot: WalletSnapshot): Promise<void>;
  snapshot(walletId: string): Promise<WalletSnapshot | null>;
  /** Remembers what a payer said: an older word never replaces a newer one, and one without an amount replaces nothing. */
  keepStatus(walletId: string, known: KnownStatus): Promise<void>;
  lastStatus(walletId: string): Promise<KnownStatus | null>;
  /** Wallets whose last snapshot had open rows: the cron wakes them (invariant 4). */
  walletsWithOpenRows(): Promise<readonly string[]>;

  /** `hash` is the sha256 of the secret. Operator keys are the owner's; agents' keys live in their wallet's object. */
  addOperatorKey(key: { readonly keyId: string; readonly hash: string; readonly label: string; readonly createdAt: number }): Promise<void>;
  operatorKeyHash(keyId: string): Promise<string | null>;
  operatorKeys(): Promise<readonly ControlKeyView[]>;
  revokeOperatorKey(keyId: string, at: number): Promise<boolean>;

  /** Approvers' keys are kept where operators' are, under a role of their own: neither question is ever answered with the other's hash. */
  addApproverKey(key: { readonly keyId: string; readonly hash: string; readonly label: string; readonly createdAt: number }): Promise<void>;
  approverKeyHash(keyId: string): Promise<string | null>;
  approverKeys(): Promise<readonly ControlKeyView[]>;
  revokeApproverKey(keyId: string, at: number): Promise<boolean>;
}
