/**
 * One spender (invariant 13). The epoch lives in the control plane; this object takes a new one only from there, only when an operator
 * moves the spender through it, and only where no row is open. Whoever is behind pays nothing: `checkSwitches` says `spender_superseded`.
 * An object never catches up by itself, or an old deployment on the same control plane would follow the new one's epoch.
 */
import type { WalletRecord } from "../../lightning/control-plane.ts";
import type { Code } from "../../lightning/errors.ts";
import { holderOf } from "../../lightning/kek.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import type { SpenderMove, WalletCustodyView } from "../../lightning/wallet-custody.ts";
import { MOVING, type WalletRow } from "./config.ts";
import type { PurchaseRow } from "./journal.ts";
import { maintainSoon } from "./maintain.ts";
import { UNANSWERED, asked, bindingOf, custody } from "./rotate.ts";
import { release } from "./send.ts";
import type { Vault } from "./vault.ts";

/** A rotation may be faster, and another one after it. */
const TRIES = 3;

/** Nothing new is paid, what is reserved is called off, and the open keys are gone from memory when this returns. */
export function disableNow(vault: Vault): Result<{ readonly cancelled: number }> {
  if (vault.wallet() === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  const reserved = vault.transact(() => {
    vault.config.setState("disabled", null);
    const rows = vault.ports.sql.rows<PurchaseRow>("SELECT * FROM purchase WHERE due_at IS NOT NULL AND state = 'reserved' ORDER BY seq");
    // Definitely unsent: block two finds them no longer reserved.
    for (const row of rows) release(vault, row, "cancel", "wallet_disabled");
    return rows;
  });
  vault.forgetKeys();
  vault.forgetPayer();
  for (const { id } of reserved) vault.flights.notify(id);
  return { ok: true, value: { cancelled: reserved.length } };
}

export function moveSpender(vault: Vault, move: SpenderMove): Promise<Result<WalletCustodyView>> {
  return vault.oneMove(() => begin(vault, move));
}

async function begin(vault: Vault, move: SpenderMove): Promise<Result<WalletCustodyView>> {
  const ports = vault.ports.custody;
  const wallet = vault.wallet();
  if (wallet === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  if (ports === undefined) return { ok: false, code: "not_supported", detail: "there is nothing here that could wrap a key" };
  const open = vault.transact(() => {
    const rows = unfinished(vault);
    // From here on nothing can be reserved until the epoch has changed, or somebody gives up and enables the wallet.
    if (rows === 0 && vault.wallet()?.state === "active") vault.config.setState("paused", MOVING);
    return rows;
  });
  if (open > 0) return { ok: false, code: "payment_pending", detail: `${open} payments are open: the spender changes only when none is` };
  vault.forgetPayer();
  const moved = await change(vault, move);
  // What was known of the epoch is from before: relied on, it would let an object that is left behind pay for another 5 s.
  vault.security.outdate();
  // Once more: whoever asked for the balance meanwhile had it opened with the old envelope.
  vault.forgetPayer();
  if (!moved.ok) {
    // What the control plane may have done stays paused: the same request again finds out.
    if (moved.code !== "control_plane_unavailable") vault.transact(() => resume(vault));
    return moved;
  }
  return vault.transact(() => adopt(vault, moved.value));
}

/**
 * Through the control plane alone. Asked again after a lost answer, it finds the epoch already there. One that came there in another way is a
 * fence: it belongs to the deployment that has the wallet now, and whoever took it here would spend beside that one, unnoticed by its payer.
 */
async function change(vault: Vault, move: SpenderMove): Promise<Result<WalletRecord>> {
  const ports = vault.ports.custody;
  const wallet = vault.wallet();
  if (ports === undefined || wallet === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  const unanswered = {
    ok: false,
    code: "control_plane_unavailable",
    detail: "the control plane did not answer: send the same request again",
  } as const;
  const record = await asked(vault, () => ports.record(wallet.wallet_id));
  const envelope = await asked(vault, () => ports.envelope(wallet.wallet_id));
  if (record === UNANSWERED || envelope === UNANSWERED) return unanswered;
  if (record === null || envelope === null) return { ok: false, code: "not_found", detail: "the control plane does not know this wallet" };
  const same = record.epoch === move.epoch && record.backend === move.backend && holderOf(envelope.kekVersion) === move.spender;
  // A move that began here and whose answer was lost.
  const begun = wallet.moving === 1;
  if (same && (begun || wallet.epoch === record.epoch || record.backend !== vault.ports.payer.backend)) return { ok: true, value: record };
  if (record.epoch !== move.epoch - 1)
    return {
      ok: false,
      code: "already_exists",
      detail: `the control plane is at epoch ${record.epoch}: the next one is ${record.epoch + 1}`,
    };
  const next = await ports.wrapFor(envelope, bindingOf(wallet), move.spender);
  if (!next.ok) return next;
  // Once more, in the turn in which it leaves: from here on nobody enables the wallet without having called it back.
  const leaves = vault.transact(() => {
    if (vault.wallet()?.state === "active" || unfinished(vault) > 0) return false;
    vault.config.setMoving(true);
    return true;
  });
  if (!leaves) return { ok: false, code: "payment_pending", detail: "the wallet has been at work meanwhile: send the same request again" };
  const answer = await asked(vault, () =>
    ports.moveSpender({ epoch: move.epoch, backend: move.backend, envelope: next.value, expected: envelope }),
  );
  if (answer === UNANSWERED) return unanswered;
  // Whatever else is still on its way there finds another epoch or another envelope, and changes nothing.
  if (!answer.moved) vault.transact(() => vault.config.setMoving(false));
  return answer.moved
    ? { ok: true, value: answer.record }
    : {
        ok: false,
        code: "already_exists",
        detail: `the control plane is at epoch ${answer.record.epoch}, or its envelope has just been rotated`,
      };
}

/** Takes the epoch, where this object is the one that orders payments from that backend; else it stays behind, and so pays nothing. */
function adopt(vault: Vault, record: WalletRecord): Result<WalletCustodyView> {
  const open = unfinished(vault);
  if (open > 0)
    return {
      ok: false,
      code: "payment_pending",
      detail: `${open} payments were opened meanwhile: nothing is paid until the same request finds none`,
    };
  if (record.backend === vault.ports.payer.backend) vault.config.adoptEpoch(record.epoch, record.backend);
  vault.config.setMoving(false);
  resume(vault);
  return custody(vault);
}

/** What this spender has in hand: while there is anything, no other may take over (invariant 13). */
function unfinished(vault: Vault): number {
  return vault.journal.openPayments();
}

/** Ends a stop and a pause. A change of the spender that may still be on its way is called back first: it must not find payments open. */
export function enable(vault: Vault): Promise<Result<null>> {
  return vault.oneMove(async () => {
    const wallet = vault.wallet();
    if (wallet === null) return { ok: false, code: "not_found", detail: "no such wallet" };
    const sent = wallet.moving === 1 ? await callBack(vault, wallet) : null;
    if (sent?.ok === false) return sent;
    return vault.transact(() => {
      // One that has arrived can still be taken, by the same request again.
      if (sent?.value === "called back") vault.config.setMoving(false);
      vault.config.setState("active", null);
      maintainSoon(vault);
      return { ok: true, value: null };
    });
  });
}

/**
 * A move compares the envelope that it was made from: with the same data key wrapped once more, for ourselves, it finds another one. Or it
 * has arrived, and then this object is behind the epoch and pays nothing.
 */
async function callBack(vault: Vault, wallet: WalletRow): Promise<Result<"called back" | "arrived">> {
  const ports = vault.ports.custody;
  const no = (code: Code, detail: string): Result<never> => ({ ok: false, code, detail });
  if (ports === undefined) return no("not_supported", "there is nothing here that could wrap a key");
  const unanswered = no(
    "control_plane_unavailable",
    "a change of the spender may be on its way, and the control plane did not answer: send it again",
  );
  for (let tries = 0; tries < TRIES; tries++) {
    const envelope = await asked(vault, () => ports.envelope(wallet.wallet_id));
    const record = await asked(vault, () => ports.record(wallet.wallet_id));
    if (envelope === UNANSWERED || record === UNANSWERED) return unanswered;
    if (envelope === null || record === null) return no("not_found", "the control plane does not know this wallet");
    if (record.epoch > wallet.epoch) return { ok: true, value: "arrived" };
    const next = await ports.wrapFor(envelope, bindingOf(wallet), null);
    if (!next.ok) return next;
    const replaced = await asked(vault, () => ports.putEnvelope(next.value, envelope));
    if (replaced === UNANSWERED) return unanswered;
    if (replaced) return { ok: true, value: "called back" };
  }
  return no("already_exists", "rotations keep replacing this wallet's envelope: send it again");
}

function resume(vault: Vault): void {
  const wallet = vault.wallet();
  // One that was sent before may still arrive: then the wallet stays paused, and the same request, or enabling it, finds out.
  if (wallet?.state !== "paused" || wallet.paused_because !== MOVING || wallet.moving === 1) return;
  vault.config.setState("active", null);
  maintainSoon(vault);
}
