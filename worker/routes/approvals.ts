/** What people decide about agents' payments (invariant 18): approvers and operators; an agent's key is `forbidden` before anything is asked. */
import type { Context, Hono } from "hono";
import { APPROVALS_PAGE } from "../../lightning/approval.ts";
import { sats } from "../../lightning/msat.ts";
import { APPROVAL_ID, ApprovalsQuery, ApproveBody, WALLET_ID, strict } from "../../lightning/schema.ts";
import { problemResponse, resultResponse } from "../answers.ts";
import { writeLinkToken } from "../approve/link-token.ts";
import type { DoorEnv, WalletStub } from "../door.ts";
import { deciderOf, deciderOnly, optionalBody, publicBase, query } from "../middleware.ts";

interface Named {
  readonly owner: string;
  readonly walletId: string;
  readonly wallet: WalletStub;
  readonly approvalId: string;
  readonly by: string;
}

/** A wallet and an approval of the decider's own owner; null when the path cannot name them. */
function named(c: Context<DoorEnv>, approvalId: string | null): Named | null {
  const walletId = c.req.param("walletId") ?? "";
  if (!WALLET_ID.test(walletId) || (approvalId !== null && !APPROVAL_ID.test(approvalId))) return null;
  const { owner, by } = deciderOf(c);
  return { owner, walletId, wallet: c.env.door.wallet(owner, walletId), approvalId: approvalId ?? "", by };
}

export function approvalRoutes(app: Hono<DoorEnv>): void {
  app.get("/v1/wallets/:walletId/approvals", deciderOnly, query(strict(ApprovalsQuery)), async (c) => {
    const at = named(c, null);
    if (at === null) return problemResponse("not_found");
    const { state = null, before = null } = c.req.valid("query");
    return resultResponse(await at.wallet.approvals(state, before), (approvals) => ({
      approvals,
      next: approvals.length < APPROVALS_PAGE ? null : (approvals.at(-1)?.approvalId ?? null),
    }));
  });

  app.get("/v1/wallets/:walletId/approvals/:approvalId", deciderOnly, async (c) => {
    const at = named(c, c.req.param("approvalId"));
    return at === null ? problemResponse("not_found") : resultResponse(await at.wallet.approval(at.approvalId));
  });

  app.post("/v1/wallets/:walletId/approvals/:approvalId/approve", deciderOnly, optionalBody(strict(ApproveBody)), async (c) => {
    const at = named(c, c.req.param("approvalId"));
    if (at === null) return problemResponse("not_found");
    const { maxSats } = c.req.valid("json");
    return resultResponse(await at.wallet.decideApproval(at.approvalId, "approve", at.by, maxSats === undefined ? null : sats(maxSats)));
  });

  app.post("/v1/wallets/:walletId/approvals/:approvalId/reject", deciderOnly, async (c) => {
    const at = named(c, c.req.param("approvalId"));
    return at === null
      ? problemResponse("not_found")
      : resultResponse(await at.wallet.decideApproval(at.approvalId, "reject", at.by, null));
  });

  app.post("/v1/wallets/:walletId/approvals/:approvalId/link", deciderOnly, async (c) => {
    const at = named(c, c.req.param("approvalId"));
    if (at === null) return problemResponse("not_found");
    const made = await at.wallet.approvalLink(at.approvalId);
    // An object that was never made has no keys to open either; the control plane knows which of the two it is.
    if (!made.ok && made.code === "envelope_unopenable" && (await c.env.door.control(at.owner).wallet(at.walletId)) === null)
      return problemResponse("not_found");
    return resultResponse(
      made,
      (link) => ({
        url: `${publicBase(c)}/approve/${writeLinkToken({ owner: at.owner, walletId: at.walletId, link })}`,
        expiresAt: link.expiresAt,
      }),
      201,
    );
  });
}
