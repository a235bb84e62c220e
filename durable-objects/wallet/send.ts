/**
 * Blocks two and three of invariant 1. Block two checks again what can have changed since the reservation, writes `paying`,
 * and the payer is called in the same turn: the order cannot leave before its row. Block three records what came of it.
 * Unknown is not failed (invariant 4): only a definite failure releases, and only the alarm ends what is not known.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { ERRORS, type Code } from "../../lightning/errors.ts";
import { add, type Msat } from "../../lightning/msat.ts";
import type { PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import { isOpenPayment } from "../../lightning/purchase.ts";
import type { PaymentRow, PurchaseRow } from "./journal.ts";
import { maintainSoon } from "./maintain.ts";
import { order as orderOf, stop } from "./order.ts";
import { openSecret } from "./payment-secret.ts";
import { prepare } from "./prepare.ts";
import type { Vault } from "./vault.ts";

/** Sends one reserved payment and records the outcome. Never throws: what it cannot finish, the alarm finds. */
export async function send(vault: Vault, purchaseId: string, bolt11: string): Promise<void> {
  await inHand(vault, purchaseId, async () => {
    await vault.security.refresh(vault.wallet()?.wallet_id ?? "");
    const unready = await prepare(vault, purchaseId, bolt11);
    if (unready !== null) return vault.transact(() => callOff(vault, purchaseId, unready));
    const order = vault.transact(() => sendBlock(vault, purchaseId, bolt11));
    // Stopped while the payer made itself ready: what it has opened since goes again.
    if (order === null) return vault.isStopped ? vault.forgetPayer() : undefined;
    await hear(vault, purchaseId, order, vault.ports.payer.pay(order));
  });
}

/** One of the payer's slots, and an end whatever happens in it. Never throws: what it cannot finish, the alarm finds. */
export async function inHand(vault: Vault, purchaseId: string, work: () => Promise<void>): Promise<void> {
  const { flights } = vault;
  try {
    await flights.inSlot(purchaseId, work);
  } catch (error) {
    vault.ports.log("send_interrupted", { purchaseId, error: error instanceof Error ? error.name : "unknown" });
  } finally {
    flights.called(purchaseId);
    flights.notify(purchaseId);
  }
}

/** Block three for an order that has just left: waits for its answer until its deadline, and books it. */
export async function hear(vault: Vault, purchaseId: string, order: PaymentOrder, call: Promise<PaymentOutcome>): Promise<void> {
  const { flights } = vault;
  flights.calling(purchaseId);
  const asked = vault.clock.now();
  vault.security.renew(order.walletId);
  const outcome = await within(vault, order.deadline - asked, call);
  // "Disable now" takes the keys from memory; what is paid is recorded all the same (invariant 11).
  await vault.ready();
  flights.called(purchaseId);
  vault.transact(() => settleBlock(vault, purchaseId, outcome, asked));
  // Too late for the caller is not too late for the books.
  if (outcome.kind === "unknown")
    void call.then(
      (late) => lateAnswer(vault, purchaseId, late, asked),
      () => {},
    );
}

async function lateAnswer(vault: Vault, purchaseId: string, outcome: PaymentOutcome, asked: number): Promise<void> {
  try {
    await vault.ready();
    vault.transact(() => settleBlock(vault, purchaseId, outcome, asked));
    vault.flights.notify(purchaseId);
  } catch (error) {
    vault.ports.log("late_answer_dropped", { purchaseId, error: error instanceof Error ? error.name : "unknown" });
  }
}

/** Block two. @returns the order to send in this very turn, or null when nothing may be sent */
function sendBlock(vault: Vault, purchaseId: string, bolt11: string): PaymentOrder | null {
  const { journal } = vault;
  const row = journal.purchase(purchaseId);
  const payment = journal.payment(purchaseId);
  const wallet = vault.wallet();
  if (row === null || payment === null || wallet === null || row.state !== "reserved") return null;
  const now = vault.clock.now();
  const stopped = stop(vault, wallet, row, payment);
  if (stopped !== null) {
    release(vault, row, "cancel", stopped.code);
    return null;
  }
  if (payment.expires_at <= now) {
    release(vault, row, "expire", "invoice_expired");
    return null;
  }
  const deadline = now + vault.timing.payDeadline;
  journal.move(row, "send", deadline + vault.timing.grace);
  journal.setDeadline(purchaseId, deadline);
  // From here on the cron must know of this row, whatever becomes of the alarm.
  vault.outboxSoon();
  return { ...orderOf(wallet, payment, bolt11), deadline };
}

