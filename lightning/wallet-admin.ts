/** What operators may ask of a Wallet object, once the Worker has established that they own it. Plain values, as in wallet-api.ts. */
import type { Envelope } from "./envelope.ts";
import type { WalletRecord, ReceiptRecord } from "./control-plane.ts";
import type { Code } from "./errors.ts";
import type { Msat } from "./msat.ts";
import type { PayerStatus } from "./payer.ts";
import type { Policy } from "./policy.ts";
import type { PurchaseView } from "./wallet-api.ts";

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: Code; readonly detail: string };

export interface BudgetView {
  readonly budget: string;
  readonly policy: Policy;
  readonly policyVersion: number;
  readonly disabled: boolean;
  /** Settled and open together. */
  readonly spent: { readonly hourMsat: Msat; readonly dayMsat: Msat; readonly monthMsat: Msat; readonly totalMsat: Msat; readonly openMsat: Msat };
}

export interface KeyView {
  readonly keyId: string;
  readonly budget: string;
  readonly label: string;
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

export interface WalletStatus {
  readonly walletId: string;
  readonly owner: string;
  readonly network: string;
  readonly backend: string;
  readonly epoch: number;
  readonly state: "active" | "disabled" | "paused";
  /** Why it is paused: a code such as `late_settlement`, or null. */
  readonly pausedBecause: string | null;
  readonly openRows: number;
  readonly receipts: number;
  readonly schemaVersion: number;
  readonly payer: PayerStatus | null;
  readonly spent: BudgetView["spent"];
}

export interface WalletAdmin {
  /** Idempotent for the same wallet id and owner. The envelope comes sealed; the object makes its record key here. */
  create(record: WalletRecord, envelope: Envelope, policy: Policy): Promise<Result<{ readonly created: boolean }>>;
  status(): Promise<Result<WalletStatus>>;
  setPolicy(policy: Policy): Promise<Result<{ readonly policyVersion: number }>>;
  policy(): Promise<Result<{ readonly policy: Policy; readonly policyVersion: number }>>;
  /** Creates or replaces. */
  putBudget(budget: string, policy: Policy, disabled: boolean): Promise<Result<BudgetView>>;
  budgets(): Promise<Result<readonly BudgetView[]>>;
  /** The Worker makes the secret, shows it once, and sends only its hex sha256. */
  createKey(key: { readonly keyId: string; readonly budget: string; readonly label: string; readonly hash: string }): Promise<Result<KeyView>>;
  keys(): Promise<Result<readonly KeyView[]>>;
  revokeKey(keyId: string): Promise<Result<KeyView>>;
  disable(): Promise<Result<null>>;
  /** Also ends a pause. */
  enable(): Promise<Result<null>>;
  balance(): Promise<Result<PayerStatus>>;
  purchases(page: { readonly before: number | null; readonly limit: number }): Promise<Result<{ readonly purchases: readonly PurchaseView[]; readonly next: number | null }>>;
  purchase(purchaseId: string): Promise<Result<PurchaseView>>;
  /** In chain order. */
  receipts(page: { readonly after: number; readonly limit: number }): Promise<Result<{ readonly receipts: readonly ReceiptRecord[]; readonly next: number | null }>>;
}

/** The same views for an agent's own key or binding: only what its budget did. */
export interface WalletAgentViews {
  ownStatus(auth: import("./wallet-api.ts").Auth): Promise<Result<{ readonly walletId: string; readonly state: string; readonly budget: BudgetView; readonly payer: PayerStatus | null }>>;
  ownPurchase(auth: import("./wallet-api.ts").Auth, purchaseId: string): Promise<Result<PurchaseView>>;
  ownReceipts(auth: import("./wallet-api.ts").Auth, page: { readonly after: number; readonly limit: number }): Promise<Result<{ readonly receipts: readonly ReceiptRecord[]; readonly next: number | null }>>;
}
