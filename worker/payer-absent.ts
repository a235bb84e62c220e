/** What a wallet has where no payment backend is configured: it pays nothing, and says of what was sent before only that it does not know. */
import type { Payer } from "../lightning/payer.ts";

export const absentPayer: Payer = {
  backend: "http-executor",
  granularity: "msat",
  // Definite, because nothing is here that could send it.
  pay: () => Promise.resolve({ kind: "failed", code: "backend_unavailable", definite: true }),
  lookup: () => Promise.resolve({ kind: "unknown", reason: "no payment backend is configured" }),
  cancel: () => Promise.resolve("cannot_fence"),
  status: () =>
    Promise.resolve({ backend: "http-executor", online: false, spendableMsat: null, network: null, lastPaymentAt: null, version: null }),
};
