/**
 * The smallest chat application that buys: a fake model, its tools, and one turn of conversation. What matters is who holds what: the
 * Worker has a binding, the model has tool names, and neither has a key, a credential or a wallet's address.
 */
import type { LightningApprovals } from "../../worker/approvals-service.ts";
import type { LightningService } from "../../worker/service.ts";
import { fakeModel } from "./fake-model.ts";

export interface ChatEnv {
  readonly LIGHTNING: Service<LightningService>;
  /** For people. No tool of the model's leads here. */
  readonly APPROVALS: Service<LightningApprovals>;
  /** The same entrypoint with the agent's props: what a careless integrator would hand to the model. */
  readonly MISBOUND: Service<LightningApprovals>;
}

interface Turn {
  readonly message: string;
  /** The host's id of this turn; its tool calls are numbered under it, so that a turn sent again pays nothing again. */
  readonly turnId?: string;
}

export default {
  /** `POST /chat` is a turn; `/approvals` is the people's side, behind this application's login if it had one; `POST /fetch?url` passes the binding's own `fetch` through, as an SDK that is handed one would use it. */
  async fetch(request: Request, env: ChatEnv): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/fetch") {
      const target = url.searchParams.get("url") ?? "";
      const body = request.method === "GET" ? null : await request.arrayBuffer();
      return env.LIGHTNING.fetch(new Request(target, { method: request.method, headers: request.headers, body }));
    }
    if (url.pathname === "/tools") return Response.json({ binding: await reachable(env) });
    if (url.pathname === "/approvals") return people(request, env);
    const turn: Turn = await request.json();
    const turnId = turn.turnId ?? crypto.randomUUID();
    return Response.json(await converse(env, turn.message, turnId));
  },
};

/** `GET` lists what waits for a word, `POST {approvalId, verdict}` gives it: a button's doing, never the model's. */
async function people(request: Request, env: ChatEnv): Promise<Response> {
  if (request.method === "GET") return Response.json(await env.APPROVALS.list("pending"));
  const { approvalId, verdict }: { readonly approvalId: string; readonly verdict: "approve" | "reject" } = await request.json();
  return Response.json(
    await (verdict === "approve" ? env.APPROVALS.lightning_l402_approve(approvalId) : env.APPROVALS.lightning_l402_reject(approvalId)),
  );
}

async function converse(env: ChatEnv, message: string, turnId: string) {
  const transcript: unknown[] = [{ role: "user", content: message }];
  for (let step = 0; ; step += 1) {
    const said = fakeModel(transcript);
    transcript.push(said);
    if (said.kind === "reply") return { reply: said.content, transcript };
    transcript.push({ role: "tool", name: said.tool, content: await useTool(env, said.tool, said.arguments, `${turnId}:${step}`) });
  }
}

/** The idempotency key is the tool call's id, made here and never by the model. */
async function useTool(env: ChatEnv, tool: string, asked: unknown, callId: string): Promise<unknown> {
  switch (tool) {
    case "lightning_l402_fetch":
      return env.LIGHTNING.lightning_l402_fetch(asked, { idempotencyKey: callId });
    case "lightning_l402_quote":
      return env.LIGHTNING.lightning_l402_quote(asked);
    case "lightning_wallet_status":
      return env.LIGHTNING.lightning_wallet_status();
    case "lightning_l402_approve":
      return env.MISBOUND.lightning_l402_approve((asked as { readonly approvalId?: unknown }).approvalId);
    default:
      return { error: "no such tool" };
  }
}

/** Tries what a curious caller would: names on the object that are no method of the service. Returns those that answered. */
async function reachable(env: ChatEnv): Promise<readonly string[]> {
  const names = [
    "ctx",
    "env",
    "caller",
    "ports",
    "#caller",
    "#ports",
    "create",
    "setPolicy",
    "createKey",
    "enable",
    "open",
    "pay",
    "lightning_l402_approve",
    "lightning_l402_reject",
    "decideApproval",
    "approvalLink",
  ];
  const answered = await Promise.all(
    names.map(async (name) => {
      try {
        const member: unknown = Reflect.get(env.LIGHTNING, name);
        await (member as () => Promise<unknown>)();
        return [name];
      } catch {
        return [];
      }
    }),
  );
  return answered.flat();
}
