import { describe, expect, it } from "vitest";
import { EVENTS, STATES, TRANSITIONS, isOpenPayment, isPaid, isTerminal, next, type Event, type State } from "./purchase.ts";

/** Written out by hand, apart from the table: `state event -> state`. What is not here must be refused. */
const ALLOWED = `
opened serve_free served_free | opened serve_cached served_cached | opened quote quoted | opened deny denied | opened fail failed | opened abandon abandoned
quoted deny denied | quoted ask awaiting_approval | quoted reserve reserved | quoted expire expired | quoted fail failed | quoted serve_cached served_cached
awaiting_approval grant granted | awaiting_approval reject rejected | awaiting_approval expire expired
reserved send paying | reserved cancel cancelled | reserved expire expired | reserved settle paid
paying settle paid | paying fail failed | paying lose_sight payment_unknown
payment_unknown settle paid | payment_unknown fail failed | payment_unknown lose_sight payment_unknown
paid fulfil fulfilled | paid unfulfil paid_unfulfilled | paid settle paid
paid_unfulfilled fulfil fulfilled | paid_unfulfilled write_off written_off | paid_unfulfilled settle paid_unfulfilled | paid_unfulfilled unfulfil paid_unfulfilled
failed settle paid | cancelled settle paid | expired settle paid
fulfilled fulfil fulfilled | fulfilled settle fulfilled
written_off fulfil fulfilled | written_off settle written_off`;

const allowed = new Map(
  ALLOWED.trim()
    .split(/[|\n]/u)
    .map((line) => {
      const [from, event, to] = line.trim().split(" ");
      return [`${from} ${event}`, to];
    }),
);

describe("the transition table", () => {
  it.each(STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const)))("%s × %s is as the law says", (state, event) => {
    expect(next(state, event)).toBe(allowed.get(`${state} ${event}`) ?? null);
  });

  it("invariant 4: money under way is released by a definite failure alone", () => {
    for (const state of ["paying", "payment_unknown"] as const) {
      const ends = EVENTS.filter((event) => {
        const to = next(state, event);
        return to !== null && !isOpenPayment(to) && !isPaid(to);
      });
      expect(ends).toEqual(["fail"]);
    }
  });

  it("invariant 2: money that has gone never comes back into a state that may pay again", () => {
    for (const state of STATES.filter(isPaid)) {
      for (const to of Object.values(TRANSITIONS[state])) expect(isPaid(to)).toBe(true);
    }
  });

  it("every state is reached from opened, and every state that waits can end", () => {
    const seen = new Set<State>(["opened"]);
    for (const state of seen)
      for (const event of EVENTS) {
        const to = next(state, event);
        if (to !== null) seen.add(to);
      }
    expect([...seen].sort()).toEqual([...STATES].sort());
    for (const state of STATES.filter((each) => !isTerminal(each))) {
      expect(
        EVENTS.some((event: Event) => {
          const to = next(state, event);
          return to !== null && to !== state;
        }),
      ).toBe(true);
    }
  });
});
