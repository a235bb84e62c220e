/**
 * An operator's wallets: making, reading, stopping. The control plane learns of a wallet before its object does: a crash between the two
 * leaves a listed wallet that pays nothing, never a wallet whose envelope nobody holds.
 */
import type { Context, Hono } from "hono";
import { CreateWallet, PURCHASE_ID, PurchasesQuery, ReceiptsQuery, WALLET_ID, strict } from "../../lightning/schema.ts";
import type { WalletRecord } from "../../lightning/control-plane.ts";
import { json, problemResponse, resultResponse } from "../answers.ts";
import type { DoorEnv, WalletStub } from "../door.ts";
import { newWalletId } from "../keys.ts";
import { body, operatorOf, operatorOnly, query } from "../middleware.ts";
import { receiptsAnswer } from "../receipts-answer.ts";
import { policyOf } from "../rule.ts";

const DEFAULT_PAGE = 50;

/** The wallet a path names, among the operator's own; null when that cannot be the name of one. */
export function walletOf(c: Context<DoorEnv>): { readonly walletId: string; readonly wallet: WalletStub } | null {
  const walletId = c.req.param("walletId") ?? "";
  if (!WALLET_ID.test(walletId)) return null;
  return { walletId, wallet: c.env.door.wallet(operatorOf(c).owner, walletId) };
}

export function walletRoutes(app: Hono<DoorEnv>): void {
  app.post("/v1/wallets", operatorOnly, ...body(strict(CreateWallet)), async (c) => {
    const door = c.env.door;
    const { owner } = operatorOf(c);
    const asked = c.req.valid("json");
    const { network, backend } = door.config;
    if (asked.network !== undefined && asked.network !== network) return problemResponse("invalid_request", `network: Expected ${network}, this Worker's network`);
    const rule = policyOf(asked, network);
    if (!rule.ok) return problemResponse("invalid_request", rule.detail);

    const walletId = newWalletId(door.random);
    const envelope = await door.makeEnvelope({ walletId, owner, network }, asked.mnemonic ?? null);
    if (!envelope.ok) return problemResponse(envelope.code, envelope.detail);
    const record: WalletRecord = { walletId, owner, label: asked.label ?? "", network, backend, epoch: 1, walletSource: "embedded_envelope", createdAt: door.now() };
    const listed = await door.control(owner).createWallet(record, envelope.value);
    const created = await door.wallet(owner, walletId).create(listed.record, envelope.value, rule.policy);
    return resultResponse(created, () => ({ ...listed.record, policy: rule.policy }), 201);
  });

  app.get("/v1/wallets", operatorOnly, async (c) => json({ wallets: await c.env.door.control(operatorOf(c).owner).wallets() }));

  app.get("/v1/wallets/:walletId", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.status());
  });

  app.post("/v1/wallets/:walletId/disable", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.disable(), () => ({ walletId: named.walletId, state: "disabled" }));
  });

  app.post("/v1/wallets/:walletId/enable", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.enable(), () => ({ walletId: named.walletId, state: "active" }));
  });

  app.get("/v1/wallets/:walletId/balance", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.balance(), (balance) => ({ walletId: named.walletId, balance }));
  });

  app.get("/v1/wallets/:walletId/purchases", operatorOnly, query(strict(PurchasesQuery)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const { before, limit } = c.req.valid("query");
    return resultResponse(await named.wallet.purchases({ before: before === undefined ? null : Number(before), limit: limit === undefined ? DEFAULT_PAGE : Number(limit) }));
  });

  app.get("/v1/wallets/:walletId/purchases/:purchaseId", operatorOnly, async (c) => {
    const named = walletOf(c);
    const purchaseId = c.req.param("purchaseId");
    return named === null || !PURCHASE_ID.test(purchaseId) ? problemResponse("not_found") : resultResponse(await named.wallet.purchase(purchaseId));
  });

  app.get("/v1/wallets/:walletId/receipts", operatorOnly, query(strict(ReceiptsQuery)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    return receiptsAnswer((page) => named.wallet.receipts(page), c.req.valid("query"), c.req.raw.headers.get("accept"));
  });
}
