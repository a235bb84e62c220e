import { describe, expect, test } from "vitest";
import { createApp } from "./app.ts";
import { AGENT_KEY, ROOT_KEY, SECRET, WALLET, fakeDoor, type FakeDoor } from "./door-fakes.ts";

const app = createApp();
const PURCHASE = "00000000-0000-4000-8000-000000000000";
const POLICY = { hosts: { mode: "listed", allow: [], block: [], unknown: "deny" }, fee: { floorMsat: 0, ppm: 0 }, opaqueTokens: "deny", network: "regtest" };

type Who = "agent" | "operator";
interface Route {
  readonly who: Who;
  readonly method: string;
  readonly path: string;
  /** A body that is right. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** Bodies that are not, and the field to blame. */
  readonly bad?: readonly (readonly [Readonly<Record<string, unknown>>, string])[];
}

const badPolicies = [
  [{ policy: { ...POLICY, dayMsat: -1 } }, "policy"],
  [{ policy: { ...POLICY, dayMsat: 1.5 } }, "policy"],
  [{ policy: { ...POLICY, dayMast: 5 } }, "policy"],
  [{ policy: { ...POLICY, network: "mainnet" } }, "policy.network"],
  [{ policy: "none" }, "policy"],
  [{ policy: POLICY, preset: "starter" }, "policy"],
  [{ preset: "generous" }, "preset"],
  [{ preset: "starter", allow: ["http://x"] }, "allow.0"],
  [{ preset: "starter", allow: "x.example" }, "allow"],
] as const;
const badFetches = [
  [{}, "url"],
  [{ url: 5 }, "url"],
  [{ url: "" }, "url"],
  [{ url: "x".repeat(9000) }, "url"],
  [{ url: "https://a.example/", method: "TRACE" }, "method"],
  [{ url: "https://a.example/", method: "get" }, "method"],
  [{ url: "https://a.example/", headers: { "x-a": "b\r\nx-c: d" } }, "headers"],
  [{ url: "https://a.example/", headers: { "x a": "b" } }, "headers"],
  [{ url: "https://a.example/", headers: { "x-a": 5 } }, "headers.x-a"],
  [{ url: "https://a.example/", headers: [] }, "headers"],
  [{ url: "https://a.example/", body: "x" }, "body"],
  [{ url: "https://a.example/", method: "POST", body: {} }, "body"],
  [{ url: "https://a.example/", method: "POST", bodyBase64: "a" }, "bodyBase64"],
  [{ url: "https://a.example/", method: "POST", body: "x", bodyBase64: "eA==" }, "bodyBase64"],
  [{ url: "https://a.example/", wallet: WALLET }, "wallet"],
] as const;
const fetchBody = { url: "https://a.example/" };
const at = `/v1/wallets/${WALLET}`;

const ROUTES: readonly Route[] = [
  { who: "agent", method: "POST", path: "/v1/fetch", body: fetchBody, bad: badFetches },
  { who: "agent", method: "POST", path: "/v1/quote", body: fetchBody, bad: badFetches },
  { who: "agent", method: "GET", path: "/v1/wallet" },
  { who: "agent", method: "GET", path: "/v1/balance" },
  { who: "agent", method: "GET", path: `/v1/purchases/${PURCHASE}` },
  { who: "agent", method: "GET", path: "/v1/receipts" },
  {
    who: "operator", method: "POST", path: "/v1/wallets", body: { label: "a", preset: "starter", allow: ["a.example"] },
    bad: [...badPolicies, [{ label: "x".repeat(101) }, "label"], [{ label: "a\nb" }, "label"], [{ network: "mainnet" }, "network"], [{ network: "moon" }, "network"], [{ mnemonic: 5 }, "mnemonic"], [{ owner: "other" }, "owner"]],
  },
  { who: "operator", method: "GET", path: "/v1/wallets" },
  { who: "operator", method: "GET", path: at },
  { who: "operator", method: "POST", path: `${at}/disable` },
  { who: "operator", method: "POST", path: `${at}/enable` },
  { who: "operator", method: "GET", path: `${at}/balance` },
  { who: "operator", method: "GET", path: `${at}/policy` },
  { who: "operator", method: "PUT", path: `${at}/policy`, body: { policy: POLICY }, bad: badPolicies },
  { who: "operator", method: "GET", path: `${at}/budgets` },
  { who: "operator", method: "PUT", path: `${at}/budgets/daily`, body: { policy: POLICY }, bad: [...badPolicies, [{ policy: POLICY, disabled: "yes" }, "disabled"]] },
  { who: "operator", method: "GET", path: `${at}/keys` },
  { who: "operator", method: "POST", path: `${at}/keys`, body: { budget: "daily" }, bad: [[{}, "budget"], [{ budget: "Daily!" }, "budget"], [{ budget: "daily", label: 1 }, "label"], [{ budget: "daily", secret: "x" }, "secret"]] },
  { who: "operator", method: "DELETE", path: `${at}/keys/abcdefghijkl` },
  { who: "operator", method: "GET", path: `${at}/purchases` },
  { who: "operator", method: "GET", path: `${at}/purchases/${PURCHASE}` },
  { who: "operator", method: "GET", path: `${at}/receipts` },
  { who: "operator", method: "GET", path: "/v1/operator-keys" },
  { who: "operator", method: "POST", path: "/v1/operator-keys", body: { label: "x" }, bad: [[{ label: 5 }, "label"], [{ owner: "other" }, "owner"]] },
  { who: "operator", method: "DELETE", path: "/v1/operator-keys/abcdefghijkl" },
  { who: "operator", method: "GET", path: "/v1/security" },
  { who: "operator", method: "PUT", path: "/v1/security/global", body: { active: true }, bad: [[{}, "active"], [{ active: "true" }, "active"], [{ active: true, by: "me" }, "by"]] },
  { who: "operator", method: "PUT", path: "/v1/security/owner", body: { active: true }, bad: [[{}, "active"], [{ active: 1 }, "active"]] },
];

