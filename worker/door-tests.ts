/** Requests to the app over a fake door, and what every refusal has in common. */
import { expect } from "vitest";
import { createApp } from "./app.ts";
import { AGENT_KEY, APPROVAL, APPROVER_KEY, ROOT_KEY, SECRET, WALLET, type FakeDoor } from "./door-fakes.ts";
import { routeTable, type Route, type Who } from "./route-table.ts";

const app = createApp();
export const PURCHASE = "00000000-0000-4000-8000-000000000000";
export const at = `/v1/wallets/${WALLET}`;
export const ROUTES = routeTable({
  walletId: WALLET,
  purchaseId: PURCHASE,
  approvalId: APPROVAL.approvalId,
  budget: "daily",
  agentKeyId: "abcdefghijkl",
  operatorKeyId: "abcdefghijkl",
  approverKeyId: "abcdefghijkl",
  network: "regtest",
});
export const named = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const);

const KEYS: Readonly<Record<Who, string>> = { agent: AGENT_KEY, operator: ROOT_KEY, decider: APPROVER_KEY };
export const keyOf = (who: Who): string => KEYS[who];
/** Keys that are right, and not for this. An operator may decide as well. */
export const notFor = (who: Who): readonly string[] =>
  Object.entries(KEYS)
    .filter(([role]) => role !== who && !(who === "decider" && role === "operator"))
    .map(([, key]) => key);

export interface Sent {
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly raw?: string;
  readonly path?: string;
  readonly method?: string;
}

export async function send(door: FakeDoor, route: Route, sent: Sent = {}): Promise<Response> {
  const key = sent.key === undefined ? keyOf(route.who) : sent.key;
  const raw = sent.raw ?? (route.body === undefined ? undefined : JSON.stringify(route.body));
  return app(
    new Request(`https://worker.example${sent.path ?? route.path}`, {
      method: sent.method ?? route.method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(raw === undefined ? {} : { "content-type": "application/json" }),
        ...sent.headers,
      },
      ...(raw === undefined ? {} : { body: raw }),
    }),
    door,
  );
}

/** What every refusal of the door has in common. */
export async function refused(
  response: Response,
  code: string,
  status: number,
  door: FakeDoor,
): Promise<Readonly<Record<string, unknown>>> {
  const text = await response.text();
  expect([response.status, JSON.parse(text).code], text).toEqual([status, code]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("lightning-status")).toBe("denied");
  expect(text).not.toMatch(/\bat .*\.[jt]s|node_modules|stack/u);
  expect(text).not.toContain(SECRET);
  // Who it is has to be asked of the control plane; nothing else.
  expect(door.calls.filter((call) => !call.endsWith("KeyHash"))).toEqual([]);
  expect(door.fetched).toEqual([]);
  return JSON.parse(text) as Record<string, unknown>;
}
