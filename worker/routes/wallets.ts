/**
 * An operator's wallets: making, reading, stopping. The control plane learns of a wallet before its object does: a crash between the two
 * leaves a listed wallet that pays nothing, never a wallet whose envelope nobody holds. The same request again, under its
 * `Idempotency-Key`, completes it.
 */
import type { Context, Hono } from "hono";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { canonicalJson, type Json } from "../../lightning/jcs.ts";
import { CreateWallet, PURCHASE_ID, PurchasesQuery, REQUEST_KEY, ReceiptsQuery, WALLET_ID, strict } from "../../lightning/schema.ts";
import type { WalletRecord } from "../../lightning/control-plane.ts";
import { json, problemResponse, resultResponse } from "../answers.ts";
import { balanceResponse } from "../balance.ts";
import type { DoorEnv, WalletStub } from "../door.ts";
import { newWalletId } from "../keys.ts";
import { body, operatorOf, operatorOnly, query } from "../middleware.ts";
import { receiptsAnswer } from "../receipts-answer.ts";
import { wholeHistory } from "../receipts-history.ts";
import { policyOf } from "../rule.ts";

const DEFAULT_PAGE = 50;

/**
 * What an `Idempotency-Key` stands for. Of a mnemonic only that there is one: not even a hash of it is stored in the clear.
 * @returns hex sha256
 */
function requestHash({ mnemonic, ...asked }: typeof CreateWallet.Type): string {
  const facts: unknown = JSON.parse(JSON.stringify({ ...asked, mnemonic: mnemonic !== undefined }));
  return bytesToHex(sha256(utf8ToBytes(canonicalJson(facts as Json))));
}

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
    if (asked.network !== undefined && asked.network !== network)
      return problemResponse("invalid_request", `network: Expected ${network}, this Worker's network`);
    const rule = policyOf(asked, network, "wallet");
    if (!rule.ok) return problemResponse("invalid_request", rule.detail);

    const key = c.req.raw.headers.get("idempotency-key");
    if (key !== null && !REQUEST_KEY.test(key))
      return problemResponse("invalid_request", "Idempotency-Key: Expected 1 to 255 visible ASCII characters");

    const newId = newWalletId(door.random);
    const recipient = asked.backupRecipient ?? null;
    const custody = await door.makeCustody({ walletId: newId, owner, network }, asked.mnemonic ?? null, recipient);
    if (!custody.ok) return problemResponse(custody.code, custody.detail);
    const { envelope } = custody.value;
    const wanted: WalletRecord = {
      walletId: newId,
      owner,
      label: asked.label ?? "",
      network,
      backend,
      epoch: 1,
      walletSource: "embedded_envelope",
      createdAt: door.now(),
    };
    const control = door.control(owner);
    const { record, created, conflict } = await control.createWallet(
      wanted,
      envelope,
      key === null ? undefined : { key, hash: requestHash(asked) },
    );
    if (conflict === true) return problemResponse("idempotency_conflict");
    // Asked for before: the envelope made just now is thrown away, and the wallet's own is the one that its object gets, if it has none yet.
    const own = created ? envelope : await control.envelope(record.walletId);
    if (own === null) return problemResponse("envelope_unopenable", "the control plane lists this wallet without its envelope");
    const wallet = door.wallet(owner, record.walletId);
    const made = await wallet.create(record, own, rule.policy);
    // Of the words that are kept, never of those made just now and thrown away; `requestHash` has seen to it that the recipient is the first one's.
    const backup =
      created || recipient === null
        ? { ok: true as const, value: custody.value.backup }
        : await door.backupOf(own, { walletId: record.walletId, owner, network: record.network }, recipient);
    if (!backup.ok) return problemResponse(backup.code, backup.detail);
    const shown = { ...record, ...(backup.value === null ? {} : { backup: backup.value }) };
    if (!made.ok || made.value.created) return resultResponse(made, () => ({ ...shown, policy: rule.policy }), 201);
    return resultResponse(await wallet.policy(), ({ policy }) => ({ ...shown, policy }));
  });

  app.get("/v1/wallets", operatorOnly, async (c) => json({ wallets: await c.env.door.control(operatorOf(c).owner).wallets() }));

  app.get("/v1/wallets/:walletId", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.status());
  });

  app.post("/v1/wallets/:walletId/disable", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null
      ? problemResponse("not_found")
      : resultResponse(await named.wallet.disable(), () => ({ walletId: named.walletId, state: "disabled" }));
  });

  app.post("/v1/wallets/:walletId/enable", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null
      ? problemResponse("not_found")
      : resultResponse(await named.wallet.enable(), () => ({ walletId: named.walletId, state: "active" }));
  });

  app.get("/v1/wallets/:walletId/balance", operatorOnly, async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const live = await named.wallet.balance();
    if (!live.ok && live.code !== "backend_unavailable") return problemResponse(live.code, live.detail);
    return balanceResponse(c.env.door, operatorOf(c).owner, named.walletId, live.ok ? live.value : null);
  });

  app.get("/v1/wallets/:walletId/purchases", operatorOnly, query(strict(PurchasesQuery)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const { before, limit } = c.req.valid("query");
    return resultResponse(
      await named.wallet.purchases({
        before: before === undefined ? null : Number(before),
        limit: limit === undefined ? DEFAULT_PAGE : Number(limit),
      }),
    );
  });

  app.get("/v1/wallets/:walletId/purchases/:purchaseId", operatorOnly, async (c) => {
    const named = walletOf(c);
    const purchaseId = c.req.param("purchaseId");
    return named === null || !PURCHASE_ID.test(purchaseId)
      ? problemResponse("not_found")
      : resultResponse(await named.wallet.purchase(purchaseId));
  });

  app.get("/v1/wallets/:walletId/receipts", operatorOnly, query(strict(ReceiptsQuery)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const read = wholeHistory((page) => named.wallet.receipts(page), c.env.door.control(operatorOf(c).owner), named.walletId);
    return receiptsAnswer(read, c.req.valid("query"), c.req.raw.headers.get("accept"));
  });
}
