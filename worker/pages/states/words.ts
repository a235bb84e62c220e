/** The states and events of a purchase in words for operators. The table itself is lightning/purchase.ts; a state without words here does not compile. */
import type { Event, State } from "../../../lightning/purchase.ts";

interface StateWords {
  readonly is: string;
  /** What ends it, where something is awaited; null where nothing will happen by itself any more. */
  readonly waitsFor: string | null;
}

export const STATE_WORDS: Readonly<Record<State, StateWords>> = {
  opened: {
    is: "The request is in the journal; the seller is being asked.",
    waitsFor: "its Worker, for 3 min (longer where the host's headersMs is over a minute); then abandoned",
  },
  served_free: { is: "The seller answered and asked for nothing.", waitsFor: null },
  served_cached: { is: "Served with a credential that was paid for earlier.", waitsFor: null },
  quoted: {
    is: "The challenge was read and a price is known; nothing is set aside.",
    waitsFor: "the decision, in the same block; else expired with the invoice",
  },
  denied: { is: "Policy, a switch or a broken challenge said no; nothing was sent.", waitsFor: null },
  awaiting_approval: {
    is: "A person is asked; nothing is set aside meanwhile.",
    waitsFor: "an approver, as long as the policy's approvalMs says (15 min); then expired",
  },
  granted: { is: "A person said yes, once; the agent sends the same request again as a new purchase.", waitsFor: null },
  rejected: { is: "A person said no.", waitsFor: null },
  expired: { is: "A quote, a question or a reservation ran out before anything was sent.", waitsFor: null },
  reserved: {
    is: "Price and fee reserve are set aside; definitely nothing was sent.",
    waitsFor: "a free payer slot, for 1 min; then expired",
  },
  cancelled: { is: "Called off before anything was sent; the money is free again.", waitsFor: null },
  paying: { is: "The order has left for the payer.", waitsFor: "the payer's answer; from 35 s on the alarm asks by lookup" },
  payment_unknown: {
    is: "Nobody knows yet whether it was paid; it counts as spent.",
    waitsFor: "a definite answer: the alarm asks, at most 10 min apart, for ever; or an operator's resolve",
  },
  paid: {
    is: "Settled and proven; the credential is stored.",
    waitsFor: "a 2xx from the seller, for 3 min (longer where the host's headersMs is over a minute); then paid_unfulfilled",
  },
  failed: { is: "The payer said definitely not, or the seller could not be asked; nothing was paid.", waitsFor: null },
  fulfilled: { is: "The seller answered the paid credential with a 2xx.", waitsFor: null },
  paid_unfulfilled: { is: "Paid, and not delivered; nothing more is paid for this origin and scope.", waitsFor: null },
  written_off: { is: "An operator gave it up; the origin and scope may be bought again.", waitsFor: null },
  abandoned: { is: "The Worker never came back from the seller; nothing was set aside.", waitsFor: null },
};

export const EVENT_WORDS: Readonly<Record<Event, string>> = {
  serve_free: "the seller asked for nothing",
  serve_cached: "the seller accepted a stored credential",
  quote: "the seller asked for money, and the challenge can be read",
  deny: "policy, a switch or a broken challenge said no",
  ask: "policy wants a person's word",
  grant: "an approver said yes",
  reject: "an approver said no",
  reserve: "price and fee reserve were set aside",
  cancel: "called off before anything was sent",
  expire: "time ran out before anything was sent",
  send: "the order left for the payer",
  settle: "the payer says it settled, and the preimage proves it",
  fail: "the payer says definitely not, or the seller could not be asked",
  lose_sight: "a timeout, a lost answer, a wrong or missing preimage",
  fulfil: "a 2xx to the paid credential",
  unfulfil: "the lease ended, or retries are used up, without a 2xx",
  write_off: "an operator gave it up",
  abandon: "the Worker's lease ended",
};
