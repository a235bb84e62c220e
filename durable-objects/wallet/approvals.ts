/**
 * Approvals (invariant 18): a question that policy asks, an answer by somebody who is not the agent, one use. Nothing is reserved
 * meanwhile. Whoever answers second is told what was answered: every change is a compare-and-set on the state.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { APPROVALS_PAGE, type ApprovalLink, type ApprovalState, type ApprovalView, type Verdict } from "../../lightning/approval.ts";
import { equalHex } from "../../lightning/constant-time.ts";
import { checkSwitches } from "../../lightning/decide.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import type { PurchaseRow } from "./journal.ts";
import type { Vault } from "./vault.ts";

export const APPROVAL_MS = 15 * 60_000;

interface Row {
  readonly id: string;
  readonly purchase_id: string;
  readonly state: ApprovalState;
  readonly budget: string;
  readonly because: "amount" | "host";
  readonly amount_msat: number;
  readonly max_msat: number;
  readonly description: string | null;
  readonly asked_at: number;
  readonly expires_at: number;
  readonly decided_at: number | null;
  readonly decided_by: string | null;
  readonly used_by: string | null;
}

/** Who decided was shown for whom it is: the same request of another end user or run is another question. */
const SAME_SUBJECT = "AND EXISTS (SELECT 1 FROM purchase p WHERE p.id = approval.purchase_id AND p.subject IS ?)";

/** A grant for exactly this request, if there is one that can still be used. */
export function grantFor(vault: Vault, row: PurchaseRow, now: number): { readonly id: string; readonly maxMsat: Msat } | null {
  const found = vault.ports.sql.rows<{ id: string; max_msat: Msat }>(
    `SELECT id, max_msat FROM approval WHERE budget = ? AND request_hash = ? AND state = 'granted' AND expires_at > ? ${SAME_SUBJECT} ORDER BY max_msat DESC LIMIT 1`,
    row.budget,
    row.request_hash,
    now,
    row.subject,
  )[0];
  return found === undefined ? null : { id: found.id, maxMsat: found.max_msat };
}

/** Once, whoever else tries: inside the block that reserves. @throws Error when it has been used meanwhile: the block rolls back */
export function useGrant(vault: Vault, id: string, purchaseId: string): void {
  const used = vault.ports.sql.rows(
    "UPDATE approval SET state = 'used', used_by = ? WHERE id = ? AND state = 'granted' RETURNING id",
    purchaseId,
    id,
  );
  if (used.length !== 1) throw new Error("the grant has been used");
}

/** The question already asked for this request, if nobody has answered it yet. */
export function pendingFor(vault: Vault, row: PurchaseRow, now: number): Pick<Row, "id" | "because"> | null {
  return (
    vault.ports.sql.rows<Pick<Row, "id" | "because">>(
      `SELECT id, because FROM approval WHERE budget = ? AND request_hash = ? AND state = 'pending' AND expires_at > ? ${SAME_SUBJECT} LIMIT 1`,
      row.budget,
      row.request_hash,
      now,
      row.subject,
    )[0] ?? null
  );
}

/** @param row a purchase that has just moved to `awaiting_approval`, due when the question expires */
export function ask(
  vault: Vault,
  row: PurchaseRow,
  question: { readonly because: "amount" | "host"; readonly amountMsat: Msat; readonly maxMsat: Msat; readonly description: string | null },
): string {
  const id = `appr_${row.id}`;
  vault.ports.sql.rows(
    "INSERT INTO approval (id, purchase_id, state, budget, request_hash, because, amount_msat, max_msat, description, asked_at, expires_at) VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)",
    id,
    row.id,
    row.budget,
    row.request_hash,
    question.because,
    question.amountMsat,
    question.maxMsat,
    question.description,
    vault.clock.now(),
    row.due_at ?? vault.clock.now(),
  );
  return id;
}

