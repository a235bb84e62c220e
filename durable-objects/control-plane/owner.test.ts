import { describe, expect, it } from "vitest";
import { controlPlaneContract, receiptChain, walletEnvelope, walletRecord } from "../../control-plane/contract.ts";
import { verifyChain, type Receipt } from "../../lightning/receipt.ts";
import { NodeSql } from "../../test/support/sql-node.ts";
import { migrate } from "../sql.ts";
import { GlobalPause, type GlobalPausePort, type GlobalState } from "./global-pause.ts";
import { OwnerControlPlane } from "./owner.ts";
import { Registry, type RegistryPort } from "./registry.ts";
import { GLOBAL_MIGRATIONS, OWNER_MIGRATIONS } from "./schema.ts";

const NOW = 1_700_000_000_000;

function makeGlobal(): GlobalPause {
  const sql = new NodeSql();
  migrate(sql, GLOBAL_MIGRATIONS, NOW);
  return new GlobalPause(sql, () => NOW);
}

function makeOwner(
  owner: string,
  global: GlobalPausePort,
  register: RegistryPort["register"] = async () => {},
): { readonly sql: NodeSql; readonly control: OwnerControlPlane } {
  const sql = new NodeSql();
  migrate(sql, OWNER_MIGRATIONS, NOW);
  return { sql, control: new OwnerControlPlane(owner, { sql, now: () => NOW, global: { ...global, register } }) };
}

const near = (pause: GlobalPause): GlobalPausePort => ({
  read: async (seen) => pause.read(seen),
  set: async (active, by, seen) => pause.set(active, by, seen),
});

const shared = near(makeGlobal());
controlPlaneContract("the embedded core", async () => ({
  owner: "ada",
  control: makeOwner("ada", shared).control,
  strangerName: "bob",
  stranger: makeOwner("bob", shared).control,
}));

