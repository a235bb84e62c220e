/** Agents and the Workers they call: what they ask for, how long they wait, and that a Worker may die in the middle of it. */
import { bytesToHex } from "@noble/hashes/utils.js";
import { sats, type Msat } from "../../lightning/msat.ts";
import type { WalletPort } from "../../lightning/wallet-api.ts";
import type { FetchCall, FlowAnswer, FlowPorts, SellerResponse } from "../../worker/flow-types.ts";
import { purchase, quoteFlow } from "../../worker/flow.ts";
import { NEVER, ONCE, OTHER, SELLER, UNLISTED } from "./policies.ts";
import { Violation } from "./scheduler.ts";
import { rpc } from "./wire.ts";
import type { World } from "./world.ts";

/** Answers after which a caller may come back for what is under way. */
const UNFINISHED: ReadonlySet<string> = new Set(["payment_pending", "payment_unknown", "paid_unfulfilled"]);

/** What was asked for, as the caller knows it: the journal's word is never taken for it. */
export interface Request {
  readonly url: string;
  readonly method: string;
  readonly budget: string;
  readonly subject: string | null;
  readonly maxMsat: Msat | null;
  /** Which sending it belongs to: one of them may open several purchases, and pays once at most. */
  readonly sending: number;
  /** It pays nothing: an earlier purchase taken up again, or a question about the price. */
  readonly unpaying: "resume" | "quote" | null;
}

export class Callers {
  begun = 0;
  #sendings = 0;
  readonly answers: Record<string, number> = {};
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  buy(index: number): void {
    const { scheduler, weather, subjects } = this.#world;
    const { choice } = scheduler;
    this.begun++;
    // A quarter are the same request as another, some with its key; the paths of one scope share a token.
    const which = choice.oneIn(4) ? choice.below(index + 1) : index;
    const origin = choice.oneIn(6) ? OTHER : choice.oneIn(20) ? UNLISTED : choice.oneIn(12) ? ONCE : choice.oneIn(8) ? NEVER : SELLER;
    const path = choice.pick([
      `/joke/${which % 5}`,
      `/report/${which % 3}`,
      `/plain/a/${which % 4}`,
      `/plain/b${which}`,
      `/s${which}/x`,
      choice.oneIn(3) ? "/free" : "/joke/0",
    ]);
    const keyed = choice.oneIn(3);
    const budget = choice.pick(["alpha", "beta"]);
    const call: FetchCall = {
      auth: { kind: "binding", budget },
      method: (keyed ? choice.oneIn(2) : choice.oneIn(6)) ? "POST" : "GET",
      url: origin + path,
      headers: [],
      body: null,
      idempotencyKey: keyed ? `key-${which % 7}-${path}` : null,
      maxMsat: choice.oneIn(5) ? sats(5 + choice.below(60)) : null,
      subject: choice.oneIn(3) ? choice.pick(subjects) : null,
      waitMs: choice.oneIn(3) && weather.on("leaving") ? choice.delay(60_000) : 45_000,
    };
    if (choice.oneIn(20)) this.#quote(index, call);
    else this.#send(index, call, 2);
    // A caller with a key may well send the same again: at once, or long after what it bought has expired.
    if (keyed && choice.oneIn(2)) scheduler.after(choice.delay(2_000_000), `purchase ${index} again`, () => this.#send(index, call, 0));
  }

  /** @param patience how often it comes back when a person has to be asked first */
  #send(index: number, call: FetchCall, patience: number): void {
    const { scheduler, weather } = this.#world;
    let dead = false;
    purchase(
      this.#ports(call, () => dead, call.resume == null ? null : "resume"),
      call,
    )
      .then((answer) => this.#answered(index, call, answer, patience))
      .catch((error: unknown) => scheduler.fail(error));
    if (weather.strikes("workerDies", 15))
      scheduler.after(scheduler.choice.delay(20_000), `the worker of ${index} dies`, () => {
        dead = true;
      });
  }

  /** Somebody wants to know what it would cost. */
  #quote(index: number, call: FetchCall): void {
    const { scheduler } = this.#world;
    quoteFlow(
      this.#ports(call, () => false, "quote"),
      call,
    )
      .then((answer) => scheduler.note(`answer ${index} ${answer.kind === "problem" ? answer.code : answer.kind}`))
      .catch((error: unknown) => scheduler.fail(error));
  }

