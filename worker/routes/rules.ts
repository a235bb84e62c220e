/** What a wallet may spend and who may spend it: its policy, its budgets, its agents' keys. Operators only. */
import type { Hono } from "hono";
import { BUDGET_NAME, CreateAgentKey, KEY_ID, PutBudget, PutPolicy, strict } from "../../lightning/schema.ts";
import { problemResponse, resultResponse } from "../answers.ts";
import type { DoorEnv } from "../door.ts";
import { newAgentKey } from "../keys.ts";
import { body, operatorOf, operatorOnly } from "../middleware.ts";
import { policyOf } from "../rule.ts";
import { walletOf } from "./wallets.ts";

export function ruleRoutes(app: Hono<DoorEnv>): void {
  app.get("/v1/wallets/:walletId/policy", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.policy());
  });

  app.put("/v1/wallets/:walletId/policy", operatorOnly, ...body(strict(PutPolicy)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const rule = policyOf(c.req.valid("json"), c.env.door.config.network, "wallet");
    if (!rule.ok) return problemResponse("invalid_request", rule.detail);
    return resultResponse(await named.wallet.setPolicy(rule.policy), ({ policyVersion }) => ({ policy: rule.policy, policyVersion }));
  });

  app.get("/v1/wallets/:walletId/budgets", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.budgets(), (budgets) => ({ budgets }));
  });

  app.put("/v1/wallets/:walletId/budgets/:budget", operatorOnly, ...body(strict(PutBudget)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const budget = c.req.param("budget");
    if (!BUDGET_NAME.test(budget))
      return problemResponse("invalid_request", "budget: Expected a name of 1 to 40 characters of a-z, 0-9 and -");
    const asked = c.req.valid("json");
    const rule = policyOf(asked, c.env.door.config.network, "budget");
    if (!rule.ok) return problemResponse("invalid_request", rule.detail);
    return resultResponse(await named.wallet.putBudget(budget, rule.policy, asked.disabled ?? false));
  });

  app.get("/v1/wallets/:walletId/keys", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.keys(), (keys) => ({ keys }));
  });

  app.post("/v1/wallets/:walletId/keys", operatorOnly, ...body(strict(CreateAgentKey)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const { budget, label } = c.req.valid("json");
    const key = newAgentKey(c.env.door.random, operatorOf(c).owner, named.walletId);
    const created = await named.wallet.createKey({ keyId: key.keyId, budget, label: label ?? "", hash: key.hash });
    return resultResponse(created, (view) => ({ ...view, key: key.text }), 201);
  });

  app.delete("/v1/wallets/:walletId/keys/:keyId", operatorOnly, async (c) => {
    const named = walletOf(c);
    const keyId = c.req.param("keyId");
    return named === null || !KEY_ID.test(keyId) ? problemResponse("not_found") : resultResponse(await named.wallet.revokeKey(keyId));
  });
}
