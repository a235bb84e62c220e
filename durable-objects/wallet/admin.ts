/** What operators do with a wallet: the Worker has established that they own it. Refusals are values; nothing here moves money. */
import { dayStart, hourStart, monthStart } from "../../lightning/decide.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import type { ReceiptRecord, WalletRecord } from "../../lightning/control-plane.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { PayerStatus } from "../../lightning/payer.ts";
import type { Policy } from "../../lightning/policy.ts";
import { parsePolicy, walletPolicyFault } from "../../lightning/policy-check.ts";
import { awaits } from "../../lightning/purchase.ts";
import type { BudgetView, KeyView, Result, WalletStatus } from "../../lightning/wallet-admin.ts";
import type { Auth, PurchaseView } from "../../lightning/wallet-api.ts";
import type { PurchaseRow } from "./journal.ts";
import { maintainSoon } from "./maintain.ts";
import { isOurs } from "./order.ts";
import { MIGRATIONS } from "./schema.ts";
import type { Vault } from "./vault.ts";

const ok = <T>(value: T): Result<T> => ({ ok: true, value });
const no = (code: Code, detail: string): Result<never> => ({ ok: false, code, detail });
const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/u;
const MOST_BUDGETS = 1000;
const MOST_KEYS = 1000;
export const PAGE = 200;

/** Makes the wallet's tables and its record key. The record key is random here and wrapped before it is written. */
export async function create(
  vault: Vault,
  record: WalletRecord,
  envelope: Envelope,
  policy: Policy,
): Promise<Result<{ readonly created: boolean }>> {
  const read = parsePolicy(policy);
  if (!read.ok) return no("invalid_request", read.detail);
  if (policy.network !== record.network) return no("invalid_request", "policy .network is not the wallet's network");
  const fault = walletPolicyFault(policy);
  if (fault !== null) return no("invalid_request", fault);
  if (envelope.walletId !== record.walletId || envelope.owner !== record.owner)
    return no("invalid_request", "the envelope is another wallet's");
  const known = vault.wallet();
  if (known !== null)
    return known.wallet_id === record.walletId && known.owner === record.owner
      ? ok({ created: false })
      : no("already_exists", "this object is another wallet");
  const key = vault.ports.random.bytes(32);
  try {
    const { kekVersion, wrapped } = await vault.ports.keys.wrap(key, `${record.owner}/${record.walletId}`);
    if (vault.wallet() !== null) return ok({ created: false });
    vault.found();
    vault.transact(() => {
      vault.ports.sql.rows(
        `INSERT INTO wallet (only, wallet_id, owner, network, backend, epoch, state, policy, policy_version, record_key_id, record_key_wrapped, kek_version, created_at)
         VALUES (1, ?, ?, ?, ?, ?, 'active', ?, 1, 1, ?, ?, ?)`,
        record.walletId,
        record.owner,
        record.network,
        record.backend,
        record.epoch,
        JSON.stringify(policy),
        wrapped,
        kekVersion,
        record.createdAt,
      );
      maintainSoon(vault);
    });
    return ok({ created: true });
  } catch (error) {
    vault.ports.log("create_failed", { error: error instanceof Error ? error.name : "unknown" });
    return no("envelope_unopenable", "the record key could not be wrapped");
  } finally {
    key.fill(0);
  }
}

export async function status(vault: Vault): Promise<Result<WalletStatus>> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  const payer = await askPayer(vault);
  return ok({
    walletId: wallet.wallet_id,
    owner: wallet.owner,
    network: wallet.network,
    backend: wallet.backend,
    epoch: wallet.epoch,
    state: wallet.state,
    pausedBecause: wallet.paused_because,
    openRows: vault.journal.openPayments(),
    receipts: vault.receipts.count(),
    schemaVersion: MIGRATIONS.length,
    payer,
    lowBalance: lowBalance(vault.config.walletPolicy(wallet), payer),
    spent: spent(vault, null),
  });
}

function lowBalance(policy: Policy | null, payer: PayerStatus | null): boolean | null {
  if (policy?.lowBalanceMsat === undefined) return false;
  return payer === null || payer.spendableMsat === null ? null : payer.spendableMsat < policy.lowBalanceMsat;
}

