/**
 * A swap of leaves: the wallet's leaves do not add up to what it wants to send, so it gives them to the SSP and gets others of the values it
 * asks for. The operators check the adaptor signatures that make the exchange fair; the SSP checks that the sums are right, and asks no fee.
 */
import { count, GraphqlError, input, isFields, list, swapMessage, text, type Fields } from "./graphql.ts";
import type { SwapLeaf } from "./operators-port.ts";
import { denominations, reason, type SspContext } from "./ssp-context.ts";
import type { SwapRow } from "./ssp-requests.ts";

export class SspSwap {
  readonly #context: SspContext;

  constructor(context: SspContext) {
    this.#context = context;
  }

  /** RequestSwap. The same transfer again is the same request. @throws GraphqlError */
  order(variables: Fields, identity: string): Fields {
    const fields = input(variables);
    const transferId = text(fields, "user_outbound_transfer_external_id");
    const { operators, ports, requests } = this.#context;
    const known = requests.byTransfer(transferId);
    if (known !== null) {
      if (known.kind !== "swap" || known.owner !== identity) throw new GraphqlError("the transfer belongs to another request");
      return answer(known);
    }
    const transfer = operators.transfer(transferId);
    if (transfer === null || transfer.sender !== identity || transfer.type !== "primary_swap")
      throw new GraphqlError("no matching primary transfer");
    const totalSats = count(fields, "total_amount_sats");
    if (transfer.totalSats !== totalSats) throw new GraphqlError("the total does not match the transfer");
    if (count(fields, "fee_sats") !== 0) throw new GraphqlError("a swap costs nothing here");
    const targets = list(fields, "target_amount_sats").map(amount);
    const targetSats = targets.reduce((sum, value) => sum + value, 0);
    if (targetSats > totalSats) throw new GraphqlError("the targets exceed the total");
    const values = [...targets, ...denominations(totalSats - targetSats)];
    let counterTransferId: string;
    try {
      ({ counterTransferId } = operators.acceptSwap(transferId, list(fields, "user_leaves").map(leaf), values));
    } catch (error) {
      // A wrong adaptor signature may be an operator's doing: the wallet gets its leaves back when the swap runs out.
      throw new GraphqlError(reason(error));
    }
    const now = ports.now();
    const row: SwapRow = {
      kind: "swap",
      id: `SparkLeavesSwapRequest:${ports.uuid()}`,
      owner: identity,
      createdAt: now,
      updatedAt: now,
      status: "SUCCEEDED",
      totalSats,
      targetSats,
      primaryTransferId: transferId,
      counterTransferId,
    };
    requests.add(row);
    return answer(row);
  }
}

const answer = (row: SwapRow): Fields => ({ request_swap: { request: swapMessage(row) } });

function amount(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value <= 0)
    throw new GraphqlError("target_amount_sats is not a list of sats");
  return value;
}

function leaf(value: unknown): SwapLeaf {
  if (!isFields(value)) throw new GraphqlError("user_leaves is not a list of leaves");
  return {
    leafId: text(value, "leaf_id"),
    rawUnsignedRefundTransaction: text(value, "raw_unsigned_refund_transaction"),
    adaptorAddedSignature: text(value, "adaptor_added_signature"),
  };
}
