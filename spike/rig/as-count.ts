/** A count from an answer of the API; anything else is an error of the rig, not a result. */
export function asCount(value: unknown): number {
  if (typeof value !== "number") throw new Error("the API did not give a count");
  return value;
}
