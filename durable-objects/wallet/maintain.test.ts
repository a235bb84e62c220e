/** The payer's housekeeping, what makes it forget, and what the vault lends to a payer in the same object. Invariants 9, 10 and 11. */
import { afterEach, describe, expect, it } from "vitest";
import { AGENTS, checkRigs, POLICY, WALLET_ID, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

/** A payer that counts; `next` is what it says when asked to maintain. */
function payer() {
  const seen = { maintained: 0, forgotten: 0, next: async (): Promise<number | null> => null };
  return {
    seen,
    maintain: () => {
      seen.maintained++;
      return seen.next();
    },
    forget: () => {
      seen.forgotten++;
    },
  };
}
const jobs = (rig: WalletRig): number => rig.one("SELECT COUNT(*) AS n FROM due WHERE job = 'maintain'");

describe("maintenance", () => {
  it("comes soon after the wallet was made, after a payment, and then when the payer says; not otherwise", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    await rig.runAlarms(TIMING.maintainDelay);
    expect([own.seen.maintained, jobs(rig)]).toEqual([1, 0]);
    const { id, answer } = await rig.begin();
    await rig.runAlarms(10_000);
    expect(own.seen.maintained).toBe(1);
    own.seen.next = async () => rig.now + 60_000;
    await rig.sent[0]?.settle();
    const paid = await answer;
    await rig.deliver(id, paid.kind === "credential" ? paid.credential.id : null);
    await rig.runAlarms(TIMING.maintainDelay);
    expect(own.seen.maintained).toBe(2);
    await rig.runAlarms(59_000);
    expect(own.seen.maintained).toBe(2);
    own.seen.next = async () => null;
    await rig.runAlarms(2000);
    expect([own.seen.maintained, rig.sql.alarm]).toEqual([3, null]);
  });

  it("one that fails, by exception, silence or a senseless answer, comes again later and later, and holds nothing up", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const answers = [() => Promise.reject(new Error("down")), () => new Promise<never>(() => {}), async () => Number.NaN];
    own.seen.next = async () => answers[own.seen.maintained % 3]?.() ?? null;
    await rig.runAlarms(TIMING.maintainDelay);
    // A purchase goes through while the payer is at it.
    await rig.buy();
    await rig.runAlarms(3_600_000);
    expect(own.seen.maintained).toBeGreaterThan(5);
    expect(own.seen.maintained).toBeLessThan(30);
    expect(rig.logged.join()).not.toContain("down");
  });

  it("a payer that always says at once is not asked in a circle", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    own.seen.next = async () => 0;
    await rig.runAlarms(60_000);
    expect(own.seen.maintained).toBeLessThanOrEqual(56);
  });

  it("invariant 11: not while the wallet is disabled or something above it says stop; enabling brings it back", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    await rig.core.disable();
    await rig.runAlarms(3_600_000);
    expect([own.seen.maintained, jobs(rig)]).toEqual([0, 0]);
    rig.security = { ...rig.security, version: 2, ownerKillSwitch: true };
    await rig.core.enable();
    await rig.runAlarms(60_000);
    expect([own.seen.maintained, jobs(rig)]).toEqual([0, 0]);
    rig.security = { ...rig.security, version: 3, ownerKillSwitch: false };
    // Learned with the next purchase, before its payment has ended.
    await rig.begin();
    expect(jobs(rig)).toBe(1);
    await rig.runAlarms(TIMING.maintainDelay);
    expect(own.seen.maintained).toBe(1);
  });

  it("a control plane that cannot be read puts it off, and not for good", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    rig.controlSays = "an error";
    await rig.runAlarms(60_000);
    expect([own.seen.maintained, jobs(rig)]).toEqual([0, 1]);
    rig.controlSays = "the state";
    await rig.runAlarms(120_000);
    expect(own.seen.maintained).toBe(1);
  });

  it("what is asked for while it runs is not lost with its answer", async () => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    const { promise, resolve } = Promise.withResolvers<null>();
    own.seen.next = () => promise;
    await rig.runAlarms(TIMING.maintainDelay);
    await rig.buy();
    resolve(null);
    await rig.quiet();
    own.seen.next = async () => null;
    await rig.runAlarms(TIMING.maintainDelay);
    expect([own.seen.maintained, jobs(rig)]).toEqual([2, 0]);
  });

  it("a wallet whose payer has nothing to maintain has no such job", async () => {
    const rig = await WalletRig.make();
    await rig.buy();
    await rig.core.enable();
    expect(jobs(rig)).toBe(0);
  });
});

