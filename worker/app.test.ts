import { describe, expect, test } from "vitest";
import { createApp, listRoutes } from "./app.ts";
import { AGENT_KEY, APPROVAL, APPROVER_KEY, PAYER, ROOT_KEY, SECRET, WALLET, fakeDoor, type FakeDoor } from "./door-fakes.ts";

const app = createApp();
const PURCHASE = "00000000-0000-4000-8000-000000000000";
const POLICY = { hosts: { mode: "listed", allow: [], block: [], unknown: "deny" }, fee: { floorMsat: 0, ppm: 0 }, opaqueTokens: "deny", network: "regtest" };

/** `decider`: approvers, and operators too. */
type Who = "agent" | "operator" | "decider";
interface Route {
  readonly who: Who;
  readonly method: string;
  readonly path: string;
  /** Without a body it means the same as with an empty one. */
  readonly bodyMayBeAbsent?: boolean;
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
  {
    who: "operator", method: "POST", path: `${at}/purchases/${PURCHASE}/resolve`, body: { verdict: "paid", evidence: "the seller showed its ledger", preimage: "ab".repeat(32) },
    bad: [[{ verdict: "maybe", evidence: "x" }, "verdict"], [{ verdict: "paid" }, "evidence"], [{ verdict: "paid", evidence: " " }, "evidence"], [{ verdict: "paid", evidence: "x".repeat(501) }, "evidence"], [{ verdict: "paid", evidence: "x", preimage: "ab" }, "preimage"], [{ verdict: "failed", evidence: "x", preimage: "ab".repeat(32) }, "preimage"]],
  },
  { who: "operator", method: "POST", path: `${at}/purchases/${PURCHASE}/write-off` },
  {
    who: "operator", method: "POST", path: `${at}/withdrawals`, body: { bolt11: "lnbcrt1abc", maxFeeSats: 5 },
    bad: [[{ maxFeeSats: 5 }, "bolt11"], [{ bolt11: "lnbcrt1abc" }, "maxFeeSats"], [{ bolt11: "bitcoin:x", maxFeeSats: 5 }, "bolt11"], [{ bolt11: "lnbcrt1abc", maxFeeSats: -1 }, "maxFeeSats"], [{ bolt11: "lnbcrt1abc", maxFeeSats: 0.5 }, "maxFeeSats"], [{ bolt11: "lnbcrt1abc", maxFeeSats: 9_007_199_254_741 }, "maxFeeSats"], [{ bolt11: "lnbcrt1abc", maxFeeSats: 5, withdrawalId: "1" }, "withdrawalId"], [{ bolt11: "lnbcrt1abc", maxFeeSats: 5, by: "somebody" }, "by"]],
  },
  { who: "operator", method: "POST", path: `${at}/invoices`, body: { amountSats: 1000 }, bad: [[{}, "amountSats"], [{ amountSats: 0 }, "amountSats"], [{ amountSats: "5" }, "amountSats"], [{ amountSats: 1.5 }, "amountSats"], [{ amountSats: 9_007_199_254_741 }, "amountSats"]] },
  { who: "decider", method: "GET", path: `${at}/approvals` },
  { who: "decider", method: "GET", path: `${at}/approvals/${APPROVAL.approvalId}` },
  {
    who: "decider", method: "POST", path: `${at}/approvals/${APPROVAL.approvalId}/approve`, body: { maxSats: 60 }, bodyMayBeAbsent: true,
    bad: [[{ maxSats: 0 }, "maxSats"], [{ maxSats: -1 }, "maxSats"], [{ maxSats: 0.5 }, "maxSats"], [{ maxSats: "60" }, "maxSats"], [{ maxMsat: 5 }, "maxMsat"], [{ by: "me" }, "by"]],
  },
  { who: "decider", method: "POST", path: `${at}/approvals/${APPROVAL.approvalId}/reject` },
  { who: "decider", method: "POST", path: `${at}/approvals/${APPROVAL.approvalId}/link` },
  { who: "operator", method: "GET", path: "/v1/approver-keys" },
  { who: "operator", method: "POST", path: "/v1/approver-keys", body: { label: "x" }, bad: [[{ label: 5 }, "label"], [{ owner: "other" }, "owner"], [{ role: "operator" }, "role"]] },
  { who: "operator", method: "DELETE", path: "/v1/approver-keys/abcdefghijkl" },
  { who: "operator", method: "GET", path: "/v1/operator-keys" },
  { who: "operator", method: "POST", path: "/v1/operator-keys", body: { label: "x" }, bad: [[{ label: 5 }, "label"], [{ owner: "other" }, "owner"]] },
  { who: "operator", method: "DELETE", path: "/v1/operator-keys/abcdefghijkl" },
  { who: "operator", method: "GET", path: "/v1/security" },
  { who: "operator", method: "PUT", path: "/v1/security/global", body: { active: true }, bad: [[{}, "active"], [{ active: "true" }, "active"], [{ active: true, by: "me" }, "by"]] },
  { who: "operator", method: "PUT", path: "/v1/security/owner", body: { active: true }, bad: [[{}, "active"], [{ active: 1 }, "active"]] },
];

