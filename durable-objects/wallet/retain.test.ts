/** How long things are kept: what was asked and never paid leaves no row, and what is still needed is not forgotten. */
import { afterEach, expect, it } from "vitest";
import type { Msat } from "../../lightning/msat.ts";
import { checkRigs, ORIGIN, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const TERMS = { keepUnpaid: 7 * DAY, keepSecrets: 30 * DAY };
const ASKING = { ...POLICY, approvalAboveMsat: 21_000 as Msat };

const asked = (n: number) => ({ url: `${ORIGIN}/report/${n}` });

/** Rows of every table that grows with what agents do; receipts have a term of their own. */
function rows(rig: WalletRig): Readonly<Record<string, number>> {
  const tables = ["purchase", "payment", "flight", "request_key", "spent", "credential", "learned", "approval", "seller"];
  return Object.fromEntries(
    tables.map((table) => [table, rig.one(`SELECT COUNT(*) AS n FROM ${table}`)]).filter(([, count]) => count !== 0),
  );
}

/** @returns the question's approval id */
async function ask(rig: WalletRig, n: number): Promise<string> {
  const { answer } = await rig.begin(rig.offer({ service: `report-${n}` }), asked(n));
  const refused = await answer;
  if (refused.kind !== "refused" || refused.approvalId == null) throw new Error("no question was asked");
  return refused.approvalId;
}

it("whatever was asked and not paid leaves no row: denied, free, abandoned, and questions unanswered, rejected, granted in vain", async () => {
  const rig = await WalletRig.make({ budgets: { agents: ASKING }, timing: TERMS });
  for (let n = 0; n < 20; n++) {
    await rig.open(rig.newId(), { url: "https://unlisted.example/" });
    await rig.open(rig.newId(), { idempotencyKey: `key-${n}` });
    const free = rig.newId();
    await rig.open(free);
    await rig.core.conclude({ kind: "binding", budget: "agents" }, free, { kind: "free", status: 200 });
    const approvalId = await ask(rig, n);
    if (n % 3 !== 0) await rig.core.decideApproval(approvalId, n % 3 === 1 ? "approve" : "reject", "a person", null);
  }
  expect(rows(rig)).toEqual({ purchase: 80, approval: 20, request_key: 20 });
  await rig.runAlarms(15 * DAY);
  expect(rows(rig)).toEqual({});
  expect(rig.sent.length).toBe(0);
});

it("invariant 18: a question that may still be answered and a grant that may still be used outlive the term of what is unpaid", async () => {
  const patient = { ...ASKING, approvalMs: 20 * HOUR };
  const rig = await WalletRig.make({ policy: patient, budgets: { agents: patient }, timing: { ...TERMS, keepUnpaid: HOUR } });
  const [first, second] = [await ask(rig, 1), await ask(rig, 2)];
  await rig.runAlarms(15 * HOUR);
  expect(await rig.core.decideApproval(first, "approve", "a person", null)).toMatchObject({ ok: true, value: { state: "granted" } });
  await rig.runAlarms(15 * HOUR);
  expect(await rig.core.decideApproval(second, "approve", "a person", null)).toMatchObject({ ok: false });
  await rig.buy(rig.offer({ service: "report-1" }), asked(1));
  await rig.runAlarms(30 * DAY);
  expect(rig.sql.rows("SELECT id, state FROM approval")).toEqual([{ id: first, state: "used" }]);
});

it("a credential that served more paths than are remembered still serves those that were forgotten, and nothing is paid again", async () => {
  const rig = await WalletRig.make({ timing: TERMS });
  const { credentialId } = await rig.buy();
  rig.sql.rows(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10600) INSERT INTO learned (origin, path, credential_id, served) SELECT ?, '/item/' || i, ?, 1 FROM n",
    ORIGIN,
    credentialId,
  );
  await rig.runAlarms(8 * DAY);
  expect(rig.one("SELECT COUNT(*) AS n FROM learned")).toBe(10_000);
  const forgotten = rig.sql.rows<{ path: string }>(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10600) SELECT '/item/' || i AS path FROM n WHERE '/item/' || i NOT IN (SELECT path FROM learned) LIMIT 1",
  )[0]?.path;
  const id = rig.newId();
  expect(await rig.open(id, { url: `${ORIGIN}${forgotten}` })).toMatchObject({ kind: "fetch", credential: null });
  expect(await rig.pay(id, rig.offer().challenge)).toMatchObject({
    kind: "credential",
    credential: { id: credentialId, status: "cached" },
  });
  expect(rig.sent.length).toBe(1);
});

it("invariant 14: receipts go after their term, once the control plane has them, but for the chain's head; before it has them, never", async () => {
  const rig = await WalletRig.make({ timing: { keepUnpaid: HOUR, keepReceipts: 2 * HOUR } });
  rig.onIngest = async () => 0;
  for (let n = 0; n < 3; n++) await rig.open(rig.newId(), { url: "https://unlisted.example/" });
  await rig.runAlarms(5 * HOUR);
  expect(rig.one("SELECT COUNT(*) AS n FROM receipt")).toBe(3);
  const kept = rig.sql.rows<Record<string, string | number>>("SELECT * FROM receipt ORDER BY sequence");
  rig.onIngest = async (records) => records.at(-1)?.receipt.sequence ?? 0;
  await rig.runAlarms(HOUR);
  await rig.open(rig.newId(), { url: "https://unlisted.example/" });
  await rig.runAlarms(90 * 60_000);
  expect(rig.sql.rows("SELECT sequence FROM receipt")).toEqual([{ sequence: 4 }]);
  // For the check of the whole chain that follows every test.
  for (const row of kept)
    rig.sql.rows(
      "INSERT INTO receipt (sequence, purchase_id, budget, receipt_id, chain, at, facts) VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...["sequence", "purchase_id", "budget", "receipt_id", "chain", "at", "facts"].map((column) => row[column] ?? null),
    );
});
