import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { controlPlaneContract, receiptChain, walletEnvelope, walletRecord } from "../../control-plane/contract.ts";
import { embeddedControlPlane } from "../../control-plane/embedded.ts";
import type { ControlPlane } from "../../lightning/control-plane.ts";

const control = (owner: string): ControlPlane => embeddedControlPlane(env.CONTROL_PLANE, owner);
const fresh = (): string => `owner-${crypto.randomUUID()}`;

controlPlaneContract("the embedded Durable Object, over RPC", async () => {
  const [owner, strangerName] = [fresh(), fresh()];
  return { owner, control: control(owner), strangerName, stranger: control(strangerName) };
});

describe("the control plane's object", () => {
  it("has lost nothing after an eviction: switches, wallets, receipts", async () => {
    const owner = fresh();
    await control(owner).createWallet(walletRecord(owner, "w1"), walletEnvelope(owner, "w1"));
    await control(owner).ingestReceipts("w1", receiptChain(owner, "w1", 2));
    const before = await control(owner).setOwnerKillSwitch(true, "operator");
    await evictDurableObject(env.CONTROL_PLANE.getByName(`owner:${owner}`));
    expect(await control(owner).security("w1")).toEqual({ ...before, epoch: 1 });
    expect(await control(owner).wallet("w1")).toEqual(walletRecord(owner, "w1"));
    expect(await control(owner).ingestReceipts("w1", [])).toEqual({ acknowledged: 2 });
  });

  it("invariant 17: the object named global has no owner's part, an owner's has not the pause, and no other name is served", async () => {
    const said = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => "answered",
        (error: unknown) => String(error),
      );
    expect(await said(env.CONTROL_PLANE.getByName("global").wallets())).toContain("has no owner");
    expect(await said(env.CONTROL_PLANE.getByName(`owner:${fresh()}`).writeGlobalPause(true, "somebody"))).toContain(
      "only the global object",
    );
    expect(await said(env.CONTROL_PLANE.getByName("owner:").wallets())).toContain("named");
    expect(await said(env.CONTROL_PLANE.get(env.CONTROL_PLANE.newUniqueId()).wallets())).toContain("named");
  });

  it("an owner called global is an owner like any other", async () => {
    await control("global").addOperatorKey({ keyId: "k1", hash: "0".repeat(64), label: "desk", createdAt: 1 });
    expect(await control("global").operatorKeyHash("k1")).toBe("0".repeat(64));
    expect(() => control("")).toThrow(TypeError);
  });

  it("keeps only STRICT tables", async () => {
    const tables = await runInDurableObject(env.CONTROL_PLANE.getByName(`owner:${fresh()}`), (_object, state) =>
      state.storage.sql
        .exec<{ name: string; strict: number }>(
          "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'",
        )
        .toArray(),
    );
    expect(tables.map(({ name }) => name).toSorted()).toEqual([
      "envelope",
      "migration",
      "operator_key",
      "receipt",
      "security",
      "snapshot",
      "switch_change",
      "wallet",
    ]);
    expect(tables.filter(({ strict }) => strict !== 1)).toEqual([]);
  });
});
