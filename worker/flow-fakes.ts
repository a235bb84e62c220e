/** For tests only: a clock that moves when nothing else can, a wallet that answers from a script, a seller that is a function. */
import { setImmediate } from "node:timers/promises";
import { msat } from "../lightning/msat.ts";
import type {
  Conclusion,
  Credential,
  Delivery,
  FetchLimits,
  OpenAnswer,
  OpenRequest,
  PayAnswer,
  PayRequest,
  QuoteAnswer,
} from "../lightning/wallet-api.ts";
import type { FetchCall, FlowAnswer, FlowPorts, SellerRequest, SellerResponse } from "./flow-types.ts";
import { purchase } from "./flow.ts";

export const LIMITS: FetchLimits = { headersMs: 10_000, idleMs: 5_000, totalMs: 60_000, maxBytes: 1_000_000 };
export const TOKEN = "AgEEbHNhdEJCtokenbytes==";
export const PREIMAGE = "ab".repeat(32);
export const CHALLENGE = `L402 macaroon="${TOKEN}", invoice="lnbcrt210n1pinvoice"`;
export const URL_ASKED = "https://seller.example/joke?x=1";

export function credential(id: string, status: "paid" | "cached"): Credential {
  return {
    id,
    authorization: `L402 ${TOKEN}:${PREIMAGE}`,
    status,
    paymentHash: "11".repeat(32),
    spentMsat: msat(status === "paid" ? 21_500 : 0),
    receiptId: `rcpt_${id}`,
  };
}

export class FakeClock {
  #now = 1_700_000_000_000;
  #timers: { at: number; fire: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  timer(ms: number): { readonly done: Promise<void>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry = { at: this.#now + ms, fire: resolve };
    this.#timers.push(entry);
    return { done: promise, cancel: () => void (this.#timers = this.#timers.filter((other) => other !== entry)) };
  }

  get waiting(): number {
    return this.#timers.length;
  }

  /** Goes to the next due time. @returns false when nobody waits */
  step(): boolean {
    const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
    if (next === undefined) return false;
    this.#now = Math.max(this.#now, next.at);
    this.#timers = this.#timers.filter((other) => other !== next);
    next.fire();
    return true;
  }

  /** Runs `work` to its end; time passes only when nothing else is left to do. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    work.then(mark, mark);
    for (;;) {
      await setImmediate();
      if (settled) return work;
      if (!this.step()) throw new Error("it waits for something that no clock will bring");
    }
  }
}

type Scripted<T> = T | Error | "hangs";

/** Each list is used up from the front; its last entry answers for ever. An `Error` is thrown, as a lost call. */
export interface Script {
  readonly open?: readonly Scripted<OpenAnswer>[];
  readonly pay?: readonly Scripted<PayAnswer>[];
  readonly quote?: readonly Scripted<QuoteAnswer>[];
  readonly conclude?: readonly Scripted<{ readonly receiptId: string | null }>[];
  readonly seller?: (url: string, init: SellerRequest, visit: number) => SellerResponse | Error | "hangs";
  readonly localHosts?: readonly string[];
}

export interface World {
  readonly ports: FlowPorts;
  readonly clock: FakeClock;
  readonly opens: OpenRequest[];
  readonly pays: PayRequest[];
  readonly quotes: PayRequest[];
  readonly conclusions: { purchaseId: string; conclusion: Conclusion }[];
  readonly deliveries: Delivery[];
  readonly visits: { url: string; init: SellerRequest; at: number }[];
  /** Waits for what was given to `waitUntil`. */
  readonly background: () => Promise<void>;
}

export const FETCH = (given: Credential | null = null, limits: FetchLimits = LIMITS): OpenAnswer => ({
  kind: "fetch",
  purchaseId: "p-1",
  credential: given,
  limits,
});
export const PAID: PayAnswer = { kind: "credential", credential: credential("c-paid", "paid"), limits: LIMITS };
export const DEMAND = (status = 402, challenge: string | null = CHALLENGE): Response =>
  new Response("payment required\n", { status, headers: challenge === null ? {} : { "www-authenticate": challenge } });

export function world(script: Script): World {
  const clock = new FakeClock();
  const state = { opens: [], pays: [], quotes: [], conclusions: [], deliveries: [], visits: [] } as Pick<
    World,
    "opens" | "pays" | "quotes" | "conclusions" | "deliveries" | "visits"
  >;
  const work: Promise<unknown>[] = [];
  let ids = 0;
  const tape = <T>(entries: readonly Scripted<T>[]): (() => Promise<T>) => {
    let turn = 0;
    return async () => {
      const entry = entries[Math.min(turn, entries.length - 1)];
      turn += 1;
      // A flow that goes round in circles would do so within microtasks, where no timeout of a test can stop it.
      if (entry === undefined || turn > 100) throw new Error("not in the script");
      if (entry === "hangs") return new Promise<T>(() => undefined);
      if (entry instanceof Error) throw entry;
      return entry;
    };
  };
  const opening = tape(script.open ?? [FETCH()]);
  const paying = tape(script.pay ?? [PAID]);
  const quoting = tape(script.quote ?? []);
  const concluding = tape(script.conclude ?? [{ receiptId: "rcpt_conclusion" }]);
  const ports: FlowPorts = {
    clock,
    random: { uuid: () => `p-${(ids += 1)}` },
    waitUntil: (promise) => void work.push(promise),
    localHosts: script.localHosts ?? [],
    wallet: {
      open: (request) => (state.opens.push(request), opening()),
      pay: (request) => (state.pays.push(request), paying()),
      quote: (request) => (state.quotes.push(request), quoting()),
      conclude: (_auth, purchaseId, conclusion) => (state.conclusions.push({ purchaseId, conclusion }), concluding()),
      delivered: async (_auth, deliveries) => void state.deliveries.push(...deliveries),
    },
    fetch: async (url, init) => {
      state.visits.push({ url, init, at: clock.now() });
      const answer = (script.seller ?? (() => new Response("hello")))(url, init, state.visits.length);
      if (answer === "hangs") return new Promise<SellerResponse>(() => undefined);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return { ports, clock, ...state, background: async () => void (await Promise.all(work)) };
}

export const CALL: FetchCall = {
  auth: { kind: "agent_key", keyId: "k", secret: "agent-secret" },
  method: "GET",
  url: URL_ASKED,
  headers: [],
  body: null,
  idempotencyKey: null,
  maxMsat: null,
  subject: null,
  waitMs: 20_000,
};

/** The credential a visit carried, or undefined. */
export const sentCredential = (init: SellerRequest): string | undefined => init.headers.find(([name]) => name === "authorization")?.[1];

/** One purchase of {@link CALL}, the clock driven until it has its answer. */
export async function buy(script: Script, call: Partial<FetchCall> = {}): Promise<World & { readonly answer: FlowAnswer }> {
  const w = world(script);
  const answer = await w.clock.drive(purchase(w.ports, { ...CALL, ...call }));
  return { ...w, answer };
}

export async function bodyOf({ answer, background }: World & { readonly answer: FlowAnswer }): Promise<string> {
  if (answer.kind !== "answer") throw new Error(`a problem: ${answer.code}`);
  const text = answer.response.body === null ? "" : await new Response(answer.response.body).text();
  await background();
  return text;
}

/** Demands payment until the credential is sent, then answers with `after`. */
export const sellerOf =
  (after: (visit: number) => Response | Error | "hangs"): NonNullable<Script["seller"]> =>
  (_url, init, visit) =>
    sentCredential(init) === undefined ? DEMAND() : after(visit);
