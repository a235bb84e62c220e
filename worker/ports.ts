/** The purchase flow's ports on workerd, and the way to the objects. Everything here is a thin adapter: no rule lives in this file. */
import type { Config } from "./config.ts";
import { DeliveryBatches } from "./deliveries.ts";
import type { WalletStub } from "./door.ts";
import type { FlowPorts } from "./flow-types.ts";
import { walletObjectName } from "./principal.ts";

export interface WalletNamespace {
  getByName(name: string): unknown;
}

/**
 * One isolate serves many requests: their delivery records travel together.
 * A module-level value, because that is what an isolate's memory is.
 */
const deliveries = new DeliveryBatches();

/**
 * A new stub each time: it is cheap, and one that has seen an error may stay broken (Durable Objects, error handling).
 * The cast is the border of RPC: `WalletObject` implements these interfaces, and the platform's stub types lose branded numbers.
 */
export function walletStub(namespace: WalletNamespace, owner: string, walletId: string): WalletStub {
  return namespace.getByName(walletObjectName(owner, walletId)) as WalletStub;
}

export const clock: FlowPorts["clock"] = {
  now: () => Date.now(),
  timer(ms) {
    let handle: ReturnType<typeof setTimeout> | undefined;
    const done = new Promise<void>((resolve) => {
      handle = setTimeout(resolve, ms);
    });
    return { done, cancel: () => clearTimeout(handle) };
  },
};

export function flowPorts(
  namespace: WalletNamespace,
  config: Config,
  waitUntil: (work: Promise<unknown>) => void,
  owner: string,
  walletId: string,
): FlowPorts {
  const wallet = (): WalletStub => walletStub(namespace, owner, walletId);
  return {
    wallet: {
      open: (request) => wallet().open(request),
      pay: (request) => wallet().pay(request),
      quote: (request) => wallet().quote(request),
      conclude: (auth, purchaseId, conclusion) => wallet().conclude(auth, purchaseId, conclusion),
      delivered: (auth, records) =>
        deliveries.add(walletObjectName(owner, walletId), auth, records, clock, (by, batch) => wallet().delivered(by, batch)),
    },
    // `no-store`: what was paid for must not be answered from, or kept in, a cache that others share (invariant 16).
    fetch: (url, { method, headers, body, signal }) =>
      fetch(url, {
        method,
        headers: headers.map(([name, value]): [string, string] => [name, value]),
        body,
        signal,
        redirect: "manual",
        cache: "no-store",
      }),
    clock,
    random: { uuid: () => crypto.randomUUID() },
    waitUntil,
    localHosts: config.localHosts,
  };
}
