/** The door on the real engine with the real objects behind it. */
import { createExecutionContext, createScheduledController, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { embeddedControlPlane } from "../../control-plane/embedded.ts";
import { msat } from "../../lightning/msat.ts";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import worker from "../../worker/index.ts";
import { agentOf, call, challenge, operatorOf, policy, seller, type Agent } from "./support.ts";

let operator = "";
let agent: Agent;

beforeAll(async () => {
  operator = await operatorOf("main");
  agent = await agentOf(operator);
});

afterEach(() => void vi.unstubAllGlobals());

const buy = (key: string, url = "https://seller.example/free", headers: Readonly<Record<string, string>> = {}) =>
  call("POST", "/v1/fetch", key, { url }, headers);
const hello = (): Response => new Response("hello", { headers: { "content-type": "text/plain" } });

describe("a wallet", () => {
  test("is made with a sealed envelope, listed, and read back without its mnemonic", async () => {
    const mnemonic = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";
    const made = await call("POST", "/v1/wallets", operator, { label: "imported", policy: policy(), mnemonic });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      owner: "main",
      label: "imported",
      network: "mainnet",
      backend: "http-executor",
      epoch: 1,
      walletSource: "embedded_envelope",
    });
    const path = `/v1/wallets/${String(made.json["walletId"])}`;
    const status = await call("GET", path, operator);
    expect(status.json).toMatchObject({ state: "active", openRows: 0, receipts: 0 });
    const list = await call("GET", "/v1/wallets", operator);
    expect(list.text).toContain(String(made.json["walletId"]));
    for (const { text } of [made, status, list]) expect(text).not.toMatch(/advice|ciphertext|wrapped/u);
  });

  test("refuses a mnemonic with a wrong checksum without repeating a word of it, and is not made", async () => {
    const before = (await call("GET", "/v1/wallets", operator)).text;
    const refused = await call("POST", "/v1/wallets", operator, {
      policy: policy(),
      mnemonic: "letter advice cage absurd amount doctor acoustic avoid letter advice cage advice",
    });
    expect([refused.status, refused.json["code"]]).toEqual([400, "invalid_request"]);
    expect(refused.text).not.toMatch(/letter|advice|cage/u);
    expect((await call("GET", "/v1/wallets", operator)).text).toBe(before);
  });

  test("takes a policy and budgets, tells their versions, and refuses a bad one unchanged", async () => {
    const path = `/v1/wallets/${agent.walletId}`;
    const { json: before } = await call("GET", `${path}/policy`, operator);
    const put = await call("PUT", `${path}/policy`, operator, { policy: policy(["seller.example"], { dayMsat: 5_000_000 }) });
    expect(put.json).toMatchObject({ policyVersion: Number(before["policyVersion"]) + 1, policy: { dayMsat: 5_000_000 } });
    expect((await call("PUT", `${path}/policy`, operator, { policy: { ...policy(), dayMsat: "all" } })).json).toMatchObject({
      code: "invalid_request",
    });
    expect((await call("GET", `${path}/policy`, operator)).json).toMatchObject({
      policyVersion: put.json["policyVersion"],
      policy: { dayMsat: 5_000_000 },
    });
    expect((await call("GET", `${path}/budgets`, operator)).json).toMatchObject({
      budgets: [{ budget: "daily", disabled: false, spent: { totalMsat: 0 } }],
    });
    expect((await call("POST", `${path}/keys`, operator, { budget: "nowhere" })).json).toMatchObject({ code: "not_found" });
  });
});