describe("the payer forgets", () => {
  const forgotten = async (act: (rig: WalletRig) => Promise<unknown>): Promise<number> => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    await act(rig);
    return own.seen.forgotten;
  };

  it.each([
    ["disable", (rig: WalletRig) => rig.core.disable()],
    ["disable now", (rig: WalletRig) => rig.core.disableNow()],
    ["a rotation", (rig: WalletRig) => rig.core.rotate("record-key")],
  ])("at %s", async (_, act) => {
    expect(await forgotten(act)).toBe(1);
  });

  it.each([
    ["the global pause", { globalPause: true }],
    ["the owner's switch", { ownerKillSwitch: true }],
    ["a later spender", { epoch: 2 }],
  ])("invariant 11: once it is known of %s, and not again with every answer that says so", async (_, state) => {
    const own = payer();
    const rig = await WalletRig.make({ payer: own });
    await rig.buy();
    expect(own.seen.forgotten).toBe(0);
    rig.security = { ...rig.security, version: 2, ...state };
    await rig.advance(6000);
    for (const service of ["a", "b"]) {
      await rig.begin(rig.offer({ service }), { url: `https://seller.example/${service}` });
      await rig.advance(6000);
    }
    // Once when it was learned; block two is never reached.
    expect([own.seen.forgotten, rig.sent.length]).toEqual([1, 1]);
  });

  it("not when the wallet is enabled, a policy is set or a budget is made", async () => {
    const act = async (rig: WalletRig): Promise<void> => {
      await rig.core.enable();
      await rig.core.setPolicy(POLICY);
      await rig.core.putBudget("agents", POLICY, false);
    };
    expect(await forgotten(act)).toBe(0);
  });

  it("an exception in it stops nothing, and is not quoted", async () => {
    const rig = await WalletRig.make({
      payer: {
        forget: () => {
          throw new Error("secret words");
        },
      },
    });
    expect((await rig.core.disableNow()).ok).toBe(true);
    expect(rig.logged.join()).toContain("forget_failed");
    expect(rig.logged.join()).not.toContain("secret words");
  });
});

describe("what the vault lends to a payer", () => {
  const plain = new TextEncoder().encode("a session token");

  it("says whose wallet it is; nothing where nobody has made one", async () => {
    expect(WalletRig.empty().core.facts()).toBeNull();
    expect(await WalletRig.empty().core.sealing().ready()).toBe(false);
    expect((await WalletRig.make()).core.facts()).toEqual({
      walletId: WALLET_ID,
      owner: "main",
      network: "regtest",
      backend: "http-executor",
      epoch: 1,
      state: "active",
    });
  });

  it("invariant 9: seals with the record key, and opens only under the same context, also what a former key has sealed", async () => {
    const rig = await WalletRig.make();
    const sealing = rig.core.sealing();
    expect(await sealing.ready()).toBe(true);
    const sealed = sealing.seal("spark:session", plain);
    expect(Buffer.from(sealed).includes(Buffer.from(plain))).toBe(false);
    expect([sealing.open("spark:session", sealed), sealing.open("spark:other", sealed)]).toEqual([plain, null]);
  });

  it("invariant 10: refuses to seal while the key is not open", async () => {
    const rig = await WalletRig.make();
    const sealing = rig.core.sealing();
    expect(() => sealing.seal("spark:session", plain)).toThrow("not open");
    rig.onUnwrap = async () => null;
    expect(await sealing.ready()).toBe(false);
    rig.onUnwrap = async (wrapped) => Uint8Array.from(wrapped);
    expect(await sealing.ready()).toBe(true);
    await rig.core.disableNow();
    expect(() => sealing.seal("spark:session", plain)).toThrow("not open");
    expect((await rig.core.ownStatus(AGENTS)).ok).toBe(true);
  });
});
