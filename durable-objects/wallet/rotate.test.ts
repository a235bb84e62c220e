import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { CustodyRig, WALLET_ID, kekText, type Crash } from "../../test/support/custody-rig.ts";
import { ROTATIONS, type Rotation } from "../../lightning/wallet-custody.ts";

const rigs: CustodyRig[] = [];
async function rig(): Promise<CustodyRig> {
  const made = await CustodyRig.make();
  rigs.push(made);
  return made;
}

afterEach(async () => {
  for (const each of rigs.splice(0)) {
    await each.check();
    each.close();
  }
});

const keysOf = async (each: CustodyRig): Promise<readonly string[]> => {
  const view = await each.core.custody();
  return view.ok ? view.value.recordKeys.map(({ id, kekVersion, state }) => `${id} ${kekVersion} ${state}`) : [view.code];
};
/** Key ids in the heads of sealed rows; what retention has emptied has none. */
const sealedWith = (each: CustodyRig): readonly string[] =>
  each.sql
    .rows<{ id: string }>(
      "SELECT DISTINCT hex(substr(sealed, 2, 2)) AS id FROM (SELECT sealed FROM payment UNION ALL SELECT sealed FROM credential) WHERE length(sealed) > 0 ORDER BY 1",
    )
    .map(({ id }) => id);

/** 451 payments, sealed with the first record key. */
async function fill(vault: CustodyRig): Promise<void> {
  await vault.buy();
  const { sealer } = vault.ports();
  const key = { id: 1, bytes: hexToBytes(vault.secrets.find(({ name }) => name === "record key")?.text ?? "") };
  const many = Array.from({ length: 450 }, (_, n) => `10000000-0000-4000-8000-${String(n).padStart(12, "0")}`);
  for (const id of many) {
    vault.sql.rows(
      "INSERT INTO purchase (id, state, budget, caller, method, origin, host, port, path, request_hash, opened_at) SELECT ?, 'failed', budget, caller, method, origin, host, port, path, request_hash, opened_at FROM purchase LIMIT 1",
      id,
    );
    vault.sql.rows(
      "INSERT INTO payment (purchase_id, operation_id, payment_hash, state, budget, host, port, origin, scope, amount_msat, charge_msat, reserve_msat, reserved_at, expires_at, binding, sealed) SELECT ?, ?, ?, 'released', budget, host, port, origin, scope, amount_msat, charge_msat, reserve_msat, reserved_at, expires_at, binding, ? FROM payment LIMIT 1",
      id,
      id,
      id.replaceAll("-", "").padStart(64, "0"),
      sealer.seal(key, new Uint8Array(12), `payment:${id}`, utf8ToBytes(id)),
    );
  }
}

