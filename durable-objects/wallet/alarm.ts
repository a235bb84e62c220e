/**
 * What must happen without anybody asking: open payments are asked about until they end, leases run out, receipts go to the
 * control plane. Re-arms before it works, takes a bounded batch, and never throws (invariant 4): an alarm that throws six times is dropped.
 */
import { expire } from "./approvals.ts";
import { inTime } from "./in-time.ts";
import { maintain } from "./maintain.ts";
import { isOurs } from "./order.ts";
import { resume } from "./resume.ts";
import { isNever, within, release, saidSettled, settleBlock } from "./send.ts";
import { JOB as RESEAL, reseal } from "./reseal.ts";
import { retain } from "./retain.ts";
import { unfulfilled } from "./deliver.ts";
import type { OperationRef, PaymentOutcome } from "../../lightning/payer.ts";
import type { PurchaseRow } from "./journal.ts";
import type { Vault } from "./vault.ts";

const BATCH = 16;
const OUTBOX_PAGE = 200;
/** If this run dies, the next one comes no later than this. Milliseconds. */
const SAFETY_NET = 30_000;
const AFTER_FAULT = 5_000;

export async function alarm(vault: Vault): Promise<void> {
  // The cron may knock at a name where nobody has made a wallet: that object stays empty, and is not woken again.
  if (vault.isEmpty) return;
  let pause = SAFETY_NET;
  try {
    vault.disarmed();
    vault.ports.alarm.set(vault.ports.clock.now() + SAFETY_NET);
    // Without the record key nothing can be booked: what is due waits at the safety net's pace.
    if (needsNoKey(vault) || (await vault.ready()) === null) {
      const due = vault.journal.due(vault.clock.now(), BATCH);
      const visited = await Promise.all(due.map((row) => visit(vault, row)));
      await outbox(vault);
      await reseal(vault);
      retain(vault);
      await maintain(vault);
      pause = visited.every(Boolean) ? 1 : AFTER_FAULT;
    }
  } catch (error) {
    vault.ports.log("alarm_failed", { error: error instanceof Error ? error.name : "unknown" });
  }
  try {
    // The safety net is replaced by the true next instant; where something failed, not at once.
    vault.rearm(vault.ports.clock.now() + pause);
  } catch (error) {
    vault.ports.log("rearm_failed", { error: error instanceof Error ? error.name : "unknown" });
  }
}

/** After "disable now" the record key stays out of memory, unless there is something that only it can book or seal anew. */
function needsNoKey(vault: Vault): boolean {
  return vault.wallet()?.state === "disabled" && vault.journal.openPayments() === 0 && vault.journal.job(RESEAL) === null;
}

/** @returns false when it could not be done now, and could not be put off either */
async function visit(vault: Vault, row: PurchaseRow): Promise<boolean> {
  let done = true;
  try {
    if (row.state === "paying" || row.state === "payment_unknown") await ask(vault, row);
    else vault.transact(() => leaseEnded(vault, row.id));
  } catch (error) {
    vault.ports.log("visit_failed", { purchaseId: row.id, error: error instanceof Error ? error.name : "unknown" });
    done = putOff(vault, row.id);
  }
  vault.flights.notify(row.id);
  return done;
}

/** Behind all others: the oldest instants come first, and a batch full of rows that always fail would be the only one ever taken. */
function putOff(vault: Vault, purchaseId: string): boolean {
  try {
    vault.transact(() => {
      const row = vault.journal.purchase(purchaseId);
      const now = vault.clock.now();
      if (row !== null && row.due_at !== null && row.due_at <= now) vault.journal.postpone(row, now + AFTER_FAULT);
    });
    return true;
  } catch {
    return false;
  }
}

async function ask(vault: Vault, row: PurchaseRow): Promise<void> {
  const payment = vault.journal.payment(row.id);
  const wallet = vault.wallet();
  if (payment === null || wallet === null) return;
  const asked = vault.clock.now();
  // While our own call is running the row is left alone until the deadline; the call itself ends by then.
  if (vault.flights.isCalling(row.id) && payment.deadline !== null && asked < payment.deadline) {
    const later = payment.deadline;
    vault.transact(() => vault.journal.postpone(row, later));
    return;
  }
  const operation: OperationRef = {
    walletId: wallet.wallet_id,
    epoch: wallet.epoch,
    operationId: payment.operation_id,
    paymentHash: payment.payment_hash,
  };
  // Not under the payer's four slots: orders that hang hold those for 30 s, and what has become of them is asked here. At most a batch at once.
  const heard: PaymentOutcome = isOurs(vault, wallet)
    ? await within(vault, vault.timing.lookupDeadline, vault.ports.payer.lookup(operation))
    : { kind: "unknown", reason: "another_backend" };
  // Our own call may still bring the order: then there is nothing to fence off.
  const early = heard.kind === "never_seen" && !isNever(vault, payment, heard, asked) && !vault.flights.isCalling(row.id);
  const fenced = early && (await isFenced(vault, operation));
  await vault.ready();
  const outcome = record(vault, row.id, fenced, heard, asked);
  if (outcome.kind === "pending" && outcome.resumable === true) void resume(vault, row.id);
}

