/**
 * An approval's round trip: the agent asks and is told to ask a person, the person says yes with an approver's key, and the agent's same
 * request is paid with a fresh invoice. What a person takes to decide is left out: the figure is what the machines add to it.
 */
import type { ApiAnswer } from "../ops/api.ts";
import { percentiles, type Figure } from "./figures.ts";
import type { Rig } from "./rig.ts";

/** @param times round trips, one after another, each for a resource of its own @throws Error when a step is not answered as it must be */
export async function approvalFigures(rig: Rig, times: number): Promise<readonly Figure[]> {
  const { buy, approve } = await rig.approvals();
  const [asks, decisions, purchases, whole]: [number[], number[], number[], number[]] = [[], [], [], []];
  // The first two make the wallet's keys and the isolate's code ready, and are not counted.
  for (let n = -2; n < times; n++) {
    const path = `/many/${n + 3}`;
    const began = performance.now();
    const asked = right(await buy(path), "the question", ({ lightning }) => lightning.status === "approval_required");
    const decided = right(await approve(String(asked.json?.["approvalId"])), "the approval", ({ json }) => json?.["state"] === "granted");
    const paid = right(await buy(path), "the purchase", ({ status, lightning }) => status === 200 && lightning.status === "paid");
    if (n < 0) continue;
    whole.push(performance.now() - began);
    asks.push(asked.ms);
    decisions.push(decided.ms);
    purchases.push(paid.ms);
  }
  return [
    ...percentiles("approval_round_trip", "approval: asked, approved, asked again and paid", whole),
    ...percentiles("approval_asked", "of it the question", asks),
    ...percentiles("approval_granted", "of it the approver's yes", decisions),
    ...percentiles("approval_paid", "of it the purchase under the grant", purchases),
  ];
}

function right(answer: ApiAnswer, step: string, isRight: (answer: ApiAnswer) => boolean): ApiAnswer {
  if (isRight(answer)) return answer;
  throw new Error(`${step} was answered ${answer.status} ${answer.lightning.status ?? ""} ${answer.code ?? ""}`.trimEnd());
}