const KEYS: Readonly<Record<Who, string>> = { agent: AGENT_KEY, operator: ROOT_KEY, decider: APPROVER_KEY };
const keyOf = (who: Who): string => KEYS[who];
/** Keys that are right, and not for this. An operator may decide as well. */
const notFor = (who: Who): readonly string[] => Object.entries(KEYS).filter(([role]) => role !== who && !(who === "decider" && role === "operator")).map(([, key]) => key);
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
  // Who it is has to be asked of the control plane; nothing else.
  expect(door.calls.filter((call) => !call.endsWith("KeyHash"))).toEqual([]);
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
    ["a wrong secret of an approver's key", `lwa.main.approverkey0.${"B".repeat(43)}`],
    ["an approver's key under the operators' prefix", APPROVER_KEY.replace("lwa.", "lwo.")],
    ["the first operator key under the approvers' prefix", ROOT_KEY.replace("lwo.", "lwa.")],
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

  test("invariant 17: refuses every other kind of key", async () => {
    for (const key of notFor(route.who)) {
      const door = fakeDoor();
      await refused(await send(door, route, { key }), "forbidden", 403, door);
    }
  });

  test("names the right methods for a wrong one", async () => {
    const door = fakeDoor();
    const response = await send(door, route, { method: "PATCH", raw: "{}" });
    expect(response.headers.get("allow")?.split(", ")).toContain(route.method);
    await refused(response, "method_not_allowed", 405, door);
  });
});

describe.each(named.filter(([, route]) => route.who === "decider"))("invariant 18: %s", (_name, route) => {
  test("may be an operator's doing as well", async () => {
    expect((await send(fakeDoor(), route, { key: ROOT_KEY })).status).toBeLessThan(300);
  });
});

