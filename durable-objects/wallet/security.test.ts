/** What stops new money, at the reservation and again before the order leaves. Invariants 10, 11 and 13. */
import { afterEach, describe, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import { checkRigs, ORIGIN, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";
import { PAYER_SLOTS, TIMING } from "./ports.ts";

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;

describe("kill switches", () => {
  const fresh = { url: `${ORIGIN}/fresh` };

  it.each([
    [{ globalPause: true }, "global_pause_active"],
    [{ ownerKillSwitch: true }, "owner_kill_switch_active"],
    [{ epoch: 2 }, "spender_superseded"],
  ] as const)("invariants 11 and 13: %j stops new money at block one", async (on, code) => {
    const rig = await WalletRig.make();
    rig.security = { ...rig.security, ...on, version: 2 };
    const { id, answer } = await rig.begin(rig.offer(), fresh);
    expect([codeOf(await answer), rig.sent.length, rig.one("SELECT COUNT(*) AS n FROM payment"), await rig.told(id)]).toEqual([
      code,
      0,
      0,
      [`denied ${code}`],
    ]);
  });

  it.each([
    [{ globalPause: true }, "global_pause_active"],
    [{ ownerKillSwitch: true }, "owner_kill_switch_active"],
    [{ epoch: 2 }, "spender_superseded"],
  ] as const)(
    "invariants 11 and 13: %j turned on between reservation and order stops it at block two, and the money is given back",
    async (on, code) => {
      const rig = await WalletRig.make();
      for (let i = 0; i < PAYER_SLOTS; i++) await rig.begin(rig.offer({ service: `s${i}` }), { url: `${ORIGIN}/s${i}` });
      const { id, answer } = await rig.begin(rig.offer({ service: "fresh" }), fresh);
      expect(rig.state(id)).toBe("reserved");
      rig.security = { ...rig.security, ...on, version: 2 };
      await rig.advance(TIMING.securityLife);
      await rig.sent[0]?.settle();
      expect([codeOf(await answer), rig.state(id), rig.sent.length, await rig.told(id)]).toEqual([
        code,
        "cancelled",
        PAYER_SLOTS,
        [`denied ${code}`],
      ]);
      expect(rig.one(`SELECT COUNT(*) AS n FROM flight WHERE purchase_id = '${id}'`)).toBe(0);
    },
  );

  it.each([
    ["the wallet", "wallet_disabled", (rig: WalletRig) => rig.core.disable()],
    ["the budget", "budget_disabled", (rig: WalletRig) => rig.core.putBudget("agents", POLICY, true)],
  ] as const)("invariant 11: %s disabled between reservation and order bites at once", async (_name, code, turn) => {
    const rig = await WalletRig.make();
    for (let i = 0; i < PAYER_SLOTS; i++) await rig.begin(rig.offer({ service: `s${i}` }), { url: `${ORIGIN}/s${i}` });
    const { answer } = await rig.begin(rig.offer({ service: "fresh" }), fresh);
    await turn(rig);
    await rig.sent[0]?.settle();
    expect([codeOf(await answer), rig.sent.length]).toEqual([code, PAYER_SLOTS]);
  });

  it("invariant 11: a state is relied on for less than 5 s from when it was asked for, however late it came", async () => {
    const rig = await WalletRig.make();
    await rig.buy();
    rig.security = { ...rig.security, globalPause: true, version: 2 };
    await rig.advance(TIMING.securityLife - 1);
    expect(codeOf(await (await rig.begin(rig.offer({ service: "last" }), { ...fresh, waitMs: 0 })).answer)).toBe("payment_pending");
    await rig.advance(1);
    expect(codeOf(await (await rig.begin(rig.offer({ service: "late" }), { ...fresh, waitMs: 0 })).answer)).toBe("global_pause_active");
    expect(rig.sent.length).toBe(2);
  });

  it("invariant 10: a control plane that fails, or says nothing, denies once what is known is stale", async () => {
    for (const fault of ["an error", "nothing"] as const) {
      const rig = await WalletRig.make();
      await rig.buy();
      rig.controlSays = fault;
      await rig.advance(TIMING.securityLife);
      const id = rig.newId();
      await rig.open(id, fresh);
      const answer = rig.pay(id, rig.offer({ service: "x" }).challenge);
      await rig.advance(TIMING.controlDeadline);
      expect([codeOf(await answer), rig.sent.length, await rig.told(id)]).toEqual([
        "control_plane_unavailable",
        1,
        ["denied control_plane_unavailable"],
      ]);
    }
  });

  it("invariant 11: a lower version never replaces a higher one: an old answer does not end a pause", async () => {
    const rig = await WalletRig.make();
    rig.security = { ...rig.security, globalPause: true, version: 7 };
    expect(codeOf(await (await rig.begin(rig.offer(), fresh)).answer)).toBe("global_pause_active");
    rig.security = { ...rig.security, globalPause: false, version: 6 };
    await rig.advance(TIMING.securityLife);
    expect(codeOf(await (await rig.begin(rig.offer(), fresh)).answer)).toBe("control_plane_unavailable");
    rig.security = { ...rig.security, globalPause: false, version: 8 };
    await rig.buy(rig.offer(), fresh);
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 11: lookups, bookings and delivery of what is paid go on in a stopped wallet", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer({ service: "open" });
    const bought = await rig.buy();
    const open = await rig.begin(offer, fresh);
    await rig.sent[1]?.lose();
    await open.answer;
    rig.security = { ...rig.security, globalPause: true, ownerKillSwitch: true, version: 2 };
    await rig.core.disable();
    rig.onLookup = async (operation) => ({
      kind: "settled",
      preimage: offer.preimage,
      feeMsat: 0 as Msat,
      settledAt: rig.now,
      reference: operation.operationId,
    });
    await rig.runAlarms(TIMING.retryFirst);
    expect(rig.state(open.id)).toBe("paid");
    const again = rig.newId();
    expect(await rig.open(again)).toMatchObject({ kind: "fetch", credential: { id: bought.credentialId, status: "cached" } });
    await rig.deliver(again, bought.credentialId);
    expect(rig.state(again)).toBe("served_cached");
    expect(codeOf(await rig.open(rig.newId(), { url: `${ORIGIN}/never` }))).toBe("wallet_disabled");
  });
});