export async function balance(vault: Vault): Promise<Result<PayerStatus>> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const payer = await askPayer(vault);
  return payer === null ? no("backend_unavailable", "the payment backend did not answer") : ok(payer);
}

async function askPayer(vault: Vault): Promise<PayerStatus | null> {
  const wallet = vault.wallet();
  if (wallet === null || !isOurs(vault, wallet)) return null;
  const timer = vault.ports.clock.timer(vault.timing.statusDeadline);
  try {
    return await Promise.race([vault.ports.payer.status(), timer.done.then(() => null)]);
  } catch {
    return null;
  } finally {
    timer.cancel();
  }
}

export function setPolicy(vault: Vault, policy: Policy): Result<{ readonly policyVersion: number }> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  const read = parsePolicy(policy);
  if (!read.ok) return no("invalid_request", read.detail);
  if (policy.network !== wallet.network) return no("invalid_request", "policy .network is not the wallet's network");
  const fault = walletPolicyFault(policy);
  if (fault !== null) return no("invalid_request", fault);
  return ok({ policyVersion: vault.transact(() => vault.config.putWalletPolicy(policy)) });
}

export function policy(vault: Vault): Result<{ readonly policy: Policy; readonly policyVersion: number }> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  const parsed = vault.config.walletPolicy(wallet);
  return parsed === null
    ? no("policy_unreadable", "the stored policy is not valid")
    : ok({ policy: parsed, policyVersion: wallet.policy_version });
}

export function putBudget(vault: Vault, name: string, wanted: Policy, disabled: boolean): Result<BudgetView> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  if (!NAME.test(name)) return no("invalid_request", "a budget's name is 1 to 40 of a-z, 0-9 and -");
  const read = parsePolicy(wanted);
  if (!read.ok) return no("invalid_request", read.detail);
  if (wanted.network !== wallet.network) return no("invalid_request", "policy .network is not the wallet's network");
  if (vault.config.budgetRow(name) === null && vault.config.budgetNames().length >= MOST_BUDGETS)
    return no("invalid_request", `a wallet has at most ${MOST_BUDGETS} budgets`);
  return vault.transact(() => {
    vault.config.putBudget(name, wanted, disabled, vault.clock.now());
    return budgetView(vault, name);
  });
}

export function budgets(vault: Vault): Result<readonly BudgetView[]> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const views: BudgetView[] = [];
  for (const name of vault.config.budgetNames()) {
    const view = budgetView(vault, name);
    if (view.ok) views.push(view.value);
  }
  return ok(views);
}

function budgetView(vault: Vault, name: string): Result<BudgetView> {
  const row = vault.config.budgetRow(name);
  const parsed = row === null ? null : vault.config.budgetPolicy(row);
  if (row === null) return no("not_found", "no such budget");
  if (parsed === null) return no("policy_unreadable", "the stored policy is not valid");
  return ok({ budget: name, policy: parsed, policyVersion: row.policy_version, disabled: row.disabled === 1, spent: spent(vault, name) });
}

function spent(vault: Vault, budget: string | null): BudgetView["spent"] {
  const books = vault.ledger.view(budget);
  const now = vault.clock.now();
  const with_ = (start: number | null): Msat => (books.settledSince(start) + books.openMsat) as Msat;
  return {
    hourMsat: with_(hourStart(now)),
    dayMsat: with_(dayStart(now)),
    monthMsat: with_(monthStart(now)),
    totalMsat: with_(null),
    openMsat: books.openMsat,
  };
}

export function createKey(
  vault: Vault,
  key: { readonly keyId: string; readonly budget: string; readonly label: string; readonly hash: string },
): Result<KeyView> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  if (!/^[a-z0-9]{12}$/u.test(key.keyId) || !/^[0-9a-f]{64}$/u.test(key.hash) || key.label.length > 100)
    return no("invalid_request", "a key has an id of 12 of a-z and 0-9, a sha256 hash, and a label of at most 100 characters");
  if (vault.config.budgetRow(key.budget) === null) return no("not_found", "no such budget");
  if (vault.config.keys().length >= MOST_KEYS) return no("invalid_request", `a wallet has at most ${MOST_KEYS} keys`);
  const added = vault.transact(() => vault.config.addKey(key, vault.clock.now()));
  return added === null ? no("already_exists", "this key id is taken") : ok(added);
}

