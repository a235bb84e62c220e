/**
 * Every route that wants a key, with a right body, wrong ones, and who may call it. Tests of rights, of bodies and of tenants run over this
 * one table, and each asserts that no route of the app is missing: a new route without a row fails them all.
 */
import type { Answers } from "./door-fakes.ts";

/** `decider`: approvers, and operators too. */
export type Who = "agent" | "operator" | "decider";

type Body = Readonly<Record<string, unknown>>;

export interface Route {
  readonly who: Who;
  readonly method: string;
  readonly path: string;
  /** A body that is right. */
  readonly body?: Body;
  /** Without a body it means the same as with an empty one. */
  readonly bodyMayBeAbsent?: boolean;
  /** Bodies that are not, and the field to blame. */
  readonly bad?: readonly (readonly [Body, string])[];
  /** What a fake door has to answer so that this route goes well. */
  readonly fakes?: Answers;
}

/** Open to anybody: they hold nothing of an owner, or want a signed link instead of a key. */
export const OPEN_ROUTES: readonly string[] = [
  "GET /",
  "GET /v1/health",
  "GET /approve",
  "GET /approve/:token",
  "POST /approve/:token",
  "GET /states",
  "GET /openapi.json",
];

/** Whose things the paths name. */
export interface Names {
  readonly walletId: string;
  readonly purchaseId: string;
  readonly approvalId: string;
  readonly budget: string;
  readonly agentKeyId: string;
  readonly operatorKeyId: string;
  readonly approverKeyId: string;
  /** The Worker's; a policy for another one is refused. */
  readonly network: string;
}

const DRY_RUN: Answers = {
  policy: () => ({ ok: true, value: { policy: POLICY, policyVersion: 1 } }),
  budgets: () => ({ ok: true, value: [] }),
  status: () => ({ ok: true, value: { receipts: 0 } }),
  receipts: () => ({ ok: true, value: { receipts: [], next: null } }),
};
const CUSTODY: Answers = {
  custody: () => ({ ok: true, value: { recordKeys: [] } }),
  wallet: () => ({ epoch: 1 }),
  envelope: () => ({ kekVersion: "v1", createdAt: 1 }),
};

const policyOn = (network: string) => ({
  hosts: { mode: "listed", allow: [], block: [], unknown: "deny" },
  fee: { floorMsat: 0, ppm: 0 },
  opaqueTokens: "deny",
  network,
});
const POLICY = policyOn("regtest");

const badPolicies = [
  [{ policy: { ...POLICY, dayMsat: -1 } }, "policy"],
  [{ policy: { ...POLICY, dayMsat: 1.5 } }, "policy"],
  [{ policy: { ...POLICY, dayMast: 5 } }, "policy"],
  [{ policy: { ...POLICY, pathPrefixes: ["/\ud800"] } }, "policy"],
  [{ policy: { ...POLICY, network: "mainnet" } }, "policy.network"],
  [{ policy: "none" }, "policy"],
  [{ policy: POLICY, preset: "starter" }, "policy"],
  [{ preset: "generous" }, "preset"],
  [{ preset: "starter", allow: ["http://x"] }, "allow.0"],
  [{ preset: "starter", allow: "x.example" }, "allow"],
] as const;
/** Fine in a budget's. */
const badWalletPolicies = [...badPolicies, [{ policy: { ...POLICY, perSubject: { dayMsat: 1 } } }, "policy.perSubject"]] as const;
const badFetches = [
  [{}, "url"],
  [{ url: 5 }, "url"],
  [{ url: "" }, "url"],
  [{ url: "x".repeat(9000) }, "url"],
  [{ url: "https://a.example/", method: "TRACE" }, "method"],
  [{ url: "https://a.example/", method: "get" }, "method"],
  [{ url: "https://a.example/", headers: { "x-a": "b\r\nx-c: d" } }, "headers"],
  [{ url: "https://a.example/", headers: { "x a": "b" } }, "headers"],
  [{ url: "https://a.example/", headers: { "x-a": 5 } }, "headers.x-a"],
  [{ url: "https://a.example/", headers: [] }, "headers"],
  [{ url: "https://a.example/", body: "x" }, "body"],
  [{ url: "https://a.example/", method: "POST", body: {} }, "body"],
  [{ url: "https://a.example/", method: "POST", bodyBase64: "a" }, "bodyBase64"],
  [{ url: "https://a.example/", method: "POST", body: "x", bodyBase64: "eA==" }, "bodyBase64"],
  [{ url: "https://a.example/", wallet: "w_0123456789abcdef" }, "wallet"],
] as const;
const fetchBody = { url: "https://a.example/" };

