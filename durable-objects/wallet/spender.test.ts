import { afterEach, describe, expect, it, vi } from "vitest";
import { CustodyRig, WALLET_ID, kekText } from "../../test/support/custody-rig.ts";

const rigs: CustodyRig[] = [];
async function rig(): Promise<CustodyRig> {
  const made = await CustodyRig.make();
  rigs.push(made);
  return made;
}

afterEach(() => {
  for (const each of rigs.splice(0)) each.close();
});

const epochOf = async (vault: CustodyRig): Promise<number> => {
  const view = await vault.core.custody();
  return view.ok ? view.value.epoch : 0;
};
const stateOf = (vault: CustodyRig): unknown => vault.sql.rows("SELECT state, paused_because AS because FROM wallet")[0];
const later = (vault: CustodyRig): void => void (vault.now += 6_000);

describe("a change of the spender", () => {
  it("invariant 13: takes envelope, epoch and backend at once, and this object goes on under the new epoch", async () => {
    const vault = await rig();
    await vault.buy();
    expect(await vault.core.moveSpender({ epoch: 2, backend: "http-executor", spender: null })).toMatchObject({
      ok: true,
      value: { epoch: 2, backend: "http-executor" },
    });
    expect(await vault.control.wallet(WALLET_ID)).toMatchObject({ epoch: 2 });
    later(vault);
    expect((await vault.buy()).answer.kind).toBe("credential");
    expect(vault.sent.map(({ epoch }) => epoch)).toEqual([1, 2]);
    await vault.check();
  });

  it("invariant 13: wraps the data key for another spender alone, which is told by its version", async () => {
    const vault = await rig();
    vault.env["SPENDER_KEK_EXECUTOR_V1"] = kekText(9);
    vault.boot();
    expect(await vault.core.moveSpender({ epoch: 2, backend: "http-executor", spender: "executor" })).toMatchObject({ ok: true });
    expect(await vault.control.envelope(WALLET_ID)).toMatchObject({ kekVersion: "executor/v1" });
    await expect(vault.check()).rejects.toThrow("the envelope does not open");
    // Payments go on, and so do the rotations that are ours.
    expect(await vault.core.rotate("record-key")).toMatchObject({ ok: true });
    expect(await vault.core.rotate("kek")).toMatchObject({ ok: true });
    expect(await vault.core.rotate("data-key")).toMatchObject({ ok: false, code: "envelope_unopenable" });
    expect(await vault.core.moveSpender({ epoch: 3, backend: "http-executor", spender: null })).toMatchObject({
      ok: false,
      code: "envelope_unopenable",
    });
    expect(stateOf(vault)).toEqual({ state: "active", because: null });
  });

  it("invariant 13: to a backend that this object does not order from, leaves it behind: it pays nothing", async () => {
    const vault = await rig();
    expect(await vault.core.moveSpender({ epoch: 2, backend: "spark-wasm", spender: null })).toMatchObject({
      ok: true,
      value: { epoch: 1 },
    });
    later(vault);
    expect((await vault.buy()).answer).toMatchObject({ kind: "refused", code: "spender_superseded" });
    expect(vault.sent).toEqual([]);
  });

  it("invariant 13: is felt by the object it leaves behind at once, whatever that has just heard of the switches", async () => {
    const vault = await rig();
    await vault.buy();
    expect(await vault.core.moveSpender({ epoch: 2, backend: "spark-wasm", spender: null })).toMatchObject({ ok: true });
    expect((await vault.buy()).answer).toMatchObject({ kind: "refused", code: "spender_superseded" });
    expect(vault.sent.map(({ epoch }) => epoch)).toEqual([1]);
  });

  it.each(["reserved", "paying", "payment_unknown"])(
    "invariant 13: is refused while a row is %s, and nothing has changed",
    async (state) => {
      const vault = await rig();
      vault.hold = true;
      const { id, challenge } = await vault.begin();
      void vault.core.pay({ purchaseId: id, auth: { kind: "binding", budget: "agents" }, challenge, refusedCredentialId: null, waitMs: 0 });
      await vault.quiet();
      if (state !== "paying") vault.sql.rows("UPDATE purchase SET state = ? WHERE id = ?", state, id);
      expect(vault.state(id)).toBe(state);
      expect(await vault.core.moveSpender({ epoch: 2, backend: "http-executor", spender: null })).toMatchObject({
        ok: false,
        code: "payment_pending",
      });
      expect([await vault.control.wallet(WALLET_ID), stateOf(vault)]).toMatchObject([{ epoch: 1 }, { state: "active" }]);
    },
  );

  it("of a wrong epoch, or without that spender's key, is refused", async () => {
    const vault = await rig();
    for (const epoch of [1, 3])
      expect(await vault.core.moveSpender({ epoch, backend: "spark-wasm", spender: null })).toMatchObject({
        ok: false,
        code: "already_exists",
      });
    expect(await vault.core.moveSpender({ epoch: 2, backend: "http-executor", spender: "nobody" })).toMatchObject({
      ok: false,
      code: "envelope_unopenable",
    });
    expect([await vault.control.wallet(WALLET_ID), stateOf(vault)]).toMatchObject([{ epoch: 1 }, { state: "active" }]);
  });

  it.each([0, 1, 2, 3, 4].flatMap((call) => (["before", "after"] as const).map((when) => ({ call, when }))))(
    "that crashed $when call $call is completed by the same request again, and pays nothing in between",
    async (crash) => {
      const vault = await rig();
      const move = { epoch: 2, backend: "http-executor", spender: null } as const;
      const answer = await vault.crashing(crash, () => vault.core.moveSpender(move));
      if (answer === null) {
        later(vault);
        expect((await vault.buy().catch((error: unknown) => ({ answer: { code: String(error) } }))).answer).toMatchObject({
          code: expect.stringMatching(/wallet_paused|spender_superseded/u) as unknown,
        });
      }
      expect(vault.sent).toEqual([]);
      expect(await vault.core.moveSpender(move)).toMatchObject({ ok: true, value: { epoch: 2 } });
      expect(stateOf(vault)).toEqual({ state: "active", because: null });
      await vault.check();
    },
  );

  it("invariant 13: never takes an epoch that a fence has set: that is another deployment's, whose orders it would stand beside", async () => {
    const vault = await rig();
    await vault.control.fenceSpender(WALLET_ID, 2);
    const move = { backend: "http-executor", spender: null } as const;
    expect(await vault.core.moveSpender({ ...move, epoch: 2 })).toMatchObject({ ok: false, code: "already_exists" });
    later(vault);
    expect((await vault.buy()).answer).toMatchObject({ kind: "refused", code: "spender_superseded" });
    expect([vault.sent, stateOf(vault)]).toEqual([[], { state: "active", because: null }]);
    // To take the wallet back is to be later than whoever has it.
    expect(await vault.core.moveSpender({ ...move, epoch: 3 })).toMatchObject({ ok: true, value: { epoch: 3 } });
    expect((await vault.buy()).answer.kind).toBe("credential");
  });

  it("sent again after it was done changes nothing; for another spender it is not the same request, and is refused", async () => {
    const vault = await rig();
    vault.env["SPENDER_KEK_EXECUTOR_V1"] = kekText(9);
    vault.boot();
    const move = { epoch: 2, backend: "http-executor", spender: null } as const;
    for (let n = 0; n < 2; n++) expect(await vault.core.moveSpender(move)).toMatchObject({ ok: true, value: { epoch: 2 } });
    expect(await vault.core.moveSpender({ ...move, spender: "executor" })).toMatchObject({ ok: false, code: "already_exists" });
    expect(await vault.control.envelope(WALLET_ID)).toMatchObject({ kekVersion: "v1" });
    await vault.check();
  });

  it("invariant 4: money that settles late meanwhile leaves the wallet paused for it, when the move is over", async () => {
    const vault = await rig();
    vault.hold = true;
    const { id, challenge } = await vault.begin();
    void vault.core.pay({ purchaseId: id, auth: { kind: "binding", budget: "agents" }, challenge, refusedCredentialId: null, waitMs: 0 });
    await vi.waitFor(() => expect(vault.waiting.length).toBe(1), { timeout: 20_000 });
    // Lost from sight, and called failed by an operator who was wrong: its answer is still on its way.
    vault.sql.rows("UPDATE purchase SET state = 'payment_unknown', code = 'payment_unknown' WHERE id = ?", id);
    expect(await vault.core.resolve(id, "failed", "not in the node's books", null)).toMatchObject({ ok: true });
    const moving = vault.core.moveSpender({ epoch: 2, backend: "http-executor", spender: null });
    expect(stateOf(vault)).toEqual({ state: "paused", because: "spender_moving" });
    vault.waiting[0]?.();
    expect(await moving).toMatchObject({ ok: true, value: { epoch: 2 } });
    expect([vault.state(id), stateOf(vault)]).toEqual(["paid", { state: "paused", because: "late_settlement" }]);
  });

  it("leaves a wallet that an operator has stopped stopped", async () => {
    const vault = await rig();
    await vault.core.disable();
    await vault.core.moveSpender({ epoch: 2, backend: "http-executor", spender: null });
    expect([await epochOf(vault), stateOf(vault)]).toEqual([2, { state: "disabled", because: null }]);
  });

  it("invariant 13: an object behind the control plane's epoch pays nothing and does not catch up by itself", async () => {
    const vault = await rig();
    await vault.control.fenceSpender(WALLET_ID, 5);
    await vault.control.fenceSpender(WALLET_ID, 3);
    expect(await vault.control.security(WALLET_ID)).toMatchObject({ epoch: 5 });
    for (let n = 0; n < 3; n++) {
      later(vault);
      expect((await vault.buy()).answer).toMatchObject({ kind: "refused", code: "spender_superseded" });
      vault.boot();
      await vault.alarm();
    }
    expect([vault.sent, await epochOf(vault)]).toEqual([[], 1]);
  });
});

