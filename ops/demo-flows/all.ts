/** The flows in the order they are shown, and the one way to run them: the demo prints what this returns, the tests assert it. */
import type { System } from "../setup.ts";
import { FlowContext, type Flow } from "./context.ts";
import { budgets, expiredInvoice, insufficientFunds, overCallLimit, overCap, unknownHost, wrongHash } from "./limits.ts";
import { cached, credentialExpires, free, idempotent, paid, post, stream } from "./payments.ts";
import { globalSwitch, ownerSwitch, walletSwitch } from "./switches.ts";

export const FLOWS: readonly Flow[] = [
  paid,
  cached,
  credentialExpires,
  overCap,
  overCallLimit,
  unknownHost,
  budgets,
  expiredInvoice,
  wrongHash,
  insufficientFunds,
  globalSwitch,
  ownerSwitch,
  walletSwitch,
  free,
  post,
  stream,
  idempotent,
];

export interface FlowResult {
  readonly name: string;
  readonly outcome: "ok" | "failed" | "skipped";
  /** What happened, or what did not hold, or why it was not run. */
  readonly what: string;
  readonly ms: number;
}

/** Never throws: a flow that breaks is a failed flow. */
export async function runFlow(flow: Flow, system: System): Promise<FlowResult> {
  const why = flow.notOn?.(system) ?? null;
  if (why !== null) return { name: flow.name, outcome: "skipped", what: why, ms: 0 };
  const began = performance.now();
  const done = (outcome: "ok" | "failed", what: string): FlowResult => ({
    name: flow.name,
    outcome,
    what,
    ms: Math.round(performance.now() - began),
  });
  try {
    return done("ok", await flow.run(new FlowContext(system)));
  } catch (cause) {
    return done("failed", cause instanceof Error ? cause.message : String(cause));
  }
}
