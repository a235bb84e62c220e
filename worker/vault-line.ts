/** One purchase's line to its Wallet object: every call carries the same id and caller, is repeated when lost, and shares one waiting time. */
import type { Code } from "../lightning/errors.ts";
import type { Conclusion, Delivery, OpenAnswer, OpenRequest, PayAnswer, QuoteAnswer } from "../lightning/wallet-api.ts";
import type { FetchCall, FlowPorts } from "./flow-types.ts";
import { persist, type Reply } from "./retry.ts";

/** On top of what the caller is willing to wait: the object's own work, and a payer's ten seconds to answer at all. */
const CALL_MS = 15_000;

export class VaultLine {
  readonly #ports: FlowPorts;
  readonly #call: FetchCall;
  readonly purchaseId: string;
  #waitMs: number;

  constructor(ports: FlowPorts, call: FetchCall, purchaseId: string) {
    this.#ports = ports;
    this.#call = call;
    this.purchaseId = purchaseId;
    this.#waitMs = call.waitMs;
  }

  /** What is left of the caller's patience for payments, ms. */
  get waitMs(): number {
    return this.#waitMs;
  }

  open(request: Pick<OpenRequest, "method" | "url" | "bodySha256" | "idempotencyKey" | "resume">): Promise<Reply<OpenAnswer>> {
    const { auth, maxMsat, subject } = this.#call;
    return this.#waiting((waitMs) => this.#ports.wallet.open({ purchaseId: this.purchaseId, auth, ...request, maxMsat, subject, waitMs }));
  }

  pay(challenge: string, refusedCredentialId: string | null): Promise<Reply<PayAnswer>> {
    return this.#waiting((waitMs) =>
      this.#ports.wallet.pay({ purchaseId: this.purchaseId, auth: this.#call.auth, challenge, refusedCredentialId, waitMs }),
    );
  }

  quote(challenge: string): Promise<Reply<QuoteAnswer>> {
    return this.#waiting((waitMs) =>
      this.#ports.wallet.quote({ purchaseId: this.purchaseId, auth: this.#call.auth, challenge, refusedCredentialId: null, waitMs }),
    );
  }

  /** The receipt's id, or null: when this call is lost too, the lease ends the purchase and writes the receipt. */
  async conclude(conclusion: Conclusion): Promise<string | null> {
    const reply = await persist(this.#ports.clock, this.purchaseId, CALL_MS, () =>
      this.#ports.wallet.conclude(this.#call.auth, this.purchaseId, conclusion),
    );
    return reply.kind === "reply" ? reply.value.receiptId : null;
  }

  failed(code: Code): Promise<string | null> {
    return this.conclude({ kind: "failed", code });
  }

  /** Step 5: sent once, and nothing depends on it. */
  async delivered(delivery: Omit<Delivery, "purchaseId">): Promise<void> {
    try {
      await this.#ports.wallet.delivered(this.#call.auth, [{ purchaseId: this.purchaseId, ...delivery }]);
    } catch {
      // Lost: the purchase's lease says so in its own time.
    }
  }

  async #waiting<T>(call: (waitMs: number) => Promise<T>): Promise<Reply<T>> {
    const { clock } = this.#ports;
    const patience = this.#waitMs;
    const startedAt = clock.now();
    const left = (): number => Math.max(0, patience - (clock.now() - startedAt));
    const reply = await persist(clock, this.purchaseId, patience + CALL_MS, async () => call(left()));
    this.#waitMs = left();
    return reply;
  }
}
