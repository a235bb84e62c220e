/**
 * Approval for people with a link and no key. The link is the capability, so no other proof of who is asked for; a GET shows and never
 * decides, because mail scanners, chat previews and browsers open links by themselves (RFC 9110 section 9.2.1). Only the buttons' POST does.
 */
import type { Context, Hono } from "hono";
import type { ApprovalView } from "../../lightning/approval.ts";
import { ERRORS, type Code } from "../../lightning/errors.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import { readLinkToken, type LinkToken } from "../approve/link-token.ts";
import { explanation, outcome, page, question, sentence, titleOf } from "../approve/page.ts";
import type { DoorEnv } from "../door.ts";
import { readBody } from "../read-body.ts";

/** `decision=approve` and what a browser may add. */
const MAX_FORM_BYTES = 1024;

export function approvePage(app: Hono<DoorEnv>): void {
  app.get("/approve", (c) => page(c.env.door.random, 200, "How payments are approved", explanation()));

  app.get("/approve/:token", async (c) => {
    const named = readLinkToken(c.req.param("token"));
    if (named === null) return notValid(c);
    return shown(c, await walletOf(c, named).approvalByLink(named.link));
  });

  app.post("/approve/:token", async (c) => {
    const named = readLinkToken(c.req.param("token"));
    if (named === null) return notValid(c);
    const decision = await decisionOf(c.req.raw);
    if (decision === null)
      return page(c.env.door.random, 400, "Nothing was decided", sentence("Go back and press one of the two buttons."));
    const wallet = walletOf(c, named);
    const decided = await wallet.decideByLink(named.link, decision);
    // Somebody was faster, or pressed twice: what was decided then is what counts.
    if (!decided.ok && decided.code === "already_exists") return shown(c, await wallet.approvalByLink(named.link));
    return shown(c, decided);
  });
}

const walletOf = (c: Context<DoorEnv>, { owner, walletId }: LinkToken) => c.env.door.wallet(owner, walletId);

const notValid = (c: Context<DoorEnv>): Promise<Response> =>
  page(
    c.env.door.random,
    403,
    "This link is not valid",
    sentence("It may have been cut or changed on its way. Ask for a new one; nothing was decided."),
  );

function shown(c: Context<DoorEnv>, seen: Result<ApprovalView>): Promise<Response> {
  const { random } = c.env.door;
  if (!seen.ok) return refused(c, seen.code);
  const view = seen.value;
  return page(
    random,
    200,
    titleOf(view),
    view.state === "pending" ? question(view, new URL(c.req.url).pathname.split("/").at(-1) ?? "") : outcome(view),
  );
}

/** What a switch says to a yes (invariant 11). */
const STOPPED: ReadonlySet<Code> = new Set<Code>([
  "global_pause_active",
  "owner_kill_switch_active",
  "spender_superseded",
  "wallet_disabled",
  "wallet_paused",
  "budget_disabled",
  "control_plane_unavailable",
]);

/** A wrong signature, another wallet and an approval that does not exist look alike to whoever tries. */
function refused(c: Context<DoorEnv>, code: Code): Promise<Response> {
  const { random } = c.env.door;
  if (code === "approval_expired")
    return page(
      random,
      410,
      "This link has expired",
      sentence("Nobody can decide with it any more. If the agent asks again, a new link can be made."),
    );
  if (code === "envelope_unopenable")
    return page(
      random,
      503,
      "The wallet cannot be asked",
      sentence("Its keys cannot be opened just now. Nothing was decided; try again later."),
    );
  if (STOPPED.has(code))
    return page(
      random,
      ERRORS[code].status,
      "Nothing can be approved now",
      sentence(`${ERRORS[code].title}. Nothing was decided; until it expires this link can still approve later, or reject now.`),
    );
  return notValid(c);
}

async function decisionOf(request: Request): Promise<"approve" | "reject" | null> {
  if (!/^application\/x-www-form-urlencoded(?:;|$)/iu.test(request.headers.get("content-type") ?? "")) return null;
  const body = await readBody(request, MAX_FORM_BYTES);
  if (!body.ok || body.bytes === null) return null;
  const said = new URLSearchParams(new TextDecoder().decode(body.bytes)).getAll("decision");
  return said.length === 1 && (said[0] === "approve" || said[0] === "reject") ? said[0] : null;
}
