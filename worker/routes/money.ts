/** An operator's own hand on the money: what no payer can end, what no seller delivers, money in and money out. All of it leaves receipts. */
import type { Context, Hono } from "hono";
import { sats } from "../../lightning/msat.ts";
import { InvoiceBody, PURCHASE_ID, ResolveBody, WithdrawBody, strict } from "../../lightning/schema.ts";
import { problemResponse, resultResponse } from "../answers.ts";
import { readSteering } from "../call.ts";
import type { DoorEnv } from "../door.ts";
import { body, nameOf, operatorOf, operatorOnly } from "../middleware.ts";
import { walletOf } from "./wallets.ts";

/** States in which the payer may still be at work. */
const UNDER_WAY: ReadonlySet<string> = new Set(["reserved", "paying", "payment_unknown"]);

function purchaseOf(
  c: Context<DoorEnv>,
  purchaseId: string,
): (NonNullable<ReturnType<typeof walletOf>> & { readonly purchaseId: string }) | null {
  const named = walletOf(c);
  return named === null || !PURCHASE_ID.test(purchaseId) ? null : { ...named, purchaseId };
}

export function moneyRoutes(app: Hono<DoorEnv>): void {
  app.post("/v1/wallets/:walletId/purchases/:purchaseId/resolve", operatorOnly, ...body(strict(ResolveBody)), async (c) => {
    const named = purchaseOf(c, c.req.param("purchaseId"));
    if (named === null) return problemResponse("not_found");
    const { verdict, evidence, preimage } = c.req.valid("json");
    return resultResponse(await named.wallet.resolve(named.purchaseId, verdict, evidence, preimage?.toLowerCase() ?? null));
  });

  app.post("/v1/wallets/:walletId/purchases/:purchaseId/write-off", operatorOnly, async (c) => {
    const named = purchaseOf(c, c.req.param("purchaseId"));
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.writeOff(named.purchaseId));
  });

  app.post("/v1/wallets/:walletId/withdrawals", operatorOnly, ...body(strict(WithdrawBody)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const steering = readSteering(c.req.raw.headers);
    if (!steering.ok) return problemResponse("invalid_request", steering.detail);
    const { withdrawalId, bolt11, maxFeeSats } = c.req.valid("json");
    const by = nameOf(operatorOf(c));
    const made = await named.wallet.withdraw({
      withdrawalId: withdrawalId ?? c.env.door.uuid(),
      bolt11,
      maxFeeMsat: sats(maxFeeSats),
      by,
      waitMs: steering.value.waitMs,
    });
    // 202: the order may be under way; the purchase of this id tells how it ended.
    return resultResponse(made, undefined, made.ok && UNDER_WAY.has(made.value.state) ? 202 : 201);
  });

  app.post("/v1/wallets/:walletId/invoices", operatorOnly, ...body(strict(InvoiceBody)), async (c) => {
    const named = walletOf(c);
    return named === null
      ? problemResponse("not_found")
      : resultResponse(await named.wallet.fundingInvoice(sats(c.req.valid("json").amountSats)), undefined, 201);
  });
}
