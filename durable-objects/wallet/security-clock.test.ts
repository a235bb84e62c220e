/** Invariant 11 under a host clock that is set back: seed 7092 of the simulation. */
import { expect, it } from "vitest";
import { HandClock } from "../../test/support/hand-clock.ts";
import { TIMING } from "./ports.ts";
import { Security } from "./security.ts";

it("invariant 11: a clock that is set back does not make an old answer young again", async () => {
  const hand = new HandClock(1_000_000);
  let skew = 0;
  const state = { version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 };
  const security = new Security(
    { control: { security: () => Promise.resolve(state) } as never, clock: { now: () => hand.now + skew, timer: (ms) => hand.timer(ms) } },
    TIMING,
    () => {},
  );
  await security.refresh("w");
  expect(security.current()).toEqual(state);
  skew = -TIMING.securityLife;
  // Five seconds later it says the very instant at which the answer was asked for.
  await hand.advance(TIMING.securityLife);
  expect(hand.now + skew).toBe(1_000_000);
  expect(security.current()).toBeNull();
  await security.refresh("w");
  expect(security.current()).toEqual(state);
});
