/**
 * Delivery records on their way to the Wallet object, many in one call: a record for every answer would double the calls of a cached
 * purchase, and nothing depends on one. They wait some milliseconds in the memory of this isolate; an isolate that ends, or an object
 * that cannot be reached, loses them, and that is accepted: a purchase is accounted for before its answer is delivered.
 */
import type { Auth, Delivery } from "../lightning/wallet-api.ts";

export const FLUSH_AFTER_MS = 25;
/** Per call to the object. */
export const MOST_PER_CALL = 100;
/** Of one wallet and caller; beyond it the newest are dropped, for memory is everybody's. */
const MOST_WAITING = 2000;
/** A batch older than this belongs to a request that ended before it could flush. */
const STALE_AFTER_MS = 2000;

export interface DeliveryClock {
  now(): number;
  timer(ms: number): { readonly done: Promise<void> };
}

interface Batch {
  readonly records: Delivery[];
  readonly since: number;
}

type Send = (auth: Auth, deliveries: readonly Delivery[]) => Promise<void>;

export class DeliveryBatches {
  readonly #batches = new Map<string, Batch>();

  /**
   * The first record of a batch carries its flush: the promise it gets must be kept alive by that request's own `waitUntil`, since a
   * platform timer belongs to the request that set it. The others ride along and are done at once.
   * @param wallet name of the object @returns never rejects
   */
  add(wallet: string, auth: Auth, deliveries: readonly Delivery[], clock: DeliveryClock, send: Send): Promise<void> {
    // Per caller too: the object checks who delivers, so one call must not mix two.
    const key = `${wallet} ${auth.kind === "agent_key" ? `key/${auth.keyId}/${auth.secret}` : `binding/${auth.budget}`}`;
    const now = clock.now();
    const waiting = this.#batches.get(key);
    if (waiting !== undefined && now - waiting.since <= STALE_AFTER_MS) {
      if (waiting.records.length < MOST_WAITING) waiting.records.push(...deliveries);
      return Promise.resolve();
    }
    const batch: Batch = { records: [...(waiting?.records ?? []), ...deliveries], since: now };
    this.#batches.set(key, batch);
    return this.#flush(key, batch, auth, clock, send);
  }

  async #flush(key: string, batch: Batch, auth: Auth, clock: DeliveryClock, send: Send): Promise<void> {
    await clock.timer(FLUSH_AFTER_MS).done;
    if (this.#batches.get(key) === batch) this.#batches.delete(key);
    for (let at = 0; at < batch.records.length; at += MOST_PER_CALL) {
      try {
        await send(auth, batch.records.slice(at, at + MOST_PER_CALL));
      } catch {
        return;
      }
    }
  }
}
