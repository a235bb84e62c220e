/**
 * The way of a purchase (design.md), seen from the Worker: open, ask the seller, pay, ask again with the credential, stream.
 * The Worker speaks HTTP and decides nothing about money: every yes and no is the object's, and each end leaves a conclusion
 * there, so a receipt. It awaits its ports and nothing else, so the same code runs in workerd, in tests and in simulation.
 */
import { ZERO, msat, type Msat } from "../lightning/msat.ts";
import type { Credential } from "../lightning/wallet-api.ts";
import { demandOf, discard } from "./ask.ts";
import type { FetchCall, FlowAnswer, FlowPorts } from "./flow-types.ts";
import { arrive } from "./journey.ts";
import { callAt, MAX_HOPS } from "./redirect.ts";
import { redeem } from "./redeem.ts";
import {
  begin,
  declined,
  deliverable,
  fail,
  open,
  problem,
  unfulfilled,
  visit,
  type Leg,
  type Moved,
  type ProblemAnswer,
  type Run,
} from "./run.ts";
import { serve } from "./serve.ts";

export { quoteFlow } from "./quote-flow.ts";

/**
 * Buys one resource, or gets it free, or with a credential bought before. Never throws for what a seller, a policy or a lost
 * call may do. The answer's stream is not yet read; reading it to its end (or cancelling it) sends the delivery record.
 * @returns `spentMsat` is the sum over a redirect's addresses, amount and fees together
 */
export async function purchase(ports: FlowPorts, call: FetchCall): Promise<FlowAnswer> {
  const moves: Moved[] = [];
  for (let next = call; ;) {
    const begun = begin(ports, next, MAX_HOPS - moves.length);
    const leg = "kind" in begun ? begun : await buy(begun);
    if (leg.kind !== "moved") return arrive(moves, leg);
    moves.push(leg);
    // A redirect leads to another URL, where there is no such purchase to take up; there too a resumed call pays nothing.
    const maxMsat = (next.resume ?? null) === null ? remaining(leg.run.call.maxMsat, leg.credential) : ZERO;
    next = {
      ...callAt(deliverable(leg.run.call, leg.credential), leg.run.url, leg.to),
      waitMs: leg.run.line.waitMs,
      maxMsat,
      resume: null,
    };
  }
}

/** The caller's limit is for the whole call, so what one address cost narrows the next. */
function remaining(maxMsat: Msat | null, credential: Credential | null): Msat | null {
  return maxMsat === null ? null : msat(Math.max(0, maxMsat - (credential?.spentMsat ?? 0)));
}

async function buy(run: Run): Promise<Leg> {
  const opened = await open(run, { idempotencyKey: run.call.idempotencyKey, resume: run.call.resume ?? null });
  if (opened.kind === "lost") return problem(run.line.purchaseId, "backend_unavailable", "The wallet could not be asked; nothing was paid");
  if (opened.value.kind !== "fetch") return declined(opened.value);

  let { credential, limits } = opened.value;
  /** The one stored credential that the seller has turned away: a second refusal is the end, whatever it asks. */
  let refused: Credential | null = null;
  for (;;) {
    if (credential?.status === "paid") return redeem(run, credential, limits);
    const asked = await visit(run, credential, limits);
    if (asked.kind === "failed") return fail(run, asked.code);
    const demand = demandOf(asked.response, credential !== null);
    if (demand.kind === "none") return serve(run, asked, credential, limits);
    discard(asked.response);
    if (credential !== null) {
      if (refused !== null)
        return unfulfilled(
          run,
          credential,
          asked.response.status,
          `The seller refused two stored credentials (${asked.response.status}); nothing was paid`,
        );
      refused = credential;
    }
    if (demand.kind === "unpayable") {
      if (credential === null) return fail(run, "challenge_missing");
      // Refused with a bare 401: without the credential it may say what it wants.
      credential = null;
      continue;
    }
    const paid: Paid | ProblemAnswer = await pay(run, demand.challenge, refused);
    if (paid.kind === "problem") return paid;
    ({ credential, limits } = paid);
  }
}

type Paid = { readonly kind: "credential" } & Pick<
  Extract<Awaited<ReturnType<FlowPorts["wallet"]["pay"]>>, { kind: "credential" }>,
  "credential" | "limits"
>;

/** Step 3. A lost answer is not a no: the object may be paying (invariant 4). */
async function pay({ line }: Run, challenge: string, refused: Credential | null): Promise<Paid | ProblemAnswer> {
  const reply = await line.pay(challenge, refused?.id ?? null);
  if (reply.kind === "lost") return problem(line.purchaseId, "payment_unknown");
  return reply.value.kind === "credential" ? reply.value : declined(reply.value);
}
