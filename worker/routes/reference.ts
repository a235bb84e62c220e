/** What describes this Worker to its readers: the API as OpenAPI, and the states of a purchase. Public and the same for everybody; neither holds data. */
import type { Hono } from "hono";
import type { DoorEnv } from "../door.ts";
import openapi from "../openapi/openapi.json" with { type: "json" };
import { statesPage } from "../pages/states/page.ts";

let text: string | null = null;

export function referenceRoutes(app: Hono<DoorEnv>): void {
  app.get("/openapi.json", () => {
    text ??= JSON.stringify(openapi);
    return new Response(text, { headers: { "content-type": "application/json", "cache-control": "no-store" } });
  });

  app.get("/states", () => {
    const { html, csp } = statesPage();
    return new Response(html, {
      headers: {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "content-security-policy": csp,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
      },
    });
  });
}