/** The payer is not ready for it, and nothing has left. */
function callOff(vault: Vault, purchaseId: string, code: Code): void {
  const row = vault.journal.purchase(purchaseId);
  if (row?.state === "reserved") release(vault, row, "cancel", code);
}

/** Definitely unsent: the money is free, and the receipt says why nothing was paid. */
export function release(
  vault: Vault,
  row: PurchaseRow,
  event: "cancel" | "expire" | "fail",
  code: Code,
  evidence: string | null = null,
): void {
  const ended = vault.journal.move(row, event, null, code);
  vault.journal.release(ended);
  // A switch says no; a payer that is not ready for it has failed, and the receipt is the same as if it had said so later.
  const kind = event === "cancel" && ERRORS[code].outcome !== "failed" ? "denied" : "failed";
  vault.receipt(kind, ended, code, { payment: vault.journal.payment(row.id), evidence });
  if (row.state !== "reserved") maintainSoon(vault);
}

/** Asked so late that the order can no longer be accepted. */
export function isNever(
  vault: Vault,
  payment: PaymentRow,
  outcome: Extract<PaymentOutcome, { kind: "never_seen" }>,
  asked: number,
): boolean {
  // It is the payer who refuses late orders, by its own clock; ours may have been set forwards while the order was on its way.
  const looked = Math.min(asked, outcome.asOf ?? asked);
  return payment.deadline !== null && looked >= payment.deadline + vault.timing.grace;
}

/** Invariant 5. */
export function isProof(preimage: string, paymentHash: string): boolean {
  return /^[0-9a-f]{64}$/u.test(preimage) && bytesToHex(sha256(hexToBytes(preimage))) === paymentHash;
}

/** Block three. `asked`: when the question left; "never seen" is only final if that was after the order could still be accepted. */
export function settleBlock(vault: Vault, purchaseId: string, outcome: PaymentOutcome, asked: number): void {
  const row = vault.journal.purchase(purchaseId);
  const payment = vault.journal.payment(purchaseId);
  if (row === null || payment === null) return;
  switch (outcome.kind) {
    case "settled": {
      if (outcome.preimage === null) return loseSight(vault, row, "preimage_unavailable");
      if (!isProof(outcome.preimage, payment.payment_hash)) return loseSight(vault, row, "preimage_mismatch");
      return settled(vault, row, payment, outcome.preimage, outcome.feeMsat);
    }
    case "failed":
      // A proof outlives every later word.
      if (row.state === "payment_unknown" && row.code === "envelope_unopenable") return loseSight(vault, row, "payment_unknown");
      if (row.state === "paying" || row.state === "payment_unknown") release(vault, row, "fail", outcome.code);
      return;
    case "never_seen":
      if (!isOpenPayment(row.state) || row.state === "reserved") return;
      if (saidSettled(row)) return loseSight(vault, row, "payment_unknown");
      if (isNever(vault, payment, outcome, asked)) return release(vault, row, "fail", "payment_failed");
      return loseSight(vault, row, "payment_unknown");
    case "pending":
      if (row.state === "paying") vault.journal.postpone(row, backoff(vault, row));
      else loseSight(vault, row, "payment_unknown");
      return;
    case "unknown":
      return loseSight(vault, row, "payment_unknown");
  }
}

/**
 * The payer has said once that the money is gone, and only the proof is wanting. A payer that has forgotten it since (restored, replaced)
 * cannot take that back by "never seen": it counts as spent until there is the proof, a definite failure or an operator's word.
 */
