import { describe, expect, test } from "vitest";
import { ERRORS } from "../lightning/errors.ts";
import { CALL, CHALLENGE, DEMAND, FETCH, PAID, sentCredential, world, type Script, type World } from "./flow-fakes.ts";
import type { FetchCall, FlowAnswer } from "./flow-types.ts";
import { purchase } from "./flow.ts";

async function buy(script: Script, call: Partial<FetchCall> = {}): Promise<World & { readonly answer: FlowAnswer }> {
  const w = world(script);
  return { ...w, answer: await w.clock.drive(purchase(w.ports, { ...CALL, ...call })) };
}

/** Demands payment until the credential is sent. */
const seller: NonNullable<Script["seller"]> = (_url, init) => (sentCredential(init) === undefined ? DEMAND() : new Response("x"));

describe("the line to the object", () => {
  const lost = new Error("Network connection lost");

  test("invariant 2: a lost reply is answered by the same call with the same purchase id", async () => {
    const done = await buy({ open: [lost, FETCH()], pay: [lost, lost, PAID], seller });
    expect(done.answer).toMatchObject({ status: "paid" });
    expect(done.opens.map(({ purchaseId }) => purchaseId)).toEqual(["p-1", "p-1"]);
    expect(done.pays.map(({ purchaseId, challenge }) => [purchaseId, challenge])).toEqual([
      ["p-1", CHALLENGE],
      ["p-1", CHALLENGE],
      ["p-1", CHALLENGE],
    ]);
    expect(done.visits).toHaveLength(2);
  });

  test("the caller's patience is not spent twice", async () => {
    const { pays } = await buy({ pay: [lost, PAID], seller }, { waitMs: 70 });
    expect(pays[0]?.waitMs).toBe(70);
    expect(pays[1]?.waitMs).toBeLessThan(70);
  });

  test("lost for good before paying: the wallet is not available, and the seller saw nothing", async () => {
    const { answer, visits } = await buy({ open: [lost] });
    expect(answer).toMatchObject({ kind: "problem", code: "backend_unavailable", purchaseId: "p-1" });
    expect(ERRORS.backend_unavailable.retryable).toBe(true);
    expect(visits).toEqual([]);
  });

  test.each([
    ["lost", lost],
    ["hanging", "hangs" as const],
  ])("invariant 4: a %s pay call is unknown, not failed, and concludes nothing", async (_, pay) => {
    const { answer, conclusions } = await buy({ pay: [pay], seller: () => DEMAND() });
    expect(answer).toMatchObject({ kind: "problem", code: "payment_unknown", purchaseId: "p-1" });
    expect(conclusions).toEqual([]);
  });

  test("a lost conclusion costs the receipt's id, not the answer", async () => {
    const { answer } = await buy({ conclude: [lost] });
    expect(answer).toMatchObject({ kind: "answer", status: "free", receiptId: null });
  });
});
