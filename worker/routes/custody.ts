/**
 * A wallet's keys, for operators: which versions are in use, rotation, stopping at once, and who spends. Nothing here shows a key; the one
 * answer that carries something sealed is a backup, to the recipient that the caller has named.
 */
import type { Hono } from "hono";
import type { WalletRecord } from "../../lightning/control-plane.ts";
import { CustodyQuery, FenceBody, RestoreWallet, RotateBody, SpenderBody, strict } from "../../lightning/schema.ts";
import { json, problemResponse, resultResponse } from "../answers.ts";
import { kekUse, walletCustody } from "../custody-view.ts";
import type { DoorEnv } from "../door.ts";
import { body, operatorOf, operatorOnly, query } from "../middleware.ts";
import { policyOf } from "../rule.ts";
import { walletOf } from "./wallets.ts";

export function custodyRoutes(app: Hono<DoorEnv>): void {
  app.get("/v1/custody", operatorOnly, query(strict(CustodyQuery)), async (c) =>
    resultResponse(await kekUse(c.env.door, operatorOf(c).owner, c.req.valid("query").after ?? null)),
  );

  app.get("/v1/wallets/:walletId/custody", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null
      ? problemResponse("not_found")
      : resultResponse(await walletCustody(c.env.door, operatorOf(c).owner, named.walletId));
  });

  app.post("/v1/wallets/:walletId/rotate", operatorOnly, ...body(strict(RotateBody)), async (c) => {
    const named = walletOf(c);
    return named === null ? problemResponse("not_found") : resultResponse(await named.wallet.rotate(c.req.valid("json").what));
  });

  app.post("/v1/wallets/:walletId/disable-now", operatorOnly, async (c) => {
    const named = walletOf(c);
    return named === null
      ? problemResponse("not_found")
      : resultResponse(await named.wallet.disableNow(), ({ cancelled }) => ({ walletId: named.walletId, state: "disabled", cancelled }));
  });

  app.post("/v1/wallets/:walletId/spender", operatorOnly, ...body(strict(SpenderBody)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const { epoch, backend, spender } = c.req.valid("json");
    return resultResponse(await named.wallet.moveSpender({ epoch, backend, spender: spender ?? null }));
  });

  /** Another deployment has taken the wallet over: this one must not pay any more, whatever is open. */
  app.post("/v1/wallets/:walletId/fence", operatorOnly, ...body(strict(FenceBody)), async (c) => {
    const named = walletOf(c);
    const control = c.env.door.control(operatorOf(c).owner);
    if (named === null || (await control.wallet(named.walletId)) === null) return problemResponse("not_found");
    const { epoch } = c.req.valid("json");
    const record = await control.fenceSpender(named.walletId, epoch);
    // A fence holds back whoever is behind it: an object that has this epoch already, by a move of its own, would go on paying.
    const own = await named.wallet.custody();
    return own.ok && own.value.epoch >= epoch
      ? problemResponse("already_exists", `this deployment spends under epoch ${own.value.epoch}: only a later one fences it`)
      : json(record);
  });

  /**
   * The control plane learns of the wallet before its object does, as in creation; the same request again completes what a crash left half
   * done. Its books begin empty: what the lost deployment has paid is in its receipts, not here.
   */
  app.post("/v1/wallets/:walletId/restore", operatorOnly, ...body(strict(RestoreWallet)), async (c) => {
    const named = walletOf(c);
    if (named === null) return problemResponse("not_found");
    const { walletId, wallet } = named;
    const door = c.env.door;
    const { owner } = operatorOf(c);
    const asked = c.req.valid("json");
    const { network, backend } = door.config;
    if (asked.network !== undefined && asked.network !== network)
      return problemResponse("invalid_request", `network: Expected ${network}, this Worker's network`);
    const rule = policyOf(asked, network, "wallet");
    if (!rule.ok) return problemResponse("invalid_request", rule.detail);
    const there = await wallet.custody();
    if (there.ok) return problemResponse("already_exists", "this deployment has this wallet");

    const custody = await door.makeCustody({ walletId, owner, network }, asked.mnemonic, asked.backupRecipient ?? null);
    if (!custody.ok) return problemResponse(custody.code, custody.detail);
    const { backup } = custody.value;
    // The words come from a backup, so there is one: without this mark a wallet on mainnet pays nothing, and nothing could set it later.
    const envelope = { ...custody.value.envelope, backedUpAt: custody.value.envelope.backedUpAt ?? door.now() };
    const wanted: WalletRecord = {
      walletId,
      owner,
      label: asked.label ?? "",
      network,
      backend,
      epoch: asked.epoch,
      walletSource: "embedded_envelope",
      createdAt: door.now(),
    };
    const control = door.control(owner);
    const listed = await control.createWallet(wanted, envelope);
    if (!listed.created) {
      // Listed, but without an object: nothing has ever been paid from here, so the words may still be corrected.
      const { record } = listed;
      if (record.epoch !== asked.epoch || record.backend !== backend)
        return problemResponse("already_exists", `this wallet is listed here with epoch ${record.epoch}`);
      const held = await control.envelope(walletId);
      if (held === null || !(await control.putEnvelope(envelope, held)))
        return problemResponse("already_exists", "somebody else is restoring this wallet");
    }
    return resultResponse(
      await wallet.create(listed.record, envelope, rule.policy),
      () => ({ ...listed.record, policy: rule.policy, ...(backup === null ? {} : { backup }) }),
      201,
    );
  });
}
