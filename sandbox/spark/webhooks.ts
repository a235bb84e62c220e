/**
 * The SSP's webhooks: a wallet names a URL and a secret, and is told once a send or a receive has finished. The signature is the one that Breez's
 * LNURL server checks (0.19.2): X-Spark-Signature is HMAC-SHA256 of the body under the secret's bytes, in hex. Delivery is at least once: a few
 * tries with growing pauses, as the real SSP's own schedule is not public.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { GraphqlError, input, iso, list, text, type Fields } from "./graphql.ts";
import type { ReceiveRow, SendRow } from "./ssp-requests.ts";

const EVENTS = [
  "SPARK_LIGHTNING_RECEIVE_FINISHED",
  "SPARK_LIGHTNING_SEND_FINISHED",
  "SPARK_COOP_EXIT_FINISHED",
  "SPARK_STATIC_DEPOSIT_FINISHED",
] as const;
type EventType = (typeof EVENTS)[number];

interface Hook {
  readonly id: string;
  readonly owner: string;
  readonly url: string;
  readonly secret: string;
  readonly events: readonly EventType[];
}

export interface WebhookPorts {
  now(): number;
  uuid(): string;
  later(ms: number, job: () => void): void;
  /** Sends one webhook. @returns whether it was taken (a 2xx); rejects when nobody answered */
  deliver(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<boolean>;
}

const PAUSES_MS = [1_000, 5_000, 30_000];

export class Webhooks {
  readonly #ports: WebhookPorts;
  readonly #hooks = new Map<string, Hook>();

  constructor(ports: WebhookPorts) {
    this.#ports = ports;
  }

  /** RegisterWalletWebhook. @throws GraphqlError */
  register(variables: Fields, owner: string): Fields {
    const fields = input(variables);
    const url = text(fields, "url");
    if (!URL.canParse(url)) throw new GraphqlError("url is not a URL");
    const id = this.#ports.uuid();
    this.#hooks.set(id, { id, owner, url, secret: text(fields, "secret"), events: list(fields, "event_types").map(eventType) });
    return { register_wallet_webhook: { webhook_id: id } };
  }

  /** DeleteWalletWebhook. */
  remove(variables: Fields, owner: string): Fields {
    const id = text(input(variables), "webhook_id");
    const success = this.#hooks.get(id)?.owner === owner && this.#hooks.delete(id);
    return { delete_wallet_webhook: { success } };
  }

  /** WalletWebhooks. */
  list(owner: string): Fields {
    const webhooks = [...this.#hooks.values()]
      .filter((hook) => hook.owner === owner)
      .map((hook) => ({ webhook_id: hook.id, url: hook.url, event_types: hook.events }));
    return { wallet_webhooks: { webhooks } };
  }

  sendFinished(row: SendRow): void {
    this.#tell(row.owner, "SPARK_LIGHTNING_SEND_FINISHED", row.preimage !== null, {
      ...entity(row),
      status: row.status,
      encoded_invoice: row.bolt11,
      fee: amount(row.feeSats),
      ...(row.preimage === null ? {} : { payment_preimage: row.preimage }),
    });
  }

  receiveFinished(row: ReceiveRow): void {
    this.#tell(row.receiver, "SPARK_LIGHTNING_RECEIVE_FINISHED", true, {
      ...entity(row),
      status: row.status,
      payment_preimage: row.preimage,
      receiver_identity_public_key: row.receiver,
      invoice_amount: amount(row.amountSats),
      htlc_amount: amount(row.heldSats ?? row.amountSats),
    });
  }

  #tell(owner: string, type: EventType, completed: boolean, facts: Fields): void {
    for (const hook of this.#hooks.values()) {
      if (hook.owner !== owner || !hook.events.includes(type)) continue;
      const body = JSON.stringify({
        ...facts,
        network: "REGTEST",
        request_status: completed ? "COMPLETED" : "FAILED",
        type,
        timestamp: iso(this.#ports.now()),
      });
      void this.#send(hook, body, 0);
    }
  }

  async #send(hook: Hook, body: string, tries: number): Promise<void> {
    const utf8 = new TextEncoder();
    const signature = bytesToHex(hmac(sha256, utf8.encode(hook.secret), utf8.encode(body)));
    let taken = false;
    try {
      taken = await this.#ports.deliver(hook.url, { "content-type": "application/json", "x-spark-signature": signature }, body);
    } catch {
      // Nobody there: the same as a refusal.
    }
    const pause = PAUSES_MS[tries];
    if (!taken && pause !== undefined && this.#hooks.has(hook.id)) this.#ports.later(pause, () => void this.#send(hook, body, tries + 1));
  }
}

const entity = (row: SendRow | ReceiveRow): Fields => ({ id: row.id, created_at: iso(row.createdAt), updated_at: iso(row.updatedAt) });
const amount = (value: number): Fields => ({ value, unit: "SATOSHI" });

function eventType(value: unknown): EventType {
  const known = EVENTS.find((event) => event === value);
  if (known === undefined) throw new GraphqlError("event_types holds an unknown event");
  return known;
}
