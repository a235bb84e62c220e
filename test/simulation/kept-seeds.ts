/**
 * Runs in which something was once found, shrunk, with what it was. They are replayed in CI. A change of the simulator may give a seed
 * another run: then it proves less than it did, and the test beside the code that was mended still stands for it.
 */
import type { Fault } from "./faults.ts";

export interface Kept {
  readonly seed: number;
  readonly purchases: number;
  readonly limit?: number;
  readonly faults: readonly Fault[];
  /** The violation as it was printed. */
  readonly found: string;
  /** What mended it. */
  readonly mended: string;
}

export const KEPT: readonly Kept[] = [];
