/**
 * How long things are kept, so that an object's database is bounded by what it has paid and not by what it was asked. For ever:
 * payments (a hash is paid once, for ever) and paid request keys, without their secrets; grants that were used; the books' totals.
 * Everything else has a term, and receipts go only after the control plane has them. Bounded batches: one run never holds up the wallet.
 */
import type { Vault } from "./vault.ts";

const BATCH = 500;
/** To the next batch, where one was full. Milliseconds. */
const MORE = 1000;
/**
 * One credential may serve any number of paths, each remembered. Beyond so many the oldest credentials' are forgotten: such a path's next
 * request is met with a 402, and then finds the credential by its scope.
 */
const KEEP_PATHS = 10_000;
export const JOB = "retain";

/** Runs when due. Call inside no transaction. */
export function retain(vault: Vault): void {
  const job = vault.journal.job(JOB);
  const now = vault.clock.now();
  if (job === null || job.at > now) return;
  vault.transact(() => {
    const more = prune(vault, now);
    const next = more ? now : oldest(vault);
    if (next === null) vault.journal.unschedule(JOB);
    else vault.journal.schedule(JOB, Math.max(next, now + (more ? MORE : vault.timing.retainPause)));
  });
}

/** When the first thing that is there now will have had its term, or null. */
function oldest(vault: Vault): number | null {
  const { keepUnpaid, keepReceipts, keepSecrets, keepHours } = vault.timing;
  const terms: readonly (readonly [keep: number, query: string])[] = [
    [
      keepUnpaid,
      "SELECT MIN(opened_at) AS at FROM purchase WHERE id NOT IN (SELECT purchase_id FROM payment) AND id NOT IN (SELECT purchase_id FROM approval)",
    ],
    [keepUnpaid, "SELECT MIN(expires_at) AS at FROM approval WHERE state <> 'used'"],
    [keepReceipts, "SELECT MIN(at) AS at FROM receipt WHERE sequence < (SELECT MAX(sequence) FROM receipt)"],
    [keepSecrets, "SELECT MIN(reserved_at) AS at FROM payment WHERE state <> 'open' AND length(sealed) > 0"],
    [
      keepSecrets,
      "SELECT MIN(CASE state WHEN 'evicted' THEN created_at ELSE usable_until END) AS at FROM credential WHERE length(sealed) > 0 AND state <> 'refused'",
    ],
    [keepHours, "SELECT MIN(hour) AS at FROM spent WHERE hour <> -1"],
  ];
  let first: number | null = null;
  for (const [keep, query] of terms) {
    const at = Number.isFinite(keep) ? (vault.ports.sql.rows<{ at: number | null }>(query)[0]?.at ?? null) : null;
    if (at !== null && (first === null || at + keep < first)) first = at + keep;
  }
  return first;
}

/** @returns true when a batch was full: there is more */
function prune(vault: Vault, now: number): boolean {
  const { sql } = vault.ports;
  const { keepUnpaid, keepReceipts, keepSecrets, keepHours } = vault.timing;
  let full = false;
  const batch = (query: string, ...bind: number[]): void => {
    if (sql.rows(query, ...bind, BATCH).length === BATCH) full = true;
  };
  if (Number.isFinite(keepUnpaid)) {
    // A question that came to nothing; one that was used belongs to a payment. The longest grant has ended long before its term.
    batch(
      "DELETE FROM approval WHERE id IN (SELECT a.id FROM approval a JOIN purchase p ON p.id = a.purchase_id WHERE a.state <> 'used' AND a.expires_at < ? AND p.due_at IS NULL LIMIT ?) RETURNING id",
      now - keepUnpaid,
    );
    batch(
      "DELETE FROM purchase WHERE seq IN (SELECT seq FROM purchase WHERE due_at IS NULL AND opened_at < ? AND id NOT IN (SELECT purchase_id FROM payment) AND id NOT IN (SELECT purchase_id FROM approval) LIMIT ?) RETURNING seq",
      now - keepUnpaid,
    );
    batch(
      "DELETE FROM request_key WHERE payer_id IS NULL AND (budget, key) IN (SELECT budget, key FROM request_key k WHERE payer_id IS NULL AND NOT EXISTS (SELECT 1 FROM purchase p WHERE p.budget = k.budget AND p.request_key = k.key) LIMIT ?) RETURNING key",
    );
  }
  if (Number.isFinite(keepReceipts)) {
    // The head of the chain stays: the next receipt hangs on it.
    batch(
      "DELETE FROM receipt WHERE sequence IN (SELECT sequence FROM receipt WHERE at < ? AND sequence <= (SELECT acknowledged FROM outbox WHERE only = 1) AND sequence < (SELECT MAX(sequence) FROM receipt) ORDER BY sequence LIMIT ?) RETURNING sequence",
      now - keepReceipts,
    );
  }
  if (Number.isFinite(keepSecrets)) {
    batch(
      "UPDATE payment SET sealed = X'' WHERE purchase_id IN (SELECT purchase_id FROM payment WHERE state <> 'open' AND reserved_at < ? AND length(sealed) > 0 LIMIT ?) RETURNING purchase_id",
      now - keepSecrets,
    );
    // One that was refused and never served stays what it is: it forbids to pay again until it is delivered or written off (invariant 6).
    batch(
      "UPDATE credential SET sealed = X'', state = 'evicted' WHERE id IN (SELECT id FROM credential WHERE (CASE state WHEN 'evicted' THEN created_at ELSE usable_until END) < ? AND length(sealed) > 0 AND state <> 'refused' LIMIT ?) RETURNING id",
      now - keepSecrets,
    );
    batch(
      "DELETE FROM learned WHERE (origin, path) IN (SELECT l.origin, l.path FROM learned l JOIN credential c ON c.id = l.credential_id WHERE c.state = 'evicted' LIMIT ?) RETURNING path",
    );
  }
  batch(
    "DELETE FROM learned WHERE (origin, path) IN (SELECT l.origin, l.path FROM learned l JOIN credential c ON c.id = l.credential_id WHERE l.served = 1 ORDER BY c.created_at, l.origin, l.path LIMIT MIN(MAX((SELECT COUNT(*) FROM learned WHERE served = 1) - ?, 0), ?)) RETURNING path",
    KEEP_PATHS,
  );
  if (Number.isFinite(keepHours)) {
    batch(
      "DELETE FROM spent WHERE (holder, hour) IN (SELECT holder, hour FROM spent WHERE hour <> -1 AND hour < ? LIMIT ?) RETURNING hour",
      now - keepHours,
    );
  }
  return full;
}
