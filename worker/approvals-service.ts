/**
 * The people's door for a Worker on the same account: an inbox, a chat application's own buttons. A class apart from `LightningService`, so that
 * an agent's binding can never reach it by a method's name; and props apart, so that one that names a budget, an agent's, is refused
 * even when it is bound here by mistake (invariant 18). Everything on the prototype can be called over RPC, so the rest is `#`.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { ApprovalState, ApprovalView, Verdict } from "../lightning/approval.ts";
import { isMsat, sats } from "../lightning/msat.ts";
import { APPROVAL_ID, APPROVAL_STATES, OWNER, WALLET_ID } from "../lightning/schema.ts";
import type { Result, WalletApprovals } from "../lightning/wallet-admin.ts";
import { problemResponse } from "./answers.ts";
import { unexpected } from "./app.ts";
import { writeLinkToken } from "./approve/link-token.ts";
import { readConfig } from "./config.ts";
import { log } from "./log.ts";
import { walletStub } from "./ports.ts";
import { MAIN_OWNER } from "./principal.ts";

/** What the operator writes into the binding. */
export interface ApprovalsProps {
  /** Default `main`. */
  readonly owner?: string;
  readonly wallet: string;
  /** Who decides through this binding, as receipts will name it: `binding/<owner>/<approver>`. */
  readonly approver: string;
}

interface Decider {
  readonly owner: string;
  readonly walletId: string;
  readonly by: string;
  readonly wallet: WalletApprovals;
}

const APPROVER = /^[a-z0-9][a-z0-9-]{0,39}$/u;
const no = (code: "forbidden" | "not_found" | "invalid_request" | "not_supported", detail: string): Result<never> => ({
  ok: false,
  code,
  detail,
});

export class LightningApprovals extends WorkerEntrypoint<Env, ApprovalsProps> {
  /** No HTTP here: routes for people are under `/v1/wallets/<id>/approvals`. */
  override async fetch(): Promise<Response> {
    return problemResponse("not_found");
  }

  /**
   * Newest first, at most 200.
   * @param state one of pending, granted, rejected, used, expired; left out: all @param before the id of the last one seen, for older ones
   */
  async list(state?: unknown, before?: unknown): Promise<Result<readonly ApprovalView[]>> {
    return this.#asDecider(({ wallet }) => {
      if (before !== undefined && !isApprovalId(before)) return no("invalid_request", "before: Expected an approval's id");
      if (state !== undefined && !APPROVAL_STATES.some((known) => known === state))
        return no("invalid_request", `state: Expected one of ${APPROVAL_STATES.join(", ")}`);
      return wallet.approvals((state ?? null) as ApprovalState | null, before ?? null);
    });
  }

  /** @param options `maxSats` may lower the maximum, amount and fee together */
  async lightning_l402_approve(approvalId: unknown, options: { readonly maxSats?: number } | null = null): Promise<Result<ApprovalView>> {
    return this.#decide(approvalId, "approve", options?.maxSats);
  }

  async lightning_l402_reject(approvalId: unknown): Promise<Result<ApprovalView>> {
    return this.#decide(approvalId, "reject", undefined);
  }

  /** A link for a person, where the Worker knows its own address. It is a capability: never show it to a model. */
  async link(approvalId: unknown): Promise<Result<{ readonly url: string; readonly expiresAt: number }>> {
    return this.#asDecider(async ({ owner, walletId, wallet }): Promise<Result<{ readonly url: string; readonly expiresAt: number }>> => {
      if (!isApprovalId(approvalId)) return no("not_found", "there is no such approval");
      const read = readConfig(this.env);
      if (!read.ok || read.config.publicUrl === null)
        return no("not_supported", "LIGHTNING_PUBLIC_URL is not set, so a link would lead nowhere");
      const made = await wallet.approvalLink(approvalId);
      return made.ok
        ? {
            ok: true,
            value: {
              url: `${read.config.publicUrl}/approve/${writeLinkToken({ owner, walletId, link: made.value })}`,
              expiresAt: made.value.expiresAt,
            },
          }
        : made;
    });
  }

  async #decide(approvalId: unknown, verdict: Verdict, maxSats: unknown): Promise<Result<ApprovalView>> {
    return this.#asDecider(({ wallet, by }) => {
      if (!isApprovalId(approvalId)) return no("not_found", "there is no such approval");
      if (maxSats !== undefined && !(isMsat(maxSats) && maxSats > 0 && isMsat(maxSats * 1000)))
        return no("invalid_request", "maxSats: Expected a positive whole number of satoshi");
      return wallet.decideApproval(approvalId, verdict, by, maxSats === undefined ? null : sats(maxSats));
    });
  }

  async #asDecider<T>(work: (decider: Decider) => Result<T> | Promise<Result<T>>): Promise<Result<T>> {
    const props: unknown = this.ctx.props;
    const member = (name: string): unknown => (typeof props === "object" && props !== null ? Reflect.get(props, name) : undefined);
    const owner = member("owner") ?? MAIN_OWNER;
    const [walletId, approver] = [member("wallet"), member("approver")];
    if (!matches(owner, OWNER) || !matches(walletId, WALLET_ID) || !matches(approver, APPROVER) || member("budget") !== undefined) {
      return no("forbidden", "this binding's props name no wallet and approver, or an agent's budget");
    }
    try {
      return await work({ owner, walletId, by: `binding/${owner}/${approver}`, wallet: walletStub(this.env.WALLET, owner, walletId) });
    } catch (error) {
      const response = unexpected(error, { log });
      return {
        ok: false,
        code: response.status === 503 ? "control_plane_unavailable" : "internal",
        detail: `request ${response.headers.get("x-request-id") ?? "without id"}`,
      };
    }
  }
}

const matches = (value: unknown, pattern: RegExp): value is string => typeof value === "string" && pattern.test(value);
const isApprovalId = (value: unknown): value is string => matches(value, APPROVAL_ID);