describe("the owner's core", () => {
  it("invariant 10: says nothing while the global object is away, but takes the owner's own switch at once", async () => {
    let away = true;
    const pause = near(makeGlobal());
    const { control } = makeOwner("ada", {
      set: pause.set,
      read: async (seen) => (away ? Promise.reject(new Error("the network is gone")) : pause.read(seen)),
    });
    await control.createWallet(walletRecord("ada", "w1"), walletEnvelope("ada", "w1"));
    const failures = await Promise.all(
      [control.security("w1"), control.setOwnerKillSwitch(true, "operator")].map((call) => call.catch((error: unknown) => error)),
    );
    expect(failures).toEqual([new Error("the network is gone"), new Error("the network is gone")]);
    away = false;
    expect(await control.security("w1")).toMatchObject({ ownerKillSwitch: true });
  });

  it("invariant 11: an answer of the global object that was overtaken does not undo a pause", async () => {
    const replies: ((state: GlobalState) => void)[] = [];
    const { control } = makeOwner("ada", {
      read: () => new Promise((resolve) => replies.push(resolve)),
      set: async () => ({ version: 2, active: true }),
    });
    await control.createWallet(walletRecord("ada", "w1"), walletEnvelope("ada", "w1"));
    const early = control.security("w1");
    const paused = await control.setGlobalPause(true, "operator");
    replies[0]?.({ version: 1, active: false });
    expect(await early).toMatchObject({ globalPause: true, version: paused.version });
  });

  it("invariant 11: no two different states share a version, in whatever order the global object answers", async () => {
    const replies: ((state: GlobalState) => void)[] = [];
    const { control } = makeOwner("ada", {
      read: () => new Promise((resolve) => replies.push(resolve)),
      set: () => Promise.reject(new Error("not used")),
    });
    await control.createWallet(walletRecord("ada", "w1"), walletEnvelope("ada", "w1"));
    // The first asks before the pause and is answered after the owner's switch; the second sees the pause and not the switch.
    const first = control.security("w1");
    const second = control.security("w1");
    replies[1]?.({ version: 6, active: true });
    const seen = await second;
    const third = control.setOwnerKillSwitch(true, "operator");
    replies[0]?.({ version: 5, active: false });
    replies[2]?.({ version: 6, active: true });
    expect(
      [seen, await first, await third].map(({ version, globalPause, ownerKillSwitch }) => ({ version, globalPause, ownerKillSwitch })),
    ).toEqual([
      { version: 7, globalPause: true, ownerKillSwitch: false },
      { version: 8, globalPause: true, ownerKillSwitch: true },
      { version: 8, globalPause: true, ownerKillSwitch: true },
    ]);
  });

  describe("invariant 11: where the global object was restored to an earlier instant", () => {
    /** Two owners who have seen the pause go on and off (and bob, on again), and then a global object that knows of none of it. */
    const restored = async (bobSeesIt: boolean) => {
      let global = makeGlobal();
      const port: GlobalPausePort = {
        read: async (seen) => global.read(seen),
        set: async (active, by, seen) => global.set(active, by, seen),
      };
      const [ada, bob] = [makeOwner("ada", port).control, makeOwner("bob", port).control];
      for (const active of [true, false]) await ada.setGlobalPause(active, "operator");
      await bob.setGlobalPause(bobSeesIt, "operator");
      global = makeGlobal();
      return { ada, bob };
    };

    it("a pause that is set now bites, for every owner, and ends when somebody ends it", async () => {
      const { ada, bob } = await restored(false);
      const calm = await bob.switches();
      expect(calm.globalPause).toBe(false);
      const paused = await ada.setGlobalPause(true, "operator");
      expect(paused).toMatchObject({ globalPause: true });
      expect(await bob.switches()).toMatchObject({ globalPause: true });
      expect((await bob.switches()).version).toBeGreaterThan(calm.version);
      const over = await ada.setGlobalPause(false, "operator");
      expect([over.globalPause, over.version > paused.version, (await bob.switches()).globalPause]).toEqual([false, true, false]);
    });

    it("a pause that one owner remembers holds, and is everybody's again once that one has asked", async () => {
      const { ada, bob } = await restored(true);
      expect(await bob.switches()).toMatchObject({ globalPause: true });
      expect(await ada.switches()).toMatchObject({ globalPause: true });
      await ada.setGlobalPause(false, "operator");
      expect([await ada.switches(), await bob.switches()].map(({ globalPause }) => globalPause)).toEqual([false, false]);
    });
  });

  it("each change of a switch is kept with who made it and when", async () => {
    const { sql, control } = makeOwner("ada", near(makeGlobal()));
    await control.setOwnerKillSwitch(true, "operator/k1");
    await control.setOwnerKillSwitch(true, "operator/k2");
    await control.setOwnerKillSwitch(false, "operator/k3");
    expect(sql.rows("SELECT switch, active, by, at FROM switch_change ORDER BY seq")).toEqual([
      { switch: "owner_kill_switch", active: 1, by: "operator/k1", at: NOW },
      { switch: "owner_kill_switch", active: 0, by: "operator/k3", at: NOW },
    ]);
  });

  it("invariant 14: the copy that it keeps passes `receipts verify`", async () => {
    const { sql, control } = makeOwner("ada", near(makeGlobal()));
    await control.createWallet(walletRecord("ada", "w1"), walletEnvelope("ada", "w1"));
    await control.ingestReceipts("w1", receiptChain("ada", "w1", 3));
    const kept = sql.rows<{ receipt_id: string; chain: string; facts: string }>("SELECT * FROM receipt ORDER BY sequence");
    const records = kept.map((row) => ({ receiptId: row.receipt_id, chain: row.chain, receipt: JSON.parse(row.facts) as Receipt }));
    expect([records.length, verifyChain(records)]).toEqual([3, null]);
  });

  it("invariant 4: an owner is registered before the first wallet exists, and a wallet that could not be registered is not made", async () => {
    let away = true;
    const order: string[] = [];
    const { control } = makeOwner("ada", near(makeGlobal()), async (owner) => {
      if (away) throw new Error("the network is gone");
      order.push(`${owner} with ${(await control.wallets()).length} wallets`);
    });
    const create = () => control.createWallet(walletRecord("ada", "w1"), walletEnvelope("ada", "w1"));
    await expect(create()).rejects.toThrow("the network is gone");
    expect(await control.wallets()).toEqual([]);
    away = false;
    await create();
    await create();
    expect(order).toEqual(["ada with 0 wallets"]);
  });

  it("invariant 4: an owner of before the register is registered by the first snapshot with open rows, which is kept whatever happens", async () => {
    let away = true;
    const registered: string[] = [];
    const { sql, control } = makeOwner("ada", near(makeGlobal()), async (owner) => {
      if (away) throw new Error("the network is gone");
      registered.push(owner);
    });
    sql.rows(
      "INSERT INTO wallet (wallet_id, label, network, backend, epoch, wallet_source, created_at) VALUES ('w1', '', 'regtest', 'http-executor', 1, 'embedded_envelope', 1)",
    );
    await control.putSnapshot({ walletId: "w1", at: 1, status: null, openRows: 0 });
    expect(registered).toEqual([]);
    await expect(control.putSnapshot({ walletId: "w1", at: 2, status: null, openRows: 3 })).rejects.toThrow("the network is gone");
    expect(await control.walletsWithOpenRows()).toEqual(["w1"]);
    away = false;
    await control.putSnapshot({ walletId: "w1", at: 3, status: null, openRows: 3 });
    expect(registered).toEqual(["ada"]);
  });

  it("keys from before there were roles stay operators' keys", async () => {
    const sql = new NodeSql();
    migrate(sql, OWNER_MIGRATIONS.slice(0, 1), NOW);
    sql.rows("INSERT INTO operator_key (key_id, hash, label, created_at) VALUES ('k1', ?, 'desk', 1)", "0".repeat(63) + "1");
    migrate(sql, OWNER_MIGRATIONS, NOW);
    const control = new OwnerControlPlane("ada", { sql, now: () => NOW, global: { ...near(makeGlobal()), register: async () => {} } });
    expect([await control.operatorKeyHash("k1"), await control.approverKeyHash("k1")]).toEqual(["0".repeat(63) + "1", null]);
  });
});

describe("the register of owners", () => {
  it("has each owner once, page by page in order of name", () => {
    const sql = new NodeSql();
    migrate(sql, GLOBAL_MIGRATIONS, NOW);
    const registry = new Registry(sql, () => NOW);
    for (const owner of ["cleo", "ada", "bob", "ada"]) registry.register(owner);
    expect(registry.owners({ after: null, limit: 2 })).toEqual(["ada", "bob"]);
    expect(registry.owners({ after: "bob", limit: 2 })).toEqual(["cleo"]);
    expect(registry.owners({ after: "cleo", limit: 2 })).toEqual([]);
  });
});
