import { describe, expect, test } from "vitest";
import { FakeClock } from "./flow-fakes.ts";
import { mayRepeat, persist, within } from "./retry.ts";

const broken = (flags: object, cause?: unknown): Error => Object.assign(new Error("broken", { cause }), flags);

describe("a lost call", () => {
  test.each([
    ["a reset object", broken({ durableObjectReset: true, remote: true }), true],
    ["a retryable error", broken({ retryable: true }), true],
    ["a lost connection without a flag", new Error("Network connection lost"), true],
    ["an overloaded object", broken({ retryable: true, overloaded: true }), false],
    ["the object's own exception", broken({ remote: true }), false],
    ["a flag that a wrapper keeps as cause", new Error("wrapped", { cause: broken({ overloaded: true }) }), false],
    ["a reset under a remote wrapper", broken({ remote: true }, broken({ durableObjectReset: true })), true],
  ])("%s", (_, error, expected) => {
    expect(mayRepeat(error)).toBe(expected);
  });

  test("is repeated three times with growing pauses, alike for the same purchase", async () => {
    const times = async (): Promise<number[]> => {
      const clock = new FakeClock();
      const start = clock.now();
      const at: number[] = [];
      const reply = await clock.drive(
        persist(clock, "purchase", 1000, async () => {
          at.push(clock.now() - start);
          throw new Error("lost");
        }),
      );
      expect(reply).toEqual({ kind: "lost" });
      return at;
    };
    const first = await times();
    expect(first).toHaveLength(4);
    const pauses = first.slice(1).map((at, index) => at - (first[index] ?? 0));
    pauses.forEach((pause, index) => {
      expect(pause).toBeGreaterThanOrEqual(50 * 2 ** index);
      expect(pause).toBeLessThanOrEqual(100 * 2 ** index);
    });
    expect(await times()).toEqual(first);
  });

  test("that hangs is given up after its patience and not repeated", async () => {
    const clock = new FakeClock();
    let calls = 0;
    const reply = await clock.drive(persist(clock, "p", 1000, () => ((calls += 1), new Promise<never>(() => undefined))));
    expect([reply.kind, calls]).toEqual(["lost", 1]);
  });
});

test("within leaves no timer behind and swallows what comes too late", async () => {
  const clock = new FakeClock();
  expect(await within(clock, 10, Promise.resolve(1))).toEqual({ kind: "done", value: 1 });
  await expect(within(clock, 10, Promise.reject(new Error("in time")))).rejects.toThrow("in time");
  expect(clock.waiting).toBe(0);
  const { promise, reject } = Promise.withResolvers<never>();
  expect(await clock.drive(within(clock, 10, promise))).toEqual({ kind: "late" });
  reject(new Error("too late"));
});
