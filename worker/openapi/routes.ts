/**
 * Every route for the OpenAPI document: who may call it, what it takes, what it answers, and which problems are its own. The codes that
 * come with a key, a body, a query or a path parameter are added by document.ts. A test holds this list against the app's real routes.
 */
import type * as Schema from "effect/Schema";
import { ERRORS, type Code } from "../../lightning/errors.ts";
import * as Asked from "../../lightning/schema.ts";
import * as Shape from "./shapes.ts";

export type Who = "anybody" | "agent" | "operator" | "decider";

export interface Answer {
  readonly is: string;
  /** A JSON shape, or the media type of something else. */
  readonly shape: Schema.Top | "text/html" | "application/json" | "application/jsonl" | "*/*";
  /** Also as JSON lines, one shape a line. */
  readonly lines?: Schema.Top;
  /** `Lightning-*` headers beside the seller's. */
  readonly paid?: true;
}

export interface Described {
  readonly route: `${"GET" | "POST" | "PUT" | "DELETE"} /${string}`;
  readonly id: string;
  readonly does: string;
  readonly more?: string;
  readonly who: Who;
  readonly query?: Schema.Top;
  readonly body?: Schema.Top;
  readonly bodyOptional?: true;
  readonly form?: true;
  readonly headers?: readonly HeaderName[];
  readonly answers: Readonly<Record<number, Answer>>;
  readonly problems?: readonly Code[];
}

export const HEADERS = {
  "Idempotency-Key":
    "1 to 255 visible ASCII characters, from the host and never made by a model. The same key with another method, URL or body is `idempotency_conflict`.",
  "Lightning-Max-Sats": "The most this call may cost, price and fee together, in whole satoshi. Can only narrow.",
  "Lightning-Subject": "An end user or a run, 1 to 128 visible ASCII characters; the budget may have caps for each. Can only narrow.",
  "Lightning-Resume": "Id of a purchase that has paid: the same request again, with its credential; nothing is paid.",
  "Lightning-Wait-Ms": "How long to wait for a payment under way, 0 to 120,000 ms; 35,000 if left out.",
} as const;
export type HeaderName = keyof typeof HEADERS;

const answer = (is: string, shape: Answer["shape"]): Answer => ({ is, shape });
const steering: readonly HeaderName[] = [
  "Idempotency-Key",
  "Lightning-Max-Sats",
  "Lightning-Subject",
  "Lightning-Resume",
  "Lightning-Wait-Ms",
];

/** What a purchase cannot end with: these belong to other routes or other principals. */
const NOT_OF_A_PURCHASE: readonly Code[] = [
  "not_found",
  "method_not_allowed",
  "already_exists",
  "withdrawal_refused",
  "not_supported",
  "control_plane_unavailable",
  "internal",
];
const ofPurchase = (Object.keys(ERRORS) as Code[]).filter((code) => !NOT_OF_A_PURCHASE.includes(code));
const switchesOff: readonly Code[] = [
  "global_pause_active",
  "owner_kill_switch_active",
  "wallet_disabled",
  "wallet_paused",
  "spender_superseded",
];