describe("rotation of the record key", () => {
  it("seals new rows with the new key at once, old rows by the alarm, and reads both meanwhile", async () => {
    const vault = await rig();
    const before = await vault.buy();
    expect(await vault.core.rotate("record-key")).toMatchObject({ ok: true, value: { resealing: true } });
    const after = await vault.buy();
    expect([sealedWith(vault), await keysOf(vault)]).toEqual([
      ["0001", "0002"],
      ["2 v1 current", "1 v1 former"],
    ]);
    // A cached purchase of what the old key has sealed, in this instance and in a new one.
    for (const core of [() => vault.core, () => vault.boot()]) {
      for (const path of [before.path, after.path]) {
        const opened = await core().open({
          purchaseId: crypto.randomUUID(),
          auth: { kind: "binding", budget: "agents" },
          method: "GET",
          url: `https://seller.example${path}`,
          bodySha256: null,
          idempotencyKey: null,
          maxMsat: null,
          subject: null,
          waitMs: 0,
        });
        expect(opened).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
      }
    }
    await vault.alarm();
    expect([sealedWith(vault), await keysOf(vault)]).toEqual([["0002"], ["2 v1 current"]]);
    expect(await vault.core.custody()).toMatchObject({ value: { resealing: false, unreadableRows: 0 } });
  });

  it("goes through more rows than one batch has, once, with the alarm armed until it is done", async () => {
    const vault = await rig();
    await fill(vault);
    await vault.core.rotate("record-key");
    let alarms = 0;
    while (sealedWith(vault).includes("0001") || (await keysOf(vault)).length > 1) {
      expect(vault.sql.alarm).not.toBeNull();
      await vault.alarm();
      if (++alarms > 10) throw new Error("it does not end");
    }
    expect(alarms).toBe(3);
  });

  it("begins again from the first row when a rotation comes in the middle of another", async () => {
    const vault = await rig();
    await fill(vault);
    await vault.core.rotate("record-key");
    await vault.alarm();
    expect(sealedWith(vault)).toEqual(["0001", "0002"]);
    await vault.core.rotate("record-key");
    for (let n = 0; n < 4; n++) await vault.alarm();
    expect([sealedWith(vault), await keysOf(vault)]).toEqual([["0003"], ["3 v1 current"]]);
  });

  it("twice before the alarm has run leaves two former keys, and ends with none", async () => {
    const vault = await rig();
    await vault.buy();
    await vault.core.rotate("record-key");
    await vault.buy();
    await vault.core.rotate("record-key");
    await vault.buy();
    expect(await keysOf(vault)).toEqual(["3 v1 current", "2 v1 former", "1 v1 former"]);
    await vault.alarm();
    expect([await keysOf(vault), sealedWith(vault)]).toEqual([["3 v1 current"], ["0003"]]);
  });

  it("by two operators at once happens once", async () => {
    const vault = await rig();
    const answers = await Promise.all([vault.core.rotate("record-key"), vault.core.rotate("record-key")]);
    expect(answers.map((answer) => (answer.ok ? "done" : answer.code)).toSorted()).toEqual(["already_exists", "done"]);
    expect(await keysOf(vault)).toEqual(["2 v1 current", "1 v1 former"]);
  });

  it("waits where the alarm has not kept up", async () => {
    const vault = await rig();
    await vault.buy();
    for (let n = 0; n < 8; n++) expect(await vault.core.rotate("record-key")).toMatchObject({ ok: true });
    expect(await vault.core.rotate("record-key")).toMatchObject({ ok: false, code: "invalid_request" });
    await vault.alarm();
    expect(await vault.core.rotate("record-key")).toMatchObject({ ok: true });
  });

  it("invariant 4: in the middle of an open payment, its outcome is recorded all the same", async () => {
    const vault = await rig();
    vault.payer = "is pending";
    const { id } = await vault.buy();
    expect(vault.state(id)).toMatch(/^paying|payment_unknown$/u);
    for (const what of ROTATIONS) expect(await vault.core.rotate(what)).toMatchObject({ ok: true });
    vault.boot();
    vault.payer = "settles";
    for (let n = 0; n < 5 && vault.state(id) !== "paid"; n++) await vault.alarm();
    expect([vault.state(id), sealedWith(vault)]).toEqual(["paid", ["0002"]]);
  });

  it("keeps the former key while one row does not open with it, and says so", async () => {
    const vault = await rig();
    const { id } = await vault.buy();
    const kept = vault.sql.rows<{ sealed: Uint8Array }>("SELECT sealed FROM payment")[0]?.sealed ?? new Uint8Array();
    vault.sql.rows(
      "UPDATE payment SET sealed = ? WHERE purchase_id = ?",
      Uint8Array.from(kept, (byte, at) => (at === 40 ? byte ^ 1 : byte)),
      id,
    );
    await vault.core.rotate("record-key");
    await vault.alarm();
    expect(await vault.core.custody()).toMatchObject({
      value: { resealing: true, unreadableRows: 1, recordKeys: [{ id: 2 }, { id: 1, state: "former" }] },
    });
    // Put right, the next pass ends it.
    vault.sql.rows("UPDATE payment SET sealed = ? WHERE purchase_id = ?", kept, id);
    vault.now += 3_600_000;
    await vault.alarm();
    expect(await keysOf(vault)).toEqual(["2 v1 current"]);
  });
});

describe("rotation of the key-encryption key", () => {
  it("wraps envelope, record key and former record keys with the current version; then the old one may go", async () => {
    const vault = await rig();
    await vault.buy();
    await vault.core.rotate("record-key");
    vault.env["WALLET_KEK_V2"] = kekText(2);
    vault.boot();
    expect([...vault.wrapping()]).toEqual(["v1"]);
    expect(await vault.core.rotate("kek")).toMatchObject({ ok: true });
    expect([await keysOf(vault), [...vault.wrapping()]]).toEqual([["2 v2 current", "1 v2 former"], ["v2"]]);
    delete vault.env["WALLET_KEK_V1"];
    vault.boot();
    await vault.buy();
    await vault.alarm();
    expect(await keysOf(vault)).toEqual(["2 v2 current"]);
  });

  it("that has been done changes nothing", async () => {
    const vault = await rig();
    const envelope = await vault.control.envelope(WALLET_ID);
    expect(await vault.core.rotate("kek")).toMatchObject({ ok: true });
    expect(await vault.control.envelope(WALLET_ID)).toEqual(envelope);
  });

  it("invariant 10: without the key that wraps now nothing is rotated and nothing is paid", async () => {
    const vault = await rig();
    vault.env["WALLET_KEK_V2"] = kekText(2);
    delete vault.env["WALLET_KEK_V1"];
    vault.boot();
    for (const what of ROTATIONS) expect(await vault.core.rotate(what)).toMatchObject({ ok: false, code: "envelope_unopenable" });
    await expect(vault.buy()).rejects.toThrow("envelope_unopenable");
    vault.env["WALLET_KEK_V1"] = kekText(1);
    vault.boot();
    expect(await vault.core.rotate("kek")).toMatchObject({ ok: true });
  });

  it("never stores a copy of the record key that does not open again", async () => {
    const vault = await rig();
    const ports = vault.ports();
    const { WalletCore } = await import("./core.ts");
    const core = new WalletCore({
      ...ports,
      keys: { ...ports.keys, wrap: () => Promise.resolve({ kekVersion: "v2", wrapped: new Uint8Array(60) }) },
    });
    for (const what of ["kek", "record-key"] as const)
      expect(await core.rotate(what)).toMatchObject({ ok: false, code: "envelope_unopenable" });
    expect(await keysOf(vault)).toEqual(["1 v1 current"]);
  });
});

