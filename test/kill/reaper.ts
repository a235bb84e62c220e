/**
 * Kills the process at a message chosen by a seed, again and again, and starts it anew: the message is lost with it or arrives without it.
 * `up` is the present life, or the next one.
 */
import { Choice } from "../simulation/choice.ts";
import type { TollGate } from "./toll-gate.ts";

export interface Mortal {
  /** What stands at the process's border. */
  readonly borders: readonly Pick<TollGate, "onMessage">[];
  kill(): Promise<unknown>;
  start(): Promise<unknown>;
}

export class Reaper {
  kills = 0;
  up: Promise<unknown> = Promise.resolve();
  #left = 0;
  #done = false;
  readonly #choice = new Choice(20_261_122);
  readonly #rig: Mortal;
  readonly #longestLife: number;

  /** @param longestLife messages at the border in one life of the process, at most */
  constructor(rig: Mortal, longestLife: number) {
    this.#rig = rig;
    this.#longestLife = longestLife;
  }

  begin(): void {
    this.#left = this.#life();
    for (const border of this.#rig.borders)
      border.onMessage = () => {
        if (this.#done || (this.#left -= 1) !== 0) return "go";
        this.kills += 1;
        this.up = this.#again();
        return this.#choice.oneIn(2) ? "drop" : "go";
      };
  }

  end(): Promise<unknown> {
    this.#done = true;
    return this.up;
  }

  async #again(): Promise<void> {
    await this.#rig.kill();
    await this.#rig.start();
    this.#left = this.#life();
  }

  #life(): number {
    return 1 + this.#choice.below(this.#longestLife);
  }
}
