import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { starterPolicy } from "./policy.ts";
import { parsePolicy } from "./policy-check.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

const STARTER = starterPolicy("regtest", ["api.example.com", "*.example.org:8443"]);

/** Every field there is, so that each can be spoilt. */
const WHOLE = {
  ...STARTER,
  hourMsat: 1,
  monthMsat: 2,
  totalMsat: Number.MAX_SAFE_INTEGER,
  rolling: [{ windowMs: 60_000, capMsat: 5 }],
  perHost: [
    {
      host: "api.example.com:8443",
      perPaymentMsat: 3,
      hourMsat: 1,
      dayMsat: 1,
      monthMsat: 1,
      totalMsat: 1,
      rolling: [{ windowMs: 1000, capMsat: 0 }],
    },
  ],
  perSubject: { perPaymentMsat: 3, hourMsat: 1, dayMsat: 1, monthMsat: 1, totalMsat: 1, rolling: [{ windowMs: 1000, capMsat: 0 }] },
  hostSettings: [{ host: "*.example.com", reuse: "never", headersMs: 1000, idleMs: 1000, totalMs: 86_400_000, maxBytes: 1 }],
  approvalMs: 60_000,
  lowBalanceMsat: 5,
  pathPrefixes: ["/v1", "/"],
};

/** Every path to a member of a value: `["hosts", "allow", 0]`. */
function* paths(value: unknown, path: readonly (string | number)[] = []): Generator<readonly (string | number)[]> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) yield* paths(member, [...path, Array.isArray(value) ? Number(key) : key]);
}

function set(value: unknown, path: readonly (string | number)[], replacement: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return replacement;
  if (Array.isArray(value)) return value.with(head as number, set(value[head as number], rest, replacement));
  const fields = value as Record<string, unknown>;
  return { ...fields, [head]: set(fields[head], rest, replacement) };
}

const written = (path: readonly (string | number)[]): string =>
  path.map((part) => (typeof part === "number" ? ` [${part}]` : ` .${part}`)).join("");
const detailOf = (value: unknown): string | null => {
  const read = parsePolicy(value);
  return read.ok ? null : read.detail;
};

