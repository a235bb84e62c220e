/** Every question to somebody else has a deadline here; what is not answered in time, or is answered with an exception, is `otherwise`. */
import type { WalletPorts } from "./ports.ts";

/** @param ms from now. @returns the answer, or `otherwise`: whoever was asked may have done it all the same */
export async function inTime<T, O>(
  { clock }: Pick<WalletPorts, "clock">,
  ms: number,
  call: () => Promise<T>,
  otherwise: O,
): Promise<T | O> {
  const timer = clock.timer(Math.max(0, ms));
  try {
    return await Promise.race([call(), timer.done.then(() => otherwise)]);
  } catch {
    return otherwise;
  } finally {
    timer.cancel();
  }
}
