/** Ports whose clock moves only when a test moves it; timers fire in order of their due times. Deterministic by seed. */
import { seededRandom, type SandboxPorts } from "./ports.ts";

export interface ManualPorts extends SandboxPorts {
  /** Moves the clock and fires what falls due on the way. */
  advance(ms: number): void;
  /** Timers set and neither fired nor cancelled. */
  pending(): number;
  /** When the earliest of them fires, or null. */
  nextDue(): number | null;
}

export function manualPorts(start = 1_790_000_000_000, seed = "manual"): ManualPorts {
  let now = start;
  const timers = new Set<{ readonly due: number; readonly fire: () => void }>();
  return {
    now: () => now,
    random: seededRandom(seed),
    timer(ms, fire) {
      const timer = { due: now + ms, fire };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due)[0];
        if (due === undefined) break;
        timers.delete(due);
        now = Math.max(now, due.due);
        due.fire();
      }
      now = end;
    },
    pending: () => timers.size,
    nextDue: () => (timers.size === 0 ? null : Math.min(...[...timers].map(({ due }) => due))),
  };
}
