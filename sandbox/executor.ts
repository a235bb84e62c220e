/**
 * The executor: pays orders through any `LightningNode`, each at most once. It remembers operations, fences and epochs in
 * memory, which is what a sandbox needs: after a restart the node's own record, asked by payment hash, still prevents a
 * second payment. Everything between the check of an order and the call of the node happens in one turn, so that no fence,
 * epoch or twin order can slip in between. The wire around it is executor-http.ts; the protocol is docs/executor.md.
 */
import { createHash } from "node:crypto";
import { decodeBolt11, type Network } from "../lightning/bolt11.ts";
import type { Msat } from "../lightning/msat.ts";
import type { FailureCode, OperationRef, PayerStatus, PaymentOrder, PaymentOutcome } from "../lightning/payer.ts";
import type { LightningNode, NodePayment } from "./lightning-node.ts";
import type { SandboxPorts } from "./ports.ts";

export interface ExecutorOptions {
  /** `pending` is answered after this many ms at the latest; the contract of a payer says 10 s. */
  readonly answerWithinMs?: number;
  readonly version?: string;
}

/** An answer that is no outcome: the request contradicts what this operation id stands for. */
export interface OperationConflict {
  readonly kind: "operation_conflict";
}

export interface Executor {
  pay(order: PaymentOrder): Promise<PaymentOutcome | OperationConflict>;
  lookup(operation: OperationRef): Promise<PaymentOutcome | OperationConflict>;
  cancel(operation: OperationRef): Promise<"fenced" | "cannot_fence">;
  status(): Promise<PayerStatus>;
  /** An invoice that pays into the node; null when the node cannot be reached. Asked twice, there are two: an unpaid one just expires. */
  invoice(asked: { readonly amountMsat: Msat; readonly description: string }): Promise<{ readonly bolt11: string } | null>;
  /** Has an order with this operation id been taken up? */
  knows(operation: Pick<OperationRef, "walletId" | "operationId">): boolean;
}

interface Operation {
  readonly walletId: string;
  readonly paymentHash: string;
  /** null for an operation that was fenced before its order came. */
  readonly bolt11: string | null;
  /** The last outcome known; see {@link isFinal}. */
  outcome: PaymentOutcome;
  /** The call to the node that is still running. */
  running: Promise<PaymentOutcome> | null;
}

const PENDING: PaymentOutcome = { kind: "pending" };
const failed = (code: FailureCode): PaymentOutcome => ({ kind: "failed", code, definite: true });
const unknown = (reason: string): PaymentOutcome => ({ kind: "unknown", reason });
const CONFLICT: OperationConflict = { kind: "operation_conflict" };