describe("a purchase over HTTP", () => {
  test("of something free keeps the seller's answer and leaves a receipt", async () => {
    const seen = seller(hello);
    const answer = await buy(agent.key);
    expect([answer.status, answer.text, answer.headers.get("lightning-status"), answer.headers.get("lightning-spent-msat")]).toEqual([
      200,
      "hello",
      "free",
      "0",
    ]);
    expect(seen).toHaveLength(1);
    const receiptId = answer.headers.get("lightning-receipt");
    expect((await call("GET", "/v1/receipts?limit=500", agent.key)).text).toContain(String(receiptId));
    const purchase = await call("GET", `/v1/purchases/${String(answer.headers.get("lightning-purchase"))}`, agent.key);
    expect(purchase.json).toMatchObject({ budget: "daily", origin: "https://seller.example", path: "/free" });
  });

  test("to a host that is not allowed is refused before any request, with a receipt", async () => {
    const seen = seller(hello);
    const answer = await buy(agent.key, "https://elsewhere.example/");
    expect([answer.status, answer.json["code"], answer.headers.get("lightning-status")]).toEqual([403, "host_not_allowlisted", "denied"]);
    expect(answer.headers.get("lightning-receipt")).toMatch(/^rcpt_[0-9a-f]{64}$/u);
    expect(seen).toEqual([]);
  });

  test("over the cap, and over the call's own limit, is denied without the challenge being passed on", async () => {
    seller(() => challenge(500_000_000));
    const over = await buy(agent.key, "https://seller.example/a");
    expect(over.json).toMatchObject({ code: "amount_over_cap", retryable: false });
    seller(() => challenge(21_000));
    const narrowed = await buy(agent.key, "https://seller.example/b", { "lightning-max-sats": "20" });
    expect(narrowed.json).toMatchObject({ code: "amount_over_call_limit" });
    for (const { text, headers } of [over, narrowed]) expect(text + JSON.stringify([...headers])).not.toMatch(/macaroon|lnbc/iu);
  });

  test("without a payment backend is a definite failure, and nothing stays reserved", async () => {
    seller(() => challenge(21_000));
    const answer = await buy(agent.key, "https://seller.example/c");
    expect([answer.status, answer.json["code"], answer.headers.get("lightning-status"), answer.headers.get("retry-after")]).toEqual([
      503,
      "backend_unavailable",
      "failed",
      "5",
    ]);
    expect((await call("GET", `/v1/wallets/${agent.walletId}`, operator)).json).toMatchObject({
      openRows: 0,
      spent: { totalMsat: 0, openMsat: 0 },
    });
  });

  test("is quoted without being reserved", async () => {
    seller(() => challenge(21_000));
    const answer = await call("POST", "/v1/quote", agent.key, { url: "https://seller.example/d" });
    expect(answer.json).toMatchObject({ paymentNeeded: true, quote: { amountMsat: 21_000, allowed: true, binding: "verified" } });
    expect(answer.text).not.toMatch(/macaroon|lnbc/iu);
  });

  test("a seller's headers cannot forge ours or set a cookie", async () => {
    seller(
      () =>
        new Response("x", {
          headers: { "lightning-status": "paid", "lightning-spent-msat": "1", "set-cookie": "a=b", "cache-control": "public" },
        }),
    );
    const { headers } = await buy(agent.key);
    expect([
      headers.get("lightning-status"),
      headers.get("lightning-spent-msat"),
      headers.get("set-cookie"),
      headers.get("cache-control"),
    ]).toEqual(["free", "0", null, "no-store"]);
  });

  test("a seller without a body, and one with a status that holds none, come through", async () => {
    seller(() => new Response(null, { status: 204 }));
    expect((await buy(agent.key)).status).toBe(204);
    seller(() => new Response(null, { status: 404 }));
    expect(await buy(agent.key)).toMatchObject({ status: 404, text: "" });
  });
});

describe("keys", () => {
  test("an agent's key is shown once, listed without its secret, and refused from the moment it is revoked", async () => {
    seller(hello);
    const other = await agentOf(operator);
    expect((await buy(other.key)).status).toBe(200);
    const secret = other.key.split(".").at(-1) ?? "";
    const path = `/v1/wallets/${other.walletId}/keys`;
    const listed = await call("GET", path, operator);
    expect(listed.json).toMatchObject({ keys: [{ keyId: other.keyId, budget: "daily", revokedAt: null }] });
    expect(listed.text).not.toContain(secret);
    expect((await call("DELETE", `${path}/${other.keyId}`, operator)).json).toMatchObject({
      keyId: other.keyId,
      revokedAt: expect.any(Number) as unknown,
    });
    const refused = await buy(other.key);
    expect([refused.status, refused.json["code"], refused.headers.get("www-authenticate")]).toEqual([401, "unauthorized", "Bearer"]);
    expect((await call("GET", "/v1/wallet", other.key)).status).toBe(401);
  });

  test("a wrong secret, another wallet's secret and an unknown key id are all unauthorized, and the seller is not asked", async () => {
    const seen = seller(hello);
    const other = await agentOf(operator);
    const [prefix, owner, walletId, keyId, secret] = agent.key.split(".");
    for (const key of [
      [prefix, owner, walletId, keyId, "A".repeat(43)],
      [prefix, owner, walletId, "aaaaaaaaaaaa", secret],
      [prefix, owner, other.walletId, keyId, secret],
      [prefix, owner, "w_aaaaaaaaaaaaaaaa", keyId, secret],
      [prefix, "other", walletId, keyId, secret],
    ]) {
      const refused = await buy(key.join("."));
      expect([refused.status, refused.json["code"]]).toEqual([401, "unauthorized"]);
    }
    expect(seen).toEqual([]);
  });

  test("an operator's key is made, works, is listed without its secret, and ends when revoked", async () => {
    const made = await call("POST", "/v1/operator-keys", operator, { label: "second" });
    const key = String(made.json["key"]);
    expect((await call("GET", "/v1/operator-keys", key)).text).not.toContain(key.split(".").at(-1) ?? "");
    expect((await call("DELETE", `/v1/operator-keys/${String(made.json["keyId"])}`, operator)).status).toBe(200);
    expect((await call("GET", "/v1/operator-keys", key)).json).toMatchObject({ code: "unauthorized" });
    expect((await call("DELETE", "/v1/operator-keys/aaaaaaaaaaaa", operator)).status).toBe(404);
  });
});