test("every route of the app has a row here or is open to anybody", () => {
  const open = ["GET /", "GET /v1/health", "GET /approve", "GET /approve/:token", "POST /approve/:token", "GET /states", "GET /openapi.json"];
  const patterns = ROUTES.map(({ method, path }) => `${method} ${path}`);
  const covered = (route: string): boolean => patterns.some((known) => new RegExp(`^${route.replaceAll(/:\w+/gu, "[^/]+")}$`, "u").test(known));
  expect(listRoutes().filter((route) => !open.includes(route) && !covered(route))).toEqual([]);
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
  ["lightning-resume", ""], ["lightning-resume", "p-1"], ["lightning-resume", "00000000-0000-4000-8000-00000000000G"],
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

test("invariant 18: who decided is told to the object as the key's own name, and the limit only as it was given", async () => {
  const approve = `${at}/approvals/${APPROVAL.approvalId}/approve`;
  const told = async (key: string, body: Readonly<Record<string, unknown>> | null): Promise<unknown> => {
    const door = fakeDoor();
    const response = await send(door, { who: "decider", method: "POST", path: approve, ...(body === null ? {} : { body }) }, { key });
    expect(response.status).toBe(200);
    return door.told.at(-1);
  };
  expect(await told(APPROVER_KEY, null)).toEqual([APPROVAL.approvalId, "approve", "approver/main/approverkey0", null]);
  expect(await told(APPROVER_KEY, {})).toEqual([APPROVAL.approvalId, "approve", "approver/main/approverkey0", null]);
  expect(await told(ROOT_KEY, { maxSats: 60 })).toEqual([APPROVAL.approvalId, "approve", "operator/main/root", 60_000]);
});

test("a link carries owner, wallet, approval and signature under the configured address, and no key", async () => {
  const link: Route = { who: "decider", method: "POST", path: `${at}/approvals/${APPROVAL.approvalId}/link` };
  const made = (await (await send(fakeDoor({}, { LIGHTNING_PUBLIC_URL: "https://pay.example/x/" }), link)).json()) as { url: string; expiresAt: number };
  expect(made).toEqual({ url: `https://pay.example/x/approve/main.${WALLET}.${APPROVAL.approvalId}.${(900_000).toString(36)}.${"ab".repeat(32)}`, expiresAt: 900_000 });
  const here = (await (await send(fakeDoor(), link)).json()) as { url: string };
  expect(here.url).toMatch(/^https:\/\/worker\.example\/approve\//u);
  expect(made.url + here.url).not.toContain(SECRET);
});

test("invariant 18: an agent that must ask is told the question's name and where people read how to answer, and never a link", async () => {
  const door = fakeDoor({ open: () => ({ kind: "refused", code: "approval_required", detail: "at or above the approval threshold", purchaseId: PURCHASE, receiptId: "rcpt_1", approvalId: APPROVAL.approvalId }) });
  const response = await send(door, { who: "agent", method: "POST", path: "/v1/fetch", body: fetchBody });
  expect([response.status, response.headers.get("lightning-status")]).toEqual([403, "approval_required"]);
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ code: "approval_required", approvalId: APPROVAL.approvalId, approvalUrl: "https://worker.example/approve", fix: expect.stringContaining("Ask a person") as unknown });
  expect(door.calls.filter((call) => /link|approv/iu.test(call))).toEqual([]);
});

test("a balance says when it was known: now and kept, else the last one known, marked stale", async () => {
  const away = { ...PAYER, online: false, spendableMsat: null };
  const known = { at: 500, status: PAYER };
  const asked = async (answers: Parameters<typeof fakeDoor>[0]): Promise<readonly [unknown, readonly string[]]> => {
    const door = fakeDoor(answers);
    const response = await send(door, { who: "operator", method: "GET", path: `${at}/balance` });
    return [await response.json(), door.calls];
  };
  const live = await asked({});
  expect(live).toEqual([{ walletId: WALLET, balance: PAYER, asOf: 1_000, stale: false }, [`main/${WALLET}.balance`, "owner:main.keepStatus"]]);
  expect((await asked({ balance: () => ({ ok: true, value: away }), lastStatus: () => known }))[0]).toEqual({ walletId: WALLET, balance: { ...PAYER, online: false }, asOf: 500, stale: true });
  expect((await asked({ balance: () => ({ ok: false, code: "backend_unavailable", detail: "" }), lastStatus: () => known }))[0]).toMatchObject({ asOf: 500, stale: true });
  expect((await asked({ balance: () => ({ ok: true, value: away }) }))[0]).toEqual({ walletId: WALLET, balance: away, asOf: null, stale: true });
  expect((await asked({ balance: () => ({ ok: false, code: "backend_unavailable", detail: "" }), lastStatus: () => { throw new Error("away"); } }))[0]).toMatchObject({ code: "backend_unavailable" });
  const foreign = await asked({ balance: () => ({ ok: false, code: "not_found", detail: "no such wallet" }), lastStatus: () => known });
  expect([foreign[0], foreign[1]]).toMatchObject([{ code: "not_found" }, [`main/${WALLET}.balance`]]);
});

test("a withdrawal has an id of its own unless it is given one, names who asked, and is 202 while it is under way", async () => {
  const withdraw = (body: Readonly<Record<string, unknown>>, state: string) => {
    const door = fakeDoor({ withdraw: () => ({ ok: true, value: { state } }) });
    return send(door, { who: "operator", method: "POST", path: `${at}/withdrawals`, body }, { headers: { "lightning-wait-ms": "10" } }).then((response) => [response.status, door.told.at(-1)]);
  };
  const facts = { bolt11: "lnbcrt1abc", maxFeeMsat: 5_000, by: "operator/main/root", waitMs: 10 };
  expect(await withdraw({ bolt11: "lnbcrt1abc", maxFeeSats: 5 }, "fulfilled")).toEqual([201, [{ withdrawalId: PURCHASE, ...facts }]]);
  const id = "11111111-1111-4111-8111-111111111111";
  expect(await withdraw({ bolt11: "lnbcrt1abc", maxFeeSats: 5, withdrawalId: id }, "payment_unknown")).toEqual([202, [{ withdrawalId: id, ...facts }]]);
});

describe("a wallet asked for under an Idempotency-Key", () => {
  const create: Route = { who: "operator", method: "POST", path: "/v1/wallets", body: { label: "x" } };
  const first = { walletId: "w_firstfirstfirst", owner: "main", network: "regtest", epoch: 1 };
  const headers = { "idempotency-key": "setup-1" };

  test("and asked for again is the first one, in the object too", async () => {
    const door = fakeDoor({ createWallet: () => ({ created: false, record: first }), envelope: () => "its own envelope", create: () => ({ ok: true, value: { created: false } }), policy: () => ({ ok: true, value: { policy: "its policy" } }) });
    const response = await send(door, create, { headers });
    expect([response.status, await response.json()]).toEqual([200, { ...first, policy: "its policy" }]);
    expect(door.told[door.calls.indexOf("main/w_firstfirstfirst.create")]?.slice(0, 2)).toEqual([first, "its own envelope"]);
  });

  test("and half made is completed with its own envelope", async () => {
    const door = fakeDoor({ createWallet: () => ({ created: false, record: first }), envelope: () => "its own envelope" });
    const response = await send(door, create, { headers });
    expect([response.status, ((await response.json()) as { walletId: string }).walletId]).toEqual([201, first.walletId]);
    expect(door.calls).toEqual(["owner:main.createWallet", "owner:main.envelope", "main/w_firstfirstfirst.create"]);
  });

  test("with another body is a conflict, and no object is touched", async () => {
    const door = fakeDoor({ createWallet: () => ({ created: false, record: first, conflict: true }) });
    const response = await send(door, create, { headers });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([409, "idempotency_conflict"]);
    expect(door.calls).toEqual(["owner:main.createWallet"]);
  });

  test("is told by what was asked, and a mnemonic leaves not even its hash", async () => {
    const hashOf = async (body: Readonly<Record<string, unknown>>): Promise<unknown> => {
      const door = fakeDoor();
      await send(door, { ...create, body }, { headers });
      return door.told[0]?.[2];
    };
    const [words, others, plain] = [await hashOf({ mnemonic: "a b" }), await hashOf({ mnemonic: "c d" }), await hashOf({})];
    expect(words).toEqual(others);
    expect(words).not.toEqual(plain);
    expect(await hashOf({ label: "x", preset: "starter" })).toEqual(await hashOf({ preset: "starter", label: "x" }));
    expect(plain).toEqual({ key: "setup-1", hash: expect.stringMatching(/^[0-9a-f]{64}$/u) as unknown });
  });

  test("that is no key is refused", async () => {
    for (const key of ["", "a b", "x".repeat(256)]) {
      const door = fakeDoor();
      await refused(await send(door, create, { headers: { "idempotency-key": key } }), "invalid_request", 400, door);
    }
  });
});
