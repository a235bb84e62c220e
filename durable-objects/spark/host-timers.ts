/** The timers of one SDK instance: it never clears those of a call that was given up, and they would wake a dropped instance. */
import type { BreezTimers } from "./generated/breez.js";

export function hostTimers(): BreezTimers & { close(): void } {
  const open = new Map<unknown, () => void>();
  let closed = false;
  return {
    setTimeout(callback, ms) {
      if (closed) return 0;
      const handle = setTimeout(() => {
        open.delete(handle);
        callback();
      }, ms);
      open.set(handle, () => clearTimeout(handle));
      return handle;
    },
    setInterval(callback, ms) {
      if (closed) return 0;
      const handle = setInterval(callback, ms);
      open.set(handle, () => clearInterval(handle));
      return handle;
    },
    clearTimeout(handle) {
      open.get(handle)?.();
      open.delete(handle);
    },
    clearInterval(handle) {
      open.get(handle)?.();
      open.delete(handle);
    },
    close() {
      closed = true;
      for (const clear of open.values()) clear();
      open.clear();
    },
  };
}
