import { expect, test } from "vitest";
import { atLeast, atMost, describe, isMet, percentiles, type Figure } from "./figures.ts";

const figure = (value: number, goal: Figure["goal"]): Figure => ({ id: "x", name: "x", value, unit: "ms", goal });

test("a figure on its goal has met it, and one beyond it says that it missed", () => {
  expect(isMet(figure(1.5, atMost(1.5)))).toBe(true);
  expect(isMet(figure(1.51, atMost(1.5)))).toBe(false);
  expect(isMet(figure(1400, atLeast(1400)))).toBe(true);
  expect(isMet(figure(1399, atLeast(1400)))).toBe(false);
  expect(isMet(figure(7, null))).toBeNull();
  expect(describe(figure(1.51, atMost(1.5)))).toBe("1.51 ms      goal at most 1.50 ms: MISSED");
  expect(describe(figure(1.2, atMost(1.5)))).toContain(": met");
});

test("percentiles of a hundred times are the fifty-first and the ninety-sixth, whatever their order", () => {
  const times = Array.from({ length: 100 }, (_, n) => ((n * 37) % 100) + 1);
  expect(percentiles("x", "x", times).map(({ id, value }) => [id, value])).toEqual([
    ["x_p50", 51],
    ["x_p95", 96],
  ]);
});
