/**
 * The switches that live in the control plane, kept for at most 5 s from when they were *asked* for (invariant 11): an answer
 * that was long on its way is old when it arrives. A lower version never replaces a higher one. What cannot be read denies.
 */
import type { SecurityState } from "../../lightning/control-plane.ts";
import type { Timer, Timing, WalletPorts } from "./ports.ts";

export class Security {
  readonly #ports: Pick<WalletPorts, "control" | "clock">;
  readonly #timing: Timing;
  readonly #onLearned: (now: SecurityState, before: SecurityState | null) => void;
  #known: { readonly state: SecurityState; readonly askedAt: number } | null = null;
  #asking: Promise<void> | null = null;
  #outdated = 0;

  /** @param onLearned told of every answer that is taken, and of what was known before it */
  constructor(
    ports: Pick<WalletPorts, "control" | "clock">,
    timing: Timing,
    onLearned: (now: SecurityState, before: SecurityState | null) => void,
  ) {
    this.#ports = ports;
    this.#timing = timing;
    this.#onLearned = onLearned;
  }

  /** How long an answer has been here, by a timer: a clock that is set back makes it look young again. Replaced by each answer. */
  #life: Timer | null = null;

  /** The state as it may be relied on at this instant, without waiting; null when there is none fresh enough. */
  current(): SecurityState | null {
    const known = this.#known;
    const age = known === null ? Infinity : this.#ports.clock.now() - known.askedAt;
    // A clock that was set back makes an age negative: that is not young, it is unknown.
    return known !== null && this.#life !== null && age >= 0 && age < this.#timing.securityLife ? known.state : null;
  }

  /** Asks again if need be; never throws. Afterwards {@link current} says what is known. */
  async refresh(walletId: string): Promise<void> {
    if (this.current() !== null) return;
    await this.#askOnce(walletId);
  }

  /**
   * From half of its life on the state is asked for again, and nobody waits. Without this a busy wallet meets the end of that life
   * between its question and its block every five seconds, and denies what it might have paid.
   */
  renew(walletId: string): void {
    const age = this.#known === null ? Infinity : this.#ports.clock.now() - this.#known.askedAt;
    if (age < 0 || age >= this.#timing.securityLife / 2) void this.#askOnce(walletId);
  }

  /** Something has changed that an answer from before cannot know: neither what is known nor what is being asked is relied on any more. */
  outdate(): void {
    this.#life?.cancel();
    this.#life = null;
    this.#asking = null;
    this.#outdated++;
  }

  #askOnce(walletId: string): Promise<void> {
    if (this.#asking !== null) return this.#asking;
    const asking: Promise<void> = this.#ask(walletId).finally(() => {
      if (this.#asking === asking) this.#asking = null;
    });
    this.#asking = asking;
    return asking;
  }

  async #ask(walletId: string): Promise<void> {
    const outdated = this.#outdated;
    const askedAt = this.#ports.clock.now();
    const life = this.#ports.clock.timer(this.#timing.securityLife);
    const timer = this.#ports.clock.timer(this.#timing.controlDeadline);
    try {
      const answer = await Promise.race([this.#ports.control.security(walletId), timer.done.then(() => null)]);
      if (answer === null || outdated !== this.#outdated) return;
      if (this.#known !== null && answer.version < this.#known.state.version) return;
      const before = this.#known?.state ?? null;
      this.#known = { state: answer, askedAt };
      this.#lasts(life);
      this.#onLearned(answer, before);
    } catch {
      // Unreadable is the same as absent: `current` goes stale and denies.
    } finally {
      timer.cancel();
      if (this.#life !== life) life.cancel();
    }
  }

  #lasts(life: Timer): void {
    this.#life?.cancel();
    this.#life = life;
    void life.done.then(() => {
      if (this.#life === life) this.#life = null;
    });
  }
}
