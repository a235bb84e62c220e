/** Aperture's rate limits: a token bucket per client and rule (golang.org/x/time/rate), where a denied request takes no token. */
import type { RateLimit } from "./services.ts";

const MAX_CLIENTS = 10_000;

export class RateLimiter {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /**
   * @param client token id of an accepted credential, else the client's address
   * @param nowMs epoch ms
   * @returns null when the request may pass, else the seconds to wait, at least 1
   */
  check(limits: readonly RateLimit[], path: string, client: string, nowMs: number): number | null {
    const rules = limits
      .filter((limit) => new RegExp(limit.pathRegexp, "u").test(path))
      .map((limit) => ({
        limit,
        perMs: limit.requests / (limit.perSeconds * 1000),
        bucket: this.#bucket(`${client} ${limit.pathRegexp}`, limit, nowMs),
      }));
    let waitMs = 0;
    for (const { perMs, bucket } of rules) if (bucket.tokens < 1) waitMs = Math.max(waitMs, (1 - bucket.tokens) / perMs);
    if (waitMs > 0) return Math.max(1, Math.ceil(waitMs / 1000));
    for (const { bucket } of rules) bucket.tokens -= 1;
    return null;
  }

  #bucket(key: string, limit: RateLimit, nowMs: number): { tokens: number; at: number } {
    const bucket = this.#buckets.get(key) ?? { tokens: limit.burst, at: nowMs };
    bucket.tokens = Math.min(limit.burst, bucket.tokens + ((nowMs - bucket.at) * limit.requests) / (limit.perSeconds * 1000));
    bucket.at = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}