export function createExecutor(node: LightningNode, ports: Pick<SandboxPorts, "now" | "timer">, options: ExecutorOptions = {}): Executor {
  const answerWithinMs = options.answerWithinMs ?? 9_000;
  const operations = new Map<string, Operation>();
  /** The operation that first took a payment hash to the node, and so owns it. */
  const owners = new Map<string, Operation>();
  const epochs = new Map<string, number>();
  let lastPaymentAt: number | null = null;
  const key = (operation: Pick<OperationRef, "walletId" | "operationId">): string =>
    JSON.stringify([operation.walletId, operation.operationId]);

  /** Invariant 13. @returns false when a newer spender of this wallet has been heard of */
  function admit(operation: Pick<OperationRef, "walletId" | "epoch">): boolean {
    const highest = epochs.get(operation.walletId) ?? 0;
    if (operation.epoch < highest) return false;
    epochs.set(operation.walletId, operation.epoch);
    return true;
  }

  function record(operation: Operation, outcome: PaymentOutcome): PaymentOutcome {
    // A settled payment stays settled, whatever a slower answer says.
    if (isFinal(operation)) return operation.outcome;
    if (outcome.kind === "settled") lastPaymentAt = Math.max(lastPaymentAt ?? 0, outcome.settledAt);
    if (operation.outcome.kind === "settled" && outcome.kind !== "settled") return operation.outcome;
    operation.outcome = outcome;
    return outcome;
  }

  /** As of now, and not of when the node answers: an order may arrive in between. */
  const neverSeen = (): PaymentOutcome => ({ kind: "never_seen", asOf: ports.now() });

  async function ask(paymentHash: string): Promise<PaymentOutcome> {
    const asked = neverSeen();
    try {
      const payment = await node.lookup(paymentHash);
      return payment.kind === "never_initiated" ? asked : outcomeOf(payment, paymentHash);
    } catch {
      return unknown("node_unreachable");
    }
  }

  /** The payer's promise to answer in time, kept even where a node overstays its own. */
  async function within(work: Promise<PaymentOutcome>): Promise<PaymentOutcome> {
    let cancel = (): void => {};
    const late = new Promise<PaymentOutcome>((resolve) => {
      cancel = ports.timer(answerWithinMs, () => resolve(PENDING));
    });
    return Promise.race([work, late]).finally(() => cancel());
  }

  function start(operation: Operation, order: PaymentOrder): Promise<PaymentOutcome> {
    const call = node.pay({ bolt11: order.bolt11, paymentHash: order.paymentHash, maxFeeMsat: order.maxFeeMsat, waitMs: answerWithinMs });
    operation.running = call
      // `never_initiated` as the answer to a payment order would be a node's mistake: it has been asked, so it is not known.
      .then((payment) => (payment.kind === "never_initiated" ? unknown("node_contradicts_itself") : outcomeOf(payment, order.paymentHash)))
      .catch(() => unknown("node_unreachable"))
      .then((outcome) => {
        operation.running = null;
        return record(operation, outcome);
      });
    return within(operation.running);
  }

  /** What a known operation has come to. Asks the node where that is still open. */
  async function current(operation: Operation): Promise<PaymentOutcome> {
    if (isFinal(operation)) return operation.outcome;
    const outcome = await within(ask(operation.paymentHash));
    // While our own call is still on its way, the node may speak of nothing, or of an earlier failed try of the same invoice.
    if (operation.running !== null && outcome.kind !== "settled") return PENDING;
    return record(operation, outcome);
  }

  return {
    knows: (operation) => operations.has(key(operation)),

    async pay(order) {
      const known = operations.get(key(order));
      if (known !== undefined && (known.paymentHash !== order.paymentHash || (known.bolt11 !== null && known.bolt11 !== order.bolt11)))
        return CONFLICT;
      const admitted = admit(order);
      if (known !== undefined) {
        // To call an operation failed that may have been paid would release money that is gone.
        if (!admitted) return known.outcome.kind === "failed" ? known.outcome : unknown("spender_superseded");
        return known.running === null ? current(known) : within(known.running);
      }
      const operation: Operation = {
        walletId: order.walletId,
        paymentHash: order.paymentHash,
        bolt11: order.bolt11,
        outcome: PENDING,
        running: null,
      };
      operations.set(key(order), operation);
      if (!admitted) return record(operation, failed("spender_superseded"));
      if (ports.now() > order.deadline || !isWhatItSays(order, node.network)) return record(operation, failed("payment_failed"));
      const owner = owners.get(order.paymentHash);
      if (owner !== undefined && owner.outcome.kind !== "failed") {
        // Paid, or being paid, under another operation id. The same wallet may know what came of it; to another wallet nothing was sent for it.
        if (owner.walletId !== order.walletId) return record(operation, failed("payment_failed"));
        const outcome = owner.running === null ? current(owner) : within(owner.running);
        return record(operation, await outcome);
      }
      owners.set(order.paymentHash, operation);
      return start(operation, order);
    },

    async lookup(operation) {
      if (!admit(operation)) return unknown("spender_superseded");
      const known = operations.get(key(operation));
      if (known !== undefined) {
        if (known.paymentHash !== operation.paymentHash) return CONFLICT;
        return current(known);
      }
      // Not seen since this process began. Unless somebody else's operation owns the hash, the node's record is this operation's.
      return owners.has(operation.paymentHash) ? neverSeen() : within(ask(operation.paymentHash));
    },

    async cancel(operation) {
      if (!admit(operation)) return "cannot_fence";
      const known = operations.get(key(operation));
      if (known !== undefined)
        return known.outcome.kind === "failed" && known.paymentHash === operation.paymentHash ? "fenced" : "cannot_fence";
      // The fence stands before anything is awaited: an operation that is known is never taken to the node again.
      const fence: Operation = {
        walletId: operation.walletId,
        paymentHash: operation.paymentHash,
        bolt11: null,
        outcome: PENDING,
        running: null,
      };
      operations.set(key(operation), fence);
      // Owned by another operation: then whatever the node knows of this hash is not about this one.
      const before = owners.has(operation.paymentHash) ? neverSeen() : await within(ask(operation.paymentHash));
      if (before.kind !== "never_seen" && before.kind !== "failed") {
        record(fence, before);
        return "cannot_fence";
      }
      fence.outcome = failed("payment_failed");
      return "fenced";
    },

    async invoice({ amountMsat, description }) {
      try {
        return await node.receive({ amountMsat, description });
      } catch {
        return null;
      }
    },

    async status() {
      const common = { backend: "http-executor" as const, network: node.network, lastPaymentAt, version: options.version ?? null };
      try {
        return { ...common, online: true, spendableMsat: await node.spendableMsat() };
      } catch {
        return { ...common, online: false, spendableMsat: null };
      }
    },
  };
}

/** Nothing that a node says later can change it. A settlement without its proof may still get one. */
function isFinal({ outcome, paymentHash }: Operation): boolean {
  if (outcome.kind === "settled")
    return outcome.preimage !== null && createHash("sha256").update(outcome.preimage, "hex").digest("hex") === paymentHash;
  return outcome.kind === "failed";
}

/** A node pays what the invoice says, so the invoice must say what the order does. */
function isWhatItSays(order: PaymentOrder, network: Network): boolean {
  const decoded = decodeBolt11(order.bolt11);
  return (
    decoded.ok &&
    decoded.invoice.network === network &&
    decoded.invoice.paymentHash === order.paymentHash &&
    decoded.invoice.amountMsat === order.amountMsat
  );
}

function outcomeOf(payment: Exclude<NodePayment, { kind: "never_initiated" }>, paymentHash: string): PaymentOutcome {
  switch (payment.kind) {
    case "settled":
      return {
        kind: "settled",
        preimage: payment.preimage,
        feeMsat: payment.feeMsat,
        settledAt: payment.settledAt,
        reference: paymentHash,
      };
    case "failed":
      return failed(payment.code);
    case "in_flight":
      return PENDING;
  }
}