  #answered(index: number, call: FetchCall, answer: FlowAnswer, patience: number): void {
    const { scheduler, books, people } = this.#world;
    const label = answer.kind === "answer" ? answer.status : answer.code;
    this.answers[label] = (this.answers[label] ?? 0) + 1;
    scheduler.note(`answer ${index} ${label}`);
    books.answered(answer);
    // Told that it is under way, or paid and not delivered: some come back for it, and pay nothing more whatever they find.
    if (UNFINISHED.has(label) && patience > 0 && scheduler.choice.oneIn(2))
      scheduler.after(scheduler.choice.delay(600_000), `purchase ${index} resumed`, () =>
        this.#send(index, { ...call, resume: answer.purchaseId }, 0),
      );
    if (label !== "approval_required" || patience === 0) return;
    people.told();
    // Impatient ones send it twice at once: a grant is used once all the same.
    const wait = scheduler.choice.delay(600_000);
    scheduler.after(wait, `purchase ${index} after asking`, () => this.#send(index, call, patience - 1));
    if (scheduler.choice.oneIn(2))
      scheduler.after(wait + scheduler.choice.delay(60_000), `purchase ${index} after asking, twice`, () => this.#send(index, call, 0));
  }

  #ports(call: FetchCall, gone: () => boolean, unpaying: Request["unpaying"]): FlowPorts {
    const world = this.#world;
    const sending = this.#sendings++;
    const shown = new Set<string>();
    const { scheduler, weather, seller, requests } = world;
    const line =
      <K extends keyof WalletPort>(name: K) =>
      (...args: Parameters<WalletPort[K]>): ReturnType<WalletPort[K]> =>
        rpc(
          world,
          name,
          (core) => (core[name] as (...given: typeof args) => Promise<unknown>)(...structuredClone(args)),
          undefined,
          gone,
        ) as ReturnType<WalletPort[K]>;
    return {
      wallet: { open: line("open"), pay: line("pay"), quote: line("quote"), conclude: line("conclude"), delivered: line("delivered") },
      fetch: (url, init) =>
        new Promise<SellerResponse>((resolve, reject) => {
          const back = (label: string, tell: () => void): void =>
            void scheduler.after(weather.travel(), label, () => {
              if (!gone()) tell();
            });
          const [, credential] = init.headers.find(([name]) => name.toLowerCase() === "authorization") ?? [];
          if (credential !== undefined && init.method === "POST" && call.idempotencyKey === null && shown.has(credential))
            return scheduler.fail(new Violation("invariant 6: a POST without a key was sent twice with what it had paid for"));
          if (credential !== undefined) shown.add(credential);
          if (weather.strikes("lostCall", 40)) return back("seller unreachable", () => reject(new Error("connection refused")));
          scheduler.after(weather.travel(), "seller asked", () => {
            let response: SellerResponse;
            try {
              response = seller.handle(url, init);
            } catch (error) {
              return scheduler.fail(error);
            }
            if (weather.strikes("lostReply", 40)) back("seller's answer lost", () => reject(new Error("connection reset")));
            else back(`seller answers ${response.status}`, () => resolve(response));
          });
        }),
      clock: {
        now: () => scheduler.now,
        timer: (ms) => {
          let cancel = (): void => {};
          const done = new Promise<void>((resolve) => {
            cancel = scheduler.after(ms, "timer", () => {
              if (!gone()) resolve();
            }).cancel;
          });
          return { done, cancel: () => cancel() };
        },
      },
      random: {
        uuid: () => {
          const id = bytesToHex(scheduler.choice.bytes(16));
          const { url, method, maxMsat, subject } = call;
          const budget = call.auth.kind === "binding" ? call.auth.budget : "";
          requests.set(id, { url, method, maxMsat, subject, budget, sending, unpaying });
          return id;
        },
      },
      waitUntil: (work) => void work.catch((error: unknown) => scheduler.fail(error)),
      localHosts: [],
    };
  }
}
