/** How often a seller has seen each token. Bounded: of all tokens the 50,000 that were seen first most recently are remembered. */
const MAX_TOKENS = 50_000;

export class TokenUses {
  readonly #seen = new Map<string, number>();

  /** Counts one more presentation. @returns how many there have been, this one included */
  presented(tokenId: string): number {
    const times = (this.#seen.get(tokenId) ?? 0) + 1;
    this.#seen.set(tokenId, times);
    if (this.#seen.size > MAX_TOKENS) this.#seen.delete(this.#seen.keys().next().value ?? tokenId);
    return times;
  }
}
