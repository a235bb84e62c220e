/** A figure beside its goal. A goal that was missed says so in the same line as one that was met. */
import { quantile } from "./load.ts";

export interface Goal {
  readonly kind: "at_most" | "at_least";
  readonly value: number;
}

export interface Figure {
  /** Stable, for programs that compare runs. */
  readonly id: string;
  readonly name: string;
  readonly value: number;
  readonly unit: "ms" | "times" | "per_second" | "bytes" | "count";
  readonly goal: Goal | null;
}

export const atMost = (value: number): Goal => ({ kind: "at_most", value });
export const atLeast = (value: number): Goal => ({ kind: "at_least", value });

/** The half and the tail of what was timed, without a goal. @param times ms, at least one */
export function percentiles(id: string, name: string, times: readonly number[]): readonly Figure[] {
  return [
    { id: `${id}_p50`, name: `${name}: p50`, value: quantile(times, 0.5), unit: "ms", goal: null },
    { id: `${id}_p95`, name: `${name}: p95`, value: quantile(times, 0.95), unit: "ms", goal: null },
  ];
}

/** Null where there is no goal. */
export function isMet({ value, goal }: Figure): boolean | null {
  if (goal === null) return null;
  return goal.kind === "at_most" ? value <= goal.value : value >= goal.value;
}

/** `1.31 ms, goal at most 1.5 ms: met` */
export function describe(figure: Figure): string {
  const { value, unit, goal } = figure;
  if (goal === null) return show(value, unit);
  const words = goal.kind === "at_most" ? "at most" : "at least";
  return `${show(value, unit).padEnd(12)} goal ${words} ${show(goal.value, unit)}: ${isMet(figure) === true ? "met" : "MISSED"}`;
}

function show(value: number, unit: Figure["unit"]): string {
  switch (unit) {
    case "ms":
      return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
    case "times":
      return `${value.toFixed(2)} times`;
    case "per_second":
      return `${Math.round(value).toLocaleString("en-US")}/s`;
    case "bytes":
      return value < 10_000_000 ? `${(value / 1000).toFixed(1)} KB` : `${(value / 1_000_000).toFixed(1)} MB`;
    case "count":
      return String(value);
  }
}
