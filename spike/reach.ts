/**
 * Is anybody there? Asked before anything is started, so that a machine without a network hears "not run" within seconds and not after a
 * series of timeouts that look like failures of the code. Any answer over verified TLS counts; one that only a gateway on the way gives
 * does not.
 */

export type Reach =
  | { readonly host: string; readonly reachable: true }
  | { readonly host: string; readonly reachable: false; readonly why: string };

/** Given by proxies for somebody who is not there, or whom one may not ask. */
const ON_THE_WAY: readonly number[] = [407, 502, 503, 504, 511];

export type Get = (
  url: string,
  init: { readonly signal: AbortSignal; readonly redirect: "manual" },
) => Promise<{ readonly status: number }>;

/** Asks all at once. @param withinMs for each */
export function probe(hosts: readonly string[], get: Get, withinMs: number): Promise<readonly Reach[]> {
  return Promise.all(
    hosts.map(async (host): Promise<Reach> => {
      try {
        const { status } = await get(`https://${host}/`, { signal: AbortSignal.timeout(withinMs), redirect: "manual" });
        return ON_THE_WAY.includes(status) ? { host, reachable: false, why: `HTTP ${status}` } : { host, reachable: true };
      } catch (cause) {
        return { host, reachable: false, why: reason(cause) };
      }
    }),
  );
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return "no answer";
  if (cause.name === "TimeoutError") return "no answer in time";
  const inner = cause.cause;
  return inner instanceof Error && "code" in inner && typeof inner.code === "string" ? inner.code : "no connection";
}