export const ROUTES: readonly Described[] = [
  { route: "GET /", id: "index", who: "anybody", does: "A page that says what this is", answers: { 200: answer("the page", "text/html") } },
  {
    route: "GET /v1/health",
    id: "health",
    who: "anybody",
    does: "That it runs, and which of it",
    answers: { 200: answer("versions and the hash of the configuration", Shape.Health) },
  },
  {
    route: "GET /openapi.json",
    id: "openapi",
    who: "anybody",
    does: "This document",
    answers: { 200: answer("OpenAPI 3.1", "application/json") },
  },
  {
    route: "GET /states",
    id: "states",
    who: "anybody",
    does: "The states of a purchase, drawn from the table itself",
    answers: { 200: answer("the page", "text/html") },
  },

  {
    route: "POST /v1/fetch",
    id: "fetch",
    who: "agent",
    does: "Fetch a URL, and pay for it where policy allows",
    headers: steering,
    body: Asked.FetchBody,
    more: "The answer is the seller's: its status, its body as a stream, its headers by allowlist. Its status may be any, so every status without a problem document is the seller's own. With a credential that has not served yet, a GET or HEAD goes without `If-None-Match` and `If-Modified-Since`: what is paid for is delivered, and is never a 304.",
    answers: { 200: { is: "the seller's answer, with what it cost", shape: "*/*", paid: true } },
    problems: ofPurchase,
  },
  {
    route: "POST /v1/quote",
    id: "quote",
    who: "agent",
    does: "What a URL would cost, and whether policy allows it; pays nothing",
    headers: steering,
    body: Asked.FetchBody,
    answers: { 200: answer("a quote, or that no payment is needed", Shape.QuoteAnswer) },
    problems: ofPurchase,
  },
  {
    route: "GET /v1/wallet",
    id: "ownWallet",
    who: "agent",
    does: "The caller's own budget",
    answers: { 200: answer("state and budget", Shape.OwnWallet) },
    problems: ["not_found", "policy_unreadable"],
  },
  {
    route: "GET /v1/balance",
    id: "ownBalance",
    who: "agent",
    does: "What can be spent, and when that was known",
    answers: { 200: answer("the balance", Shape.Balance) },
    problems: ["backend_unavailable", "not_found", "policy_unreadable"],
  },
  {
    route: "GET /v1/purchases/:purchaseId",
    id: "ownPurchase",
    who: "agent",
    does: "A purchase of the caller's own budget",
    answers: { 200: answer("the purchase", Shape.Purchase) },
  },
  {
    route: "GET /v1/receipts",
    id: "ownReceipts",
    who: "agent",
    does: "Receipts of the caller's own budget",
    query: Asked.ReceiptsQuery,
    answers: { 200: { ...answer("a page, or all as JSON lines", Shape.Receipts), lines: Shape.ReceiptLine } },
    problems: ["not_found"],
  },

  {
    route: "POST /v1/wallets",
    id: "createWallet",
    who: "operator",
    does: "Make a wallet, or import one",
    headers: ["Idempotency-Key"],
    body: Asked.CreateWallet,
    more: "Without `policy` it gets the `starter` preset with the hosts of `allow`. A repeated request under its Idempotency-Key answers the first wallet.",
    answers: { 200: answer("made before, under this Idempotency-Key", Shape.NewWallet), 201: answer("made", Shape.NewWallet) },
    problems: ["idempotency_conflict", "already_exists", "envelope_unopenable", "not_found", "policy_unreadable"],
  },
  {
    route: "GET /v1/wallets",
    id: "wallets",
    who: "operator",
    does: "The owner's wallets",
    answers: { 200: answer("their records", Shape.Wallets) },
  },
  {
    route: "GET /v1/wallets/:walletId",
    id: "walletStatus",
    who: "operator",
    does: "State, books and payer of a wallet",
    answers: { 200: answer("the status", Shape.WalletStatusShape) },
  },
  {
    route: "POST /v1/wallets/:walletId/disable",
    id: "disable",
    who: "operator",
    does: "Stop new money; what is paid is still looked up and delivered",
    answers: { 200: answer("stopped", Shape.WalletState) },
  },
  {
    route: "POST /v1/wallets/:walletId/disable-now",
    id: "disableNow",
    who: "operator",
    does: "Stop, call off what is reserved, and drop the open keys from memory",
    answers: { 200: answer("stopped", Shape.DisabledNow) },
    problems: ["envelope_unopenable"],
  },
  {
    route: "POST /v1/wallets/:walletId/enable",
    id: "enable",
    who: "operator",
    does: "End a stop or a pause",
    more: "Waits for a change of the spender that is under way, and calls back one whose end is not known; where that cannot be done now, the wallet stays stopped.",
    answers: { 200: answer("active", Shape.WalletState) },
    problems: ["control_plane_unavailable", "envelope_unopenable", "already_exists"],
  },
  {
    route: "GET /v1/wallets/:walletId/balance",
    id: "balance",
    who: "operator",
    does: "What can be spent, and when that was known",
    answers: { 200: answer("the balance; `stale` where the payer did not answer now", Shape.Balance) },
    problems: ["backend_unavailable"],
  },
  {
    route: "GET /v1/wallets/:walletId/purchases",
    id: "purchases",
    who: "operator",
    does: "Purchases, newest first",
    query: Asked.PurchasesQuery,
    answers: { 200: answer("a page", Shape.Purchases) },
  },
  {
    route: "GET /v1/wallets/:walletId/purchases/:purchaseId",
    id: "purchase",
    who: "operator",
    does: "One purchase",
    answers: { 200: answer("the purchase", Shape.Purchase) },
  },
  {
    route: "POST /v1/wallets/:walletId/purchases/:purchaseId/resolve",
    id: "resolve",
    who: "operator",
    does: "End a payment_unknown that no payer can answer any more",
    body: Asked.ResolveBody,
    more: "`paid` with the preimage stores the credential; without it the whole reserve counts as spent. Leaves a receipt with the evidence.",
    answers: { 200: answer("the purchase", Shape.Purchase) },
    problems: ["already_exists", "envelope_unopenable"],
  },
  {
    route: "POST /v1/wallets/:walletId/purchases/:purchaseId/write-off",
    id: "writeOff",
    who: "operator",
    does: "Give up a paid_unfulfilled: its origin and scope may be bought again",
    answers: { 200: answer("the purchase", Shape.Purchase) },
    problems: ["already_exists"],
  },
  {
    route: "GET /v1/wallets/:walletId/receipts",
    id: "receipts",
    who: "operator",
    does: "Receipts in chain order, from number 1: what the wallet no longer keeps comes from the control plane",
    query: Asked.ReceiptsQuery,
    answers: { 200: { ...answer("a page, or all as JSON lines", Shape.Receipts), lines: Shape.ReceiptLine } },
  },
  {
    route: "POST /v1/wallets/:walletId/withdrawals",
    id: "withdraw",
    who: "operator",
    does: "Pay an invoice out of the wallet, outside all budgets",
    headers: ["Lightning-Wait-Ms"],
    body: Asked.WithdrawBody,
    answers: {
      201: answer("ended; its state says how", Shape.Purchase),
      202: answer("under way; read it again by its id", Shape.Purchase),
    },
    problems: [
      ...switchesOff,
      "withdrawal_refused",
      "idempotency_conflict",
      "envelope_unopenable",
      "payment_hash_reused",
      "control_plane_unavailable",
    ],
  },
  {
    route: "POST /v1/wallets/:walletId/invoices",
    id: "fundingInvoice",
    who: "operator",
    does: "An invoice that pays into the wallet",
    body: Asked.InvoiceBody,
    answers: { 201: answer("the invoice, checked against what was asked", Shape.Funding) },
    problems: ["not_supported", "backend_unavailable", "invoice_malformed"],
  },

  {
    route: "GET /v1/wallets/:walletId/policy",
    id: "policy",
    who: "operator",
    does: "The wallet's policy",
    answers: { 200: answer("the policy in force", Shape.PolicyInForce) },
    problems: ["policy_unreadable"],
  },
  {
    route: "PUT /v1/wallets/:walletId/policy",
    id: "putPolicy",
    who: "operator",
    does: "Replace the wallet's policy",
    body: Asked.PutPolicy,
    answers: { 200: answer("the policy in force", Shape.PolicyInForce) },
  },
  {
    route: "POST /v1/wallets/:walletId/policy/dry-run",
    id: "dryRun",
    who: "operator",
    does: "What a policy would have said to the payments that were made; changes nothing",
    body: Asked.DryRunPolicy,
    more: "Replays the newest 20,000 receipts. Lists hold at most 1,000 entries; the counts are whole.",
    answers: { 200: answer("what would have been refused, asked and allowed", Shape.DryRun) },
    problems: ["policy_unreadable"],
  },
  {
    route: "GET /v1/wallets/:walletId/budgets",
    id: "budgets",
    who: "operator",
    does: "Budgets with what each has spent",
    answers: { 200: answer("the budgets", Shape.Budgets) },
  },
  {
    route: "PUT /v1/wallets/:walletId/budgets/:budget",
    id: "putBudget",
    who: "operator",
    does: "Make or replace a budget",
    body: Asked.PutBudget,
    answers: { 200: answer("the budget", Shape.Budget) },
    problems: ["policy_unreadable"],
  },
  {
    route: "GET /v1/wallets/:walletId/keys",
    id: "agentKeys",
    who: "operator",
    does: "Agents' keys, without their secrets",
    answers: { 200: answer("the keys", Shape.AgentKeys) },
  },
  {
    route: "POST /v1/wallets/:walletId/keys",
    id: "createAgentKey",
    who: "operator",
    does: "A key for an agent, bound to one budget",
    body: Asked.CreateAgentKey,
    answers: { 201: answer("the key, shown once", Shape.NewAgentKey) },
    problems: ["already_exists"],
  },
  {
    route: "DELETE /v1/wallets/:walletId/keys/:keyId",
    id: "revokeAgentKey",
    who: "operator",
    does: "Revoke an agent's key, at once",
    answers: { 200: answer("revoked", Shape.AgentKey) },
  },

  {
    route: "GET /v1/wallets/:walletId/approvals",
    id: "approvals",
    who: "decider",
    does: "What people are asked, newest first",
    query: Asked.ApprovalsQuery,
    answers: { 200: answer("the approvals", Shape.Approvals) },
  },
  {
    route: "GET /v1/wallets/:walletId/approvals/:approvalId",
    id: "approval",
    who: "decider",
    does: "One approval",
    answers: { 200: answer("the approval", Shape.Approval) },
  },
  {
    route: "POST /v1/wallets/:walletId/approvals/:approvalId/approve",
    id: "approve",
    who: "decider",
    does: "Say yes, once, to exactly this request",
    body: Asked.ApproveBody,
    bodyOptional: true,
    answers: { 200: answer("granted", Shape.Approval) },
    problems: ["already_exists", "approval_expired", ...switchesOff, "budget_disabled"],
  },
  {
    route: "POST /v1/wallets/:walletId/approvals/:approvalId/reject",
    id: "reject",
    who: "decider",
    does: "Say no",
    answers: { 200: answer("rejected", Shape.Approval) },
    problems: ["already_exists", "approval_expired"],
  },
  {
    route: "POST /v1/wallets/:walletId/approvals/:approvalId/link",
    id: "approvalLink",
    who: "decider",
    does: "A signed link for a person without a key",
    more: "It is a capability: give it to people, never to an agent.",
    answers: { 201: answer("the link", Shape.ApprovalUrl) },
    problems: ["approval_expired", "envelope_unopenable"],
  },
  {
    route: "GET /approve",
    id: "approveHelp",
    who: "anybody",
    does: "A page for people: how payments are approved",
    answers: { 200: answer("the page", "text/html") },
  },
  {
    route: "GET /approve/:token",
    id: "approvePage",
    who: "anybody",
    does: "The question behind a signed link; decides nothing",
    answers: {
      200: answer("the question, or what was decided", "text/html"),
      403: answer("the link is not valid", "text/html"),
      410: answer("the link has expired", "text/html"),
      503: answer("the wallet's keys cannot be opened now", "text/html"),
    },
  },
  {
    route: "POST /approve/:token",
    id: "approveByLink",
    who: "anybody",
    does: "One of the two buttons",
    form: true,
    answers: {
      200: answer("what was decided", "text/html"),
      400: answer("nothing was decided", "text/html"),
      403: answer("the link is not valid, or a switch forbids approving now", "text/html"),
      410: answer("the link has expired", "text/html"),
      503: answer("the wallet's keys cannot be opened, or the switches cannot be read now", "text/html"),
    },
  },

  {
    route: "GET /v1/security",
    id: "switches",
    who: "operator",
    does: "The switches that stop new money",
    answers: { 200: answer("the switches", Shape.Switches) },
  },
  {
    route: "PUT /v1/security/global",
    id: "globalPause",
    who: "operator",
    does: "Pause all payments of this deployment; the platform's own operators only",
    body: Asked.SwitchBody,
    answers: { 200: answer("the switches", Shape.Switches) },
  },
  {
    route: "PUT /v1/security/owner",
    id: "ownerKillSwitch",
    who: "operator",
    does: "Stop all payments of this owner",
    body: Asked.SwitchBody,
    answers: { 200: answer("the switches", Shape.Switches) },
  },
  {
    route: "GET /v1/operator-keys",
    id: "operatorKeys",
    who: "operator",
    does: "Operators' keys, without their secrets",
    answers: { 200: answer("the keys", Shape.PersonKeys) },
  },
  {
    route: "POST /v1/operator-keys",
    id: "createOperatorKey",
    who: "operator",
    does: "A key for another operator",
    body: Asked.CreateOperatorKey,
    answers: { 201: answer("the key, shown once", Shape.NewPersonKey) },
  },
  {
    route: "DELETE /v1/operator-keys/:keyId",
    id: "revokeOperatorKey",
    who: "operator",
    does: "Revoke an operator's key",
    answers: { 200: answer("revoked", Shape.RevokedKey) },
  },
  {
    route: "GET /v1/approver-keys",
    id: "approverKeys",
    who: "operator",
    does: "Approvers' keys, without their secrets",
    answers: { 200: answer("the keys", Shape.PersonKeys) },
  },
  {
    route: "POST /v1/approver-keys",
    id: "createApproverKey",
    who: "operator",
    does: "A key for somebody who decides about payments, and nothing else",
    body: Asked.CreateApproverKey,
    answers: { 201: answer("the key, shown once", Shape.NewPersonKey) },
  },
  {
    route: "DELETE /v1/approver-keys/:keyId",
    id: "revokeApproverKey",
    who: "operator",
    does: "Revoke an approver's key",
    answers: { 200: answer("revoked", Shape.RevokedKey) },
  },

  {
    route: "GET /v1/custody",
    id: "kekUse",
    who: "operator",
    does: "Which versions of the key-encryption key still wrap something",
    query: Asked.CustodyQuery,
    answers: { 200: answer("versions and their use", Shape.KekVersions) },
    problems: ["envelope_unopenable"],
  },
  {
    route: "GET /v1/wallets/:walletId/custody",
    id: "custody",
    who: "operator",
    does: "Which keys a wallet's rows and envelope are under",
    answers: { 200: answer("names and versions, never a key", Shape.WholeCustody) },
    problems: ["envelope_unopenable"],
  },
  {
    route: "POST /v1/wallets/:walletId/rotate",
    id: "rotate",
    who: "operator",
    does: "Rotate the KEK's wrapping, the data key or the record key",
    body: Asked.RotateBody,
    answers: { 200: answer("the keys now in use", Shape.Custody) },
    problems: ["envelope_unopenable", "already_exists", "spender_superseded"],
  },
  {
    route: "POST /v1/wallets/:walletId/spender",
    id: "moveSpender",
    who: "operator",
    does: "Hand the wallet to another spender under the next epoch",
    body: Asked.SpenderBody,
    more: "Refused as `payment_pending` while anything is reserved, paying or unknown.",
    answers: { 200: answer("the keys now in use", Shape.Custody) },
    problems: ["payment_pending", "envelope_unopenable", "already_exists", "spender_superseded", "not_supported"],
  },
  {
    route: "POST /v1/wallets/:walletId/fence",
    id: "fence",
    who: "operator",
    does: "Another deployment spends under this epoch: this one pays nothing any more",
    body: Asked.FenceBody,
    more: "Of an epoch that this deployment itself spends under, or of an earlier one, it says `already_exists`: that fences nothing.",
    answers: { 200: answer("the wallet's record", Shape.WalletShape) },
    problems: ["already_exists"],
  },
  {
    route: "POST /v1/wallets/:walletId/restore",
    id: "restore",
    who: "operator",
    does: "A wallet of this owner whose deployment is lost, from its backup",
    body: Asked.RestoreWallet,
    answers: { 201: answer("restored, under the given epoch", Shape.NewWallet) },
    problems: ["already_exists", "envelope_unopenable"],
  },
];
