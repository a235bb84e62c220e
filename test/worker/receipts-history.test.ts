/** A wallet lets go of receipts 90 days after the control plane has them: an operator's export is whole all the same. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { readRecord } from "../../lightning/receipt-check.ts";
import { GENESIS, verifyChain } from "../../lightning/receipt.ts";
import { agentOf, call, operatorOf, seller } from "./support.ts";

test("invariant 14: an export begins at number 1 and verifies when the wallet itself has kept only the end", async () => {
  const operator = await operatorOf("main");
  const own = await agentOf(operator);
  seller(() => new Response("hello"));
  for (let n = 0; n < 5; n += 1) await call("POST", "/v1/fetch", own.key, { url: `https://seller.example/${n}` });
  const vault = env.WALLET.getByName(`main/${own.walletId}`);
  await runInDurableObject(vault, (_object, { storage }) => void storage.sql.exec("UPDATE due SET at = 1 WHERE job = 'outbox'"));
  await runDurableObjectAlarm(vault);
  // What retention does 90 days later.
  await runInDurableObject(vault, (_object, { storage }) => {
    const deleted = storage.sql.exec(
      "DELETE FROM receipt WHERE sequence <= 3 AND sequence <= (SELECT acknowledged FROM outbox WHERE only = 1) RETURNING sequence",
    );
    expect(deleted.toArray().length).toBe(3);
  });
  const lines = (await call("GET", `/v1/wallets/${own.walletId}/receipts?format=jsonl`, operator)).text.trimEnd().split("\n");
  const records = lines.map((line) => readRecord(line));
  expect(records.map((record) => (record.ok ? record.record.receipt.sequence : record))).toEqual([1, 2, 3, 4, 5]);
  expect(
    verifyChain(
      records.flatMap((record) => (record.ok ? [record.record] : [])),
      GENESIS,
    ),
  ).toBeNull();
  const page = await call("GET", `/v1/wallets/${own.walletId}/receipts?after=1&limit=50`, operator);
  expect(page.json).toMatchObject({ receipts: [{ receipt: { sequence: 2 } }, { receipt: { sequence: 3 } }], next: 3 });
});
