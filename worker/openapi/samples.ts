/** A right request for every route that takes one, and what its Wallet object or control plane answers: typed, so that they stay right. Tests only. */
import type { ApprovalView } from "../../lightning/approval.ts";
import type { ReceiptRecord, WalletRecord } from "../../lightning/control-plane.ts";
import { msat, sats } from "../../lightning/msat.ts";
import type { PayerStatus } from "../../lightning/payer.ts";
import { starterPolicy, type Policy } from "../../lightning/policy.ts";
import type { BudgetView, FundingInvoice, KeyView, WalletStatus } from "../../lightning/wallet-admin.ts";
import type { PurchaseView, Quote } from "../../lightning/wallet-api.ts";
import type { WalletCustodyView } from "../../lightning/wallet-custody.ts";
import { WALLET } from "../door-fakes.ts";

export const PURCHASE = "00000000-0000-4000-8000-000000000000";
const HASH = "0123456789abcdef".repeat(4);

export const POLICY: Policy = {
  ...starterPolicy("regtest", ["a.example", "*.b.example:8443"]),
  rolling: [{ windowMs: 60_000, capMsat: sats(10) }],
  perHost: [{ host: "a.example", dayMsat: sats(5) }],
  perSubject: { perPaymentMsat: sats(1), totalMsat: sats(9) },
  hostSettings: [{ host: "a.example", reuse: "never", totalMs: 5000, maxBytes: 1000 }],
  approvalMs: 60_000,
  lowBalanceMsat: sats(1000),
  pathPrefixes: ["/api"],
};

/** Subjects are a budget's. */
const { perSubject: _theirs, ...WALLET_POLICY } = POLICY;

const payer: PayerStatus = {
  backend: "http-executor",
  online: true,
  spendableMsat: sats(5),
  network: "regtest",
  lastPaymentAt: null,
  version: "1",
};
const spent: BudgetView["spent"] = { hourMsat: msat(1), dayMsat: msat(2), monthMsat: msat(3), totalMsat: msat(4), openMsat: msat(0) };
const budget: BudgetView = { budget: "daily", policy: POLICY, policyVersion: 2, disabled: false, spent };
const key: KeyView = { keyId: "abcdefghijkl", budget: "daily", label: "", createdAt: 1, revokedAt: null };
const record: WalletRecord = {
  walletId: WALLET,
  owner: "main",
  label: "",
  network: "regtest",
  backend: "http-executor",
  epoch: 1,
  walletSource: "embedded_envelope",
  createdAt: 1,
};
const status: WalletStatus = {
  walletId: WALLET,
  owner: "main",
  network: "regtest",
  backend: "http-executor",
  epoch: 1,
  state: "paused",
  pausedBecause: "late_settlement",
  openRows: 1,
  receipts: 3,
  schemaVersion: 2,
  payer,
  lowBalance: true,
  spent,
};
const purchase: PurchaseView = {
  purchaseId: PURCHASE,
  state: "paid_unfulfilled",
  code: "paid_unfulfilled",
  budget: "daily",
  method: "GET",
  origin: "https://a.example",
  path: "/x",
  amountMsat: msat(1000),
  feeMsat: msat(1),
  paymentHash: HASH,
  openedAt: 1,
  dueAt: null,
  awaits: null,
  receiptIds: [`rcpt_${HASH}`],
};
export const RECEIPT: ReceiptRecord = {
  receiptId: `rcpt_${HASH}`,
  chain: HASH,
  receipt: {
    version: 1,
    kind: "paid",
    sequence: 1,
    purchaseId: PURCHASE,
    walletId: WALLET,
    owner: "main",
    budget: "daily",
    subject: "ann",
    at: "2026-11-22T12:00:00.000Z",
    method: "GET",
    origin: "https://a.example",
    path: "/x",
    code: null,
    amountMsat: msat(200_000),
    feeMsat: msat(1),
    maxFeeMsat: msat(5),
    paymentHash: HASH,
    credentialId: "cred_1",
    binding: "verified",
    evidence: null,
    backend: "http-executor",
    epoch: 1,
    policyVersion: 1,
  },
};
const quote: Quote = {
  origin: "https://a.example",
  amountMsat: msat(1),
  maxFeeMsat: msat(1),
  expiresAt: 1,
  scope: "path:/x",
  binding: "verified",
  description: null,
  allowed: false,
  code: "amount_over_cap",
};
const approval: ApprovalView = {
  approvalId: `appr_${PURCHASE}`,
  state: "pending",
  budget: "daily",
  subject: null,
  method: "POST",
  origin: "https://a.example",
  path: "/x",
  amountMsat: msat(1000),
  maxMsat: msat(1005),
  because: "amount",
  description: "10 words",
  askedAt: 1,
  expiresAt: 2,
  decidedAt: null,
  decidedBy: null,
  usedBy: null,
};
const custody: WalletCustodyView = {
  walletId: WALLET,
  backend: "http-executor",
  epoch: 1,
  recordKeys: [
    { id: 1, kekVersion: "v1", state: "former" },
    { id: 2, kekVersion: "v2", state: "current" },
  ],
  resealing: true,
  unreadableRows: 0,
};
const funding: FundingInvoice = { bolt11: "lnbcrt1…", paymentHash: HASH, amountMsat: msat(1000), expiresAt: 5 };

