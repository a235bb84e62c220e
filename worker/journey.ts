/** The end of a road with redirects: what the addresses passed on the way cost, and whether that was fulfilled. */
import { add, type Msat } from "../lightning/msat.ts";
import type { Credential } from "../lightning/wallet-api.ts";
import type { FlowAnswer } from "./flow-types.ts";
import type { Answer, Moved, ProblemAnswer, Run } from "./run.ts";
import { isSuccess } from "./serve.ts";

interface Toll {
  readonly run: Run;
  readonly status: number;
  readonly credential: Credential;
}

/** A redirect given to a credential is fulfilled if what it leads to is; otherwise it was paid for nothing, and says so. */
export async function arrive(moves: readonly Moved[], last: Answer | ProblemAnswer): Promise<FlowAnswer> {
  const tolls = moves.flatMap(({ run, status, credential }): Toll[] => (credential === null ? [] : [{ run, status, credential }]));
  const good = last.kind === "answer" && isSuccess(last.response.status);
  for (const toll of tolls) await settle(toll, good);
  const spent = tolls.filter(({ credential }) => credential.status === "paid");
  return last.kind === "answer" ? total(last, tolls, spent, good) : explained(last, spent);
}

async function settle({ run, status, credential }: Toll, good: boolean): Promise<void> {
  const { ports, line } = run;
  if (!good && credential.status === "paid") {
    await line.conclude({ kind: "unfulfilled", credentialId: credential.id, status });
    return;
  }
  // 200 stands for the answer at the end of the road; its bytes are the last purchase's.
  ports.waitUntil(line.delivered({ credentialId: credential.id, status: good ? 200 : status, bytes: 0, sha256: null, complete: good }));
}

/** One answer for the whole call: it costs what all its addresses cost, and names the purchase that money went to. */
function total(last: Answer, tolls: readonly Toll[], spent: readonly Toll[], good: boolean): Answer {
  const spentMsat: Msat = add(last.spentMsat, ...spent.map(({ credential }) => credential.spentMsat));
  const told = spent.at(-1) ?? tolls.at(-1);
  if (told === undefined || last.status === "paid" || last.status === "paid_unfulfilled") return { ...last, spentMsat };
  if (told.credential.status === "cached" && last.status === "cached") return { ...last, spentMsat };
  const { credential, run } = told;
  return {
    ...last,
    status: good || credential.status === "cached" ? credential.status : "paid_unfulfilled",
    purchaseId: run.line.purchaseId,
    receiptId: credential.receiptId,
    spentMsat,
  };
}

/** The refusal keeps its code, which says what can be done; but nobody should think that nothing was spent. */
function explained(last: ProblemAnswer, spent: readonly Toll[]): ProblemAnswer {
  const [first] = spent;
  if (first === undefined) return last;
  return { ...last, detail: `${last.detail} (after a redirect that was paid for as purchase ${first.run.line.purchaseId})` };
}
