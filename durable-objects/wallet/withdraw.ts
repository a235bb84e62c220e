/**
 * Money in and out, for operators. A withdrawal goes through the same journal, blocks and alarm as a purchase; it is under no
 * budget and in no budget's books, but every switch, the payment hash's uniqueness and the proof hold for it as well.
 */
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { ceilToSat, formatSats, type Msat } from "../../lightning/msat.ts";
import type { FundingInvoice, Result, WithdrawRequest } from "../../lightning/wallet-admin.ts";
import type { PurchaseView } from "../../lightning/wallet-api.ts";
import { LARGEST, checkSwitches } from "../../lightning/decide.ts";
import { purchase } from "./admin.ts";
import { follow } from "./follow.ts";
import { maintainSoon } from "./maintain.ts";
import type { PurchaseRow } from "./journal.ts";
import { uuid } from "./pay.ts";
import { sealSecret } from "./payment-secret.ts";
import { send } from "./send.ts";
import { isOurs } from "./order.ts";
import type { Vault } from "./vault.ts";

/** No budget can have this name: a budget's begins with a letter or digit. */
export const WITHDRAWALS = "-withdrawals";

export async function withdraw(vault: Vault, request: WithdrawRequest): Promise<Result<PurchaseView>> {
  const notReady = await vault.ready();
  if (notReady !== null) return { ok: false, code: notReady, detail: "no such wallet, or its keys cannot be opened" };
  const wallet = vault.wallet();
  if (wallet === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  if (!/^[0-9a-f-]{36}$/u.test(request.withdrawalId))
    return { ok: false, code: "invalid_request", detail: "withdrawalId: a UUID in lower case" };
  await vault.security.refresh(wallet.wallet_id);
  // "Disable now" may have taken the keys from memory meanwhile.
  if ((await vault.ready()) !== null) return { ok: false, code: "envelope_unopenable", detail: "the wallet's keys cannot be opened" };
  const id = request.withdrawalId;
  const begun = vault.transact(() => begin(vault, request));
  if (!begun.ok) return begun;
  if (begun.value) void send(vault, id, request.bolt11);
  await follow(vault, { kind: "follow", purchaseId: id, leaderId: id }, request.waitMs);
  return purchase(vault, id, null);
}

/**
 * Block one. What is wrong with the invoice is said as `withdrawal_refused`: the operator has chosen it, and the codes for a seller's
 * invoice are a bad gateway's, with advice to tell the seller or to send the same again.
 * @returns true when it is to be sent, false when it was begun before
 */
function begin(vault: Vault, { withdrawalId, bolt11, maxFeeMsat, by }: WithdrawRequest): Result<boolean> {
  const refused = (detail: string): Result<never> => ({ ok: false, code: "withdrawal_refused", detail });
  const read = decodeBolt11(bolt11);
  if (!read.ok) return refused(read.detail);
  const { invoice } = read;
  const { journal } = vault;
  const known = journal.purchase(withdrawalId);
  if (known !== null)
    return journal.payment(withdrawalId)?.payment_hash === invoice.paymentHash
      ? { ok: true, value: false }
      : { ok: false, code: "idempotency_conflict", detail: "this withdrawalId was used for another invoice" };
  const wallet = vault.wallet();
  const now = vault.clock.now();
  if (wallet === null) return refused("no such wallet");
  if (invoice.network !== wallet.network) return refused(`the invoice is for ${invoice.network}, the wallet pays on ${wallet.network}`);
  if (invoice.amountMsat === null || invoice.amountMsat === 0) return refused("the invoice leaves the amount to the payer");
  if (invoice.amountMsat > LARGEST) return refused("the invoice asks for more than can be counted");
  if (invoice.expiresAt <= now) return refused("the invoice has expired");
  const opened = (id: string): PurchaseRow =>
    journal.open({
      id,
      budget: WITHDRAWALS,
      caller: by.slice(0, 100),
      subject: null,
      method: "WITHDRAW",
      origin: "lightning:",
      host: "",
      port: 0,
      path: `/${invoice.paymentHash}`,
      request_hash: invoice.paymentHash,
      request_key: null,
      max_msat: null,
      credential_id: null,
      opened_at: now,
      due_at: now + vault.timing.openLease,
      resume_of: null,
    });
  const switches = vault.switches(wallet, null);
  const stopped = checkSwitches(switches === null ? null : { ...switches, budgetDisabled: false });
  if (stopped !== null) {
    // A row of its own (invariant 14): the withdrawal's id stays free for when the stop has ended.
    const denied = journal.move(opened(uuid(vault.ports.random.bytes(16))), "deny", null, stopped.code);
    vault.receipt("denied", denied, stopped.code, { evidence: denied.caller });
    return { ok: false, code: stopped.code, detail: stopped.detail };
  }
  const met = journal.paymentByHash(invoice.paymentHash);
  if (met !== null)
    return {
      ok: false,
      code: "payment_hash_reused",
      // Who lost the first answer must not take this for "never paid", and pay the same debt with a new invoice.
      detail: `purchase ${met.purchase_id} has this invoice, and is ${journal.purchase(met.purchase_id)?.state ?? "unknown"}: nothing is paid for it twice`,
    };
  const charge = vault.ports.payer.granularity === "sat" ? ceilToSat(invoice.amountMsat) : invoice.amountMsat;
  const reserved = journal.move(
    journal.move(opened(withdrawalId), "quote", invoice.expiresAt),
    "reserve",
    Math.min(now + vault.timing.reserveLease, invoice.expiresAt),
  );
  journal.reserve(
    reserved,
    {
      purchase_id: withdrawalId,
      operation_id: uuid(vault.ports.random.bytes(16)),
      payment_hash: invoice.paymentHash,
      budget: WITHDRAWALS,
      subject: null,
      kind: "withdrawal",
      host: "",
      port: 0,
      origin: "lightning:",
      scope: invoice.paymentHash,
      amount_msat: invoice.amountMsat,
      charge_msat: charge,
      reserve_msat: maxFeeMsat,
      reserved_at: now,
      expires_at: invoice.expiresAt,
      binding: "verified",
      valid_until: null,
      sealed: sealSecret(vault, withdrawalId, { scheme: "", token: "", invoice: bolt11 }),
    },
    invoice.paymentHash,
  );
  return { ok: true, value: true };
}

/** Asked of the payer, and held against what was asked: an invoice for another amount or network would send the money elsewhere. */
export async function fundingInvoice(vault: Vault, amountMsat: Msat): Promise<Result<FundingInvoice>> {
  const wallet = vault.wallet();
  if (wallet === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  const { payer } = vault.ports;
  if (!isOurs(vault, wallet))
    return {
      ok: false,
      code: "backend_unavailable",
      detail: `this wallet is on ${wallet.backend}, and this deployment pays by ${payer.backend}`,
    };
  if (payer.receive === undefined) return { ok: false, code: "not_supported", detail: `the backend ${payer.backend} makes no invoices` };
  const timer = vault.ports.clock.timer(vault.timing.lookupDeadline);
  try {
    const made = await Promise.race([payer.receive(amountMsat, `Lightning Worker ${wallet.wallet_id}`), timer.done.then(() => null)]);
    if (made === null) return { ok: false, code: "backend_unavailable", detail: "the payment backend did not answer" };
    const read = decodeBolt11(made.bolt11);
    const right =
      read.ok &&
      read.invoice.network === wallet.network &&
      read.invoice.amountMsat === amountMsat &&
      read.invoice.expiresAt > vault.clock.now();
    if (!right)
      return {
        ok: false,
        code: "backend_unavailable",
        detail: `the payment backend's invoice is not for ${formatSats(amountMsat)} on ${wallet.network}`,
      };
    vault.transact(() => maintainSoon(vault));
    return {
      ok: true,
      value: { bolt11: made.bolt11, paymentHash: read.invoice.paymentHash, amountMsat, expiresAt: read.invoice.expiresAt },
    };
  } catch {
    return { ok: false, code: "backend_unavailable", detail: "the payment backend could not be reached" };
  } finally {
    timer.cancel();
  }
}
