/** Step 4 with a credential that this very purchase has paid for: nothing more is paid whatever comes, so only the same credential is tried again. */
import type { Credential, FetchLimits } from "../lightning/wallet-api.ts";
import { demandOf, discard, type Asked } from "./ask.ts";
import { unfulfilled, visit, type Leg, type Run } from "./run.ts";
import { serve, type Arrived } from "./serve.ts";

/** Sellers learn of a settlement a moment after the payer does; a refusal in that moment is not the last word. */
const PAUSES_MS = [300, 1000, 3000] as const;
/** RFC 9110 section 9.2.1: safe, so the seller may see them twice. */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export async function redeem(run: Run, credential: Credential, limits: FetchLimits): Promise<Leg> {
  const pauses = SAFE.has(run.call.method) || run.call.idempotencyKey !== null ? PAUSES_MS : [];
  let asked = await visit(run, credential, limits);
  for (const pause of pauses) {
    if (!isWorthAnother(asked)) break;
    if (asked.kind === "response") discard(asked.response);
    await run.ports.clock.timer(pause).done;
    asked = await visit(run, credential, limits);
  }
  if (asked.kind === "failed") {
    const why = asked.code === "seller_timeout" ? "did not answer in time" : "could not be reached";
    return unfulfilled(run, credential, 0, `The seller was paid and then ${why}`);
  }
  if (isRefusal(asked)) {
    // Its new challenge stays here: who follows it pays twice (invariant 9).
    discard(asked.response);
    return unfulfilled(
      run,
      credential,
      asked.response.status,
      `The seller was paid and then refused the credential (${asked.response.status})`,
    );
  }
  return serve(run, asked, credential, limits);
}

function isWorthAnother(asked: Asked): boolean {
  return asked.kind === "failed" || isRefusal(asked) || asked.response.status >= 500 || asked.response.status === 429;
}

const isRefusal = ({ response }: Arrived): boolean => demandOf(response, true).kind !== "none";
