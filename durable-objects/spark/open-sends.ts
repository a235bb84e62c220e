/**
 * What the SDK (0.19.2) forgets, and the Wallet must not. It reads the list of transfers onwards from where it stopped, and steps back only by
 * as many as are pending: a send that others have overtaken is never read again, so neither its preimage nor its leaves' return would ever be
 * known. And it takes the SSP's "failed" for an end, which it is not before the operators have given the leaves back. So its storage is told
 * `pending` until then, and the question after one send begins at the place in the list that was reached when that send left.
 */
import type { Payment, Storage } from "@breeztech/breez-sdk-spark/web";

/** The SDK's name for where it stopped: `{"offset": …}`. */
const OFFSET = "sync_offset";
/** Transfers may leave the list (the SDK's own comment on it), and what comes after them then moves forwards. */
const MARGIN = 20;

export class OpenSends {
  /** Wraps the SDK's storage. */
  readonly storage: Storage;
  readonly #inner: Storage;
  readonly #from = new Set<{ readonly place: number; taken: boolean }>();

  constructor(inner: Storage) {
    this.#inner = inner;
    this.storage = {
      ...inner,
      getCachedItem: async (key) => {
        const value = await inner.getCachedItem(key);
        return key === OFFSET && value !== null ? this.#stepBack(value) : value;
      },
      applyPaymentUpdate: (payment) => inner.applyPaymentUpdate(asKnown(payment)),
    };
  }

  /** The place that the list has been read to: a send that leaves now will stand behind it. */
  async place(): Promise<number> {
    const value = await this.#inner.getCachedItem(OFFSET);
    return value === null ? 0 : Math.max(0, offsetIn(value) - MARGIN);
  }

  /** Syncs so that the list is read again from `place`: also when a sync is running that began further on. */
  async readFrom<T>(place: number, sync: () => Promise<T>): Promise<T> {
    const wish = { place, taken: false };
    this.#from.add(wish);
    try {
      const report = await sync();
      return wish.taken ? report : await sync();
    } finally {
      this.#from.delete(wish);
    }
  }

  #stepBack(value: string): string {
    let offset = offsetIn(value);
    for (const wish of this.#from) {
      offset = Math.min(offset, wish.place);
      wish.taken = true;
    }
    return JSON.stringify({ ...(JSON.parse(value) as object), offset });
  }
}

function offsetIn(value: string): number {
  const { offset } = JSON.parse(value) as { readonly offset?: unknown };
  return typeof offset === "number" ? offset : 0;
}

/** A terminal status is never replaced (storage-payments.ts): a send whose leaves are still locked must not have one. */
function asKnown(payment: Payment): Payment {
  const { details, paymentType, status } = payment;
  const isOpen =
    paymentType === "send" && status === "failed" && details?.type === "lightning" && details.htlcDetails.status !== "returned";
  return isOpen ? { ...payment, status: "pending" } : payment;
}
