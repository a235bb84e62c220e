/**
 * What operators may ask of a Wallet object about its keys (design, Custody). Plain values, as in wallet-admin.ts; no key, wrapped or not,
 * ever crosses this border, only their names and versions.
 */
import type { Backend } from "./payer.ts";
import type { Result } from "./wallet-admin.ts";

export const ROTATIONS = ["kek", "data-key", "record-key"] as const;
/**
 * `kek`: whatever an older key-encryption key wraps is wrapped by the current one. `data-key`: the mnemonic is encrypted anew.
 * `record-key`: new rows are sealed with a new key, and the alarm seals the old ones anew, batch by batch.
 */
export type Rotation = (typeof ROTATIONS)[number];

export interface RecordKeyView {
  readonly id: number;
  readonly kekVersion: string;
  /** `former`: no row is sealed with it any more once `resealing` is false. */
  readonly state: "current" | "former";
}

export interface WalletCustodyView {
  readonly walletId: string;
  readonly backend: string;
  /** The object's own; where the control plane's is higher, the object pays nothing (invariant 13). */
  readonly epoch: number;
  readonly recordKeys: readonly RecordKeyView[];
  /** Rows sealed with a former key are still being sealed anew. */
  readonly resealing: boolean;
  /** Rows that did not open with the key they name: they stay as they are, and so do the former keys. */
  readonly unreadableRows: number;
}

/** Another spender takes over, or this one is confirmed under a new epoch. */
export interface SpenderMove {
  /** The epoch afterwards: exactly one more than now, or the very same request again; never one that a fence has set. */
  readonly epoch: number;
  readonly backend: Backend;
  /** Whose key-encryption key shall wrap the data key from now on, alone: `executor`, or null for this deployment's own. */
  readonly spender: string | null;
}

export interface WalletCustody {
  custody(): Promise<Result<WalletCustodyView>>;
  /** May be sent again after a lost reply: a `kek` rotation that is done changes nothing. */
  rotate(what: Rotation): Promise<Result<WalletCustodyView>>;
  /** Disables, calls off what is reserved (definitely unsent), and overwrites the open keys in memory. What is under way is still recorded. */
  disableNow(): Promise<Result<{ readonly cancelled: number }>>;
  /** `payment_pending` while a row is reserved, paying or payment_unknown (invariant 13). */
  moveSpender(move: SpenderMove): Promise<Result<WalletCustodyView>>;
}
