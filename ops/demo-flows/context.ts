/**
 * What a flow works with: wallets of its own (so that no flow sees another's money or cache), the seller's URL, and the payer's ledger as
 * the witness. A flow says what happened, or throws with the one thing that did not hold.
 */
import type { Policy } from "../../lightning/policy.ts";
import { sats, type Msat } from "../../lightning/msat.ts";
import type { ApiAnswer } from "../api.ts";
import { fundWallet } from "../fund-wallet.ts";
import type { System } from "../setup.ts";

export interface Flow {
  /** Short, for the demo's column. */
  readonly name: string;
  /** What must hold, as a sentence: the name of the test that runs it. */
  readonly claim: string;
  /** Why it cannot be shown on this system; null where it can. Absent: everywhere. */
  readonly notOn?: (system: Pick<System, "kind" | "payer">) => string | null;
  /** @returns what happened, in one line @throws FlowFault, or whatever went wrong */
  readonly run: (context: FlowContext) => Promise<string>;
}

/** Enough for every flow's purchases, and less than the dearest route asks. */
const FUNDING_SATS = 1000;

export class FlowFault extends Error {}

/** @throws FlowFault naming what should have held */
export function must(holds: boolean, expectation: string, seen?: unknown): asserts holds {
  if (!holds) throw new FlowFault(seen === undefined ? expectation : `${expectation}, saw ${JSON.stringify(seen)}`);
}

/** The payer's node did not begin a single payment while `work` ran: the proof of "blocked before payment". */
export async function withoutPaying<T>(system: System, work: () => Promise<T>): Promise<T> {
  const before = (await system.ledger()).attempts;
  const result = await work();
  const after = (await system.ledger()).attempts;
  must(after === before, "the node's ledger must show no attempt", { before, after });
  return result;
}

/** How many payments settled while `work` ran. */
export async function settlements<T>(system: System, work: () => Promise<T>): Promise<{ readonly result: T; readonly settled: number }> {
  const before = (await system.ledger()).settled;
  const result = await work();
  return { result, settled: (await system.ledger()).settled - before };
}

export interface FetchOptions {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
  readonly maxSats?: number;
}

/** One agent: a key on one budget of one wallet. */
export class Agent {
  readonly #system: System;
  readonly #key: string;
  readonly walletId: string;

  constructor(system: System, key: string, walletId: string) {
    this.#system = system;
    this.#key = key;
    this.walletId = walletId;
  }

  fetch(path: string, options: FetchOptions = {}): Promise<ApiAnswer> {
    return this.#send("/v1/fetch", path, options);
  }

  quote(path: string): Promise<ApiAnswer> {
    return this.#send("/v1/quote", path, {});
  }

  get(path: string): Promise<Readonly<Record<string, unknown>>> {
    return this.#system.api.expect("GET", path, { key: this.#key });
  }

  #send(route: string, path: string, options: FetchOptions): Promise<ApiAnswer> {
    return this.#system.api.call("POST", route, {
      key: this.#key,
      body: {
        url: new URL(path, this.#system.sellerUrl).href,
        ...(options.method === undefined ? {} : { method: options.method }),
        ...(options.body === undefined ? {} : { body: options.body }),
        ...(options.headers === undefined ? {} : { headers: options.headers }),
      },
      headers: {
        ...(options.idempotencyKey === undefined ? {} : { "idempotency-key": options.idempotencyKey }),
        ...(options.maxSats === undefined ? {} : { "lightning-max-sats": String(options.maxSats) }),
      },
    });
  }
}

export class FlowContext {
  readonly system: System;

  constructor(system: System) {
    this.system = system;
  }

  /** A policy that allows the seller and nobody else; caps are the caller's. */
  policy(caps: Partial<Policy> = {}): Policy {
    return {
      perPaymentMsat: sats(100),
      dayMsat: sats(1000),
      hosts: { mode: "listed", allow: [new URL(this.system.sellerUrl).host], block: [], unknown: "deny" },
      fee: { floorMsat: sats(5), ppm: 10_000 },
      opaqueTokens: "deny",
      network: "regtest",
      ...caps,
    };
  }

  /** A new wallet, with money in it where its money is its own, and one agent on the budget `default`. */
  async agent(caps: Partial<Policy> = {}, extra: Readonly<Record<string, unknown>> = {}): Promise<Agent> {
    const agent = await this.emptyHanded(caps, extra);
    if (this.system.payer === "spark") await fundWallet(this.system, agent.walletId, FUNDING_SATS);
    return agent;
  }

  /** The same without any money, for flows in which none may be spent. */
  async emptyHanded(caps: Partial<Policy> = {}, extra: Readonly<Record<string, unknown>> = {}): Promise<Agent> {
    const wallet = await this.operate("POST", "/v1/wallets", { label: "demo", network: "regtest", policy: this.policy(caps), ...extra });
    return this.key(String(wallet["walletId"]), "default", this.policy(caps));
  }

  /** A budget with this policy on an existing wallet, and a key for it. */
  async key(walletId: string, budget: string, policy: Policy): Promise<Agent> {
    await this.operate("PUT", `/v1/wallets/${walletId}/budgets/${budget}`, { policy });
    const key = await this.operate("POST", `/v1/wallets/${walletId}/keys`, { budget, label: budget });
    return new Agent(this.system, String(key["key"]), walletId);
  }

  /** One call with the operator's key. @throws Error for anything but a 2xx */
  operate(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.system.api.expect(method, path, { key: this.system.operatorKey, ...(body === undefined ? {} : { body }) });
  }
}

/** A refusal as callers see it: the code, no money, a receipt. */
export function refused(answer: ApiAnswer, code: string): void {
  must(answer.code === code, `the answer must be ${code}`, { status: answer.status, code: answer.code });
  must(answer.lightning.receipt !== null, "a refusal must leave a receipt");
}

/** The seller's answer, with the outcome named. */
export function delivered(answer: ApiAnswer, status: "paid" | "cached" | "free", spent?: Msat): void {
  must(answer.lightning.status === status, `Lightning-Status must be ${status}`, {
    status: answer.status,
    lightning: answer.lightning.status,
    code: answer.code,
  });
  must(answer.status === 200, "the seller's 200 must come through", answer.status);
  if (spent !== undefined) must(answer.lightning.spentMsat === spent, `it must cost ${spent} msat`, answer.lightning.spentMsat);
}
