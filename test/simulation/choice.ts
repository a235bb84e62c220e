/** One seeded generator for everything a run chooses: what happens next, delays, faults, ids, nonces. Same seed, same run. */
export class Choice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = sfc32(seed);
  }

  /** An integer from 0 to n - 1. */
  below(n: number): number {
    return this.#next() % n;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  /** True once in `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** Log-uniform from 1 to `most`, and now and then 0: a small set of fixed delays leaves blind spots between them. */
  delay(most: number): number {
    return this.oneIn(4) ? 0 : Math.floor(Math.exp((this.below(100_000) / 100_000) * Math.log(most)));
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const value = this.#next();
      for (let j = i; j < Math.min(i + 4, length); j++) bytes[j] = value >>> (8 * (j - i));
    }
    return bytes;
  }
}

/** Chris Doty-Humphrey's small fast counting generator: 32-bit integer arithmetic only, so it is the same on every machine. */
function sfc32(seed: number): () => number {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed | 0];
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}