const keyOf = (who: Who): string => (who === "agent" ? AGENT_KEY : ROOT_KEY);
const named = ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const);
const writing = named.filter(([, route]) => route.body !== undefined);

interface Sent {
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly raw?: string;
  readonly path?: string;
  readonly method?: string;
}

async function send(door: FakeDoor, route: Route, sent: Sent = {}): Promise<Response> {
  const key = sent.key === undefined ? keyOf(route.who) : sent.key;
  const raw = sent.raw ?? (route.body === undefined ? undefined : JSON.stringify(route.body));
  return app(
    new Request(`https://worker.example${sent.path ?? route.path}`, {
      method: sent.method ?? route.method,
      headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...(raw === undefined ? {} : { "content-type": "application/json" }), ...sent.headers },
      ...(raw === undefined ? {} : { body: raw }),
    }),
    door,
  );
}

/** What every refusal of the door has in common. */
async function refused(response: Response, code: string, status: number, door: FakeDoor): Promise<Readonly<Record<string, unknown>>> {
  const text = await response.text();
  expect([response.status, JSON.parse(text).code], text).toEqual([status, code]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("lightning-status")).toBe("denied");
  expect(text).not.toMatch(/\bat .*\.[jt]s|node_modules|stack/u);
  expect(text).not.toContain(SECRET);
  expect(door.calls).toEqual([]);
  expect(door.fetched).toEqual([]);
  return JSON.parse(text) as Record<string, unknown>;
}

