/**
 * The payment methods of the SDK's storage: updates, metadata, lists. Reference: the SDK's own Node storage, which the differential test
 * (test/spark/storage.test.ts) holds it against. Two rules carry money: a terminal status is never replaced, and a payment that is absent
 * is an error in `getPaymentById` ("not paid yet" to the SDK), so a row that is there but does not open must fail too, in other words.
 */
import type { Payment } from "@breeztech/breez-sdk-spark/web";
import type { Bind } from "../sql.ts";
import { paymentFilter } from "./storage-filter.ts";
import { filterColumns, lnurlReceive, mergeMetadata, mergePayment, toPayment, type PlainPayment } from "./storage-payment.ts";
import { digest, mustOpenJson, sealJson, type SparkVault } from "./storage-sealed.ts";
import type { RuntimeStorage } from "./storage-runtime.ts";

type PaymentMethods = Pick<
  RuntimeStorage,
  | "listPayments"
  | "applyPaymentUpdate"
  | "insertPaymentMetadata"
  | "getPaymentById"
  | "getPaymentByInvoice"
  | "getPaymentsByParentIds"
  | "setLnurlMetadata"
>;

interface Row extends PlainPayment {
  readonly sealed: Uint8Array;
  readonly parent_id: string | null;
  readonly metadata: Uint8Array | null;
  readonly receive: Uint8Array | null;
}

const SELECT = `SELECT p.id, p.type, p.status, p.timestamp, p.is_spark, p.payment_hash, p.sealed, m.parent_id, m.sealed AS metadata, r.sealed AS receive
  FROM spark_payment p
  LEFT JOIN spark_payment_metadata m ON m.payment_id = p.id
  LEFT JOIN spark_lnurl_receive r ON r.payment_hash = p.payment_hash`;

const UPSERT = `INSERT INTO spark_payment
  (id, type, status, timestamp, is_spark, payment_hash, invoice_sha256, htlc_status, spark_htlc_status, token_id, token_tx_hash, token_tx_type, sealed)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
  ON CONFLICT (id) DO UPDATE SET type = excluded.type, status = excluded.status, timestamp = excluded.timestamp, is_spark = excluded.is_spark,
    payment_hash = excluded.payment_hash, invoice_sha256 = excluded.invoice_sha256, htlc_status = excluded.htlc_status,
    spark_htlc_status = excluded.spark_htlc_status, token_id = excluded.token_id, token_tx_hash = excluded.token_tx_hash,
    token_tx_type = excluded.token_tx_type, sealed = excluded.sealed`;

/** Ends in the SDK's own error, and there it is looked for. */
export const NO_SUCH_PAYMENT = "no such payment";

/** The largest u32: the SDK's own "no limit". */
export const NO_LIMIT = 4_294_967_295;

export function paymentStorage(vault: SparkVault): PaymentMethods {
  const { sql } = vault;

  const read = (row: Row): Payment =>
    toPayment(
      row,
      mustOpenJson(vault, "spark_payment", [row.id], row.sealed),
      row.metadata === null ? null : mustOpenJson(vault, "spark_payment_metadata", [row.id], row.metadata),
      row.receive === null || row.payment_hash === null
        ? null
        : mustOpenJson(vault, "spark_lnurl_receive", [row.payment_hash], row.receive),
    );
  const select = (rest: string, ...bind: readonly Bind[]): Row[] => sql.rows<Row>(`${SELECT} ${rest}`, ...bind);

  const upsert = (payment: Payment, sealed: Uint8Array | null): void => {
    const before = sealed === null ? null : mustOpenJson(vault, "spark_payment", [payment.id], sealed);
    const stored = mergePayment(before, payment);
    sql.rows(
      UPSERT,
      payment.id,
      payment.paymentType,
      payment.status,
      payment.timestamp,
      payment.details?.type === "spark" ? 1 : 0,
      ...filterColumns(stored),
      sealJson(vault, "spark_payment", [payment.id], stored),
    );
  };

  return {
    async applyPaymentUpdate(payment) {
      return sql.transaction(() => {
        const [stored] = sql.rows<{ status: string; sealed: Uint8Array }>(
          "SELECT status, sealed FROM spark_payment WHERE id = ?",
          payment.id,
        );
        const changed = stored?.status !== payment.status;
        if (changed && (stored?.status === "completed" || stored?.status === "failed")) return false;
        upsert(payment, stored?.sealed ?? null);
        return changed;
      });
    },

    async insertPaymentMetadata(paymentId, metadata) {
      sql.transaction(() => {
        const [stored] = sql.rows<{ sealed: Uint8Array }>("SELECT sealed FROM spark_payment_metadata WHERE payment_id = ?", paymentId);
        const before = stored === undefined ? null : mustOpenJson(vault, "spark_payment_metadata", [paymentId], stored.sealed);
        const next = mergeMetadata(before, metadata);
        sql.rows(
          `INSERT INTO spark_payment_metadata (payment_id, parent_id, conversion_type, conversion_state, sealed) VALUES (?,?,?,?,?)
           ON CONFLICT (payment_id) DO UPDATE SET parent_id = COALESCE(excluded.parent_id, parent_id),
             conversion_type = excluded.conversion_type, conversion_state = excluded.conversion_state, sealed = excluded.sealed`,
          paymentId,
          metadata.parentPaymentId ?? null,
          next.conversionInfo?.type ?? null,
          next.conversionInfo?.status ?? null,
          sealJson(vault, "spark_payment_metadata", [paymentId], next),
        );
      });
    },

    async listPayments(request) {
      const where = paymentFilter(request);
      // Payments of one second keep one order, so that pages neither repeat nor miss one.
      const order = request.sortAscending ? "p.timestamp ASC, p.seq DESC" : "p.timestamp DESC, p.seq ASC";
      return select(
        `WHERE ${where.sql} ORDER BY ${order} LIMIT ? OFFSET ?`,
        ...where.bind,
        request.limit ?? NO_LIMIT,
        request.offset ?? 0,
      ).map(read);
    },

    async getPaymentById(id) {
      const [row] = select("WHERE p.id = ?", id);
      if (row === undefined) throw new Error(NO_SUCH_PAYMENT);
      return read(row);
    },

    async getPaymentByInvoice(invoice) {
      const [row] = select("WHERE p.invoice_sha256 = ? ORDER BY p.seq LIMIT 1", digest(invoice));
      return row === undefined ? null : read(row);
    },

    async getPaymentsByParentIds(parentIds) {
      const children = new Map<string, Payment[]>();
      const rows = select(
        "WHERE m.parent_id IN (SELECT value FROM json_each(?)) ORDER BY p.timestamp ASC, p.seq ASC",
        JSON.stringify(parentIds),
      );
      for (const row of rows) {
        if (row.parent_id === null) continue;
        const siblings = children.get(row.parent_id) ?? [];
        siblings.push(read(row));
        children.set(row.parent_id, siblings);
      }
      return Object.fromEntries(children);
    },

    async setLnurlMetadata(items) {
      sql.transaction(() => {
        for (const { paymentHash, ...item } of items)
          sql.rows(
            "INSERT INTO spark_lnurl_receive (payment_hash, sealed) VALUES (?, ?) ON CONFLICT (payment_hash) DO UPDATE SET sealed = excluded.sealed",
            paymentHash,
            sealJson(vault, "spark_lnurl_receive", [paymentHash], lnurlReceive(item)),
          );
      });
    },
  };
}
