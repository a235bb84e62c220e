/** What the parts of the SSP share: its ports, its rows, and what it may be told to do wrong. */
import type { SparkFaults } from "./faults.ts";
import type { LightningLeg } from "./lightning-leg.ts";
import type { OperatorsPort, SparkPorts } from "./operators-port.ts";
import type { SspRequests } from "./ssp-requests.ts";
import type { Webhooks } from "./webhooks.ts";

export interface SparkSandboxPorts extends SparkPorts {
  /** Calls `fire` once after `ms`. @returns a function that cancels it */
  timer(ms: number, fire: () => void): () => void;
}

export interface SspContext {
  readonly ports: SparkSandboxPorts;
  readonly operators: OperatorsPort;
  readonly leg: LightningLeg;
  readonly requests: SspRequests;
  readonly faults: SparkFaults;
  readonly webhooks: Webhooks;
  /** The fee asked now for an amount, sats; uses up a fee planned by a fault. */
  fee(amountSats: number): number;
  /** A timer that ends with the sandbox. */
  later(ms: number, job: () => void): void;
  closed(): boolean;
}

/** The fewest leaves for a value: its binary digits, biggest first. */
export function denominations(sats: number): readonly number[] {
  const values: number[] = [];
  for (let bit = 1, rest = sats; rest > 0; bit *= 2, rest = Math.floor(rest / 2)) if (rest % 2 === 1) values.unshift(bit);
  return values;
}

/** The operators' refusal in words; they never hold a secret. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : "refused";
}
