import { describe, expect, it } from "vitest";
import { ERRORS, isCode, problem, type Code, type Outcome } from "./errors.ts";

const CODES = Object.keys(ERRORS) as Code[];
const OUTCOMES: readonly Outcome[] = ["denied", "approval_required", "pending", "failed", "paid_unfulfilled"];

/** design.md, "Contracts": the codes that there must be at least. */
const PROMISED =
  `host_not_allowlisted host_blocked amount_over_cap amount_over_call_limit window_cap_exceeded budget_exceeded fee_over_cap approval_required
global_pause_active owner_kill_switch_active wallet_disabled wallet_paused challenge_missing challenge_malformed invoice_malformed invoice_expired payment_hash_mismatch
payment_hash_reused idempotency_conflict insufficient_funds no_route backend_unavailable payment_failed payment_unknown preimage_mismatch preimage_unavailable
paid_unfulfilled credential_refused url_not_allowed redirect_refused response_too_large unauthorized forbidden`.split(/\s+/u);

describe("the taxonomy", () => {
  it("has every code that was promised", () => {
    expect(PROMISED.filter((code) => !isCode(code))).toEqual([]);
  });

  it("knows its own names and no others, those of every object among them", () => {
    for (const code of CODES) expect(isCode(code)).toBe(true);
    for (const name of ["toString", "__proto__", "constructor", "", "PAID", 7, null, undefined]) expect(isCode(name)).toBe(false);
  });

  it.each(CODES)("%s says what it means, what to do, and which HTTP status it is", (code) => {
    const { status, outcome, title, fix, retryable } = ERRORS[code];
    expect(code).toMatch(/^[a-z]+(?:_[a-z]+)*$/u);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(OUTCOMES).toContain(outcome);
    expect(title.length).toBeGreaterThan(10);
    expect(fix.length).toBeGreaterThan(5);
    expect(typeof retryable).toBe("boolean");
    // 402 is the seller's word: from us it would ask an L402 client to pay.
    expect(status).not.toBe(402);
  });

  it("invariant 4: whatever is not yet known is pending, never failed", () => {
    for (const code of ["payment_pending", "payment_unknown", "preimage_mismatch", "preimage_unavailable"] as const)
      expect(ERRORS[code].outcome).toBe("pending");
  });

  it("what a policy or a switch forbids is denied, and only what time alone can change says it may be tried again", () => {
    const denied = CODES.filter((code) => ERRORS[code].outcome === "denied");
    expect(denied.filter((code) => ERRORS[code].retryable).sort()).toEqual(["control_plane_unavailable", "payment_rate_exceeded"]);
  });
});

describe("a problem document", () => {
  it("carries the code, RFC 9457's members and our own", () => {
    expect(problem("no_route", "none", { purchaseId: "p1" })).toEqual({
      type: "urn:lightning-worker:error:no_route",
      title: ERRORS.no_route.title,
      status: 502,
      code: "no_route",
      detail: "none",
      retryable: true,
      fix: ERRORS.no_route.fix,
      purchaseId: "p1",
    });
  });

  it.each(CODES)("%s without a detail says its title", (code) => {
    expect(problem(code).detail).toBe(ERRORS[code].title);
  });
});