test("invariant 17: two owners see nothing of each other, by any route", async () => {
  const stranger = await operatorOf("other");
  const theirs = await agentOf(stranger);
  expect((await call("GET", "/v1/wallets", stranger)).text).not.toContain(agent.walletId);
  const at = `/v1/wallets/${agent.walletId}`;
  const before = (await call("GET", at, operator)).text;
  const calls: readonly (readonly [string, string, unknown?])[] = [
    ["GET", at],
    ["POST", `${at}/disable`],
    ["POST", `${at}/enable`],
    ["GET", `${at}/policy`],
    ["PUT", `${at}/policy`, { policy: policy() }],
    ["GET", `${at}/budgets`],
    ["PUT", `${at}/budgets/daily`, { policy: policy(), disabled: true }],
    ["GET", `${at}/keys`],
    ["POST", `${at}/keys`, { budget: "daily" }],
    ["DELETE", `${at}/keys/${agent.keyId}`],
    ["GET", `${at}/balance`],
    ["GET", `${at}/purchases`],
    ["GET", `${at}/receipts`],
    ["GET", `${at}/receipts?format=jsonl`],
  ];
  for (const [method, path, body] of calls) {
    const answer = await call(method, path, stranger, body);
    expect([method, path, answer.status, answer.json["code"]]).toEqual([method, path, 404, "not_found"]);
  }
  expect((await call("GET", at, operator)).text).toBe(before);
  expect((await call("GET", "/v1/wallet", theirs.key)).json).toMatchObject({ walletId: theirs.walletId });
  expect((await call("PUT", "/v1/security/global", stranger, { active: true })).json).toMatchObject({ code: "forbidden" });
});

test("an agent reads what its own budget did, and nothing of another budget of the same wallet", async () => {
  seller(hello);
  const mine = await agentOf(operator);
  await call("PUT", `/v1/wallets/${mine.walletId}/budgets/other`, operator, { policy: policy() });
  const second = String((await call("POST", `/v1/wallets/${mine.walletId}/keys`, operator, { budget: "other" })).json["key"]);
  const bought = await buy(mine.key);
  const purchaseId = String(bought.headers.get("lightning-purchase"));
  expect((await call("GET", `/v1/purchases/${purchaseId}`, mine.key)).status).toBe(200);
  expect((await call("GET", `/v1/purchases/${purchaseId}`, second)).json).toMatchObject({ code: "not_found" });
  expect((await call("GET", "/v1/receipts", second)).json).toMatchObject({ receipts: [] });
});

test("invariant 11: the wallet's own switch bites at once on new money, and ends when an operator ends it", async () => {
  seller(() => challenge(21_000));
  const stopped = await agentOf(operator);
  await call("POST", `/v1/wallets/${stopped.walletId}/disable`, operator);
  expect((await buy(stopped.key, "https://seller.example/e")).json).toMatchObject({ code: "wallet_disabled" });
  await call("POST", `/v1/wallets/${stopped.walletId}/enable`, operator);
  expect((await buy(stopped.key, "https://seller.example/e")).json).toMatchObject({ code: "backend_unavailable" });
});