export function routeTable(names: Names): readonly Route[] {
  const at = `/v1/wallets/${names.walletId}`;
  const policy = policyOn(names.network);
  return [
    { who: "agent", method: "POST", path: "/v1/fetch", body: fetchBody, bad: badFetches },
    { who: "agent", method: "POST", path: "/v1/quote", body: fetchBody, bad: badFetches },
    { who: "agent", method: "GET", path: "/v1/wallet" },
    { who: "agent", method: "GET", path: "/v1/balance" },
    { who: "agent", method: "GET", path: `/v1/purchases/${names.purchaseId}` },
    { who: "agent", method: "GET", path: "/v1/receipts" },
    {
      who: "operator",
      method: "POST",
      path: "/v1/wallets",
      body: { label: "a", preset: "starter", allow: ["a.example"] },
      bad: [
        ...badWalletPolicies,
        [{ label: "x".repeat(101) }, "label"],
        [{ label: "a\nb" }, "label"],
        [{ label: "\ud800" }, "label"],
        [{ network: "mainnet" }, "network"],
        [{ network: "moon" }, "network"],
        [{ mnemonic: 5 }, "mnemonic"],
        [{ owner: "other" }, "owner"],
      ],
    },
    { who: "operator", method: "GET", path: "/v1/wallets" },
    { who: "operator", method: "GET", path: at },
    { who: "operator", method: "POST", path: `${at}/disable` },
    { who: "operator", method: "POST", path: `${at}/enable` },
    { who: "operator", method: "GET", path: `${at}/balance` },
    { who: "operator", method: "GET", path: `${at}/policy` },
    { who: "operator", method: "PUT", path: `${at}/policy`, body: { policy: policy }, bad: badWalletPolicies },
    { who: "operator", method: "GET", path: `${at}/budgets` },
    {
      who: "operator",
      method: "PUT",
      path: `${at}/budgets/${names.budget}`,
      body: { policy: policy },
      bad: [...badPolicies, [{ policy: policy, disabled: "yes" }, "disabled"]],
    },
    { who: "operator", method: "GET", path: `${at}/keys` },
    {
      who: "operator",
      method: "POST",
      path: `${at}/keys`,
      body: { budget: names.budget },
      bad: [
        [{}, "budget"],
        [{ budget: "Daily!" }, "budget"],
        [{ budget: names.budget, label: 1 }, "label"],
        [{ budget: names.budget, secret: "x" }, "secret"],
      ],
    },
    { who: "operator", method: "DELETE", path: `${at}/keys/${names.agentKeyId}` },
    { who: "operator", method: "GET", path: `${at}/purchases` },
    { who: "operator", method: "GET", path: `${at}/purchases/${names.purchaseId}` },
    { who: "operator", method: "GET", path: `${at}/receipts` },
    {
      who: "operator",
      method: "POST",
      path: `${at}/purchases/${names.purchaseId}/resolve`,
      body: { verdict: "paid", evidence: "the seller showed its ledger", preimage: "ab".repeat(32) },
      bad: [
        [{ verdict: "maybe", evidence: "x" }, "verdict"],
        [{ verdict: "paid" }, "evidence"],
        [{ verdict: "paid", evidence: " " }, "evidence"],
        [{ verdict: "paid", evidence: "x".repeat(501) }, "evidence"],
        [{ verdict: "paid", evidence: "x", preimage: "ab" }, "preimage"],
        [{ verdict: "failed", evidence: "x", preimage: "ab".repeat(32) }, "preimage"],
      ],
    },
    { who: "operator", method: "POST", path: `${at}/purchases/${names.purchaseId}/write-off` },
    {
      who: "operator",
      method: "POST",
      path: `${at}/withdrawals`,
      body: { bolt11: "lnbcrt1abc", maxFeeSats: 5 },
      bad: [
        [{ maxFeeSats: 5 }, "bolt11"],
        [{ bolt11: "lnbcrt1abc" }, "maxFeeSats"],
        [{ bolt11: "bitcoin:x", maxFeeSats: 5 }, "bolt11"],
        [{ bolt11: "lnbcrt1abc", maxFeeSats: -1 }, "maxFeeSats"],
        [{ bolt11: "lnbcrt1abc", maxFeeSats: 0.5 }, "maxFeeSats"],
        [{ bolt11: "lnbcrt1abc", maxFeeSats: 9_007_199_254_741 }, "maxFeeSats"],
        [{ bolt11: "lnbcrt1abc", maxFeeSats: 5, withdrawalId: "1" }, "withdrawalId"],
        [{ bolt11: "lnbcrt1abc", maxFeeSats: 5, by: "somebody" }, "by"],
      ],
    },
    {
      who: "operator",
      method: "POST",
      path: `${at}/invoices`,
      body: { amountSats: 1000 },
      bad: [
        [{}, "amountSats"],
        [{ amountSats: 0 }, "amountSats"],
        [{ amountSats: "5" }, "amountSats"],
        [{ amountSats: 1.5 }, "amountSats"],
        [{ amountSats: 9_007_199_254_741 }, "amountSats"],
      ],
    },
    { who: "decider", method: "GET", path: `${at}/approvals` },
    { who: "decider", method: "GET", path: `${at}/approvals/${names.approvalId}` },
    {
      who: "decider",
      method: "POST",
      path: `${at}/approvals/${names.approvalId}/approve`,
      body: { maxSats: 60 },
      bodyMayBeAbsent: true,
      bad: [
        [{ maxSats: 0 }, "maxSats"],
        [{ maxSats: -1 }, "maxSats"],
        [{ maxSats: 0.5 }, "maxSats"],
        [{ maxSats: "60" }, "maxSats"],
        [{ maxMsat: 5 }, "maxMsat"],
        [{ by: "me" }, "by"],
      ],
    },
    { who: "decider", method: "POST", path: `${at}/approvals/${names.approvalId}/reject` },
    { who: "decider", method: "POST", path: `${at}/approvals/${names.approvalId}/link` },
    { who: "operator", method: "GET", path: "/v1/approver-keys" },
    {
      who: "operator",
      method: "POST",
      path: "/v1/approver-keys",
      body: { label: "x" },
      bad: [
        [{ label: 5 }, "label"],
        [{ owner: "other" }, "owner"],
        [{ role: "operator" }, "role"],
      ],
    },
    { who: "operator", method: "DELETE", path: `/v1/approver-keys/${names.approverKeyId}` },
    { who: "operator", method: "GET", path: "/v1/operator-keys" },
    {
      who: "operator",
      method: "POST",
      path: "/v1/operator-keys",
      body: { label: "x" },
      bad: [
        [{ label: 5 }, "label"],
        [{ owner: "other" }, "owner"],
      ],
    },
    { who: "operator", method: "DELETE", path: `/v1/operator-keys/${names.operatorKeyId}` },
    { who: "operator", method: "GET", path: "/v1/security" },
    {
      who: "operator",
      method: "PUT",
      path: "/v1/security/global",
      body: { active: true },
      bad: [
        [{}, "active"],
        [{ active: "true" }, "active"],
        [{ active: true, by: "me" }, "by"],
      ],
    },
    {
      who: "operator",
      method: "PUT",
      path: "/v1/security/owner",
      body: { active: true },
      bad: [
        [{}, "active"],
        [{ active: 1 }, "active"],
      ],
    },
    {
      who: "operator",
      method: "POST",
      path: `${at}/policy/dry-run`,
      body: { policy },
      bad: [...badWalletPolicies, [{ policy, budget: "Daily!" }, "budget"]],
      fakes: DRY_RUN,
    },
    { who: "operator", method: "GET", path: "/v1/custody" },
    { who: "operator", method: "GET", path: `${at}/custody`, fakes: CUSTODY },
    {
      who: "operator",
      method: "POST",
      path: `${at}/rotate`,
      body: { what: "kek" },
      bad: [
        [{}, "what"],
        [{ what: "all" }, "what"],
      ],
    },
    { who: "operator", method: "POST", path: `${at}/disable-now`, fakes: { disableNow: () => ({ ok: true, value: { cancelled: 0 } }) } },
    {
      who: "operator",
      method: "POST",
      path: `${at}/spender`,
      body: { epoch: 2, backend: "spark-wasm" },
      bad: [
        [{ backend: "spark-wasm" }, "epoch"],
        [{ epoch: 1, backend: "spark-wasm" }, "epoch"],
        [{ epoch: 2, backend: "abacus" }, "backend"],
        [{ epoch: 2, backend: "spark-wasm", spender: "A b" }, "spender"],
      ],
    },
    {
      who: "operator",
      method: "POST",
      path: `${at}/fence`,
      body: { epoch: 2 },
      bad: [
        [{}, "epoch"],
        [{ epoch: 1.5 }, "epoch"],
      ],
      fakes: { wallet: () => ({}), fenceSpender: () => ({}) },
    },
    {
      who: "operator",
      method: "POST",
      path: `${at}/restore`,
      body: { mnemonic: "twelve words", epoch: 2, policy },
      bad: [
        [{ epoch: 2 }, "mnemonic"],
        [{ mnemonic: "twelve words" }, "epoch"],
        [{ mnemonic: "twelve words", epoch: 1 }, "epoch"],
        [{ mnemonic: "twelve words", epoch: 2, backupRecipient: "age1" }, "backupRecipient"],
        [{ mnemonic: "twelve words", epoch: 2, policy: { ...policy, perSubject: { dayMsat: 1 } } }, "policy.perSubject"],
      ],
      fakes: { custody: () => ({ ok: false, code: "not_found", detail: "no such wallet" }) },
    },
  ];
}

/** The app's routes that `rows` does not have and that are not open. @param routes as `listRoutes` gives them */
export function uncovered(routes: readonly string[], rows: readonly Route[]): readonly string[] {
  const known = rows.map(({ method, path }) => `${method} ${path}`);
  const isCovered = (route: string): boolean => known.some((row) => new RegExp(`^${route.replaceAll(/:\w+/gu, "[^/]+")}$`, "u").test(row));
  return routes.filter((route) => !OPEN_ROUTES.includes(route) && !isCovered(route));
}
