/** The key-encryption key, as a port: it is not exportable, so whoever holds one can only ask it to wrap and unwrap. */

export interface Kek {
  /** `v1`, `v2`, …: stands beside everything it has wrapped. */
  readonly version: string;
  /** @param aad what the wrapped key is for; unwrapping needs the very same bytes */
  wrap(key: Uint8Array, aad: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** Null when it was changed, belongs to something else, or another key wrapped it. */
  unwrap(wrapped: Uint8Array, aad: Uint8Array): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** What this deployment can open. During a rotation two versions can be read; only the current one wraps. */
export interface KeyRing {
  readonly current: Kek;
  /** All that can be read, oldest first. */
  readonly versions: readonly string[];
  find(version: string): Kek | null;
}

/**
 * Another spender's key, as far as we may have it: it wraps, and what it has wrapped we cannot open again. Its version carries the
 * spender's name (`executor/v1`), so that it can never be taken for one of ours.
 */
export type SpenderKek = Pick<Kek, "version" | "wrap">;

/** Is it wrapped for somebody else? Then no rotation of ours concerns it. */
export const isForeign = (version: string): boolean => holderOf(version) !== null;

/** The spender whose key this version is; null: this deployment's own. */
export const holderOf = (version: string): string | null => (version.includes("/") ? version.slice(0, version.indexOf("/")) : null);
