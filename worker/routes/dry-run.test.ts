import { describe, expect, test } from "vitest";
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import { msat, sats } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";
import { createApp } from "../app.ts";
import { ROOT_KEY, WALLET, fakeDoor, type FakeDoor } from "../door-fakes.ts";
import { ANSWERS, RECEIPT } from "../openapi/samples.ts";

const app = createApp();
const WIDE: Policy = {
  hosts: { mode: "any_public", allow: [], block: [], unknown: "deny" },
  fee: { floorMsat: sats(5), ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};

/** `count` payments of 10 sat, a minute apart, by turns of two budgets. */
function history(count: number): readonly ReceiptRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    ...RECEIPT,
    receiptId: `rcpt_${index + 1}`,
    receipt: {
      ...RECEIPT.receipt,
      sequence: index + 1,
      purchaseId: `p${index + 1}`,
      budget: index % 2 === 0 ? "daily" : "night",
      subject: null,
      amountMsat: sats(10),
      feeMsat: msat(0),
      maxFeeMsat: sats(1),
      at: new Date(1_700_000_000_000 + index * 60_000).toISOString(),
    },
  }));
}

function doorWith(records: readonly ReceiptRecord[], over: Readonly<Record<string, () => unknown>> = {}): FakeDoor {
  const view = (budget: string): unknown => ({ budget, policy: WIDE, policyVersion: 1, disabled: false, spent: {} });
  return fakeDoor({
    ...ANSWERS,
    policy: () => ({ ok: true, value: { policy: WIDE, policyVersion: 1 } }),
    budgets: () => ({ ok: true, value: [view("daily"), view("night")] }),
    status: () => ({ ok: true, value: { receipts: records.length } }),
    receipts: (page) => {
      const { after, limit } = page as { readonly after: number; readonly limit: number };
      const found = records.slice(after, after + limit);
      return { ok: true, value: { receipts: found, next: found.length < limit ? null : (found.at(-1)?.receipt.sequence ?? null) } };
    },
    ...over,
  });
}

async function dryRun(
  door: FakeDoor,
  body: unknown,
): Promise<{ readonly status: number; readonly answer: Readonly<Record<string, unknown>> }> {
  const response = await app(
    new Request(`https://worker.example/v1/wallets/${WALLET}/policy/dry-run`, {
      method: "POST",
      headers: { authorization: `Bearer ${ROOT_KEY}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
    door,
  );
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

const refusedOf = (answer: Readonly<Record<string, unknown>>): readonly string[] =>
  (answer["refused"] as readonly { readonly purchaseId: string; readonly code: string }[]).map(
    ({ purchaseId, code }) => `${purchaseId} ${code}`,
  );

describe("a dry run of a policy", () => {
  test("as the wallet's: says what it would have refused and what it would have let through, and changes nothing", async () => {
    const door = doorWith(history(4));
    const { status, answer } = await dryRun(door, { policy: { ...WIDE, totalMsat: sats(35) } });
    expect([status, refusedOf(answer)]).toEqual([200, ["p4 window_cap_exceeded"]]);
    expect(answer).toMatchObject({
      budget: null,
      allowed: 3,
      refusedCount: 1,
      asked: [],
      spent: { madeMsat: 40_000, allowedMsat: 30_000 },
      receipts: { first: 1, last: 4, whole: true },
    });
    expect(door.calls.filter((call) => !/\.(?:policy|budgets|status|receipts)$/u.test(call))).toEqual([]);
  });

  test("as a budget's: judges that budget's payments alone, under the wallet's policy in force", async () => {
    const { answer } = await dryRun(doorWith(history(6)), { policy: { ...WIDE, totalMsat: sats(25) }, budget: "night" });
    expect([refusedOf(answer), answer["allowed"]]).toEqual([["p6 budget_exceeded"], 2]);
  });

  test("a preset may be tried as well", async () => {
    const { answer } = await dryRun(doorWith(history(2)), { preset: "starter", allow: ["b.example"] });
    expect(refusedOf(answer)).toEqual([]);
    expect(answer["askedCount"]).toBe(2);
  });

  test("reads page by page, and of a long history only the newest 20,000, which it says", async () => {
    const door = doorWith(history(20_150));
    const { answer } = await dryRun(door, { policy: WIDE });
    expect(answer).toMatchObject({ allowed: 20_000, receipts: { first: 151, last: 20_150, whole: false } });
    expect(door.calls.filter((call) => call.endsWith(".receipts"))).toHaveLength(100);
  });

  test("lists at most 1,000 and counts all", async () => {
    const { answer } = await dryRun(doorWith(history(1500)), { policy: { ...WIDE, perPaymentMsat: sats(1) } });
    expect([(answer["refused"] as readonly unknown[]).length, answer["refusedCount"], answer["allowed"]]).toEqual([1000, 1500, 0]);
  });

  test.each([
    ["a budget that is not there", { policy: WIDE, budget: "none" }, 404, "not_found"],
    ["another network's policy", { policy: { ...WIDE, network: "mainnet" } }, 400, "invalid_request"],
    ["a misspelt cap", { policy: { ...WIDE, dayMast: 1 } }, 400, "invalid_request"],
  ])("%s is refused", async (_what, body, status, code) => {
    expect(await dryRun(doorWith(history(1)), body)).toMatchObject({ status, answer: { code } });
  });

  test.each(["policy", "budgets", "status", "receipts"])("a refusal of the wallet's `%s` is passed on", async (method) => {
    const door = doorWith(history(1), { [method]: () => ({ ok: false, code: "policy_unreadable", detail: "…" }) });
    expect(await dryRun(door, { policy: WIDE })).toMatchObject({ status: 403, answer: { code: "policy_unreadable" } });
  });
});
