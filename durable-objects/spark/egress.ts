/**
 * Every request of one SDK instance goes through here. It reaches only the configured operators and SSP, has a deadline (gRPC in wasm has
 * none), follows no redirect, and ends with its instance: what a dropped one still wants to send is refused, so that nothing moves behind
 * the back of its successor.
 */
export interface EgressOptions {
  /** Origins, `https://host[:port]`. */
  readonly allowed: ReadonlySet<string>;
  readonly timeoutMs: number;
  readonly fetch: (request: Request) => Promise<Response>;
}

export interface Egress {
  fetch(input: Request, init?: RequestInit): Promise<Response>;
  /** No request leaves from now on, and those under way are abandoned. */
  close(): void;
  /** Requests that left. */
  readonly sent: () => number;
  /** While set, sees the text of each request to `origin` before it leaves. For checking what the SDK asked for; never logged. */
  watch(origin: string, seen: (body: string) => void): () => void;
}

export function egress(options: EgressOptions): Egress {
  const closed = new AbortController();
  const watchers = new Set<{ readonly origin: string; readonly seen: (body: string) => void }>();
  let sent = 0;
  return {
    async fetch(input, init) {
      const request = new Request(input, init);
      const { origin } = new URL(request.url);
      if (closed.signal.aborted) throw new TypeError("this instance has been dropped");
      if (!options.allowed.has(origin)) throw new TypeError("this host is not an operator of the configured network");
      for (const watcher of watchers) if (watcher.origin === origin) watcher.seen(await request.clone().text());
      const signal = AbortSignal.any([request.signal, closed.signal, AbortSignal.timeout(options.timeoutMs)]);
      if (signal.aborted) throw new TypeError("this instance has been dropped");
      sent++;
      // Called as a plain function: workerd's fetch refuses to be another object's method.
      const { fetch } = options;
      const response = await fetch(new Request(request, { signal, redirect: "manual" }));
      if (response.status >= 300 && response.status < 400) {
        await response.body?.cancel().catch(() => {});
        throw new TypeError("a redirect was refused");
      }
      return response;
    },
    close: () => closed.abort(new TypeError("this instance has been dropped")),
    sent: () => sent,
    watch(origin, seen) {
      const watcher = { origin, seen };
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
  };
}
