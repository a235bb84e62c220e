import { expect, test } from "vitest";
import { Turnstile } from "./turnstile.ts";

/** Turns that end when the test says so. */
function rig() {
  const turns: (() => void)[] = [];
  const passed: string[] = [];
  const turnstile = new Turnstile(() => new Promise((resolve) => turns.push(resolve)));
  const come = (name: string): Promise<void> => turnstile.pass().then(() => void passed.push(name));
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 10; n++) await Promise.resolve();
  };
  const endTurn = async (): Promise<void> => {
    turns.shift()?.();
    await settle();
  };
  return { passed, come, settle, endTurn, turns };
}

test("one who comes alone passes in the same turn", async () => {
  const { passed, come, settle, endTurn, turns } = rig();
  void come("first");
  await settle();
  expect(passed).toEqual(["first"]);
  await endTurn();
  expect(turns).toEqual([]);
  void come("second");
  await settle();
  expect(passed).toEqual(["first", "second"]);
});

test("those who come in one turn go together in the next, and whoever comes after them in the one after that", async () => {
  const { passed, come, settle, endTurn, turns } = rig();
  for (const name of ["a", "b", "c"]) void come(name);
  await settle();
  expect(passed).toEqual(["a"]);
  await endTurn();
  expect(passed).toEqual(["a", "b", "c"]);
  void come("d");
  await settle();
  expect(passed).toEqual(["a", "b", "c"]);
  await endTurn();
  expect(passed).toEqual(["a", "b", "c", "d"]);
  await endTurn();
  expect(turns).toEqual([]);
});

test("without turns everybody passes at once", async () => {
  const turnstile = new Turnstile(undefined);
  await Promise.all([turnstile.pass(), turnstile.pass(), turnstile.pass()]);
  expect(await turnstile.pass()).toBeUndefined();
});
