/** The platform's timer behind the cores' port. */
import type { Timer } from "./wallet/ports.ts";

/** @param ms from now */
export function timer(ms: number): Timer {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = setTimeout(resolve, ms);
  return { done: promise, cancel: () => clearTimeout(handle) };
}
