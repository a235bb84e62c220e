/** What stops a payment before any cap is asked, and the small rules that decide is made of: hosts, fees, calendar. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FREE, NOW, OFF, anyCase, decided, layer, word } from "../test/support/decide-cases.ts";
import { checkHost, checkHosts, checkSwitches, dayStart, decide, hourStart, maxFee, monthStart } from "./decide.ts";
import { msat, type Msat } from "./msat.ts";
import type { HostPolicy, Policy } from "./policy.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

describe("what stops before any cap", () => {
  const open = [layer("wallet", FREE), layer("budget", FREE)] as const;

  it.each([
    [{ globalPause: true }, "global_pause_active"],
    [{ ownerKillSwitch: true }, "owner_kill_switch_active"],
    [{ wallet: "disabled" }, "wallet_disabled"],
    [{ wallet: "paused" }, "wallet_paused"],
    [{ budgetDisabled: true }, "budget_disabled"],
    [{ superseded: true }, "spender_superseded"],
  ] as const)("invariant 11: the switch %j denies with %s", (on, code) => {
    expect(word(decided(...open))).toBe("allow");
    expect(word(decided(...open, {}, { ...OFF, ...on }))).toBe(code);
    expect(checkSwitches({ ...OFF, ...on })?.code).toBe(code);
  });

  it("invariant 11: any switch, in whatever company, denies", () => {
    const switches = fc.record({
      globalPause: fc.boolean(),
      ownerKillSwitch: fc.boolean(),
      wallet: fc.constantFrom("active" as const, "disabled" as const, "paused" as const),
      budgetDisabled: fc.boolean(),
      superseded: fc.boolean(),
    });
    fc.assert(
      fc.property(switches, anyCase, (on, { wallet, budget, paid, request }) => {
        const any = on.globalPause || on.ownerKillSwitch || on.wallet !== "active" || on.budgetDisabled || on.superseded;
        expect(checkSwitches(on) !== null).toBe(any);
        if (any) expect(decide([layer("wallet", wallet, paid), layer("budget", budget, paid)], on, request, NOW).kind).toBe("deny");
      }),
    );
  });

  it("invariant 10: switches that could not be read deny", () => {
    expect(word(decided(...open, {}, null))).toBe("control_plane_unavailable");
  });

  it("invariant 7: an invoice for nothing, an expired one and one for another network are refused", () => {
    expect(word(decided(...open, { amountMsat: 0 as Msat }))).toBe("invoice_amountless");
    expect(word(decided(...open, { expiresAt: NOW }))).toBe("invoice_expired");
    expect(word(decided(...open, { expiresAt: NOW + 1 }))).toBe("allow");
    expect(word(decided(...open, { network: "mainnet" }))).toBe("invoice_network_mismatch");
    expect(word(decided(layer("wallet", FREE), layer("budget", { ...FREE, network: "mainnet" })))).toBe("invoice_network_mismatch");
  });

  it("invariant 8: an opaque token needs the word of both layers", () => {
    const lax: Policy = { ...FREE, opaqueTokens: "allow" };
    expect(word(decided(layer("wallet", lax), layer("budget", FREE), { binding: "unverified" }))).toBe("opaque_token_refused");
    expect(word(decided(layer("wallet", FREE), layer("budget", lax), { binding: "unverified" }))).toBe("opaque_token_refused");
    expect(word(decided(layer("wallet", lax), layer("budget", lax), { binding: "unverified" }))).toBe("allow");
  });
});

describe("hosts", () => {
  const policyOf = (hosts: Partial<HostPolicy>): HostPolicy => ({ mode: "listed", allow: [], block: [], unknown: "deny", ...hosts });

  it("invariant 12: an empty allowlist allows nothing", () => {
    fc.assert(
      fc.property(
        fc.domain(),
        fc.integer({ min: 1, max: 65535 }),
        fc.constantFrom("deny" as const, "ask" as const),
        (host, port, unknown) => {
          expect(checkHost(policyOf({ unknown }), host, port)).toBe(unknown === "ask" ? "ask" : "host_not_allowlisted");
        },
      ),
    );
  });

  it("invariant 12: a block wins over a listing and over any public host, on every port unless it names one", () => {
    for (const mode of ["listed", "any_public"] as const) {
      expect(checkHost(policyOf({ mode, allow: ["a.example", "a.example:8443"], block: ["a.example"] }), "a.example", 443)).toBe(
        "host_blocked",
      );
      expect(checkHost(policyOf({ mode, allow: ["a.example", "a.example:8443"], block: ["a.example"] }), "a.example", 8443)).toBe(
        "host_blocked",
      );
      expect(checkHost(policyOf({ mode, allow: ["a.example", "a.example:8443"], block: ["a.example:8443"] }), "a.example", 443)).toBe(
        "allow",
      );
      expect(checkHost(policyOf({ mode, allow: ["*.example"], block: ["*.a.example"] }), "x.a.example", 443)).toBe("host_blocked");
    }
  });

  it("invariant 12: any public host is a mode one must choose, and the stricter layer's word stands", () => {
    const any = policyOf({ mode: "any_public" });
    expect(checkHosts([any, any], "z.example", 443)).toBe("allow");
    expect(checkHosts([any, policyOf({ unknown: "ask" })], "z.example", 443)).toBe("ask");
    expect(checkHosts([policyOf({ unknown: "ask" }), policyOf({})], "z.example", 443)).toBe("host_not_allowlisted");
    expect(checkHosts([policyOf({}), policyOf({ mode: "any_public", block: ["z.example"] })], "z.example", 443)).toBe("host_blocked");
    expect(checkHosts([], "z.example", 443)).toBe("host_not_allowlisted");
  });

  it("invariant 12: an unknown host that policy asks about is asked about, not paid", () => {
    const asking: Policy = { ...FREE, hosts: policyOf({ unknown: "ask" }) };
    expect(decided(layer("wallet", FREE), layer("budget", asking))).toMatchObject({ kind: "ask", because: "host" });
    expect(word(decided(layer("wallet", FREE), layer("budget", { ...asking, totalMsat: 1 as Msat })))).toBe("budget_exceeded");
  });
});

describe("maxFee", () => {
  it("is the larger of floor and share, rounded up, exact up to the largest amounts there are", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat().map(msat),
        fc.maxSafeNat().map(msat),
        fc.integer({ min: 0, max: 1_000_000 }),
        (amount, floorMsat, ppm) => {
          const share = (BigInt(amount) * BigInt(ppm)) / 1_000_000n + ((BigInt(amount) * BigInt(ppm)) % 1_000_000n === 0n ? 0n : 1n);
          expect(BigInt(maxFee({ floorMsat, ppm }, amount))).toBe(share > BigInt(floorMsat) ? share : BigInt(floorMsat));
        },
      ),
    );
  });

  it.each([
    [0, 0, 5, 0],
    [0, 1, 0, 0],
    [0, 1, 1, 1],
    [0, 1, 1_000_000, 1],
    [0, 1, 1_000_001, 2],
    [7, 0, 0, 7],
    [0, 1_000_000, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [0, 999_999, Number.MAX_SAFE_INTEGER, 9_007_190_247_541_737],
  ])("floor %d, %d ppm of %d msat: %d", (floor, ppm, amount, fee) => {
    expect(maxFee({ floorMsat: msat(floor), ppm }, msat(amount))).toBe(fee);
  });
});

describe("calendar windows", () => {
  it("begin where an hour, a day and a month begin in UTC", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date("2199-12-31T23:59:59.999Z"), noInvalidDate: true }), (date) => {
        const text = date.toISOString();
        expect(new Date(hourStart(date.getTime())).toISOString()).toBe(`${text.slice(0, 13)}:00:00.000Z`);
        expect(new Date(dayStart(date.getTime())).toISOString()).toBe(`${text.slice(0, 10)}T00:00:00.000Z`);
        expect(new Date(monthStart(date.getTime())).toISOString()).toBe(`${text.slice(0, 7)}-01T00:00:00.000Z`);
      }),
    );
  });
});
