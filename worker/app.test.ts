import { describe, expect, test } from "vitest";
import { listRoutes } from "./app.ts";
import { AGENT_KEY, APPROVAL, APPROVER_KEY, ROOT_KEY, SECRET, WALLET, fakeDoor } from "./door-fakes.ts";
import { PURCHASE, ROUTES, at, keyOf, named, notFor, refused, send } from "./door-tests.ts";
import { type Route, uncovered } from "./route-table.ts";

describe.each(named)("%s", (_name, route) => {
  test("answers its own principal", async () => {
    const response = await send(fakeDoor(route.fakes), route);
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

test("every route of the app has a row in the table or is open to anybody", () => {
  expect(uncovered(listRoutes(), ROUTES)).toEqual([]);
});

test.each([
  "/v1/wallets/main",
  "/v1/wallets/w_short",
  "/v1/wallets/W_0123456789ABCDEF",
  "/v1/wallets/..%2Fother%2Fw_0123456789abcdef",
  `${at}/purchases/none`,
  `${at}/nothing`,
  "/v1/nothing",
  "/v2/wallets",
  "/nothing",
])("%s is not found", async (path) => {
  const door = fakeDoor();
  await refused(await send(door, { who: "operator", method: "GET", path }), "not_found", 404, door);
});

test("invariant 17: object names are made of the key alone, whatever body, path and headers say", async () => {
  const door = fakeDoor();
  const [fetchRoute] = ROUTES;
  if (fetchRoute === undefined) throw new Error("no route");
  const answer = await send(door, fetchRoute, {
    headers: { "lightning-wallet": "w_aaaaaaaaaaaaaaaa", owner: "other", "x-owner": "other" },
  });
  expect(answer.headers.get("lightning-status")).toBe("free");
  expect(new Set(door.calls.map((call) => call.split(".")[0]))).toEqual(new Set([`main/${WALLET}`]));
});

test("invariant 17: an operator of another owner reaches objects of that owner's name only", async () => {
  const secret = "C".repeat(43);
  const { secretHash } = await import("./principal.ts");
  const door = fakeDoor({
    operatorKeyHash: () => secretHash(secret),
    status: () => ({ ok: false, code: "not_found", detail: "no such wallet" }),
  });
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
  expect([answer.status, await answer.text(), answer.headers.get("lightning-spent-msat"), answer.headers.get("set-cookie")]).toEqual([
    200,
    "hello",
    "0",
    null,
  ]);
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
  const door = fakeDoor({
    status: () => {
      throw new TypeError(`Invalid header value: ${SECRET}`);
    },
  });
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
  const door = fakeDoor({
    status: () => {
      throw Object.assign(new Error("reset"), { durableObjectReset: true });
    },
  });
  const response = await send(door, { who: "operator", method: "GET", path: at });
  expect([response.status, response.headers.get("retry-after"), ((await response.json()) as { code: string }).code]).toEqual([
    503,
    "5",
    "control_plane_unavailable",
  ]);
});

test("HEAD is served where GET is, and health needs no key", async () => {
  const health: Route = { who: "operator", method: "GET", path: "/v1/health" };
  const response = await send(fakeDoor(), health, { key: null });
  expect(await response.json()).toMatchObject({
    ok: true,
    network: "regtest",
    backend: "http-executor",
    topology: "B",
    configHash: expect.stringMatching(/^[0-9a-f]{64}$/u) as unknown,
  });
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

test("an approval is read by its id and not out of a list that may end before it; a full page names the next", async () => {
  const at200 = Array.from({ length: 200 }, () => APPROVAL);
  const one: Route = { who: "decider", method: "GET", path: `${at}/approvals/${APPROVAL.approvalId}` };
  const many = (query: string): Route => ({ who: "decider", method: "GET", path: `${at}/approvals${query}` });
  const door = fakeDoor({ approvals: () => ({ ok: true, value: at200 }) });
  expect((await send(fakeDoor({ approvals: () => ({ ok: true, value: [] }) }), one, { key: APPROVER_KEY })).status).toBe(200);
  const page = await send(door, many(`?state=pending&before=${APPROVAL.approvalId}`), { key: APPROVER_KEY });
  expect(await page.json()).toMatchObject({ next: APPROVAL.approvalId });
  expect(door.told.at(-1)).toEqual(["pending", APPROVAL.approvalId]);
  expect(await (await send(fakeDoor(), many(""), { key: APPROVER_KEY })).json()).toMatchObject({ next: null });
  expect((await send(fakeDoor(), many("?before=1"), { key: APPROVER_KEY })).status).toBe(400);
});

test("a link carries owner, wallet, approval and signature under the configured address, and no key", async () => {
  const link: Route = { who: "decider", method: "POST", path: `${at}/approvals/${APPROVAL.approvalId}/link` };
  const made = (await (await send(fakeDoor({}, { LIGHTNING_PUBLIC_URL: "https://pay.example/x/" }), link)).json()) as {
    url: string;
    expiresAt: number;
  };
  expect(made).toEqual({
    url: `https://pay.example/x/approve/main.${WALLET}.${APPROVAL.approvalId}.${(900_000).toString(36)}.${"ab".repeat(32)}`,
    expiresAt: 900_000,
  });
  const here = (await (await send(fakeDoor(), link)).json()) as { url: string };
  expect(here.url).toMatch(/^https:\/\/worker\.example\/approve\//u);
  expect(made.url + here.url).not.toContain(SECRET);
});

test("invariant 18: an agent that must ask is told the question's name and where people read how to answer, and never a link", async () => {
  const door = fakeDoor({
    open: () => ({
      kind: "refused",
      code: "approval_required",
      detail: "at or above the approval threshold",
      purchaseId: PURCHASE,
      receiptId: "rcpt_1",
      approvalId: APPROVAL.approvalId,
    }),
  });
  const response = await send(door, { who: "agent", method: "POST", path: "/v1/fetch", body: { url: "https://a.example/" } });
  expect([response.status, response.headers.get("lightning-status")]).toEqual([403, "approval_required"]);
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({
    code: "approval_required",
    approvalId: APPROVAL.approvalId,
    approvalUrl: "https://worker.example/approve",
    fix: expect.stringContaining("Ask a person") as unknown,
  });
  expect(door.calls.filter((call) => /link|approv/iu.test(call))).toEqual([]);
});