describe.each(named)("%s", (_name, route) => {
  test("answers its own principal", async () => {
    const response = await send(fakeDoor(), route);
    expect(response.status, await response.clone().text()).toBeLessThan(300);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  test.each([
    ["no key", null],
    ["another scheme's key", "x"],
    ["a secret that is too short", `lwo.main.root.${"A".repeat(42)}`],
    ["a wrong secret of the first operator key", `lwo.main.root.${"B".repeat(43)}`],
    ["the first key of an owner who has none", `lwo.other.root.${SECRET}`],
    ["a key with an owner that escapes the object's name", `lwk.main/x.${WALLET}.abcdefghijkl.${SECRET}`],
    ["a key with a piece too many", `${AGENT_KEY}.x`],
  ])("refuses %s as unauthorized and names the scheme", async (_what, key) => {
    const door = fakeDoor();
    const response = await send(door, route, { key });
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    await refused(response, "unauthorized", 401, door);
  });

  test("does not read a key from the URL", async () => {
    const door = fakeDoor();
    await refused(await send(door, route, { key: null, path: `${route.path}?key=${keyOf(route.who)}` }), "unauthorized", 401, door);
  });

  test("invariant 17: refuses the other kind of key", async () => {
    const door = fakeDoor();
    await refused(await send(door, route, { key: keyOf(route.who === "agent" ? "operator" : "agent") }), "forbidden", 403, door);
  });

  test("names the right methods for a wrong one", async () => {
    const door = fakeDoor();
    const response = await send(door, route, { method: "PATCH", raw: "{}" });
    expect(response.headers.get("allow")?.split(", ")).toContain(route.method);
    await refused(response, "method_not_allowed", 405, door);
  });
});

describe.each(writing)("%s", (_name, route) => {
  test.each([
    ["broken JSON", { raw: '{"a":' }, "body: Expected JSON"],
    ["an empty body", { raw: "" }, "body: Expected JSON"],
    ["another content type", { raw: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } }, "Content-Type"],
    ["null", { raw: "null" }, "body: "],
    ["a list", { raw: "[]" }, "body: "],
    ["an unknown field", { raw: JSON.stringify({ ...route.body, extra: 1 }) }, "extra: "],
  ])("refuses %s", async (_what, sent, detail) => {
    const door = fakeDoor();
    const problem = await refused(await send(door, route, sent), "invalid_request", 400, door);
    expect(problem["detail"]).toContain(detail);
  });

  test("refuses a body over the cap, announced or not", async () => {
    const raw = JSON.stringify({ ...route.body, filler: "x".repeat(1_048_576) });
    const door = fakeDoor();
    await refused(await send(door, route, { raw, headers: { "content-length": String(raw.length) } }), "request_too_large", 413, door);
    await refused(await send(door, route, { raw }), "request_too_large", 413, door);
  });
});

const bad = named.flatMap(([name, route]) => (route.bad ?? []).map(([body, field]) => [`${name} ${JSON.stringify(body).slice(0, 80)}`, route, body, field] as const));
test.each(bad)("%s is refused with the field's name and changes nothing", async (_name, route, body, field) => {
  const door = fakeDoor();
  const problem = await refused(await send(door, route, { raw: JSON.stringify(body) }), "invalid_request", 400, door);
  expect(String(problem["detail"])).toMatch(new RegExp(`^${field.replaceAll(".", "\\.")}`, "u"));
});

test.each([
  ["idempotency-key", ""], ["idempotency-key", "a b"], ["idempotency-key", "x".repeat(256)], ["idempotency-key", "ä"],
  ["lightning-max-sats", "0"], ["lightning-max-sats", "-1"], ["lightning-max-sats", "1.5"], ["lightning-max-sats", "1e3"], ["lightning-max-sats", "9007199254741"], ["lightning-max-sats", ""],
  ["lightning-subject", "a b"], ["lightning-subject", "x".repeat(129)],
  ["lightning-wait-ms", "-1"], ["lightning-wait-ms", "121000"], ["lightning-wait-ms", "soon"],
])("a purchase with %s: %j is refused and changes nothing", async (name, value) => {
  for (const [, route] of named.slice(0, 2)) {
    const door = fakeDoor();
    const problem = await refused(await send(door, route, { headers: { [name]: value } }), "invalid_request", 400, door);
    expect(String(problem["detail"]).toLowerCase()).toContain(name);
  }
});

test.each([
  "/v1/wallets/main", "/v1/wallets/w_short", "/v1/wallets/W_0123456789ABCDEF", "/v1/wallets/..%2Fother%2Fw_0123456789abcdef",
  `${at}/purchases/none`, `${at}/nothing`, "/v1/nothing", "/v2/wallets", "/nothing",
])("%s is not found", async (path) => {
  const door = fakeDoor();
  await refused(await send(door, { who: "operator", method: "GET", path }), "not_found", 404, door);
});

test.each([`${at}/receipts?after=-1`, `${at}/receipts?limit=0`, `${at}/receipts?limit=501`, `${at}/receipts?format=csv`, `${at}/receipts?owner=other`, `${at}/purchases?before=x`])("%s is an invalid query", async (path) => {
  const door = fakeDoor();
  await refused(await send(door, { who: "operator", method: "GET", path }), "invalid_request", 400, door);
});

test("invariant 17: object names are made of the key alone, whatever body, path and headers say", async () => {
  const door = fakeDoor();
  const [fetchRoute] = ROUTES;
  if (fetchRoute === undefined) throw new Error("no route");
  const answer = await send(door, fetchRoute, { headers: { "lightning-wallet": "w_aaaaaaaaaaaaaaaa", owner: "other", "x-owner": "other" } });
  expect(answer.headers.get("lightning-status")).toBe("free");
  expect(new Set(door.calls.map((call) => call.split(".")[0]))).toEqual(new Set([`main/${WALLET}`]));
});

test("invariant 17: an operator of another owner reaches objects of that owner's name only", async () => {
  const secret = "C".repeat(43);
  const { secretHash } = await import("./principal.ts");
  const door = fakeDoor({ operatorKeyHash: () => secretHash(secret), status: () => ({ ok: false, code: "not_found", detail: "no such wallet" }) });
  const key = `lwo.other.abcdefghijkl.${secret}`;
  const response = await send(door, { who: "operator", method: "GET", path: at }, { key });
  expect(response.status).toBe(404);
  expect(door.calls).toEqual(["owner:other.operatorKeyHash", `other/${WALLET}.status`]);
  const pause = await send(door, { who: "operator", method: "PUT", path: "/v1/security/global", body: { active: true } }, { key });
  expect([pause.status, door.calls.includes("owner:other.setGlobalPause")]).toEqual([403, false]);
});

test("a seller's answer keeps its status and body, without its cookies, and says what it cost", async () => {
  const [route] = ROUTES;
  if (route === undefined) throw new Error("no route");
  const answer = await send(fakeDoor(), route);
  expect([answer.status, await answer.text(), answer.headers.get("lightning-spent-msat"), answer.headers.get("set-cookie")]).toEqual([200, "hello", "0", null]);
  expect(answer.headers.get("lightning-purchase")).toBe(PURCHASE);
});

test("the text of a new agent key is shown once, and only its hash is sent to the object", async () => {
  const { secretHash } = await import("./principal.ts");
  const door = fakeDoor({ createKey: (key) => ({ ok: true, value: { ...(key as object), hash: undefined } }) });
  const response = await send(door, { who: "operator", method: "POST", path: `${at}/keys`, body: { budget: "daily" } });
  const { key } = (await response.json()) as { key: string };
  expect(response.status).toBe(201);
  expect(key).toMatch(new RegExp(`^lwk\\.main\\.${WALLET}\\.[a-z0-9]{12}\\.[A-Za-z0-9_-]{43}$`, "u"));
  const secret = key.split(".").at(-1) ?? "";
  expect(door.told).toMatchObject([[{ hash: secretHash(secret), budget: "daily" }]]);
  expect(JSON.stringify(door.told)).not.toContain(secret);
});

test("a new wallet's answer and the objects' arguments hold no mnemonic", async () => {
  const door = fakeDoor();
  const mnemonic = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";
  const response = await send(door, { who: "operator", method: "POST", path: "/v1/wallets", body: { mnemonic, label: "x" } });
  const text = await response.text();
  expect([response.status, door.calls.length]).toEqual([201, 2]);
  expect(text + JSON.stringify(door.told) + door.logged.join("")).not.toContain("advice");
});

test("the first operator key is not revoked over HTTP", async () => {
  const door = fakeDoor();
  await refused(await send(door, { who: "operator", method: "DELETE", path: "/v1/operator-keys/root" }), "forbidden", 403, door);
});

test("an unexpected error is internal with a request id; neither the caller nor the log gets its message", async () => {
  const door = fakeDoor({ status: () => { throw new TypeError(`Invalid header value: ${SECRET}`); } });
  const response = await send(door, { who: "operator", method: "GET", path: at });
  const text = await response.text();
  expect([response.status, response.headers.get("lightning-status")]).toEqual([500, "failed"]);
  const requestId = response.headers.get("x-request-id") ?? "";
  expect(JSON.parse(text)).toMatchObject({ code: "internal", requestId });
  expect(door.logged).toHaveLength(1);
  expect(JSON.parse(door.logged[0] ?? "")).toMatchObject({ event: "unexpected_error", requestId, name: "TypeError" });
  expect(text + door.logged.join("")).not.toContain(SECRET);
});

test("an object that was reset is a matter of a few seconds, not a fault", async () => {
  const door = fakeDoor({ status: () => { throw Object.assign(new Error("reset"), { durableObjectReset: true }); } });
  const response = await send(door, { who: "operator", method: "GET", path: at });
  expect([response.status, response.headers.get("retry-after"), ((await response.json()) as { code: string }).code]).toEqual([503, "5", "control_plane_unavailable"]);
});

test("HEAD is served where GET is, and health needs no key", async () => {
  const health: Route = { who: "operator", method: "GET", path: "/v1/health" };
  const response = await send(fakeDoor(), health, { key: null });
  expect(await response.json()).toMatchObject({ ok: true, network: "regtest", backend: "http-executor", topology: "B", configHash: expect.stringMatching(/^[0-9a-f]{64}$/u) as unknown });
  expect((await send(fakeDoor(), health, { key: null, method: "HEAD" })).status).toBe(200);
});
