/** From "a policy, or a preset and its hosts" to one policy, on the network this Worker pays on. */
import { walletPolicyFault } from "../lightning/policy-check.ts";
import { starterPolicy, type Policy } from "../lightning/policy.ts";
import type { Network } from "../lightning/bolt11.ts";

export interface Rule {
  readonly policy?: Policy;
  readonly preset?: "starter";
  readonly allow?: readonly string[];
}

export type RuleResult = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly detail: string };

/** A policy for another network could never pay anything; better said now than found out at the first purchase. */
export function policyOf(rule: Rule, network: Network, holder: "wallet" | "budget"): RuleResult {
  const policy = rule.policy ?? starterPolicy(network, rule.allow ?? []);
  if (policy.network !== network) return { ok: false, detail: `policy.network: Expected ${network}, this Worker's network` };
  const fault = holder === "wallet" ? walletPolicyFault(policy) : null;
  return fault === null ? { ok: true, policy } : { ok: false, detail: fault };
}