describe("rotation of the data key", () => {
  it("encrypts the words anew, and builds on another rotation that came in between", async () => {
    const vault = await rig();
    const before = await vault.control.envelope(WALLET_ID);
    const both = await Promise.all([vault.core.rotate("data-key"), vault.core.rotate("data-key")]);
    expect(both.map(({ ok }) => ok)).toEqual([true, true]);
    expect((await vault.control.envelope(WALLET_ID))?.ciphertext).not.toBe(before?.ciphertext);
  });
});

describe("a wallet that nobody made", () => {
  it("has no custody to show and nothing to rotate", async () => {
    const vault = await rig();
    const { WalletCore } = await import("./core.ts");
    const { NodeSql } = await import("../../test/support/sql-node.ts");
    const empty = new NodeSql();
    const core = new WalletCore({ ...vault.ports(), sql: empty });
    expect([
      await core.custody(),
      await core.rotate("kek"),
      await core.disableNow(),
      await core.moveSpender({ epoch: 2, backend: "http-executor", spender: null }),
    ]).toMatchObject(Array.from({ length: 4 }, () => ({ ok: false, code: "not_found" })));
    expect(empty.rows("SELECT name FROM sqlite_master")).toEqual([]);
    empty.close();
  });
});

type Step =
  | { readonly kind: "rotate"; readonly what: Rotation; readonly crash: Crash | null }
  | { readonly kind: "move"; readonly crash: Crash | null }
  | { readonly kind: "alarm"; readonly crash: Crash | null }
  | { readonly kind: "new kek" | "retire" | "buy" | "open" | "settle" | "restart" | "disable now" };

const crash = fc.option(fc.record({ call: fc.nat(9), when: fc.constantFrom("before" as const, "after" as const) }), { nil: null, freq: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("rotate" as const), what: fc.constantFrom(...ROTATIONS), crash }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("move" as const), crash }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("alarm" as const), crash }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "new kek" as const,
        "retire" as const,
        "buy" as const,
        "open" as const,
        "settle" as const,
        "restart" as const,
        "disable now" as const,
      ),
    }),
  },
);

async function take(vault: CustodyRig, each: Step): Promise<void> {
  switch (each.kind) {
    case "rotate":
      await vault.crashing(each.crash, () => vault.core.rotate(each.what));
      return;
    case "move": {
      const record = await vault.control.wallet(WALLET_ID);
      await vault.crashing(each.crash, () =>
        vault.core.moveSpender({ epoch: (record?.epoch ?? 0) + 1, backend: "http-executor", spender: null }),
      );
      return;
    }
    case "alarm":
      await vault.alarm(each.crash);
      return;
    case "new kek": {
      const versions = Object.keys(vault.env).map((name) => Number(name.slice("WALLET_KEK_V".length)));
      const next = Math.max(...versions) + 1;
      vault.env[`WALLET_KEK_V${next}`] = kekText(next);
      vault.boot();
      return;
    }
    case "retire": {
      const newest = Object.keys(vault.env).toSorted().at(-1);
      for (const name of Object.keys(vault.env))
        if (name !== newest && !vault.wrapping().has(name.slice("WALLET_KEK_".length).toLowerCase())) delete vault.env[name];
      vault.boot();
      return;
    }
    case "buy":
    case "open":
      vault.payer = each.kind === "buy" ? "settles" : "is pending";
      await vault.core.enable();
      await vault.buy();
      return;
    case "settle":
      vault.payer = "settles";
      return;
    case "restart":
      vault.boot();
      return;
    case "disable now":
      await vault.core.disableNow();
      return;
  }
}

it("any sequence of rotations, payments and crashes between their steps leaves everything openable, and nothing in the clear", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      const vault = await CustodyRig.make();
      await vault.buy();
      for (const each of steps) {
        await take(vault, each);
        await vault.check();
      }
      // With no more crashes everything comes to its end: one record key, one version that wraps.
      vault.payer = "settles";
      vault.boot();
      const done = await vault.core.rotate("kek");
      for (let n = 0; n < 12; n++) {
        vault.now += 700_000;
        await vault.alarm();
      }
      expect([done.ok, (await keysOf(vault)).length, vault.wrapping().size, sealedWith(vault).length]).toEqual([true, 1, 1, 1]);
      expect(vault.sql.rows("SELECT 1 FROM payment WHERE state = 'open'")).toEqual([]);
      await vault.check();
      vault.close();
    }),
    { numRuns: 60, seed: 4 },
  );
}, 60_000);
