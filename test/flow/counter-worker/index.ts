import { DurableObject } from "cloudflare:workers";

interface CounterEnv {
  readonly COUNTER: DurableObjectNamespace<Counter>;
  readonly GREETING: string;
}

export class Counter extends DurableObject<CounterEnv> {
  increment(): number {
    const next = (this.ctx.storage.kv.get<number>("count") ?? 0) + 1;
    this.ctx.storage.kv.put("count", next);
    return next;
  }
}

export default {
  /** `/fetch?url` proxies, anything else counts. */
  async fetch(request: Request, env: CounterEnv): Promise<Response> {
    const target = new URL(request.url).searchParams.get("url");
    if (target !== null) return fetch(target);
    console.log("counted");
    return Response.json({ greeting: env.GREETING, count: await env.COUNTER.getByName("one").increment() });
  },
};
