/** What an agent may do: fetch, quote, and read what its own budget did. Its key alone says which wallet and which budget. */
import type { Hono } from "hono";
import { FetchBody, PURCHASE_ID, ReceiptsQuery, strict } from "../../lightning/schema.ts";
import { flowResponse, json, problemResponse, resultResponse } from "../answers.ts";
import { bodyCall, readSteering } from "../call.ts";
import type { DoorEnv } from "../door.ts";
import { purchase, quoteFlow } from "../flow.ts";
import type { QuoteFlowAnswer } from "../flow-types.ts";
import { balanceResponse } from "../balance.ts";
import { agentOf, agentOnly, body, publicBase, query } from "../middleware.ts";
import { receiptsAnswer } from "../receipts-answer.ts";

const asked = body(strict(FetchBody));

export function purchaseRoutes(app: Hono<DoorEnv>): void {
  app.post("/v1/fetch", agentOnly, ...asked, async (c) => {
    const agent = agentOf(c);
    const steering = readSteering(c.req.raw.headers);
    if (!steering.ok) return problemResponse("invalid_request", steering.detail);
    const answer = await purchase(c.env.door.flow(agent.owner, agent.walletId), bodyCall(agent.auth, c.req.valid("json"), steering.value));
    return flowResponse(answer, publicBase(c));
  });

  app.post("/v1/quote", agentOnly, ...asked, async (c) => {
    const agent = agentOf(c);
    const steering = readSteering(c.req.raw.headers);
    if (!steering.ok) return problemResponse("invalid_request", steering.detail);
    return quoteResponse(
      await quoteFlow(c.env.door.flow(agent.owner, agent.walletId), bodyCall(agent.auth, c.req.valid("json"), steering.value)),
    );
  });

  app.get("/v1/wallet", agentOnly, async (c) => {
    const { owner, walletId, auth } = agentOf(c);
    return resultResponse(await c.env.door.wallet(owner, walletId).ownStatus(auth));
  });

  app.get("/v1/balance", agentOnly, async (c) => {
    const { owner, walletId, auth } = agentOf(c);
    const own = await c.env.door.wallet(owner, walletId).ownStatus(auth);
    return own.ok ? balanceResponse(c.env.door, owner, walletId, own.value.payer) : problemResponse(own.code, own.detail);
  });

  app.get("/v1/purchases/:purchaseId", agentOnly, async (c) => {
    const { owner, walletId, auth } = agentOf(c);
    const purchaseId = c.req.param("purchaseId");
    if (!PURCHASE_ID.test(purchaseId)) return problemResponse("not_found");
    return resultResponse(await c.env.door.wallet(owner, walletId).ownPurchase(auth, purchaseId));
  });

  app.get("/v1/receipts", agentOnly, query(strict(ReceiptsQuery)), (c) => {
    const { owner, walletId, auth } = agentOf(c);
    const wallet = c.env.door.wallet(owner, walletId);
    return receiptsAnswer((page) => wallet.ownReceipts(auth, page), c.req.valid("query"), c.req.raw.headers.get("accept"));
  });
}

/** Nothing was paid, so there is nothing that `Lightning-Status` could say of a quote. */
function quoteResponse(answer: QuoteFlowAnswer): Response {
  switch (answer.kind) {
    case "problem":
      return problemResponse(answer.code, answer.detail, { purchaseId: answer.purchaseId, receiptId: answer.receiptId });
    case "quote":
      return json({ purchaseId: answer.purchaseId, paymentNeeded: true, quote: answer.quote });
    case "no_payment_needed":
      return json({ purchaseId: answer.purchaseId, paymentNeeded: false, because: answer.because });
  }
}
