/**
 * The four hard gates and every check in them. A result is read against this list, not against what it happens to hold: a check that a
 * run left out, for whatever reason, is a check that was not run, and a gate with one of those has not passed.
 */
import type { Place } from "./environments.ts";

export const GATES = [
  { id: "runtime", number: 1, title: "Runtime", question: "Does the SDK's wasm run in the Wallet object, within the platform's limits?" },
  { id: "custody", number: 2, title: "Custody", question: "Is the key opened only where it is used, seen nowhere else, and forgotten?" },
  { id: "latency", number: 3, title: "Latency and reliability", question: "Is it quick and steady enough for a tool call in a chat?" },
  { id: "flows", number: 4, title: "Deterministic flows", question: "Do paid, cached and blocked end the same way every time?" },
] as const;
export type GateId = (typeof GATES)[number]["id"];

export interface CheckFacts {
  readonly gate: GateId;
  readonly id: string;
  /** What must hold, as a sentence. */
  readonly claim: string;
  /** `here`: it needs the files, the log or the memory of the process, so it is part of a run against `wrangler dev` only. */
  readonly needs: "api" | "here" | "sandbox";
  readonly thresholds: readonly string[];
}

const check = (gate: GateId, id: string, needs: CheckFacts["needs"], claim: string, ...thresholds: readonly string[]): CheckFacts => ({
  gate,
  id,
  claim,
  needs,
  thresholds,
});

export const CHECKS: readonly CheckFacts[] = [
  check("runtime", "bundle", "here", "each script, the wasm with it, is within the platform's limit", "script_gzip", "front_gzip"),
  check("runtime", "start_up", "here", "each script's global scope runs within the platform's limit", "start_up_cpu"),
  check("runtime", "receive", "api", "an invoice made by the wallet is paid from outside and the money arrives, to the sat", "receive"),
  check("runtime", "sync", "api", "the balance is the network's, asked for now", "sync"),
  check("runtime", "send", "api", "a 402 is paid by the wasm in the object, and its proof opens the resource"),
  check("runtime", "storage", "here", "what the SDK keeps lies in the object's own SQLite"),
  check("runtime", "eviction", "here", "after the object is gone its wallet, its money and what it bought are still there"),
  check("runtime", "memory", "here", "many wallets live in one isolate", "wallet_memory", "isolate_growth"),
  check("runtime", "platform", "here", "nothing the platform lacks was called, in the whole run's log", "unsupported"),

  check("custody", "envelope", "here", "the envelope opens with this deployment's key for this wallet, and with nothing else"),
  check("custody", "tampered", "here", "an envelope with one changed byte pays nothing", "payments_without_key"),
  check("custody", "wrong_aad", "here", "another wallet's envelope, put in its place, pays nothing", "payments_without_key"),
  check("custody", "wrong_kek", "here", "the stored state under another key-encryption key pays nothing", "payments_without_key"),
  check("custody", "forgets", "here", "after a restart a disabled wallet opens nothing, and its words are nowhere in the process", "leaks"),
  check("custody", "canary", "here", "no secret is in any answer, log line or stored byte of the whole run", "leaks"),

  check("latency", "warm", "api", "warm purchases, one after another", "warm_p50", "warm_p95", "warm_success"),
  check("latency", "requests", "sandbox", "what a warm send asks of the network", "requests_per_send"),
  check("latency", "cold", "api", "a wallet's first purchase after its instance and open keys were dropped", "cold_p50"),
  check("latency", "evicted", "here", "the first purchase after the process was killed and started again", "evicted_p50"),
  check("latency", "slow_operator", "sandbox", "the coordinator answers each request late", "slow_p95", "slow_success"),
  check(
    "latency",
    "failing_operator",
    "sandbox",
    "an operator is down for a while: callers hear in time, and all is settled after it is back",
    "failing_answer",
    "left_open",
    "recovery",
  ),
  check("latency", "books", "sandbox", "journal, node and Spark ledger agree after all of it", "ledger_difference"),

  check("flows", "paid", "api", "a paid purchase leaves the same receipt every time", "flow_differences"),
  check("flows", "cached", "api", "a cached one pays nothing and leaves the same receipt every time", "flow_differences"),
  check("flows", "blocked", "api", "a blocked one sends nothing and leaves the same receipt every time", "flow_differences"),
];

/** What a run in this place can check at all. A sandbox's faults and books are not there on a network that is not ours. */
export function checksFor(environment: string, place: Place): readonly CheckFacts[] {
  return CHECKS.filter(({ needs }) => {
    switch (needs) {
      case "api":
        return true;
      case "here":
        return place === "wrangler-dev";
      case "sandbox":
        return environment === "sandbox" && place === "wrangler-dev";
    }
  });
}
