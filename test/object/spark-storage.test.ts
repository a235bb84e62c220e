import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { SPARK_SCHEMA } from "../../durable-objects/spark/schema.ts";
import { sparkStorage } from "../../durable-objects/spark/storage.ts";
import { durableSql } from "../../durable-objects/sql-durable.ts";
import { asAny, transcript, TRANSCRIPT, vaultOver } from "../spark/storage-ask.ts";

it("the Spark SDK's storage answers on an object's own SQLite as it does in Node", async () => {
  const stub = env.CONTROL_PLANE.getByName(`owner:spark-${crypto.randomUUID()}`);
  await runInDurableObject(stub, async (_object, state) => {
    // Any object will do; the tables that its own constructor made are not part of the question.
    await state.storage.deleteAll();
    const sql = durableSql(state.storage);
    sql.script(SPARK_SCHEMA);
    expect(await transcript(asAny(sparkStorage(vaultOver(sql), () => 1_800_000_000_000)))).toBe(TRANSCRIPT);
    expect(sql.rows("SELECT 1 FROM spark_payment").length).toBeGreaterThan(3);
  });
});