/** Nobody answered in time: the alarm's word, in the block that moves the purchase. */
export function expire(vault: Vault, purchaseId: string): void {
  vault.ports.sql.rows("UPDATE approval SET state = 'expired' WHERE purchase_id = ? AND state = 'pending'", purchaseId);
}

export function show(vault: Vault, id: string): Result<ApprovalView> {
  const row = find(vault, id);
  const seen = row === null ? null : view(vault, row, vault.clock.now());
  return seen === null ? { ok: false, code: "not_found", detail: "no such approval" } : { ok: true, value: seen };
}

/** @param before the last one of the page before; null: from the newest */
export function list(vault: Vault, state: ApprovalState | null, before: string | null): Result<readonly ApprovalView[]> {
  if (vault.wallet() === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  const last = before === null ? null : find(vault, before);
  if (before !== null && last === null) return { ok: false, code: "invalid_request", detail: "before: no such approval" };
  const now = vault.clock.now();
  // What has lapsed is expired, whether or not the alarm has said so yet.
  const lapses = "(state IN ('pending', 'granted') AND expires_at <= ?)";
  const rows = vault.ports.sql.rows<Row>(
    `SELECT * FROM approval WHERE (? IS NULL OR (CASE WHEN ${lapses} THEN 'expired' ELSE state END) = ?)
     AND (? IS NULL OR asked_at < ? OR (asked_at = ? AND id > ?)) ORDER BY asked_at DESC, id LIMIT ?`,
    state,
    now,
    state,
    last?.id ?? null,
    last?.asked_at ?? null,
    last?.asked_at ?? null,
    last?.id ?? null,
    APPROVALS_PAGE,
  );
  return { ok: true, value: rows.flatMap((row) => view(vault, row, now) ?? []) };
}

/** A yes is new money's first step, so switches are read for it (invariant 11); a no may be said at any time. */
export async function decideApproval(
  vault: Vault,
  id: string,
  verdict: Verdict,
  by: string,
  maxMsat: Msat | null,
): Promise<Result<ApprovalView>> {
  const asked = vault.wallet();
  if (asked === null) return { ok: false, code: "not_found", detail: "no such wallet" };
  if (by === "" || by.length > 100) return { ok: false, code: "invalid_request", detail: "by: who decides, in 1 to 100 characters" };
  if (verdict === "approve") await vault.security.refresh(asked.wallet_id);
  return vault.transact((): Result<ApprovalView> => {
    const row = find(vault, id);
    const purchase = row === null ? null : vault.journal.purchase(row.purchase_id);
    if (row === null || purchase === null) return { ok: false, code: "not_found", detail: "no such approval" };
    const now = vault.clock.now();
    if (row.state !== "pending") return { ok: false, code: "already_exists", detail: `already ${row.state}` };
    if (row.expires_at <= now || purchase.state !== "awaiting_approval")
      return { ok: false, code: "approval_expired", detail: "the question has expired" };
    if (maxMsat !== null && maxMsat > row.max_msat) return { ok: false, code: "invalid_request", detail: "maxMsat: more than was quoted" };
    const wallet = vault.wallet();
    const stopped =
      verdict === "reject" ? null : checkSwitches(wallet === null ? null : vault.switches(wallet, vault.config.budgetRow(row.budget)));
    if (stopped !== null) return { ok: false, ...stopped };
    const state = verdict === "approve" ? "granted" : "rejected";
    // The agent has as long to use it as the person had to grant it.
    const until = verdict === "approve" ? now + (row.expires_at - row.asked_at) : row.expires_at;
    vault.ports.sql.rows(
      "UPDATE approval SET state = ?, max_msat = ?, decided_at = ?, decided_by = ?, expires_at = ? WHERE id = ? AND state = 'pending'",
      state,
      maxMsat ?? row.max_msat,
      now,
      by,
      until,
      id,
    );
    const moved = vault.journal.move(
      purchase,
      verdict === "approve" ? "grant" : "reject",
      null,
      verdict === "approve" ? null : "approval_rejected",
    );
    vault.receipt(state, moved, moved.code, { evidence: by });
    const after = find(vault, id);
    const seen = after === null ? null : view(vault, after, now);
    return seen === null ? { ok: false, code: "not_found", detail: "no such approval" } : { ok: true, value: seen };
  });
}

/** Signed with a key of its own, derived from the record key: only this wallet's object can make one or check it. */
export async function link(vault: Vault, id: string): Promise<Result<ApprovalLink>> {
  const notReady = await vault.ready();
  if (notReady !== null)
    return {
      ok: false,
      code: notReady === "not_found" ? notReady : "envelope_unopenable",
      detail: "no such wallet, or its keys cannot be opened",
    };
  const row = find(vault, id);
  if (row === null) return { ok: false, code: "not_found", detail: "no such approval" };
  if (row.state !== "pending" || row.expires_at <= vault.clock.now())
    return { ok: false, code: "approval_expired", detail: "there is nothing left to decide" };
  return { ok: true, value: { approvalId: id, expiresAt: row.expires_at, mac: sign(vault, id, row.expires_at) } };
}

export async function byLink(vault: Vault, given: ApprovalLink): Promise<Result<ApprovalView>> {
  const row = await checked(vault, given);
  if (!row.ok) return row;
  const seen = view(vault, row.value, vault.clock.now());
  return seen === null ? { ok: false, code: "not_found", detail: "no such approval" } : { ok: true, value: seen };
}

export async function decideByLink(vault: Vault, given: ApprovalLink, verdict: Verdict): Promise<Result<ApprovalView>> {
  const row = await checked(vault, given);
  return row.ok ? decideApproval(vault, given.approvalId, verdict, "signed link", null) : row;
}

async function checked(vault: Vault, given: ApprovalLink): Promise<Result<Row>> {
  const wrong: Result<never> = { ok: false, code: "forbidden", detail: "this link is not valid" };
  const notReady = await vault.ready();
  if (notReady === "not_found") return wrong;
  // Right or wrong cannot be told without the key: it must not be called wrong, or somebody throws a good link away.
  if (notReady !== null) return { ok: false, code: "envelope_unopenable", detail: "the wallet's keys cannot be opened" };
  if (
    !/^[0-9a-f]{64}$/u.test(given.mac) ||
    !Number.isSafeInteger(given.expiresAt) ||
    !equalHex(given.mac, sign(vault, given.approvalId, given.expiresAt))
  )
    return wrong;
  if (given.expiresAt <= vault.clock.now()) return { ok: false, code: "approval_expired", detail: "this link has expired" };
  const row = find(vault, given.approvalId);
  return row === null ? wrong : { ok: true, value: row };
}

function sign(vault: Vault, id: string, expiresAt: number): string {
  const key = hmac(sha256, vault.key().bytes, utf8ToBytes("approval link v1"));
  return bytesToHex(hmac(sha256, key, utf8ToBytes(`${id}:${expiresAt}`)));
}

function find(vault: Vault, id: string): Row | null {
  return vault.wallet() === null ? null : (vault.ports.sql.rows<Row>("SELECT * FROM approval WHERE id = ?", id)[0] ?? null);
}

function view(vault: Vault, row: Row, now: number): ApprovalView | null {
  const purchase = vault.journal.purchase(row.purchase_id);
  if (purchase === null) return null;
  const lapsed = (row.state === "pending" || row.state === "granted") && row.expires_at <= now;
  return {
    approvalId: row.id,
    state: lapsed ? "expired" : row.state,
    budget: row.budget,
    subject: purchase.subject,
    method: purchase.method,
    origin: purchase.origin,
    path: purchase.path,
    amountMsat: row.amount_msat as Msat,
    maxMsat: row.max_msat as Msat,
    because: row.because,
    description: row.description,
    askedAt: row.asked_at,
    expiresAt: row.expires_at,
    decidedAt: row.decided_at,
    decidedBy: row.decided_by,
    usedBy: row.used_by,
  };
}
