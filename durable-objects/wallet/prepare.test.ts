/** Between block one and block two: a payer that is not ready, and everything that may have changed once it is. Invariants 1, 10, 11 and 14. */
import { afterEach, describe, expect, it } from "vitest";
import type { PaymentOrder, Readiness } from "../../lightning/payer.ts";
import { checkRigs, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;

/** A payer whose readiness is in the test's hand. */
function payer() {
  const asked: {
    readonly order: Omit<PaymentOrder, "deadline">;
    readonly resolve: (readiness: Readiness) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  let forgotten = 0;
  return {
    asked,
    forgotten: () => forgotten,
    prepare: (order: Omit<PaymentOrder, "deadline">): Promise<Readiness> => {
      const { promise, resolve, reject } = Promise.withResolvers<Readiness>();
      asked.push({ order, resolve, reject });
      return promise;
    },
    forget: () => {
      forgotten++;
    },
  };
}

describe("a payer that makes itself ready", () => {
  it("invariant 1: is asked after block one and before block two: nothing leaves meanwhile, and the order is the one it was asked about", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { id } = await rig.begin();
    expect([rig.state(id), rig.sent.length, own.asked.length]).toEqual(["reserved", 0, 1]);
    own.asked[0]?.resolve({ ready: true });
    await rig.quiet();
    const { deadline, ...order } = rig.sent[0]?.order ?? ({} as PaymentOrder);
    expect([rig.state(id), deadline]).toEqual(["paying", rig.now + TIMING.payDeadline]);
    expect(own.asked[0]?.order).toEqual(order);
  });

  it("invariant 14: one that refuses releases the money at once, with its code, and the receipt is that of a payment that failed", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { id, answer } = await rig.begin();
    own.asked[0]?.resolve({ ready: false, code: "insufficient_funds" });
    expect(codeOf(await answer)).toBe("insufficient_funds");
    expect([rig.state(id), rig.sent.length, await rig.told(id)]).toEqual(["cancelled", 0, ["failed insufficient_funds"]]);
    expect(rig.one("SELECT COUNT(*) AS n FROM payment WHERE state = 'open'")).toBe(0);
  });

  it("one that throws, or takes longer than it may, is `backend_unavailable`, and what it says afterwards sends nothing", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const first = await rig.begin(rig.offer({ service: "a" }));
    own.asked[0]?.reject(new Error("wasm trap"));
    expect(codeOf(await first.answer)).toBe("backend_unavailable");
    const second = await rig.begin(rig.offer({ service: "b" }));
    await rig.advance(TIMING.prepareDeadline);
    expect(codeOf(await second.answer)).toBe("backend_unavailable");
    own.asked[1]?.resolve({ ready: true });
    await rig.quiet();
    expect([rig.state(second.id), rig.sent.length]).toEqual(["cancelled", 0]);
    expect(rig.logged.join()).not.toContain("wasm trap");
  });

  it("invariant 11: a switch that is turned on while it makes itself ready is obeyed, and what it has opened since is forgotten", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { id, answer } = await rig.begin();
    rig.security = { ...rig.security, version: 2, globalPause: true };
    await rig.advance(6000);
    own.asked[0]?.resolve({ ready: true });
    expect(codeOf(await answer)).toBe("global_pause_active");
    expect([rig.state(id), rig.sent.length, own.forgotten() > 0]).toEqual(["cancelled", 0, true]);
  });

  it("invariant 11: the payer of a stopped wallet is not asked at all, for it would open the key", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    rig.security = { ...rig.security, version: 2, ownerKillSwitch: true };
    const { answer } = await rig.begin();
    expect([codeOf(await answer), own.asked.length]).toEqual(["owner_kill_switch_active", 0]);
  });

  it("invariant 11: disabled while it makes itself ready, nothing is sent and the payer forgets twice: at once, and when it is ready after all", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { id } = await rig.begin();
    await rig.core.disableNow();
    expect([rig.state(id), own.forgotten()]).toEqual(["cancelled", 1]);
    own.asked[0]?.resolve({ ready: true });
    await rig.quiet();
    expect([rig.sent.length, own.forgotten()]).toEqual([0, 2]);
  });

  it("invariant 1: what a rotation takes away while it makes itself ready is made ready anew before anything leaves", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { id } = await rig.begin();
    await rig.core.rotate("record-key");
    own.asked[0]?.resolve({ ready: true });
    await rig.quiet();
    expect([rig.state(id), own.asked.length, rig.sent.length]).toEqual(["reserved", 2, 0]);
    own.asked[1]?.resolve({ ready: true });
    await rig.quiet();
    expect([rig.state(id), rig.sent.length]).toEqual(["paying", 1]);
  });

  it("slowness beyond five seconds does not deny by itself: the switches are asked about again", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { id } = await rig.begin();
    await rig.advance(TIMING.prepareDeadline - 1);
    own.asked[0]?.resolve({ ready: true });
    await rig.quiet();
    expect([rig.state(id), rig.sent.length]).toEqual(["paying", 1]);
  });
});
