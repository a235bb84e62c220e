/** What would it cost: the same way as a purchase up to the challenge, and there it ends. */
import { demandOf, discard } from "./ask.ts";
import type { FetchCall, FlowPorts, QuoteFlowAnswer } from "./flow-types.ts";
import { callAt, hopOf, MAX_HOPS } from "./redirect.ts";
import { begin, declined, fail, open, problem, visit, type ProblemAnswer, type Run } from "./run.ts";
import type { SafeUrl } from "../lightning/url.ts";

/**
 * Asks the seller without a credential, and the object what it would decide. Nothing is reserved or paid, and the
 * idempotency key is not bound. The request does reach the seller: where it asks for nothing, a POST has then been done.
 */
export async function quoteFlow(ports: FlowPorts, call: FetchCall): Promise<QuoteFlowAnswer> {
  let next = call;
  for (let hopsLeft = MAX_HOPS; ; hopsLeft -= 1) {
    const run = begin(ports, next, hopsLeft);
    if ("kind" in run) return plain(run);
    const leg = await inquire(run);
    if (leg.kind === "problem") return plain(leg);
    if (leg.kind !== "moved") return leg;
    next = { ...callAt(run.call, run.url, leg.to), waitMs: run.line.waitMs };
  }
}

type Inquiry = Exclude<QuoteFlowAnswer, { kind: "problem" }> | ProblemAnswer | { readonly kind: "moved"; readonly to: SafeUrl };

async function inquire(run: Run): Promise<Inquiry> {
  const { ports, call, url, line, hopsLeft } = run;
  const { purchaseId } = line;
  const lost = problem(purchaseId, "backend_unavailable", "The wallet could not be asked; nothing was paid");
  const opened = await open(run, { idempotencyKey: null, resume: null });
  if (opened.kind === "lost") return lost;
  if (opened.value.kind !== "fetch") return declined(opened.value);
  if (opened.value.credential !== null) {
    await line.failed("purchase_cancelled");
    return { kind: "no_payment_needed", purchaseId, because: "cached" };
  }

  const asked = await visit(run, null, opened.value.limits);
  if (asked.kind === "failed") return fail(run, asked.code);
  const { response } = asked;
  discard(response);
  const demand = demandOf(response, false);
  switch (demand.kind) {
    case "unpayable":
      return fail(run, "challenge_missing");
    case "payment": {
      const reply = await line.quote(demand.challenge);
      if (reply.kind === "lost") return lost;
      return reply.value.kind === "quote" ? { kind: "quote", purchaseId, quote: reply.value.quote } : declined(reply.value);
    }
    case "none": {
      const { status, headers } = response;
      const hop = hopOf({
        status,
        location: headers.get("location"),
        method: call.method,
        from: url,
        hopsLeft,
        localHosts: ports.localHosts,
        secret: null,
      });
      if (hop.kind === "refuse") return fail(run, "redirect_refused", `status ${status}: ${hop.why}`);
      await line.conclude({ kind: "free", status });
      return hop.kind === "follow" ? { kind: "moved", to: hop.url } : { kind: "no_payment_needed", purchaseId, because: "free" };
    }
  }
}

/** A quote's refusal carries no quote of its own. */
function plain({ code, detail, purchaseId, receiptId }: ProblemAnswer): QuoteFlowAnswer {
  return { kind: "problem", code, detail, purchaseId, receiptId };
}
