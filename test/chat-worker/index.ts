/**
 * The smallest chat application that buys: a fake model, its tools, and one turn of conversation. What matters is who holds what: the
 * Worker has a binding, the model has tool names, and neither has a key, a credential or a wallet's address.
 */
import type { LightningService } from "../../worker/service.ts";
import { fakeModel } from "./fake-model.ts";

export interface ChatEnv {
  readonly LIGHTNING: Service<LightningService>;
}

interface Turn {
  readonly message: string;
  /** The host's id of this turn; its tool calls are numbered under it, so that a turn sent again pays nothing again. */
  readonly turnId?: string;
}

export default {
  /** `POST /chat` is a turn; `POST /fetch?url` passes the binding's own `fetch` through, as an SDK that is handed one would use it. */
  async fetch(request: Request, env: ChatEnv): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/fetch") {
      const target = url.searchParams.get("url") ?? "";
      const body = request.method === "GET" ? null : await request.arrayBuffer();
      return env.LIGHTNING.fetch(new Request(target, { method: request.method, headers: request.headers, body }));
    }
    if (url.pathname === "/tools") return Response.json({ binding: await reachable(env) });
    const turn: Turn = await request.json();
    const turnId = turn.turnId ?? crypto.randomUUID();
    return Response.json(await converse(env, turn.message, turnId));
  },
};

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
    default:
      return { error: "no such tool" };
  }
}

/** Tries what a curious caller would: names on the object that are no method of the service. Returns those that answered. */
async function reachable(env: ChatEnv): Promise<readonly string[]> {
  const names = ["ctx", "env", "caller", "ports", "#caller", "#ports", "create", "setPolicy", "createKey", "enable", "open", "pay"];
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
