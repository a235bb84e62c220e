/** `listPayments`' filters as one WHERE over `spark_payment` (p) and `spark_payment_metadata` (m). Pure. */
import type {
  AssetFilter,
  ConversionFilter,
  StorageListPaymentsRequest,
  StoragePaymentDetailsFilter,
} from "@breeztech/breez-sdk-spark/web";
import type { Bind } from "../sql.ts";

export interface Clause {
  readonly sql: string;
  readonly bind: readonly Bind[];
}

/** A list is one parameter: an object's storage takes 100 of them. */
const among = (column: string, values: readonly string[]): Clause => ({
  sql: `${column} IN (SELECT value FROM json_each(?))`,
  bind: [JSON.stringify(values)],
});
const plain = (sql: string, ...bind: readonly Bind[]): Clause => ({ sql, bind });

function joined(clauses: readonly Clause[], word: "AND" | "OR"): Clause {
  return { sql: `(${clauses.map(({ sql }) => sql).join(` ${word} `)})`, bind: clauses.flatMap(({ bind }) => bind) };
}

/** Children of another payment are never listed: they come with their parent. */
export function paymentFilter(request: StorageListPaymentsRequest): Clause {
  const clauses: Clause[] = [plain("m.parent_id IS NULL")];
  if (request.typeFilter?.length) clauses.push(among("p.type", request.typeFilter));
  if (request.statusFilter?.length) clauses.push(among("p.status", request.statusFilter));
  if (request.fromTimestamp != null) clauses.push(plain("p.timestamp >= ?", request.fromTimestamp));
  if (request.toTimestamp != null) clauses.push(plain("p.timestamp < ?", request.toTimestamp));
  if (request.paymentDetailsFilter?.length) clauses.push(joined(request.paymentDetailsFilter.map(detailsFilter), "OR"));
  if (request.assetFilter != null) clauses.push(assetFilter(request.assetFilter));
  return joined(clauses, "AND");
}

function assetFilter(filter: AssetFilter): Clause {
  switch (filter.type) {
    case "bitcoin":
      return plain("p.token_id IS NULL");
    case "token":
      return filter.tokenIdentifier ? plain("p.token_id = ?", filter.tokenIdentifier) : plain("p.token_id IS NOT NULL");
  }
}

function detailsFilter(filter: StoragePaymentDetailsFilter): Clause {
  const clauses: Clause[] = [];
  switch (filter.type) {
    case "spark":
      clauses.push(plain("p.is_spark = 1"));
      if (filter.htlcStatus?.length) clauses.push(among("p.spark_htlc_status", filter.htlcStatus));
      break;
    case "token":
      clauses.push(plain("p.is_spark = 0 AND p.token_tx_hash IS NOT NULL"));
      if (filter.txHash != null) clauses.push(plain("p.token_tx_hash = ?", filter.txHash));
      if (filter.txType != null) clauses.push(plain("p.token_tx_type = ?", filter.txType));
      break;
    case "lightning":
      clauses.push(plain("p.htlc_status IS NOT NULL"));
      if (filter.htlcStatus?.length) clauses.push(among("p.htlc_status", filter.htlcStatus));
      break;
  }
  if (filter.conversionFilter != null) clauses.push(conversionFilter(filter.conversionFilter));
  return joined(clauses, "AND");
}

const PENDING = "m.conversion_state NOT IN ('completed','failed','refunded')";

function conversionFilter(filter: ConversionFilter): Clause {
  switch (filter) {
    case "ammRefundNeeded":
      return plain("m.conversion_type = 'amm' AND m.conversion_state = 'refundNeeded'");
    case "orchestraPending":
      return plain(`m.conversion_type = 'orchestra' AND ${PENDING}`);
    case "boltzPending":
      return plain(`m.conversion_type = 'boltz' AND ${PENDING}`);
  }
}
