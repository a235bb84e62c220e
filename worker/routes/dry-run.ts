/**
 * What a policy would have said to the payments that were made, before it is put in force. Reads the wallet's newest receipts, page by
 * page and only so many (a request may make 1,000 calls to objects, and must answer); changes nothing.
 */
import type { Hono } from "hono";
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import type { Policy } from "../../lightning/policy.ts";
import { replay, type Replayed } from "../../lightning/replay.ts";
import { DryRunPolicy, strict } from "../../lightning/schema.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import { json, problemResponse } from "../answers.ts";
import type { DoorEnv, WalletStub } from "../door.ts";
import { body, operatorOnly } from "../middleware.ts";
import { policyOf } from "../rule.ts";
import { walletOf } from "./wallets.ts";

/** What an object gives at most. */
const PAGE = 200;
const MOST_RECEIPTS = 20_000;
const MOST_LISTED = 1000;

export function dryRunRoutes(app: Hono<DoorEnv>): void {
  app.post("/v1/wallets/:walletId/policy/dry-run", operatorOnly, ...body(strict(DryRunPolicy)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const asked = c.req.valid("json");
    const rule = policyOf(asked, c.env.door.config.network, asked.budget === undefined ? "wallet" : "budget");
    if (!rule.ok) return problemResponse("invalid_request", rule.detail);
    const [inForce, views, status] = await Promise.all([named.wallet.policy(), named.wallet.budgets(), named.wallet.status()]);
    if (!inForce.ok) return problemResponse(inForce.code, inForce.detail);
    if (!views.ok) return problemResponse(views.code, views.detail);
    if (!status.ok) return problemResponse(status.code, status.detail);

    const budget = asked.budget ?? null;
    const budgets = new Map<string, Policy>(views.value.map((view) => [view.budget, view.policy]));
    if (budget !== null && !budgets.has(budget)) return problemResponse("not_found", "no such budget");
    if (budget !== null) budgets.set(budget, rule.policy);
    const read = await newest(named.wallet, status.value.receipts);
    if (!read.ok) return problemResponse(read.code, read.detail);
    const records = read.value;
    const found = replay(budget === null ? rule.policy : inForce.value.policy, budgets, records, budget);
    return json({
      policy: rule.policy,
      budget,
      receipts: {
        first: records[0]?.receipt.sequence ?? null,
        last: records.at(-1)?.receipt.sequence ?? null,
        whole: (records[0]?.receipt.sequence ?? 1) === 1,
      },
      allowed: found.allowed,
      spent: found.spent,
      refused: listed(found.refused),
      refusedCount: found.refused.length,
      asked: listed(found.asked),
      askedCount: found.asked.length,
      doubtful: listed(found.doubtful),
      doubtfulCount: found.doubtful.length,
      unknowable: found.unknowable,
    });
  });
}

const listed = (found: readonly Replayed[]): readonly Replayed[] => found.slice(0, MOST_LISTED);

/** The newest {@link MOST_RECEIPTS}, in chain order. What was paid before them is in nobody's books, and the answer says so (`whole`). */
async function newest(wallet: WalletStub, count: number): Promise<Result<readonly ReceiptRecord[]>> {
  const records: ReceiptRecord[] = [];
  let after: number | null = Math.max(0, count - MOST_RECEIPTS);
  while (after !== null && records.length < MOST_RECEIPTS) {
    const page: Awaited<ReturnType<WalletStub["receipts"]>> = await wallet.receipts({ after, limit: PAGE });
    if (!page.ok) return page;
    records.push(...page.value.receipts);
    after = page.value.next;
  }
  return { ok: true, value: records };
}