test("the switches of owner and platform are set and read, with a version that grows", async () => {
  const main = await operatorOf("main");
  const first = await call("PUT", "/v1/security/owner", main, { active: true });
  const second = await call("PUT", "/v1/security/owner", main, { active: false });
  expect([
    first.json["ownerKillSwitch"],
    second.json["ownerKillSwitch"],
    Number(second.json["version"]) > Number(first.json["version"]),
  ]).toEqual([true, false, true]);
  expect((await call("PUT", "/v1/security/global", main, { active: true })).json).toMatchObject({ globalPause: true });
  expect((await call("GET", "/v1/security", main)).json).toMatchObject({ globalPause: true, ownerKillSwitch: false });
  expect((await call("PUT", "/v1/security/global", main, { active: false })).json).toMatchObject({ globalPause: false });
  expect((await call("GET", "/v1/security", await operatorOf("nobody-yet"))).json).toMatchObject({
    globalPause: false,
    ownerKillSwitch: false,
  });
});

test("receipts are exported as JSON lines, in the order of their chain", async () => {
  seller(hello);
  const own = await agentOf(operator);
  for (let n = 0; n < 3; n += 1) await buy(own.key, `https://seller.example/${n}`);
  const answer = await call("GET", `/v1/wallets/${own.walletId}/receipts`, operator, undefined, { accept: "application/jsonl" });
  const lines = answer.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { receipt: { sequence: number; kind: string } });
  expect(lines.map(({ receipt }) => [receipt.sequence, receipt.kind])).toEqual([
    [1, "free"],
    [2, "free"],
    [3, "free"],
  ]);
});

test("a delivery record reaches the journal with the bytes and their hash", async () => {
  seller(hello);
  const own = await agentOf(operator);
  const purchaseId = String((await buy(own.key)).headers.get("lightning-purchase"));
  const rows = await runInDurableObject(env.WALLET.getByName(`main/${own.walletId}`), (_object, state) =>
    state.storage.sql
      .exec("SELECT answer_status, answer_bytes, answer_complete, length(answer_sha256) AS hash FROM purchase WHERE id = ?", purchaseId)
      .toArray(),
  );
  expect(rows).toEqual([{ answer_status: 200, answer_bytes: 5, answer_complete: 1, hash: 64 }]);
});

test.each(["main", "an-owner-apart"])(
  "invariant 4: the cron wakes the wallets of %s that the control plane knows to have open rows",
  async (owner) => {
    const own = await agentOf(await operatorOf(owner));
    const stub = env.WALLET.getByName(`${owner}/${own.walletId}`);
    const [, , , keyId = "", secret = ""] = own.key.split(".");
    const purchaseId = crypto.randomUUID();
    const auth = { kind: "agent_key", keyId, secret } as const;
    await stub.open({
      purchaseId,
      auth,
      method: "GET",
      url: "https://seller.example/left",
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 0,
    });
    // Its Worker has gone, its lease has run out, and its alarm was dropped.
    await runInDurableObject(stub, async (_object, { storage }) => {
      storage.sql.exec("UPDATE purchase SET due_at = 1 WHERE id = ?", purchaseId);
      await storage.deleteAlarm();
    });
    await embeddedControlPlane(env.CONTROL_PLANE, owner).putSnapshot({ walletId: own.walletId, at: Date.now(), status: null, openRows: 1 });
    const logged = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await worker.scheduled(createScheduledController(), env);
    expect(logged.mock.calls.map(([line]) => JSON.parse(String(line)) as unknown)).toContainEqual({
      event: "cron",
      owners: expect.any(Number) as unknown,
      open: expect.any(Number) as unknown,
      failed: 0,
    });
    logged.mockRestore();
    expect((await call("GET", `/v1/purchases/${purchaseId}`, own.key)).json).toMatchObject({ state: "abandoned" });
  },
);

test("a configuration that cannot be understood stops the door with the variable's name", async () => {
  const logged = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const response = await worker.fetch(
    new Request("https://worker.example/v1/health"),
    { ...env, REQUEST_MAX_BYTES: "much" } as Env,
    createExecutionContext(),
  );
  expect([response.status, await response.json()]).toMatchObject([
    500,
    { code: "internal", detail: expect.stringContaining("REQUEST_MAX_BYTES") as unknown },
  ]);
  expect(logged).toHaveBeenCalledOnce();
  logged.mockRestore();
});

test("health is public and the index links to it", async () => {
  expect((await call("GET", "/v1/health", null)).json).toMatchObject({ ok: true, compatibilityDate: "2026-10-23" });
  expect((await call("GET", "/", null)).text).toContain("/v1/health");
});

