import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { durableSql } from "../../durable-objects/sql-durable.ts";
import { sqlContract } from "../support/sql-contract.ts";

sqlContract("a Durable Object's storage", async (body) => {
  const stub = env.CONTROL_PLANE.getByName(`owner:sql-${crypto.randomUUID()}`);
  await runInDurableObject(stub, async (_object, state) => {
    // Any object will do; the tables that its own constructor made are not part of the question.
    await state.storage.deleteAll();
    body(durableSql(state.storage));
  });
});
