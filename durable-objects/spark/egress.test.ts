import { expect, test } from "vitest";
import { egress } from "./egress.ts";

const OPERATOR = "https://operator.example";
const rig = (answer: (request: Request) => Promise<Response>, timeoutMs = 60_000) => {
  const seen: Request[] = [];
  const gate = egress({
    allowed: new Set([OPERATOR]),
    timeoutMs,
    fetch: (request) => {
      seen.push(request);
      return answer(request);
    },
  });
  return { gate, seen };
};
/** Answers nothing, and ends when it is called off. */
const hang = (request: Request): Promise<Response> =>
  new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason as Error)));

test("invariant 16: only the configured operators are reached, and no redirect is followed", async () => {
  const { gate, seen } = rig(() =>
    Promise.resolve(new Response(null, { status: 307, headers: { location: "https://elsewhere.example" } })),
  );
  await expect(gate.fetch(new Request("https://elsewhere.example/x"))).rejects.toThrow("not an operator");
  await expect(gate.fetch(new Request(`http://operator.example/x`))).rejects.toThrow("not an operator");
  expect(seen).toEqual([]);
  await expect(gate.fetch(new Request(`${OPERATOR}/x`))).rejects.toThrow("a redirect was refused");
  expect(seen.map(({ redirect }) => redirect)).toEqual(["manual"]);
});

test("a request that is not answered ends at its deadline", async () => {
  const { gate } = rig(hang, 5);
  await expect(gate.fetch(new Request(`${OPERATOR}/x`))).rejects.toThrow(/timeout/iu);
});

test("a dropped instance sends nothing more, and what it was sending is called off", async () => {
  const { gate, seen } = rig(hang);
  const running = gate.fetch(new Request(`${OPERATOR}/x`));
  gate.close();
  await expect(running).rejects.toThrow("dropped");
  await expect(gate.fetch(new Request(`${OPERATOR}/y`))).rejects.toThrow("dropped");
  expect(seen.length).toBe(gate.sent());
  expect(seen.length).toBe(1);
});

test("a watcher reads what leaves for its origin and the receiver gets it whole", async () => {
  const { gate } = rig(async (request) => new Response(await request.text()));
  const read: string[] = [];
  const unwatch = gate.watch(OPERATOR, (body) => read.push(body));
  const answer = await gate.fetch(new Request(`${OPERATOR}/x`, { method: "POST", body: "one" }));
  unwatch();
  await gate.fetch(new Request(`${OPERATOR}/x`, { method: "POST", body: "two" }));
  expect(await answer.text()).toBe("one");
  expect(read).toEqual(["one"]);
});
