/** What operators may ask of a Wallet object, once the Worker has established that they own it. Plain values, as in wallet-api.ts. */
import type { ApprovalLink, ApprovalState, ApprovalView, Verdict } from "./approval.ts";
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
  readonly spent: {
    readonly hourMsat: Msat;
    readonly dayMsat: Msat;
    readonly monthMsat: Msat;
    readonly totalMsat: Msat;
    readonly openMsat: Msat;
  };
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
  /** True when the policy names a low-balance mark and less than it can be spent; null when the balance is not known. */
  readonly lowBalance: boolean | null;
  readonly spent: BudgetView["spent"];
}

/** An operator's own payment out of the wallet, through the same journal (invariants 1 to 5), outside all budgets. */
export interface WithdrawRequest {
  /** UUID made by the caller; the same after a lost reply. */
  readonly withdrawalId: string;
  readonly bolt11: string;
  readonly maxFeeMsat: Msat;
  readonly by: string;
  readonly waitMs: number;
}

export interface FundingInvoice {
  readonly bolt11: string;
  readonly paymentHash: string;
  readonly amountMsat: Msat;
  readonly expiresAt: number;
}

/** What people decide about an agent's payments; approvers have this and nothing else. */
export interface WalletApprovals {
  /** Newest first, at most APPROVALS_PAGE. @param before the id of the last one seen */
  approvals(state: ApprovalState | null, before?: string | null): Promise<Result<readonly ApprovalView[]>>;
  approval(approvalId: string): Promise<Result<ApprovalView>>;
  /** `maxMsat` may lower the maximum, never raise it above what was quoted. Compare-and-set: whoever comes second is told what was decided. A yes is refused while a switch stops new money (invariant 11). */
  decideApproval(approvalId: string, verdict: Verdict, by: string, maxMsat: Msat | null): Promise<Result<ApprovalView>>;
  /** A link for a person. It is a capability: give it to people, never to an agent. */
  approvalLink(approvalId: string): Promise<Result<ApprovalLink>>;
  /** What a link opens: the quote, once its signature is right and it has not expired. */
  approvalByLink(link: ApprovalLink): Promise<Result<ApprovalView>>;
  decideByLink(link: ApprovalLink, verdict: Verdict): Promise<Result<ApprovalView>>;
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
  createKey(key: {
    readonly keyId: string;
    readonly budget: string;
    readonly label: string;
    readonly hash: string;
  }): Promise<Result<KeyView>>;
  keys(): Promise<Result<readonly KeyView[]>>;
  revokeKey(keyId: string): Promise<Result<KeyView>>;
  disable(): Promise<Result<null>>;
  /** Also ends a pause. */
  /** Ends a stop and a pause. Waits for a change of the spender that is under way, and calls back one whose end is not known. */
  enable(): Promise<Result<null>>;
  balance(): Promise<Result<PayerStatus>>;
  /** Ends a `payment_unknown` that no payer can answer any more, with a receipt. `paid` with the preimage as evidence stores the credential. */
  resolve(purchaseId: string, verdict: "paid" | "failed", evidence: string, preimage: string | null): Promise<Result<PurchaseView>>;
  /** Gives up a `paid_unfulfilled`: its origin and scope may be bought again. */
  writeOff(purchaseId: string): Promise<Result<PurchaseView>>;
  withdraw(request: WithdrawRequest): Promise<Result<PurchaseView>>;
  /** An invoice to put money into the wallet; checked against what was asked. */
  fundingInvoice(amountMsat: Msat): Promise<Result<FundingInvoice>>;
  purchases(page: {
    readonly before: number | null;
    readonly limit: number;
  }): Promise<Result<{ readonly purchases: readonly PurchaseView[]; readonly next: number | null }>>;
  purchase(purchaseId: string): Promise<Result<PurchaseView>>;
  /** In chain order. */
  receipts(page: {
    readonly after: number;
    readonly limit: number;
  }): Promise<Result<{ readonly receipts: readonly ReceiptRecord[]; readonly next: number | null }>>;
}

/** Also on the same object: WalletApprovals. The same views for an agent's own key or binding: only what its budget did. */
export interface WalletAgentViews {
  ownStatus(
    auth: import("./wallet-api.ts").Auth,
  ): Promise<
    Result<{ readonly walletId: string; readonly state: string; readonly budget: BudgetView; readonly payer: PayerStatus | null }>
  >;
  ownPurchase(auth: import("./wallet-api.ts").Auth, purchaseId: string): Promise<Result<PurchaseView>>;
  ownReceipts(
    auth: import("./wallet-api.ts").Auth,
    page: { readonly after: number; readonly limit: number },
  ): Promise<Result<{ readonly receipts: readonly ReceiptRecord[]; readonly next: number | null }>>;
}
