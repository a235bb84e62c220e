/** What anybody may read: that it runs, and which of it. */
import type { Hono } from "hono";
import { json } from "../answers.ts";
import { COMPATIBILITY_DATE, VERSION } from "../config.ts";
import type { DoorEnv } from "../door.ts";

const INDEX = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Lightning Worker</title>
<h1>Lightning Worker</h1>
<p>A Lightning wallet for AI agents: it buys L402-protected resources within budgets and leaves a receipt for every decision.</p>
<ul><li><a href="/v1/health">/v1/health</a></li><li><a href="/openapi.json">/openapi.json</a></li><li><a href="/states">/states</a></li></ul>
</html>
`;

export function publicRoutes(app: Hono<DoorEnv>): void {
  app.get(
    "/",
    () =>
      new Response(INDEX, {
        headers: {
          "content-type": "text/html; charset=utf-8",
          "cache-control": "no-store",
          "content-security-policy": "default-src 'none'",
        },
      }),
  );

  app.get("/v1/health", (c) => {
    const { configHash, network, backend, topology } = c.env.door.config;
    return json({ ok: true, version: VERSION, configHash, compatibilityDate: COMPATIBILITY_DATE, network, backend, topology });
  });
}
