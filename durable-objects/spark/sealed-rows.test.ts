import { afterEach, describe, expect, it } from "vitest";
import { CustodyRig } from "../../test/support/custody-rig.ts";
import { NodeSql } from "../../test/support/sql-node.ts";
import { migrate } from "../sql.ts";
import { progress } from "../wallet/record-keys.ts";
import { MIGRATIONS } from "../wallet/schema.ts";
import { Vault } from "../wallet/vault.ts";
import { SPARK_SEALED } from "./schema.ts";
import { sealedSparkRows } from "./sealed-rows.ts";
import { sparkSessionStore } from "./session-store.ts";
import { sparkStorage, type SparkVault } from "./storage.ts";

const rigs: CustodyRig[] = [];
afterEach(async () => {
  for (const each of rigs.splice(0)) {
    await each.check();
    each.close();
  }
});

/** The wallet's own keys, as a new instance opens them. */
async function vaultOf(rig: CustodyRig): Promise<SparkVault> {
  const vault = new Vault(rig.ports(false));
  await vault.ready();
  const { sealer } = vault.ports;
  return {
    sql: rig.sql,
    seal: (context, plain) => sealer.seal(vault.key(), vault.nonce(), context, plain),
    open: (context, sealed) => sealer.open(vault.key(sealed), context, sealed),
  };
}

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const record = { id: { type: "t", dataId: "d" }, revision: 1, schemaVersion: "1.0.0", data: new Map([["a", "1"]]) };

/** At least one row in each table, and more payments than one batch has. */
async function fill(rig: CustodyRig): Promise<void> {
  const vault = await vaultOf(rig);
  const storage = sparkStorage(vault, () => rig.now);
  await storage.setCachedItem("sync_offset", "{}");
  await sparkSessionStore(vault, () => rig.now).setSession("02ab", { token: "bearer", expiration: rig.now });
  for (let n = 0; n < 250; n++)
    await storage.applyPaymentUpdate({
      id: id(n),
      paymentType: "send",
      status: "completed",
      amount: BigInt(n),
      fees: 0n,
      timestamp: n,
      method: "spark",
    });
  await storage.insertPaymentMetadata(id(0), { lnurlDescription: "tea" });
  await storage.setLnurlMetadata([{ paymentHash: "ab".repeat(32), senderComment: "thanks" }]);
  await storage.addDeposit("cd".repeat(32), 0, 5, true);
  await storage.insertContact({ id: "c", name: "Ada", paymentIdentifier: "ada@example.com", createdAt: 1, updatedAt: 1 });
  await storage.setCrossChainSwap({ provider: "boltz", id: "s", isTerminal: false, updatedAt: 1, data: "{}", secrets: "x" });
  await storage.syncAddOutgoingChange({ id: record.id, schemaVersion: "1.0.0", updatedFields: record.data });
  await storage.syncInsertIncomingRecords([record]);
  await storage.syncUpdateRecordFromIncoming(record);
}

const reads = async (rig: CustodyRig): Promise<unknown> => {
  const storage = sparkStorage(await vaultOf(rig), () => rig.now);
  return Promise.all([
    storage.getCachedItem("sync_offset"),
    storage.listPayments({}),
    storage.listDeposits(),
    storage.listContacts({}),
    storage.listActiveCrossChainSwaps("boltz"),
    storage.syncGetPendingOutgoingChanges(9),
    storage.syncGetIncomingRecords(9),
  ]);
};

/** Which record keys have sealed the rows of each table. */
function sealedWith(rig: CustodyRig): Readonly<Record<string, readonly string[]>> {
  const keys = (table: string): readonly string[] =>
    rig.sql.rows<{ key: string }>(`SELECT DISTINCT hex(substr(sealed, 2, 2)) AS key FROM ${table} ORDER BY 1`).map(({ key }) => key);
  return Object.fromEntries(Object.keys(SPARK_SEALED).map((table) => [table, keys(table)]));
}
const everyTable = (...keys: readonly string[]) => Object.fromEntries(Object.keys(SPARK_SEALED).map((table) => [table, keys]));

async function rigged(): Promise<CustodyRig> {
  const rig = await CustodyRig.make();
  rigs.push(rig);
  await fill(rig);
  return rig;
}