describe("a wallet asked for under an Idempotency-Key", () => {
  const ask = (body: unknown, key: string) => call("POST", "/v1/wallets", operator, body, { "idempotency-key": key });

  test("is one wallet however often it is asked for, also by two at once; with another body it is a conflict", async () => {
    const body = { label: "once", policy: policy() };
    const both = await Promise.all([ask(body, "setup-1"), ask(body, "setup-1")]);
    const again = await ask(body, "setup-1");
    expect(new Set([...both, again].map(({ json }) => json["walletId"])).size).toBe(1);
    expect([new Set(both.map(({ status }) => status)), again.status]).toEqual([new Set([200, 201]), 200]);
    expect((await ask({ ...body, label: "twice" }, "setup-1")).json).toMatchObject({ code: "idempotency_conflict" });
    expect((await ask(body, "setup-2")).json["walletId"]).not.toBe(again.json["walletId"]);
  });

  test("and half made is completed by the retry, with the envelope that was kept", async () => {
    const body = { label: "half", policy: policy() };
    const made = await ask(body, "setup-3");
    const walletId = String(made.json["walletId"]);
    // As after a crash between the control plane and the object: the object knows nothing.
    await runInDurableObject(
      env.WALLET.getByName(`main/${walletId}`),
      (_object, { storage }) => void storage.sql.exec("DELETE FROM wallet"),
    );
    expect((await call("GET", `/v1/wallets/${walletId}`, operator)).json).toMatchObject({ code: "not_found" });
    const again = await ask(body, "setup-3");
    expect([again.status, again.json["walletId"]]).toEqual([201, walletId]);
    expect((await call("GET", `/v1/wallets/${walletId}`, operator)).json).toMatchObject({ state: "active", walletId });
  });
});

test("a balance that cannot be asked for is the last one known, with its instant, and marked stale", async () => {
  const own = await agentOf(operator);
  const balances = async () => [
    (await call("GET", `/v1/wallets/${own.walletId}/balance`, operator)).json,
    (await call("GET", "/v1/balance", own.key)).json,
  ];
  for (const json of await balances())
    expect(json).toMatchObject({ walletId: own.walletId, balance: { online: false, spendableMsat: null }, asOf: null, stale: true });
  const status = {
    backend: "http-executor",
    online: true,
    spendableMsat: msat(7_000),
    network: "mainnet",
    lastPaymentAt: null,
    version: null,
  } as const;
  await embeddedControlPlane(env.CONTROL_PLANE, "main").keepStatus(own.walletId, { at: 1_700_000_000_000, status });
  for (const json of await balances())
    expect(json).toMatchObject({
      walletId: own.walletId,
      balance: { online: false, spendableMsat: 7_000 },
      asOf: 1_700_000_000_000,
      stale: true,
    });
});

test("without a backend that makes invoices or pays, funding and withdrawal say so and leave nothing open", async () => {
  const own = await agentOf(operator);
  const at = `/v1/wallets/${own.walletId}`;
  expect(await call("POST", `${at}/invoices`, operator, { amountSats: 100 })).toMatchObject({
    status: 501,
    json: { code: "not_supported" },
  });
  const invoice = mintBolt11({
    network: "mainnet",
    amountMsat: 21_000,
    paymentHash: "ab".repeat(32),
    paymentSecret: new Uint8Array(32).fill(1),
    description: "",
    timestamp: Math.floor(Date.now() / 1000),
    nodeSecretKey: new Uint8Array(32).fill(2),
  });
  const withdrawal = await call("POST", `${at}/withdrawals`, operator, {
    bolt11: invoice,
    maxFeeSats: 1,
    withdrawalId: crypto.randomUUID(),
  });
  expect(withdrawal.json).toMatchObject({ state: "failed", code: "backend_unavailable" });
  expect(withdrawal.text).not.toContain(invoice);
  expect((await call("GET", at, operator)).json).toMatchObject({ openRows: 0, lowBalance: false });
  expect(
    await call("POST", `${at}/purchases/${String(withdrawal.json["purchaseId"])}/resolve`, operator, {
      verdict: "failed",
      evidence: "the node has never heard of it",
    }),
  ).toMatchObject({ status: 409 });
  expect(await call("POST", `${at}/purchases/${String(withdrawal.json["purchaseId"])}/write-off`, operator)).toMatchObject({ status: 409 });
});
