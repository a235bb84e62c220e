/**
 * The SSP's words: how its GraphQL operations are read and how its rows are written. Not a GraphQL engine: the SDK sends a dozen fixed
 * documents, told apart by `operationName`, and ignores fields it did not ask for; the aliases are those of its `queries.graphql` (0.19.2).
 */
import type { TransferView } from "./operators-port.ts";
import type { ReceiveRow, SendRow, SwapRow } from "./ssp-requests.ts";

/** A refusal in `errors[]`, with status 200. The text is shown to the SDK's caller: never a secret. */
export class GraphqlError extends Error {
  override readonly name = "GraphqlError";
}

export type Fields = Readonly<Record<string, unknown>>;

export interface GraphqlRequest {
  readonly operation: string;
  readonly variables: Fields;
}

/** @returns null for anything that is not a GraphQL request */
export function readRequest(body: Uint8Array): GraphqlRequest | null {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    if (!isFields(parsed) || typeof parsed["operationName"] !== "string") return null;
    const variables = parsed["variables"] ?? {};
    return isFields(variables) ? { operation: parsed["operationName"], variables } : null;
  } catch {
    return null;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The variables' `input`. @throws GraphqlError */
export function input(variables: Fields): Fields {
  if (!isFields(variables["input"])) throw new GraphqlError("input is missing");
  return variables["input"];
}

/** @throws GraphqlError naming the field, never its value */
export function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string" || value === "") throw new GraphqlError(`${name} is missing`);
  return value;
}

export function optionalText(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null;
  if (value !== null && typeof value !== "string") throw new GraphqlError(`${name} is not text`);
  return value;
}

/** A whole number of at least 0; null when it is absent. */
export function optionalCount(fields: Fields, name: string): number | null {
  const value = fields[name] ?? null;
  if (value === null) return null;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new GraphqlError(`${name} is not a whole number`);
  return value;
}

export function count(fields: Fields, name: string): number {
  const value = optionalCount(fields, name);
  if (value === null) throw new GraphqlError(`${name} is missing`);
  return value;
}

export function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new GraphqlError(`${name} is not a list`);
  return value;
}

export function sats(value: number): Fields {
  return {
    __typename: "CurrencyAmount",
    original_value: value,
    original_unit: "SATOSHI",
    preferred_currency_unit: "SATOSHI",
    preferred_currency_value_rounded: value,
  };
}

/** @param ms epoch ms */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

const TYPENAMES = { send: "LightningSendRequest", receive: "LightningReceiveRequest", swap: "LeavesSwapRequest" } as const;

const entity = (row: SendRow | ReceiveRow | SwapRow): Fields => ({
  __typename: TYPENAMES[row.kind],
  id: row.id,
  created_at: iso(row.createdAt),
  updated_at: iso(row.updatedAt),
  network: "REGTEST",
});

function transferOf(row: SendRow | ReceiveRow | SwapRow, transferId: string, totalSats: number): Fields {
  return {
    __typename: "Transfer",
    total_amount: sats(totalSats),
    spark_id: transferId,
    user_request: { __typename: TYPENAMES[row.kind], id: row.id },
  };
}

/** Lies as parameters, so that what is stored stays true. */
export function sendMessage(row: SendRow, lies: { readonly fee: number | null; readonly preimage: string | null }): Fields {
  return {
    ...entity(row),
    status: row.status,
    encoded_invoice: row.bolt11,
    fee: sats(lies.fee ?? row.feeSats),
    idempotency_key: row.id,
    transfer: transferOf(row, row.transferId, row.amountSats + row.feeSats),
    lightning_send_payment_preimage: row.preimage === null ? null : (lies.preimage ?? row.preimage),
  };
}

/** Where the SSP lies, the invoice is another than the fields beside it say: a wallet that trusts the fields is fooled. */
export function receiveMessage(row: ReceiveRow): Fields {
  return {
    ...entity(row),
    lightning_request_status: row.status,
    invoice: {
      __typename: "Invoice",
      encoded_invoice: row.bolt11,
      bitcoin_network: "REGTEST",
      payment_hash: row.paymentHash,
      amount: sats(row.amountSats),
      created_at: iso(row.createdAt),
      invoice_expired_at: iso(row.expiresAt),
      memo: row.memo,
    },
    transfer: row.transferId === null ? null : transferOf(row, row.transferId, row.heldSats ?? row.amountSats),
    lightning_receive_payment_preimage: row.preimage,
    receiver_identity_public_key: row.receiver,
  };
}

export function swapMessage(row: SwapRow): Fields {
  return {
    ...entity(row),
    swap_status: row.status,
    total_amount: sats(row.totalSats),
    target_amount: sats(row.targetSats),
    fee: sats(0),
    inbound_transfer: transferOf(row, row.counterTransferId, row.totalSats),
    outbound_transfer: transferOf(row, row.primaryTransferId, row.totalSats),
    swap_expired_at: null,
    swap_leaves: [],
  };
}

/** One element of `Transfers`: with the whole request where the SSP has one for it. */
export function transferMessage(transfer: TransferView, request: Fields | null): Fields {
  return { __typename: "Transfer", total_amount: sats(transfer.totalSats), spark_id: transfer.id, user_request: request };
}
