/**
 * The wire between a wallet and the executor, as far as it can fail: an answer that is lost after the payment, an answer that comes
 * twice, an order that arrives long after its sender has given up. executor-http.ts acts this out on real sockets; a test in one
 * process and on a virtual clock uses it as it is.
 */
import type { PaymentOrder, PaymentOutcome } from "../lightning/payer.ts";
import type { Executor, OperationConflict } from "./executor.ts";
import type { Fault } from "./faults.ts";
import type { SandboxPorts } from "./ports.ts";

/** What the sender of an order gets to hear. */
export type Heard =
  | { readonly kind: "nothing" }
  | { readonly kind: "answer"; readonly outcome: PaymentOutcome | OperationConflict; readonly times: 1 | 2 };

export interface Wire {
  pay(order: PaymentOrder): Promise<Heard>;
  /** Lets orders arrive that were held back. @param paymentHash null for all @returns how many */
  deliver(paymentHash: string | null): number;
  /** Orders still held back are lost for good. */
  close(): void;
}

const NOTHING: Heard = { kind: "nothing" };

/** @param takeFault the fault in store for a payment order that is seen for the first time */
export function createWire(executor: Executor, ports: Pick<SandboxPorts, "timer">, takeFault: (paymentHash: string) => Fault | null): Wire {
  const held = new Map<PaymentOrder, () => void>();

  function arrive(order: PaymentOrder): void {
    held.get(order)?.();
    if (!held.delete(order)) return;
    // Nobody waits for this answer; what came of it shows in a lookup.
    executor.pay(order).catch(() => {});
  }

  return {
    async pay(order) {
      const fault = executor.knows(order) ? null : takeFault(order.paymentHash);
      switch (fault?.kind) {
        case "never_seen_then_paid":
          held.set(order, fault.afterMs === undefined ? () => {} : ports.timer(fault.afterMs, () => arrive(order)));
          return NOTHING;
        case "answer_lost":
          await executor.pay(order);
          return NOTHING;
        case "duplicate_answer":
          return { kind: "answer", outcome: await executor.pay(order), times: 2 };
        case undefined:
        case "no_route":
        case "hang":
        case "wrong_preimage":
        case "no_preimage":
        case "late_settlement":
        case "fail_late":
        case "fee_above_reserve":
          return { kind: "answer", outcome: await executor.pay(order), times: 1 };
      }
    },

    deliver(paymentHash) {
      const due = [...held.keys()].filter((order) => paymentHash === null || order.paymentHash === paymentHash);
      for (const order of due) arrive(order);
      return due.length;
    },

    close() {
      for (const cancel of held.values()) cancel();
      held.clear();
    },
  };
}
