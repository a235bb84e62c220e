/** How long an answer may be relied on: under a host clock that is set back (seed 7092 of the simulation), and after a change it cannot know of. */
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

it.each([
  ["and the clock goes right", 5_000, 0],
  // Told by the timer alone, and by the clock alone: either of them may be the one that fails.
  ["and the clock is set back", 5_000, -1_000],
  ["and its timer is late", 4_000, 1_000],
])("invariant 11: an answer that was three seconds on its way is relied on for two, %s", async (_how, passed, set) => {
  const hand = new HandClock(1_000_000);
  let skew = 0;
  const reply = Promise.withResolvers<unknown>();
  const security = new Security(
    { control: { security: () => reply.promise } as never, clock: { now: () => hand.now + skew, timer: (ms) => hand.timer(ms) } },
    { ...TIMING, securityLife: 5_000, controlDeadline: 4_000 },
    () => {},
  );
  const asking = security.refresh("w");
  await hand.advance(3_000);
  reply.resolve({ version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 });
  await asking;
  await hand.advance(999);
  expect(security.current()).not.toBeNull();
  await hand.advance(passed - 3_999);
  skew = set;
  expect(security.current()).toBeNull();
});

it("invariant 13: an answer to a question from before a change is not relied on, however late it comes", async () => {
  const hand = new HandClock(1_000_000);
  const replies: ((epoch: number) => void)[] = [];
  const asked = (): Promise<unknown> =>
    new Promise((resolve) => replies.push((epoch) => resolve({ version: 1, globalPause: false, ownerKillSwitch: false, epoch })));
  const security = new Security(
    { control: { security: asked } as never, clock: { now: () => hand.now, timer: (ms) => hand.timer(ms) } },
    TIMING,
    () => {},
  );
  const early = security.refresh("w");
  security.outdate();
  const late = security.refresh("w");
  expect(replies).toHaveLength(2);
  replies[0]?.(1);
  await early;
  expect(security.current()).toBeNull();
  replies[1]?.(2);
  await late;
  expect(security.current()).toMatchObject({ epoch: 2 });
});
