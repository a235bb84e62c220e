/**
 * After a rotation of the record key: rows sealed with a former key are opened and sealed with the current one, in batches by the alarm,
 * while payments go on. Every row is visited once, in the order of its key; one written meanwhile is sealed with the current key anyhow.
 * A row that does not open with the key it names is left as it is, and so are the former keys: nothing that may still be read is given up.
 */
import { sealedKeyId } from "../../lightning/seal.ts";
import { sealedSparkRows } from "../spark/sealed-rows.ts";
import { credentialContext } from "./credentials.ts";
import { dropFormer, progress, saveProgress } from "./record-keys.ts";
import type { Vault } from "./vault.ts";

export const JOB = "reseal";
/** Rows of each kind (payments, credentials, what Spark keeps) in one transaction: a few milliseconds. */
const BATCH = 200;

interface Sealed {
  readonly id: string;
  readonly sealed: Uint8Array;
}
interface SealedCredential extends Sealed {
  readonly origin: string;
}

/** Runs when due. Call inside no transaction, with the vault ready. */
export async function reseal(vault: Vault): Promise<void> {
  const job = vault.journal.job(JOB);
  if (job === null || job.at > vault.clock.now()) return;
  // A former key whose key-encryption key was missing may have come back.
  await vault.openKeys();
  const done = vault.transact(() => batch(vault, job.tries));
  if (done) vault.forgetFormer();
}

/** @returns true when no former key is needed any more */
function batch(vault: Vault, tries: number): boolean {
  const { sql } = vault.ports;
  const at = progress(sql);
  const now = vault.clock.now();
  if (at === null) {
    vault.journal.unschedule(JOB);
    return false;
  }
  const payments = sql.rows<Sealed>(
    "SELECT purchase_id AS id, sealed FROM payment WHERE purchase_id > ? ORDER BY purchase_id LIMIT ?",
    at.payment_after,
    BATCH,
  );
  const credentials = sql.rows<SealedCredential>(
    "SELECT id, origin, sealed FROM credential WHERE id > ? ORDER BY id LIMIT ?",
    at.credential_after,
    BATCH,
  );
  let { skipped } = at;
  for (const row of payments) if (!anew(vault, row, `payment:${row.id}`, "UPDATE payment SET sealed = ? WHERE purchase_id = ?")) skipped++;
  for (const row of credentials)
    if (!anew(vault, row, credentialContext(row.id, row.origin), "UPDATE credential SET sealed = ? WHERE id = ?")) skipped++;
  const spark = sealedSparkRows(sql, { table: at.spark_table, after: at.spark_after }, BATCH);
  for (const row of spark.rows) if (!anew(vault, row, row.context, row.update)) skipped++;
  if (payments.length === BATCH || credentials.length === BATCH || spark.rows.length === BATCH) {
    saveProgress(sql, {
      payment_after: payments.at(-1)?.id ?? at.payment_after,
      credential_after: credentials.at(-1)?.id ?? at.credential_after,
      spark_table: spark.reached.table,
      spark_after: spark.reached.after,
      skipped,
      unreadable: at.unreadable,
    });
    vault.journal.schedule(JOB, now + 1, tries);
    return false;
  }
  if (skipped === 0) {
    dropFormer(sql);
    vault.journal.unschedule(JOB);
    return true;
  }
  vault.ports.log("reseal_incomplete", { unreadable: skipped });
  saveProgress(sql, { payment_after: "", credential_after: "", spark_table: 0, spark_after: 0, skipped: 0, unreadable: skipped });
  vault.journal.schedule(JOB, now + vault.timing.retryMost, tries + 1);
  return false;
}

/** @returns false when the row does not open */
function anew(vault: Vault, row: { readonly id: string | number; readonly sealed: Uint8Array }, context: string, update: string): boolean {
  // Retention has emptied it: there is nothing left to seal.
  if (row.sealed.length === 0) return true;
  const current = vault.key();
  if (sealedKeyId(row.sealed) === current.id) return true;
  const plain = vault.ports.sealer.open(vault.key(row.sealed), context, row.sealed);
  if (plain === null) return false;
  vault.ports.sql.rows(update, vault.ports.sealer.seal(current, vault.nonce(), context, plain), row.id);
  plain.fill(0);
  return true;
}