describe("parsePolicy", () => {
  it("accepts what starterPolicy makes, as a value and as JSON text, and hands it back unchanged", () => {
    for (const network of ["mainnet", "testnet", "signet", "regtest"] as const) {
      const policy = starterPolicy(network, ["api.example.com"]);
      expect(parsePolicy(policy)).toEqual({ ok: true, policy });
      expect(parsePolicy(JSON.stringify(policy))).toEqual({ ok: true, policy });
    }
    expect(parsePolicy(WHOLE)).toEqual({ ok: true, policy: WHOLE });
  });

  it("invariant 10: a field that no policy has is refused by name, at every depth", () => {
    for (const [path, name] of [
      [[], ""],
      [["hosts"], " .hosts"],
      [["fee"], " .fee"],
      [["rolling", 0], " .rolling [0]"],
      [["perHost", 0], " .perHost [0]"],
      [["perSubject"], " .perSubject"],
      [["hostSettings", 0], " .hostSettings [0]"],
      [["perHost", 0, "rolling", 0], " .perHost [0] .rolling [0]"],
    ] as const) {
      const at = path.reduce<unknown>((value, part) => (value as Record<string | number, unknown>)[part], WHOLE);
      expect(detailOf(set(WHOLE, path, { ...(at as object), dayMsats: 1 }))).toBe(`policy${name} .dayMsats is not a field of a policy`);
    }
    expect(detailOf(`{"__proto__":{"a":1},${JSON.stringify(STARTER).slice(1)}`)).toBe("policy .__proto__ is not a field of a policy");
  });

  it("invariant 10: any one member spoilt is refused, and the refusal names it", () => {
    for (const path of paths(WHOLE)) {
      // No member of a policy may be any of these.
      for (const bad of [true, -1, 0.5, Number.MAX_SAFE_INTEGER + 1, "No Such Word?", { surprise: 1 }, null]) {
        expect(detailOf(set(WHOLE, path, bad)), `${written(path)} = ${JSON.stringify(bad)}`).toContain(`policy${written(path)}`);
      }
    }
  });

  it.each([
    "hosts",
    "fee",
    "opaqueTokens",
    "network",
    "hosts.mode",
    "hosts.allow",
    "hosts.block",
    "hosts.unknown",
    "fee.floorMsat",
    "fee.ppm",
  ])("invariant 10: without %s there is no policy", (name) => {
    const path = name.split(".");
    expect(detailOf(JSON.parse(JSON.stringify(set(STARTER, path, undefined))))).toBe(`policy${written(path)} is missing`);
  });

  it("never throws, whatever it is given, and what it accepts it accepts again from its own text", () => {
    const near = fc.record(
      {
        hosts: fc.oneof(fc.constant(STARTER.hosts), fc.jsonValue()),
        fee: fc.oneof(fc.constant(STARTER.fee), fc.jsonValue()),
        opaqueTokens: fc.oneof(fc.constant("deny"), fc.jsonValue()),
        network: fc.oneof(fc.constant("regtest"), fc.jsonValue()),
        dayMsat: fc.oneof(fc.maxSafeNat(), fc.jsonValue()),
        rolling: fc.jsonValue(),
        perHost: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.anything(), fc.string(), fc.json(), near), (value) => {
        const read = parsePolicy(value);
        if (read.ok) expect(parsePolicy(JSON.stringify(read.policy)).ok).toBe(true);
        else expect(read.detail).toMatch(/^policy /u);
      }),
      { numRuns: 400 },
    );
  });

  it("lists are bounded: a rolling window is summed payment by payment, and a host list is walked for each decision", () => {
    expect(detailOf({ ...STARTER, rolling: Array.from({ length: 9 }, () => ({ windowMs: 1000, capMsat: 1 })) })).toBe(
      "policy .rolling must be a list of at most 8",
    );
    expect(detailOf({ ...STARTER, rolling: [{ windowMs: 999, capMsat: 1 }] })).toContain(".rolling [0] .windowMs");
    expect(detailOf({ ...STARTER, rolling: [{ windowMs: 31 * 86_400_000 + 1, capMsat: 1 }] })).toContain(".rolling [0] .windowMs");
    expect(detailOf({ ...STARTER, hosts: { ...STARTER.hosts, allow: Array.from({ length: 501 }, (_, i) => `h${i}.example`) } })).toBe(
      "policy .hosts .allow must be a list of at most 500",
    );
  });

  it.each([
    "EXAMPLE.com",
    "example.com.",
    "https://example.com",
    "example.com/",
    "user@example.com",
    "example.com:0",
    "example.com:65536",
    "example.com:",
    "*",
    "*.",
    "ex*mple.com",
    "**.example.com",
    "example..com",
    ".example.com",
    "münchen.example",
    "a b.example",
    "",
    "*.*.example.com",
    "[::1",
    "*.[::1]",
  ])("invariant 12: %j is no host pattern: it could never match a host as requests are normalised", (pattern) => {
    for (const list of ["allow", "block"] as const)
      expect(detailOf({ ...STARTER, hosts: { ...STARTER.hosts, [list]: [pattern] } })).toBe(
        `policy .hosts .${list} [0] must be a host, *.host, or either with :port, in lower case`,
      );
  });

  it.each([
    "example.com",
    "example.com:8443",
    "*.example.com",
    "*.example.com:1",
    "127.0.0.1:8080",
    "[::1]:8080",
    "localhost:3000",
    "xn--mnchen-3ya.example",
    "a-b.c-d.example:65535",
    "under_score.example.com",
  ])("%j is a host pattern", (pattern) => {
    expect(parsePolicy({ ...STARTER, hosts: { ...STARTER.hosts, allow: [pattern] } }).ok).toBe(true);
  });
});
