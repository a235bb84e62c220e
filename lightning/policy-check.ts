/**
 * Reads a policy from outside: an operator's JSON, or what the journal holds. Everything that is not exactly a policy is
 * refused with the name of the field, because a policy half understood would pay what its author forbade.
 */
import { isMsat } from "./msat.ts";
import type { Policy } from "./policy.ts";
import { isHostPattern } from "./url.ts";

export type PolicyResult = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly detail: string };

type Check = (value: unknown) => string | null;
type Shape = Readonly<Record<string, { readonly required: boolean; readonly check: Check }>>;

const fails =
  (what: string, right: (value: unknown) => boolean): Check =>
  (value) =>
    right(value) ? null : what;
const amount = fails("must be whole msat from 0 to 2^53 - 1", isMsat);
const count = fails("must be a positive integer", (value) => Number.isSafeInteger(value) && (value as number) > 0);
const oneOf = (...words: readonly string[]): Check =>
  fails(`must be one of ${words.join(", ")}`, (value) => words.includes(value as string));
const list =
  (check: Check, most: number): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length > most) return `must be a list of at most ${most}`;
    for (const [index, item] of value.entries()) {
      const fault = check(item);
      if (fault !== null) return `[${index}] ${fault}`;
    }
    return null;
  };
const host = fails(
  "must be a host, *.host, or either with :port, in lower case",
  (value) => typeof value === "string" && isHostPattern(value),
);
const object =
  (shape: Shape): Check =>
  (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "must be an object";
    for (const key of Object.keys(value)) if (!Object.hasOwn(shape, key)) return `.${key} is not a field of a policy`;
    for (const [key, { required, check }] of Object.entries(shape)) {
      const member = (value as Record<string, unknown>)[key];
      if (member === undefined) {
        if (required) return `.${key} is missing`;
        continue;
      }
      const fault = check(member);
      if (fault !== null) return `.${key} ${fault}`;
    }
    return null;
  };
const need = (check: Check) => ({ required: true, check });
const may = (check: Check) => ({ required: false, check });

const windows: Shape = {
  hourMsat: may(amount),
  dayMsat: may(amount),
  monthMsat: may(amount),
  totalMsat: may(amount),
  // Bounded: a rolling window is summed payment by payment.
  rolling: may(
    list(
      object({
        windowMs: need(
          fails(
            "must be from 1,000 ms to 31 days",
            (value) => Number.isSafeInteger(value) && (value as number) >= 1000 && (value as number) <= 31 * 86_400_000,
          ),
        ),
        capMsat: need(amount),
      }),
      8,
    ),
  ),
};

const wait = fails(
  "must be from 1,000 ms to one day",
  (value) => Number.isSafeInteger(value) && (value as number) >= 1000 && (value as number) <= 86_400_000,
);

const POLICY: Check = object({
  ...windows,
  perPaymentMsat: may(amount),
  paymentsPerMinute: may(count),
  approvalAboveMsat: may(amount),
  hosts: need(
    object({
      mode: need(oneOf("listed", "any_public")),
      allow: need(list(host, 500)),
      block: need(list(host, 500)),
      unknown: need(oneOf("deny", "ask")),
    }),
  ),
  perHost: may(list(object({ ...windows, host: need(host), perPaymentMsat: may(amount) }), 100)),
  fee: need(
    object({
      floorMsat: need(amount),
      ppm: need(
        fails(
          "must be an integer from 0 to 1,000,000",
          (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 1_000_000,
        ),
      ),
    }),
  ),
  opaqueTokens: need(oneOf("deny", "allow")),
  network: need(oneOf("mainnet", "testnet", "signet", "regtest")),
  perSubject: may(object({ ...windows, perPaymentMsat: may(amount) })),
  hostSettings: may(
    list(
      object({
        host: need(host),
        reuse: may(oneOf("auto", "always", "never")),
        headersMs: may(wait),
        idleMs: may(wait),
        totalMs: may(wait),
        maxBytes: may(count),
      }),
      100,
    ),
  ),
  approvalMs: may(wait),
  lowBalanceMsat: may(amount),
  pathPrefixes: may(
    list(
      fails("must begin with / and hold no query", (value) => typeof value === "string" && /^\/[^?#\s\p{Cs}]*$/u.test(value)),
      100,
    ),
  ),
});

/** @param value a policy, or its JSON text */
export function parsePolicy(value: unknown): PolicyResult {
  let read = value;
  if (typeof value === "string") {
    try {
      read = JSON.parse(value);
    } catch {
      return { ok: false, detail: "policy is not JSON" };
    }
  }
  const fault = POLICY(read);
  return fault === null ? { ok: true, policy: read as Policy } : { ok: false, detail: `policy ${fault}` };
}

/** Subjects are counted in a budget's books alone: in a wallet's policy their caps would be caps that never bite. @returns what is wrong, or null */
export function walletPolicyFault({ perSubject }: Policy): string | null {
  return perSubject === undefined ? null : "policy.perSubject: belongs into a budget's policy; the wallet's caps no subject";
}
