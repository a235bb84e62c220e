/**
 * What the Wallet core needs of the world. The core is plain TypeScript over these: it awaits nothing else, so the same
 * code runs in workerd, in unit tests and in a deterministic simulation.
 */
import type { SecurityState, SpenderChange, ReceiptRecord, WalletRecord, WalletSnapshot } from "../../lightning/control-plane.ts";
import type { Envelope, EnvelopeBinding, Opened } from "../../lightning/envelope.ts";
import type { Payer } from "../../lightning/payer.ts";
import type { Sql } from "../sql.ts";

export interface Timer {
  readonly done: Promise<void>;
  cancel(): void;
}

/** A key that is open in memory, and the name that sealed rows carry. */
export interface OpenKey {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** Authenticated encryption that never waits: token, invoice and preimage are sealed in the very block that writes their row. */
export interface Sealer {
  seal(key: OpenKey, nonce: Uint8Array, context: string, plain: Uint8Array): Uint8Array;
  /** Null when it was changed, is another row's, or the key is another. */
  open(key: OpenKey, context: string, sealed: Uint8Array): Uint8Array | null;
}

/** The envelope's keeper and the keys around it; the mnemonic itself never comes through here. */
export interface CustodyPorts {
  /** The same data key under the current key-encryption key; the very same envelope when it is there already. */
  rewrap(envelope: Envelope, binding: EnvelopeBinding): Promise<Opened<Envelope>>;
  /** The mnemonic under a new data key. */
  reencrypt(envelope: Envelope, binding: EnvelopeBinding): Promise<Opened<Envelope>>;
  /** The data key for another spender's key-encryption key alone; null: for our own. */
  wrapFor(envelope: Envelope, binding: EnvelopeBinding, spender: string | null): Promise<Opened<Envelope>>;
  record(walletId: string): Promise<WalletRecord | null>;
  envelope(walletId: string): Promise<Envelope | null>;
  putEnvelope(next: Envelope, expected: Envelope): Promise<boolean>;
  moveSpender(change: SpenderChange): Promise<{ readonly moved: boolean; readonly record: WalletRecord }>;
}

export interface WalletPorts {
  readonly sql: Sql;
  /** Joins the running transaction: gone with its rollback, kept with its commit. */
  readonly alarm: { set(at: number): void; clear(): void };
  /** `turn` resolves in a later turn of the event loop. Where it is absent nothing is gathered into one commit (turnstile.ts). */
  readonly clock: { now(): number; timer(ms: number): Timer; readonly turn?: () => Promise<void> };
  readonly random: { bytes(length: number): Uint8Array };
  readonly sealer: Sealer;
  /** The key-encryption key's two uses here, bound to `<owner>/<wallet id>`. `null` from `unwrap`: it cannot be opened. */
  readonly keys: {
    wrap(recordKey: Uint8Array, wallet: string): Promise<{ readonly kekVersion: string; readonly wrapped: Uint8Array }>;
    unwrap(kekVersion: string, wrapped: Uint8Array, wallet: string): Promise<Uint8Array | null>;
  };
  /** Where wallets have envelopes. Without it nothing can be rotated or moved; payments need none of it. */
  readonly custody?: CustodyPorts;
  readonly payer: Payer;
  readonly control: {
    security(walletId: string): Promise<SecurityState>;
    ingestReceipts(walletId: string, records: readonly ReceiptRecord[]): Promise<{ readonly acknowledged: number }>;
    putSnapshot(snapshot: WalletSnapshot): Promise<void>;
  };
  /** Structured, and never given what invariant 9 lists. */
  readonly log: (event: string, facts: Readonly<Record<string, string | number | boolean | null>>) => void;
}

/** Milliseconds. One place, so that tests can shorten them and the runbook can name them. */
export interface Timing {
  /** A payer refuses an order after this. */
  readonly payDeadline: number;
  /** "Never seen" is final only when asked this long after the order's deadline. */
  readonly grace: number;
  readonly lookupDeadline: number;
  /** How long a payer may take to say what it has: one that lives in the object may have to be built and to sync first. */
  readonly statusDeadline: number;
  /** How long a payer may take to make itself ready; nothing has been sent then. */
  readonly prepareDeadline: number;
  /** Between the end of a payment and the payer's housekeeping. */
  readonly maintainDelay: number;
  readonly maintainDeadline: number;
  /** How long a purchase may wait for its Worker; longer where a host may begin late (sellers.ts). */
  readonly openLease: number;
  /** How long a reservation may wait to be sent. */
  readonly reserveLease: number;
  /** How long a paid purchase may wait for a 2xx; longer likewise. */
  readonly paidLease: number;
  /** Life of the cached security state, counted from when it was asked for (invariant 11). */
  readonly securityLife: number;
  readonly controlDeadline: number;
  readonly retryFirst: number;
  readonly retryMost: number;
  readonly outboxDelay: number;
  /** Requests that cost nothing. */
  readonly keepUnpaid: number;
  /** Receipts, from when the control plane has them too. */
  readonly keepReceipts: number;
  /** Sealed tokens, invoices and credentials that can no longer be used; longer than any payment can be under way. */
  readonly keepSecrets: number;
  /** The books' hours: the longest window a policy can name is a month. Their totals stay. */
  readonly keepHours: number;
  /** Between two looks at what has had its term: each goes through whole tables. */
  readonly retainPause: number;
}

export const TIMING: Timing = {
  payDeadline: 30_000,
  grace: 5_000,
  lookupDeadline: 10_000,
  statusDeadline: 8_000,
  prepareDeadline: 10_000,
  maintainDelay: 5_000,
  maintainDeadline: 30_000,
  openLease: 180_000,
  reserveLease: 60_000,
  paidLease: 180_000,
  securityLife: 5_000,
  controlDeadline: 3_000,
  retryFirst: 1_000,
  retryMost: 600_000,
  outboxDelay: 1_000,
  keepUnpaid: 7 * 86_400_000,
  keepReceipts: 90 * 86_400_000,
  keepSecrets: 30 * 86_400_000,
  keepHours: 62 * 86_400_000,
  retainPause: 3_600_000,
};

/** At most this many payer calls at once; the rest wait in `reserved`. */
export const PAYER_SLOTS = 4;