const ok = (value: unknown) => () => ({ ok: true, value });
const always = (value: unknown) => () => value;

/** By method name, for `fakeDoor`. */
export const ANSWERS = {
  status: ok(status),
  balance: ok(payer),
  policy: ok({ policy: POLICY, policyVersion: 1 }),
  setPolicy: ok({ policyVersion: 2 }),
  budgets: ok([budget]),
  putBudget: ok(budget),
  keys: ok([key]),
  createKey: ok(key),
  revokeKey: ok(key),
  purchases: ok({ purchases: [purchase], next: 7 }),
  purchase: ok(purchase),
  receipts: ok({ receipts: [RECEIPT], next: null }),
  resolve: ok(purchase),
  writeOff: ok({ ...purchase, state: "written_off" }),
  withdraw: ok({ ...purchase, state: "fulfilled" }),
  fundingInvoice: ok(funding),
  approvals: ok([approval]),
  approval: ok(approval),
  decideApproval: ok({ ...approval, state: "granted", decidedAt: 2, decidedBy: "operator/main/root" }),
  approvalLink: ok({ approvalId: approval.approvalId, expiresAt: 2, mac: HASH }),
  approvalByLink: ok(approval),
  decideByLink: ok({ ...approval, state: "granted" }),
  ownStatus: ok({ walletId: WALLET, state: "active", budget, payer }),
  ownPurchase: ok(purchase),
  ownReceipts: ok({ receipts: [RECEIPT], next: null }),
  custody: ok(custody),
  rotate: ok(custody),
  disableNow: ok({ cancelled: 1 }),
  moveSpender: ok(custody),
  quote: always({ kind: "quote", purchaseId: PURCHASE, quote }),
  wallets: always([record]),
  wallet: always(record),
  fenceSpender: always({ ...record, epoch: 2 }),
  operatorKeys: always([{ keyId: "root", label: "", createdAt: 1, revokedAt: null }]),
  approverKeys: always([{ keyId: "approverkey0", label: "", createdAt: 1, revokedAt: 5 }]),
  setGlobalPause: always({ version: 2, globalPause: true, ownerKillSwitch: false, epoch: 0 }),
  setOwnerKillSwitch: always({ version: 3, globalPause: false, ownerKillSwitch: true, epoch: 0 }),
  envelope: always({
    version: 1,
    walletId: WALLET,
    owner: "main",
    network: "regtest",
    purpose: "mnemonic",
    kekVersion: "v1",
    wrappedDataKey: "AA==",
    nonce: "AA==",
    ciphertext: "AA==",
    createdAt: 1,
  }),
} as const;

/** Where another answer than the usual leads to the answer that is described. */
export const OTHERWISE: Readonly<Record<string, Readonly<Record<string, () => unknown>>>> = {
  "POST /v1/wallets/:walletId/restore": { custody: () => ({ ok: false, code: "not_found", detail: "no such wallet" }) },
};

const words = Array.from({ length: 11 }, () => "abandon").join(" ");
export const BODIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "POST /v1/fetch": { url: "https://a.example/", method: "POST", headers: { "x-a": "b" }, body: "text" },
  "POST /v1/quote": { url: "https://a.example/", method: "PUT", bodyBase64: "eA==" },
  "POST /v1/wallets": { label: "a", network: "regtest", policy: WALLET_POLICY, backupRecipient: `age1${"q".repeat(58)}` },
  "POST /v1/wallets/:walletId/purchases/:purchaseId/resolve": { verdict: "paid", evidence: "the node's own ledger", preimage: HASH },
  "POST /v1/wallets/:walletId/withdrawals": { withdrawalId: PURCHASE, bolt11: "lnbcrt10n1qqqq", maxFeeSats: 5 },
  "POST /v1/wallets/:walletId/invoices": { amountSats: 1000 },
  "PUT /v1/wallets/:walletId/policy": { policy: WALLET_POLICY },
  "POST /v1/wallets/:walletId/policy/dry-run": { policy: POLICY, budget: "daily" },
  "PUT /v1/wallets/:walletId/budgets/:budget": { preset: "starter", allow: ["a.example"], disabled: true },
  "POST /v1/wallets/:walletId/keys": { budget: "daily", label: "agent" },
  "POST /v1/wallets/:walletId/approvals/:approvalId/approve": { maxSats: 1 },
  "PUT /v1/security/global": { active: true },
  "PUT /v1/security/owner": { active: false },
  "POST /v1/operator-keys": { label: "x" },
  "POST /v1/approver-keys": {},
  "POST /v1/wallets/:walletId/rotate": { what: "record-key" },
  "POST /v1/wallets/:walletId/spender": { epoch: 2, backend: "http-executor", spender: "executor" },
  "POST /v1/wallets/:walletId/fence": { epoch: 2 },
  "POST /v1/wallets/:walletId/restore": { mnemonic: `${words} about`, epoch: 2 },
};

/** Path parameters. The token is what a link carries; the fakes do not look into it. */
export const PARAMETERS: Readonly<Record<string, string>> = {
  walletId: WALLET,
  purchaseId: PURCHASE,
  approvalId: approval.approvalId,
  budget: "daily",
  keyId: "abcdefghijkl",
};
export const LINK = {
  owner: "main",
  walletId: WALLET,
  link: { approvalId: approval.approvalId, expiresAt: 9_999_999_999_999, mac: HASH },
} as const;