/** @throws Error when what was heard cannot be booked; the row is then `payment_unknown`, which an operator can end */
function record(vault: Vault, purchaseId: string, fenced: boolean, heard: PaymentOutcome, asked: number): PaymentOutcome {
  try {
    return vault.transact(() => {
      const now = vault.journal.purchase(purchaseId);
      // A fence keeps orders out that have not arrived; one that was said to be settled had.
      const word = fenced && (now === null || !saidSettled(now)) ? NEVER_SENT : heard;
      settleBlock(vault, purchaseId, word, asked);
      return word;
    });
  } catch (error) {
    vault.transact(() => settleBlock(vault, purchaseId, { kind: "unknown", reason: "not_booked" }, asked));
    throw error;
  }
}

/** Behind a fence an order is refused for ever, however late it comes: as good as the payer's own "failed". */
const NEVER_SENT: PaymentOutcome = { kind: "failed", code: "payment_failed", definite: true };

/** Only a plain yes is a fence; a lost answer is asked for again with the next lookup, and the fence, if there is one, is found standing. */
async function isFenced(vault: Vault, operation: OperationRef): Promise<boolean> {
  const { payer } = vault.ports;
  const word = await inTime(vault.ports, vault.timing.lookupDeadline, () => payer.cancel(operation), "cannot_fence");
  return word === "fenced";
}

function leaseEnded(vault: Vault, purchaseId: string): void {
  const { journal, flights } = vault;
  const row = journal.purchase(purchaseId);
  if (row === null || row.due_at === null || row.due_at > vault.clock.now()) return;
  switch (row.state) {
    case "opened":
      // No receipt (invariant 14): nothing was decided here. Who was told to wait for another's payment finds that one's receipts.
      journal.move(row, "abandon", null);
      return;
    case "quoted":
      journal.move(row, "expire", null);
      return;
    case "awaiting_approval":
      expire(vault, row.id);
      vault.receipt("expired", journal.move(row, "expire", null, "approval_expired"), "approval_expired");
      return;
    case "reserved":
      // Waiting for a slot in this instance is not abandoned; block two checks expiry itself.
      if (flights.isSending(row.id)) journal.postpone(row, vault.clock.now() + vault.timing.reserveLease);
      else release(vault, row, "expire", "purchase_cancelled");
      return;
    case "paid":
      unfulfilled(vault, row, "paid_unfulfilled");
      return;
    default:
      return;
  }
}

/** The outbox is the chain after what the control plane has acknowledged. Sending twice is harmless: it takes each once, in order. */
async function outbox(vault: Vault): Promise<void> {
  const job = vault.journal.job("outbox");
  const wallet = vault.wallet();
  if (job === null || wallet === null || job.at > vault.clock.now()) return;
  const page = vault.receipts.page(vault.receipts.acknowledged(), OUTBOX_PAGE, null);
  const openRows = (): boolean => vault.journal.openPayments() > 0;
  let toldOpen = false;
  const timer = vault.ports.clock.timer(vault.timing.controlDeadline);
  let acknowledged: number | null = null;
  try {
    const sent = async (): Promise<number> => {
      const answer =
        page.length === 0
          ? { acknowledged: vault.receipts.acknowledged() }
          : await vault.ports.control.ingestReceipts(wallet.wallet_id, page);
      toldOpen = openRows();
      await vault.ports.control.putSnapshot({
        walletId: wallet.wallet_id,
        at: vault.clock.now(),
        status: null,
        openRows: vault.journal.openPayments(),
      });
      return answer.acknowledged;
    };
    acknowledged = await Promise.race([sent(), timer.done.then(() => null)]);
  } catch (error) {
    vault.ports.log("outbox_failed", { tries: job.tries, error: error instanceof Error ? error.name : "unknown" });
  } finally {
    timer.cancel();
  }
  vault.transact(() => {
    const now = vault.clock.now();
    const before = vault.receipts.acknowledged();
    // What it says it holds is where the next page begins: less than it once said, if it was restored from a backup.
    const held = acknowledged === null ? null : Math.min(acknowledged, vault.receipts.count());
    if (held !== null) vault.receipts.acknowledge(held);
    if (held !== null && held === vault.receipts.count() && toldOpen === openRows()) {
      vault.journal.unschedule("outbox");
      vault.outboxEmptied();
    } else if (held !== null && (held > before || held === vault.receipts.count()))
      vault.journal.schedule("outbox", now + vault.timing.outboxDelay);
    // Not reached, or it took nothing: later and later.
    else
      vault.journal.schedule(
        "outbox",
        now + Math.min(vault.timing.retryFirst * 2 ** Math.min(job.tries, 20), vault.timing.retryMost),
        job.tries + 1,
      );
  });
}
