/**
 * One spender (invariant 13). The epoch lives in the control plane; this object takes a new one only from there, only when an operator
 * moves the spender through it, and only where no row is open. Whoever is behind pays nothing: `checkSwitches` says `spender_superseded`.
 * An object never catches up by itself, or an old deployment on the same control plane would follow the new one's epoch.
 */
import type { WalletRecord } from "../../lightning/control-plane.ts";
import { holderOf } from "../../lightning/kek.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import type { SpenderMove, WalletCustodyView } from "../../lightning/wallet-custody.ts";
import { MOVING } from "./config.ts";
import type { PurchaseRow } from "./journal.ts";
import { maintainSoon } from "./maintain.ts";
import { UNANSWERED, asked, bindingOf, custody } from "./rotate.ts";
import { release } from "./send.ts";
import type { Vault } from "./vault.ts";

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

export async function moveSpender(vault: Vault, move: SpenderMove): Promise<Result<WalletCustodyView>> {
  const ports = vault.ports.custody;
  const wallet = vault.wallet();
  if (wallet === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  if (ports === undefined) return { ok: false, code: "not_supported", detail: "there is nothing here that could wrap a key" };
  // A move that began here and whose answer was lost; read before this request leaves the same mark.
  const begun = wallet.state === "paused" && wallet.paused_because === MOVING;
  const open = vault.transact(() => {
    const rows = vault.journal.openPayments();
    // From here on nothing can be reserved until the epoch has changed, or somebody gives up and enables the wallet.
    if (rows === 0 && vault.wallet()?.state === "active") vault.config.setState("paused", MOVING);
    return rows;
  });
  if (open > 0) return { ok: false, code: "payment_pending", detail: `${open} payments are open: the spender changes only when none is` };
  vault.forgetPayer();
  const moved = await change(vault, move, begun);
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
async function change(vault: Vault, move: SpenderMove, begun: boolean): Promise<Result<WalletRecord>> {
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
  if (same && (begun || wallet.epoch === record.epoch || record.backend !== vault.ports.payer.backend)) return { ok: true, value: record };
  if (record.epoch !== move.epoch - 1)
    return {
      ok: false,
      code: "already_exists",
      detail: `the control plane is at epoch ${record.epoch}: the next one is ${record.epoch + 1}`,
    };
  const next = await ports.wrapFor(envelope, bindingOf(wallet), move.spender);
  if (!next.ok) return next;
  const answer = await asked(vault, () =>
    ports.moveSpender({ epoch: move.epoch, backend: move.backend, envelope: next.value, expected: envelope }),
  );
  if (answer === UNANSWERED) return unanswered;
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
  const open = vault.journal.openPayments();
  if (open > 0)
    return {
      ok: false,
      code: "payment_pending",
      detail: `${open} payments were opened meanwhile: nothing is paid until the same request finds none`,
    };
  if (record.backend === vault.ports.payer.backend) vault.config.adoptEpoch(record.epoch, record.backend);
  resume(vault);
  return custody(vault);
}

function resume(vault: Vault): void {
  const wallet = vault.wallet();
  if (wallet?.state !== "paused" || wallet.paused_because !== MOVING) return;
  vault.config.setState("active", null);
  maintainSoon(vault);
}