describe("disable now", () => {
  it("calls off what is reserved, with a receipt, and leaves what is under way to its end", async () => {
    const vault = await rig();
    vault.hold = true;
    // Four payments take the payer's four slots; the fifth waits in `reserved`.
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      const { id, challenge } = await vault.begin();
      ids.push(id);
      void vault.core.pay({ purchaseId: id, auth: { kind: "binding", budget: "agents" }, challenge, refusedCredentialId: null, waitMs: 0 });
      await vault.quiet();
    }
    // Opening a key is real WebCrypto work on another thread: no number of turns is enough on a busy machine, so the states are awaited.
    const states = (expected: readonly string[]) =>
      vi.waitFor(() => expect(ids.map((id) => vault.state(id))).toEqual(expected), { timeout: 20_000 });
    await states(["paying", "paying", "paying", "paying", "reserved"]);
    expect(await vault.core.disableNow()).toEqual({ ok: true, value: { cancelled: 1 } });
    expect(vault.state(ids[4] ?? "")).toBe("cancelled");
    const receipts = await vault.core.receipts({ after: 0, limit: 50 });
    expect(receipts.ok && receipts.value.receipts.map(({ receipt }) => [receipt.kind, receipt.code])).toEqual([
      ["denied", "wallet_disabled"],
    ]);
    // Invariant 11: recording of what is already paid goes on, with the key opened again for it.
    for (const answer of vault.waiting.splice(0)) answer();
    await states(["paid", "paid", "paid", "paid", "cancelled"]);
    expect(vault.sent).toHaveLength(4);
    await vault.check();
  });

  it("overwrites the record keys in memory", async () => {
    const vault = await rig();
    const opened: Uint8Array[] = [];
    const ports = vault.ports();
    const unwrap: typeof ports.keys.unwrap = async (...args) => {
      const bytes = await ports.keys.unwrap(...args);
      if (bytes !== null) opened.push(bytes);
      return bytes;
    };
    const { WalletCore } = await import("./core.ts");
    const core = new WalletCore({ ...ports, keys: { ...ports.keys, unwrap } });
    await core.rotate("record-key");
    expect(opened[0]?.some((byte) => byte !== 0)).toBe(true);
    await core.disableNow();
    expect(opened.map((bytes) => bytes.every((byte) => byte === 0))).toEqual(opened.map(() => true));
  });

  it("keeps them out of memory while nothing is open: what the alarm has to send needs none, and a rotation does", async () => {
    const vault = await rig();
    let opened = 0;
    const ports = vault.ports();
    const unwrap: typeof ports.keys.unwrap = (...args) => {
      opened++;
      return ports.keys.unwrap(...args);
    };
    const { WalletCore } = await import("./core.ts");
    vault.core = new WalletCore({ ...ports, keys: { ...ports.keys, unwrap } });
    await vault.buy();
    await vault.core.disableNow();
    const before = opened;
    await vault.alarm();
    expect([opened - before, (await vault.control.snapshot(WALLET_ID))?.openRows]).toEqual([0, 0]);
    await vault.core.rotate("record-key");
    await vault.core.disableNow();
    await vault.alarm();
    expect((await vault.core.custody()).ok && vault.sql.rows("SELECT 1 FROM former_record_key")).toEqual([]);
  });

  it("invariant 11: stays for new money until an operator enables, and then the keys open again", async () => {
    const vault = await rig();
    await vault.core.disableNow();
    await expect(vault.buy()).rejects.toThrow("wallet_disabled");
    await vault.core.enable();
    expect((await vault.buy()).answer.kind).toBe("credential");
  });
});