export function keys(vault: Vault): Result<readonly KeyView[]> {
  return vault.wallet() === null ? no("not_found", "no such wallet") : ok(vault.config.keys());
}

export function revokeKey(vault: Vault, keyId: string): Result<KeyView> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const revoked = vault.transact(() => vault.config.revokeKey(keyId, vault.clock.now()));
  return revoked === null ? no("not_found", "no such key") : ok(revoked);
}

export function disable(vault: Vault): Result<null> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  vault.transact(() => vault.config.setState("disabled", null));
  vault.forgetPayer();
  return ok(null);
}

/** @param budget null: the whole wallet's */
export function purchases(
  vault: Vault,
  page: { readonly before: number | null; readonly limit: number },
  budget: string | null,
): Result<{ readonly purchases: readonly PurchaseView[]; readonly next: number | null }> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const limit = bounded(page.limit);
  const rows = vault.journal.page(page.before, limit, budget);
  return ok({ purchases: rows.map((row) => view(vault, row)), next: rows.length < limit ? null : (rows.at(-1)?.seq ?? null) });
}

export function purchase(vault: Vault, purchaseId: string, budget: string | null): Result<PurchaseView> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const row = vault.journal.purchase(purchaseId);
  return row === null || (budget !== null && row.budget !== budget) ? no("not_found", "no such purchase") : ok(view(vault, row));
}

/** In chain order. A budget's own view leaves out the others' receipts, so its chain cannot be verified; the operator's can. */
export function receipts(
  vault: Vault,
  page: { readonly after: number; readonly limit: number },
  budget: string | null,
): Result<{ readonly receipts: readonly ReceiptRecord[]; readonly next: number | null }> {
  if (vault.wallet() === null) return no("not_found", "no such wallet");
  const limit = bounded(page.limit);
  const records = vault.receipts.page(page.after, limit, budget);
  return ok({ receipts: records, next: records.length < limit ? null : (records.at(-1)?.receipt.sequence ?? null) });
}

export async function ownStatus(
  vault: Vault,
  auth: Auth,
): Promise<Result<{ readonly walletId: string; readonly state: string; readonly budget: BudgetView; readonly payer: PayerStatus | null }>> {
  const wallet = vault.wallet();
  const caller = wallet === null ? null : vault.config.authenticate(auth);
  if (wallet === null || caller === null) return no("unauthorized", "no valid key");
  if (!caller.ok) return no(caller.code, "no valid key");
  const budget = budgetView(vault, caller.principal.budget);
  if (!budget.ok) return budget;
  return ok({ walletId: wallet.wallet_id, state: wallet.state, budget: budget.value, payer: await askPayer(vault) });
}

/** Runs `read` for the caller's own budget, or says why not. */
export function asOwn<T>(vault: Vault, auth: Auth, read: (budget: string) => Result<T>): Result<T> {
  const caller = vault.wallet() === null ? null : vault.config.authenticate(auth);
  if (caller === null) return no("unauthorized", "no valid key");
  return caller.ok ? read(caller.principal.budget) : no(caller.code, "no valid key");
}

function view(vault: Vault, row: PurchaseRow): PurchaseView {
  const payment = vault.journal.payment(row.id);
  return {
    purchaseId: row.id,
    state: row.state,
    code: row.code,
    budget: row.budget,
    method: row.method,
    origin: row.origin,
    path: row.path,
    amountMsat: (payment?.amount_msat ?? null) as Msat | null,
    feeMsat: (payment?.fee_msat ?? null) as Msat | null,
    paymentHash: payment?.payment_hash ?? null,
    openedAt: row.opened_at,
    dueAt: row.due_at,
    awaits: awaits(row.state),
    receiptIds: vault.receipts.of(row.id),
  };
}

const bounded = (limit: number): number => Math.max(1, Math.min(PAGE, Math.trunc(limit) || PAGE));