export function saidSettled({ state, code }: PurchaseRow): boolean {
  return state === "payment_unknown" && (code === "preimage_mismatch" || code === "preimage_unavailable" || code === "envelope_unopenable");
}

/** The amount stays counted as spent; the alarm asks again. What was heard of a settlement is not forgotten for a mere silence. */
function loseSight(vault: Vault, row: PurchaseRow, heard: Code): void {
  if (row.state !== "paying" && row.state !== "payment_unknown") return;
  const code = heard === "payment_unknown" && row.code !== null && saidSettled(row) ? row.code : heard;
  const lost = vault.journal.move(row, "lose_sight", backoff(vault, row), code);
  if (row.state === "paying" || row.code !== code) vault.receipt("unknown", lost, code, { payment: vault.journal.payment(row.id) });
}

function backoff(vault: Vault, row: PurchaseRow): number {
  return vault.clock.now() + Math.min(vault.timing.retryFirst * 2 ** Math.min(row.tries, 20), vault.timing.retryMost);
}

const NOTHING_BOUGHT = { scheme: "", token: "" };

/** Proven. Accepted in every state: what was released before is booked as a late settlement, and the wallet is paused. */
function settled(vault: Vault, row: PurchaseRow, payment: PaymentRow, preimage: string, feeMsat: Msat): void {
  if (payment.state === "settled") return;
  const late = payment.state === "released";
  const now = vault.clock.now();
  // A withdrawal buys no token: nothing of it has to be read.
  const secret = payment.kind === "withdrawal" ? NOTHING_BOUGHT : openSecret(vault, payment);
  if (secret === null) {
    // Without its token there would be no credential. It waits in sight of an operator until the key is back, or for his word.
    if (!late) return loseSight(vault, row, "envelope_unopenable");
    throw new Error(
      payment.sealed.length === 0 ? "the token has been forgotten: it settled a month late" : "the sealed payment cannot be opened",
    );
  }
  const { scheme, token } = secret;
  const paid = vault.journal.move(row, "settle", vault.leaseEnd(row, vault.timing.paidLease));
  vault.journal.settle(paid, feeMsat);
  if (late) vault.config.pause("late_settlement");
  if (feeMsat > payment.reserve_msat) vault.config.pause("fee_above_reserve");
  maintainSoon(vault);
  if (payment.kind === "withdrawal") {
    // The money has left, and that was all it was for: no credential, no seller, nobody's budget.
    const done = vault.journal.move(paid, "fulfil", null);
    vault.receipt(late ? "late_settlement" : "withdrawn", done, null, {
      payment: { ...payment, fee_msat: feeMsat },
      evidence: row.caller,
    });
    return;
  }
  vault.ledger.book({
    budget: payment.budget,
    subject: payment.subject,
    host: payment.host,
    port: payment.port,
    reservedAt: payment.reserved_at,
    totalMsat: add(payment.charge_msat as Msat, feeMsat),
  });
  const id = `cred_${payment.operation_id}`;
  vault.credentials.store(
    vault.key(),
    vault.nonce(),
    {
      id,
      purchaseId: row.id,
      origin: payment.origin,
      scope: payment.scope,
      path: row.path,
      paymentHash: payment.payment_hash,
      validUntil: payment.valid_until,
      secret: { scheme, token, preimage },
    },
    now,
  );
  vault.receipt(late ? "late_settlement" : "paid", paid, null, {
    payment: { ...payment, fee_msat: feeMsat },
    credential: { id, payment_hash: payment.payment_hash },
  });
  vault.journal.useCredential(row.id, id);
}

/** An answer within `ms`; a timeout and a thrown error are both "unknown", never "failed". */
export async function within(vault: Vault, ms: number, call: Promise<PaymentOutcome>): Promise<PaymentOutcome> {
  const timer = vault.ports.clock.timer(Math.max(0, ms));
  try {
    return await Promise.race([call, timer.done.then((): PaymentOutcome => ({ kind: "unknown", reason: "deadline" }))]);
  } catch {
    return { kind: "unknown", reason: "the payer could not be reached" };
  } finally {
    timer.cancel();
  }
}
