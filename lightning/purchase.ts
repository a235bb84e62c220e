/**
 * The states of a purchase and every way between them. One table: the Wallet moves only along it, tests enumerate it, and
 * the operator's page draws it. Where money is concerned the table is strict one way and generous the other: nothing but
 * a definite failure releases money, and a settlement with a right preimage is accepted wherever it still has to be booked.
 *
 * design.md lets only `quoted` be denied; here `opened` may be too, because an unlisted host is refused before any request.
 */
export const STATES = [
  "opened",
  "served_free",
  "served_cached",
  "quoted",
  "denied",
  "awaiting_approval",
  "granted",
  "rejected",
  "expired",
  "reserved",
  "cancelled",
  "paying",
  "payment_unknown",
  "paid",
  "failed",
  "fulfilled",
  "paid_unfulfilled",
  "written_off",
  "abandoned",
] as const;
export type State = (typeof STATES)[number];

export const EVENTS = [
  /** The seller asked for nothing. */ "serve_free",
  /** The seller accepted a stored credential. */ "serve_cached",
  /** The seller asked for money and the challenge can be read. */ "quote",
  /** Policy, a switch or a broken challenge says no. */ "deny",
  /** Policy wants a person's word. */ "ask",
  "grant",
  "reject",
  /** Money is set aside; nothing has been sent. */ "reserve",
  /** Called off before anything was sent: by a switch, or because the payer is not ready for it. */ "cancel",
  /** A quote, a wait or a reservation ran out before anything was sent. */ "expire",
  /** The order leaves for the payer. */ "send",
  /** The payer says it is settled, and the preimage proves it. */ "settle",
  /** The payer says definitely not or has fenced the order off, or the seller could not be asked at all. */ "fail",
  /** Neither: a timeout, a lost answer, a wrong preimage. */ "lose_sight",
  /** A 2xx to the paid credential. */ "fulfil",
  /** The lease ended, or retries are used up, without one. */ "unfulfil",
  "write_off",
  /** The Worker never came back. */ "abandon",
] as const;
export type Event = (typeof EVENTS)[number];

/** What is not listed is refused. A state that names itself takes the event and does not move. */
export const TRANSITIONS = {
  opened: {
    serve_free: "served_free",
    serve_cached: "served_cached",
    quote: "quoted",
    deny: "denied",
    fail: "failed",
    abandon: "abandoned",
  },
  quoted: {
    deny: "denied",
    ask: "awaiting_approval",
    reserve: "reserved",
    expire: "expired",
    fail: "failed",
    serve_cached: "served_cached",
  },
  awaiting_approval: { grant: "granted", reject: "rejected", expire: "expired" },
  reserved: { send: "paying", cancel: "cancelled", expire: "expired", settle: "paid" },
  paying: { settle: "paid", fail: "failed", lose_sight: "payment_unknown" },
  payment_unknown: { settle: "paid", fail: "failed", lose_sight: "payment_unknown" },
  paid: { fulfil: "fulfilled", unfulfil: "paid_unfulfilled", settle: "paid" },
  paid_unfulfilled: { fulfil: "fulfilled", write_off: "written_off", settle: "paid_unfulfilled", unfulfil: "paid_unfulfilled" },
  // Released, and yet it settles: booked as a late settlement, and the wallet is paused.
  failed: { settle: "paid" },
  cancelled: { settle: "paid" },
  expired: { settle: "paid" },
  fulfilled: { fulfil: "fulfilled", settle: "fulfilled" },
  written_off: { fulfil: "fulfilled", settle: "written_off" },
  served_free: {},
  served_cached: {},
  denied: {},
  granted: {},
  rejected: {},
  abandoned: {},
} as const satisfies Record<State, Partial<Record<Event, State>>>;

/** The state after `event`, or null where the table refuses it. */
export function next(state: State, event: Event): State | null {
  return (TRANSITIONS[state] as Partial<Record<Event, State>>)[event] ?? null;
}

/** Nothing will happen to it by itself any more. */
export function isTerminal(state: State): boolean {
  return !AWAITS.has(state);
}

/** What a purchase in this state waits for, in words, or null. */
export function awaits(state: State): string | null {
  return AWAITS.get(state) ?? null;
}

/** Each of these has a due time, and what the alarm does when it comes. */
const AWAITS: ReadonlyMap<State, string> = new Map<State, string>([
  ["opened", "the lease ends: abandoned"],
  ["quoted", "the quote ends: expired"],
  ["awaiting_approval", "the quote ends: expired"],
  ["reserved", "nobody is sending it: expired"],
  ["paying", "the payer is asked"],
  ["payment_unknown", "the payer is asked"],
  ["paid", "the lease ends: paid_unfulfilled"],
]);

/** Money is set aside or under way. */
export function isOpenPayment(state: State): boolean {
  return state === "reserved" || state === "paying" || state === "payment_unknown";
}

/** Money has gone for it. */
export function isPaid(state: State): boolean {
  return state === "paid" || state === "fulfilled" || state === "paid_unfulfilled" || state === "written_off";
}