describe("after a rotation of the record key", () => {
  it("every row of every Spark table is sealed anew, batch by batch, and reads as before", async () => {
    const rig = await rigged();
    const before = await reads(rig);
    expect(sealedWith(rig)).toEqual(everyTable("0001"));
    await rig.core.rotate("record-key");
    await rig.alarm();
    expect(sealedWith(rig)).toMatchObject({ spark_cache: ["0002"], spark_payment: ["0001", "0002"], spark_sync_incoming: ["0001"] });
    expect(await reads(rig)).toEqual(before);
    await rig.alarm();
    expect(sealedWith(rig)).toEqual(everyTable("0002"));
    expect(await reads(rig)).toEqual(before);
    expect(await rig.core.custody()).toMatchObject({ value: { resealing: false, unreadableRows: 0, recordKeys: [{ id: 2 }] } });
  });

  it("a Spark row that does not open is kept and counted, and so is the former key, until it is put right", async () => {
    const rig = await rigged();
    const sealed = rig.sql.rows<{ sealed: Uint8Array }>("SELECT sealed FROM spark_contact")[0]?.sealed ?? new Uint8Array();
    const broken = Uint8Array.from(sealed, (byte, at) => (at === 30 ? byte ^ 1 : byte));
    rig.sql.rows("UPDATE spark_contact SET sealed = ?", broken);
    await rig.core.rotate("record-key");
    await rig.alarm();
    await rig.alarm();
    expect(await rig.core.custody()).toMatchObject({
      value: { resealing: true, unreadableRows: 1, recordKeys: [{ id: 2 }, { id: 1, state: "former" }] },
    });
    expect(rig.sql.rows("SELECT sealed FROM spark_contact")).toEqual([{ sealed: broken }]);
    rig.sql.rows("UPDATE spark_contact SET sealed = ?", sealed);
    for (let n = 0; n < 3; n++) {
      rig.now += 3_600_000;
      await rig.alarm();
    }
    expect([sealedWith(rig), await rig.core.custody()]).toMatchObject([
      everyTable("0002"),
      { value: { resealing: false, recordKeys: [{ id: 2 }] } },
    ]);
  });
});

it("goes through all rows of all tables once, whatever the size of a batch", async () => {
  const rig = await rigged();
  const whole = sealedSparkRows(rig.sql, { table: 0, after: 0 }, 10_000).rows;
  expect(new Set(whole.map(({ context }) => context)).size).toBe(250 + 10);
  for (const limit of [1, 7, 130, 260]) {
    const seen: string[] = [];
    let at = { table: 0, after: 0 };
    for (;;) {
      const { rows, reached } = sealedSparkRows(rig.sql, at, limit);
      seen.push(...rows.map(({ context }) => context));
      at = reached;
      if (rows.length < limit) break;
    }
    expect(seen).toEqual(whole.map(({ context }) => context));
  }
});

it("a database of before Spark is migrated in the middle of sealing anew, and goes on where it was", () => {
  const sql = new NodeSql();
  migrate(sql, MIGRATIONS.slice(0, 3), 1);
  sql.rows("INSERT INTO reseal (only, payment_after, skipped) VALUES (1, 'p', 2)");
  expect(migrate(sql, MIGRATIONS, 2)).toBe(MIGRATIONS.length);
  expect(progress(sql)).toEqual({ payment_after: "p", credential_after: "", spark_table: 0, spark_after: 0, skipped: 2, unreadable: 0 });
  for (const table of Object.keys(SPARK_SEALED)) expect(sql.rows(`SELECT sealed FROM ${table}`)).toEqual([]);
  sql.close();
});

it("knows every Spark table that has a sealed column", () => {
  const sql = new NodeSql();
  migrate(sql, MIGRATIONS, 1);
  const tables = sql.rows<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'spark_%'");
  const sealed = tables.filter(({ name }) => sql.rows(`SELECT 1 FROM pragma_table_info('${name}') WHERE name = 'sealed'`).length > 0);
  expect(sealed.map(({ name }) => name).toSorted()).toEqual(Object.keys(SPARK_SEALED).toSorted());
  sql.close();
});
