/**
 * A transfer reached the SSP, and the order to pay for it did not (a lost reply, an SSP that was down): the SDK never asks again, and the
 * money would wait 16 days for the HTLC to expire. So we ask, in the SDK's own words and with its session: same invoice, same transfer. It
 * moves nothing more out of the wallet. Proven against the sandbox only; the real SSP is owed a live run (ADR.md).
 */
import type { PaymentOrder } from "../../lightning/payer.ts";

export interface RescuePorts {
  /** `<base>/<schema endpoint>` of the SSP. */
  readonly url: string;
  /** Its session's bearer token; null: there is no session now. */
  readonly token: string | null;
  readonly fetch: (request: Request) => Promise<Response>;
}

const QUERY = `mutation RequestLightningSend($input: RequestLightningSendInput!) {
  request_lightning_send(input: $input) { request { __typename id status } }
}`;

/** @returns true when the SSP has taken the order up. Never throws: the next lookup tells what became of it */
export async function askAgain(ports: RescuePorts, order: Pick<PaymentOrder, "operationId" | "bolt11">): Promise<boolean> {
  if (ports.token === null) return false;
  try {
    const { fetch } = ports;
    const response = await fetch(
      new Request(ports.url, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${ports.token}` },
        body: JSON.stringify({
          operationName: "RequestLightningSend",
          query: QUERY,
          variables: {
            input: { encoded_invoice: order.bolt11, user_outbound_transfer_external_id: order.operationId, idempotency_key: null },
          },
        }),
      }),
    );
    const answer: unknown = response.status === 200 ? await response.json() : (await response.body?.cancel(), null);
    return requestId(answer) !== null;
  } catch {
    return false;
  }
}

function requestId(answer: unknown): string | null {
  let value: unknown = answer;
  for (const member of ["data", "request_lightning_send", "request", "id"]) {
    if (typeof value !== "object" || value === null || !(member in value)) return null;
    value = (value as Record<string, unknown>)[member];
  }
  return typeof value === "string" ? value : null;
}
