/** Enabling a wallet while its spender changes: no payment is open when the change arrives (invariant 13). Found by the simulation. */
import { afterEach, describe, expect, it } from "vitest";
import { CustodyRig, WALLET_ID } from "../../test/support/custody-rig.ts";

const rigs: CustodyRig[] = [];
const MOVE = { epoch: 2, backend: "http-executor", spender: null } as const;

afterEach(() => {
  for (const each of rigs.splice(0)) each.close();
});

/** A change of the spender that has left for the control plane and waits there until it is let in. */
async function underWay() {
  const vault = await CustodyRig.make();
  rigs.push(vault);
  const { promise: gate, resolve: letIn } = Promise.withResolvers<void>();
  const { promise: left, resolve: hasLeft } = Promise.withResolvers<void>();
  const { control } = vault;
  const moveSpender = control.moveSpender.bind(control);
  const arrived = Promise.withResolvers<boolean>();
  control.moveSpender = async (change) => {
    hasLeft();
    await gate;
    const answer = await moveSpender(change);
    arrived.resolve(answer.moved);
    return answer;
  };
  const moving = vault.core.moveSpender(MOVE);
  await left;
  control.moveSpender = moveSpender;
  return { vault, moving, letIn, arrived: arrived.promise };
}

const epoch = async (vault: CustodyRig): Promise<number | undefined> => (await vault.control.wallet(WALLET_ID))?.epoch;
const later = (vault: CustodyRig): void => void (vault.now += 6_000);

describe("invariant 13: enabling a wallet whose spender is changing", () => {
  it("waits for the change, and nothing is paid before it has ended", async () => {
    const { vault, moving, letIn } = await underWay();
    const enabling = vault.core.enable();
    await expect(vault.buy()).rejects.toThrow("wallet_paused");
    letIn();
    expect([await moving, await enabling]).toMatchObject([{ ok: true, value: { epoch: 2 } }, { ok: true }]);
    later(vault);
    expect((await vault.buy()).answer.kind).toBe("credential");
    expect(vault.sent.map((order) => order.epoch)).toEqual([2]);
  });

  it("calls back one that a lost instance has sent: arriving late, it changes nothing, whatever is open by then", async () => {
    const { vault, letIn, arrived } = await underWay();
    vault.boot();
    expect(await vault.core.enable()).toEqual({ ok: true, value: null });
    vault.payer = "is pending";
    const { id } = await vault.buy();
    letIn();
    expect([await arrived, await epoch(vault), vault.state(id)]).toEqual([false, 1, "paying"]);
    await vault.check();
  });

  it("one that has arrived leaves the object behind, which pays nothing until the same request takes the epoch", async () => {
    const { vault, letIn, arrived } = await underWay();
    vault.boot();
    letIn();
    expect(await arrived).toBe(true);
    expect(await vault.core.enable()).toEqual({ ok: true, value: null });
    later(vault);
    expect((await vault.buy()).answer).toMatchObject({ kind: "refused", code: "spender_superseded" });
    expect(await vault.core.moveSpender(MOVE)).toMatchObject({ ok: true, value: { epoch: 2 } });
    expect((await vault.buy()).answer.kind).toBe("credential");
    expect(vault.sent.map((order) => order.epoch)).toEqual([2]);
  });

  it("is refused, and the wallet stays stopped, while the control plane cannot be asked", async () => {
    const { vault } = await underWay();
    vault.boot();
    const { control } = vault;
    const envelope = control.envelope.bind(control);
    control.envelope = () => Promise.reject(new Error("the control plane is down"));
    expect(await vault.core.enable()).toMatchObject({ ok: false, code: "control_plane_unavailable" });
    await expect(vault.buy()).rejects.toThrow("wallet_paused");
    control.envelope = envelope;
    expect(await vault.core.enable()).toMatchObject({ ok: true });
  });

  it("also where an operator had stopped it before, so that the pause left no mark", async () => {
    const { vault, letIn, arrived } = await underWay();
    vault.boot();
    await vault.core.disable();
    expect(await vault.core.enable()).toMatchObject({ ok: true });
    vault.payer = "is pending";
    await vault.buy();
    letIn();
    expect([await arrived, await epoch(vault)]).toEqual([false, 1]);
  });
});
