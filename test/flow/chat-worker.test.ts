/** The private door as an application uses it: a chat Worker, bound by service binding with props, in the same engine as the Worker. */
import { mkdtempSync, rmSync } from "node:fs";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Api } from "../../ops/api.ts";
import { msat } from "../../lightning/msat.ts";
import { starterPolicy } from "../../lightning/policy.ts";
import { startWorkerd, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";
import { startSandbox, type Sandbox } from "../../sandbox/server.ts";
import { scan, type Secret } from "../support/canary.ts";
import { recordingProxy, type RecordingProxy } from "../support/recording-proxy.ts";

const wrangler = join(import.meta.dirname, "../chat-worker/wrangler.toml");
const operatorSecret = randomBytes(32).toString("base64url");
const kek = randomBytes(32).toString("base64");
const answers: string[] = [];
/** What has been opened so far, so that a failed start leaves nothing behind and is reported as itself. */
const closers: (() => unknown)[] = [];
let dir = "";
let sandbox: Sandbox;
let seller: RecordingProxy;
let worker: RunningWorkerd;
let vars: Record<string, string>;
let walletId = "";

const operate = async (method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> =>
  new Api(worker.url).expect(method, path, { key: `lwo.main.root.${operatorSecret}`, ...(body === undefined ? {} : { body }) });

/** Props are configuration: the wallet is made first, then the Worker is started with a chat Worker that is bound to it. */
async function restart(props: Readonly<Record<string, unknown>>): Promise<void> {
  await worker.close();
  worker = await startWorkerd({ dir, vars, chat: { wrangler, props } });
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "lightning-worker-"));
  closers.push(() => rmSync(dir, { recursive: true }));
  sandbox = await startSandbox({ network: "regtest" });
  closers.push(() => sandbox.close());
  seller = await recordingProxy(sandbox.sellerUrl);
  closers.push(() => seller.close());
  vars = {
    WALLET_KEK_V1: kek,
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(operatorSecret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
    LIGHTNING_LOCAL_HOSTS: new URL(seller.url).host,
    OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: sandbox.executorUrl,
    OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: sandbox.executorToken,
  };
  worker = await startWorkerd({ dir, vars });
  closers.push(() => worker.close());
  const starter = starterPolicy("regtest", [new URL(seller.url).host]);
  const allowed = { policy: { ...starter, hosts: { ...starter.hosts, unknown: "deny" } } };
  walletId = String((await operate("POST", "/v1/wallets", allowed))["walletId"]);
  await operate("PUT", `/v1/wallets/${walletId}/budgets/chat`, allowed);
  await restart({ wallet: walletId });
});

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

interface Turn {
  readonly reply: string;
  readonly transcript: readonly { readonly role: string; readonly content: Readonly<Record<string, unknown>> }[];
}

async function say(message: string, turnId?: string): Promise<Turn & { readonly tool: Readonly<Record<string, unknown>> }> {
  const response = await fetch(`${worker.chatUrl ?? ""}/chat`, { method: "POST", body: JSON.stringify({ message, turnId }) });
  const text = await response.text();
  answers.push(text);
  expect(response.status, text).toBe(200);
  const turn = JSON.parse(text) as Turn;
  return { ...turn, tool: turn.transcript.find(({ role }) => role === "tool")?.content ?? {} };
}

test("a model's purchase is paid once and then cached, as bounded text with its receipt", async () => {
  const first = await say(`buy ${seller.url}/joke`);
  expect(first.tool).toMatchObject({
    ok: true,
    status: "paid",
    httpStatus: 200,
    truncated: false,
    receiptId: expect.stringMatching(/^rcpt_[0-9a-f]{64}$/u) as unknown,
  });
  expect(first.tool["spentMsat"]).toBeGreaterThanOrEqual(21_000);
  const again = await say(`buy ${seller.url}/joke`);
  expect(again.tool).toMatchObject({ ok: true, status: "cached", spentMsat: 0 });
  expect(again.tool["text"]).toBe(first.tool["text"]);
});

test("the same turn sent again pays nothing again; under another URL it is a conflict", async () => {
  const settled = sandbox.node.ledger().settled;
  const first = await say(`buy ${seller.url}/cheap`, "turn-7");
  const again = await say(`buy ${seller.url}/cheap`, "turn-7");
  expect([first.tool["status"], again.tool["status"]]).toEqual(["paid", "cached"]);
  expect((await say(`buy ${seller.url}/cheap/other`, "turn-7")).tool).toMatchObject({
    ok: false,
    problem: { code: "idempotency_conflict" },
  });
  expect(sandbox.node.ledger().settled).toBe(settled + 1);
});

test("what policy denies is told with a code and a way on, and nothing is attempted", async () => {
  const attempts = sandbox.node.ledger().attempts;
  expect((await say(`buy ${seller.url}/expensive`)).tool).toMatchObject({
    ok: false,
    status: "denied",
    problem: { code: "amount_over_cap", status: 403 },
  });
  expect((await say("buy https://elsewhere.example/joke")).tool).toMatchObject({
    ok: false,
    status: "denied",
    problem: { code: "host_not_allowlisted" },
    receiptId: expect.stringMatching(/^rcpt_/u) as unknown,
  });
  expect((await say("buy http://127.0.0.1:1/joke")).tool).toMatchObject({ ok: false, problem: { code: "url_not_allowed" } });
  expect(sandbox.node.ledger().attempts).toBe(attempts);
});

test("invariant 17: what a model makes up beside the URL cannot choose a wallet, a budget or an idempotency key", async () => {
  for (const made of [
    { wallet: "w_aaaaaaaaaaaaaaaa" },
    { budget: "other" },
    { owner: "other" },
    { idempotencyKey: "x" },
    { maxSats: 1_000_000 },
  ]) {
    expect((await say(`buy ${seller.url}/joke ${JSON.stringify(made)}`)).tool).toMatchObject({
      ok: false,
      status: "denied",
      problem: { code: "invalid_request" },
    });
  }
});

test("a price is told without paying, and the wallet's state is the binding's own budget", async () => {
  const { settled } = sandbox.node.ledger();
  expect((await say(`price ${seller.url}/cheap/priced`)).tool).toMatchObject({ ok: true });
  expect((await say(`price ${seller.url}/expensive`)).tool).toMatchObject({
    ok: true,
    paymentNeeded: true,
    quote: { amountMsat: 500_000_000, allowed: false, code: "amount_over_cap" },
  });
  expect((await say("balance")).tool).toMatchObject({ ok: true, value: { walletId, budget: { budget: "chat" } } });
  expect(sandbox.node.ledger().settled).toBe(settled);
});

test("the binding's own fetch has the shape of any fetch: status, headers, body and a stream that is not gathered", async () => {
  const through = (path: string, init: RequestInit = {}) =>
    fetch(`${worker.chatUrl ?? ""}/fetch?url=${encodeURIComponent(`${seller.url}${path}`)}`, init);
  const posted = await through("/report", {
    method: "POST",
    body: '{"a":1}',
    headers: { "content-type": "application/json", "idempotency-key": "post-1" },
  });
  expect([posted.status, posted.headers.get("lightning-status")]).toEqual([200, "paid"]);
  expect(await posted.text()).toContain('"a"');

  const streamed = await through("/stream");
  expect([streamed.headers.get("lightning-status"), streamed.headers.get("content-type")]).toEqual(["paid", "text/event-stream"]);
  let chunks = 0;
  for await (const chunk of streamed.body ?? []) chunks += chunk.length > 0 ? 1 : 0;
  expect(chunks).toBeGreaterThan(1);

  const denied = await through("/expensive");
  expect([denied.status, denied.headers.get("content-type"), denied.headers.get("lightning-status")]).toEqual([
    403,
    "application/problem+json",
    "denied",
  ]);
  const narrowed = await through("/cheap/narrowed", { headers: { "lightning-max-sats": "many" } });
  expect(await narrowed.json()).toMatchObject({ code: "invalid_request" });
  expect(await (await through("/free", { method: "PROPFIND" })).json()).toMatchObject({ code: "invalid_request" });
  answers.push(JSON.stringify([...posted.headers, ...streamed.headers, ...denied.headers]));
});

/** A wallet whose people are asked from 20 sat on: `/joke` costs 21. */
async function restartWithQuestions(): Promise<void> {
  const starter = starterPolicy("regtest", [new URL(seller.url).host]);
  const asking = { policy: { ...starter, approvalAboveMsat: 20_000 } };
  walletId = String((await operate("POST", "/v1/wallets", asking))["walletId"]);
  await operate("PUT", `/v1/wallets/${walletId}/budgets/chat`, asking);
  await restart({ wallet: walletId });
}

async function people(decision?: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(
    `${worker.chatUrl ?? ""}/approvals`,
    decision === undefined ? {} : { method: "POST", body: JSON.stringify(decision) },
  );
  const text = await response.text();
  answers.push(text);
  return JSON.parse(text) as Readonly<Record<string, unknown>>;
}

test("invariant 18: asked, refused to the model, approved by a person, asked for again and paid with a fresh invoice, once", async () => {
  await restartWithQuestions();
  const [before, challenges] = [sandbox.node.ledger(), sandbox.gateway.seen().challenges];
  const asked = await say(`buy ${seller.url}/joke`);
  expect(asked.tool).toMatchObject({
    ok: false,
    status: "approval_required",
    problem: { code: "approval_required" },
    quote: { amountMsat: 21_000 },
  });
  const { approvalId } = asked.tool["problem"] as { readonly approvalId: string };
  expect(asked.reply).toContain(approvalId);
  expect(JSON.stringify(asked.transcript)).not.toMatch(/\/approve\/main/u);

  // The model's side: talked into approving, it cannot; and asking again changes nothing.
  const tried = await say(`approve ${approvalId}`);
  expect(tried.tool).toMatchObject({ ok: false, code: "forbidden" });
  expect((await say(`buy ${seller.url}/joke`)).tool).toMatchObject({ ok: false, problem: { code: "approval_required", approvalId } });
  expect(sandbox.node.ledger().attempts).toBe(before.attempts);

  // The people's side.
  expect(await people()).toMatchObject({
    ok: true,
    value: [{ approvalId, state: "pending", origin: seller.url, path: "/joke", amountMsat: 21_000 }],
  });
  expect(await people({ approvalId, verdict: "approve" })).toMatchObject({
    ok: true,
    value: { state: "granted", decidedBy: "binding/main/chat-people" },
  });
  expect(await people({ approvalId, verdict: "reject" })).toMatchObject({ ok: false, code: "already_exists" });

  const bought = await say(`buy ${seller.url}/joke`);
  expect(bought.tool).toMatchObject({ ok: true, status: "paid", httpStatus: 200 });
  const after = sandbox.node.ledger();
  // Three invoices were seen; the last of them, made after the grant, is the one that was paid.
  expect([after.settled - before.settled, sandbox.gateway.seen().challenges - challenges]).toEqual([1, 3]);
  expect(await people()).toMatchObject({ ok: true, value: [] });

  // The grant is used up: another resource at the same price is another question, and the bought one is simply used.
  expect((await say(`buy ${seller.url}/joke`)).tool).toMatchObject({ ok: true, status: "cached", spentMsat: 0 });
  expect((await operate("GET", `/v1/wallets/${walletId}/approvals?state=used`))["approvals"]).toMatchObject([
    { approvalId, decidedBy: "binding/main/chat-people" },
  ]);
});

test("a rejected question stays unpaid, and a new one may be asked", async () => {
  const { attempts } = sandbox.node.ledger();
  const asked = await say(`buy ${seller.url}/report`);
  const { approvalId } = asked.tool["problem"] as { readonly approvalId: string };
  expect(await people({ approvalId, verdict: "reject" })).toMatchObject({ ok: true, value: { state: "rejected" } });
  const again = await say(`buy ${seller.url}/report`);
  expect(again.tool).toMatchObject({ ok: false, problem: { code: "approval_required" } });
  expect((again.tool["problem"] as { readonly approvalId: string }).approvalId).not.toBe(approvalId);
  expect(sandbox.node.ledger().attempts).toBe(attempts);
});

test("a funding invoice comes from the wallet's own node, pays in, and shows in the balance", async () => {
  const before = await operate("GET", `/v1/wallets/${walletId}/balance`);
  const invoice = await operate("POST", `/v1/wallets/${walletId}/invoices`, { amountSats: 250 });
  expect(invoice).toMatchObject({
    amountMsat: 250_000,
    bolt11: expect.stringMatching(/^lnbcrt/u) as unknown,
    paymentHash: expect.stringMatching(/^[0-9a-f]{64}$/u) as unknown,
  });
  expect(sandbox.node.payIn(String(invoice["bolt11"]))).toBe(true);
  const balance = await operate("GET", `/v1/wallets/${walletId}/balance`);
  const spendable = (answer: Readonly<Record<string, unknown>>): number =>
    (answer["balance"] as { readonly spendableMsat: number }).spendableMsat;
  expect([spendable(balance) - spendable(before), balance["stale"]]).toEqual([250_000, false]);
});

test("a withdrawal leaves by the same journal, once, whatever is sent again", async () => {
  const { bolt11 } = sandbox.node.createInvoice({ amountMsat: msat(30_000), description: "to the owner" });
  const { settled } = sandbox.node.ledger();
  const order = { bolt11, maxFeeSats: 5, withdrawalId: randomUUID() };
  const made = await operate("POST", `/v1/wallets/${walletId}/withdrawals`, order);
  expect(made).toMatchObject({ purchaseId: order.withdrawalId, state: "fulfilled", amountMsat: 30_000, method: "WITHDRAW" });
  expect(await operate("POST", `/v1/wallets/${walletId}/withdrawals`, order)).toMatchObject({
    purchaseId: order.withdrawalId,
    state: "fulfilled",
  });
  expect(sandbox.node.ledger().settled).toBe(settled + 1);
});

test("nothing but the service's own methods can be called through the binding", async () => {
  const tools = await fetch(`${worker.chatUrl ?? ""}/tools`);
  expect(await tools.json()).toEqual({ binding: [] });
});

test("invariant 9: the chat Worker is never shown a key, a credential or an invoice", () => {
  const secrets: Secret[] = [
    { name: "key-encryption key", text: kek },
    { name: "operator secret", text: operatorSecret },
    { name: "executor token", text: sandbox.executorToken },
  ];
  for (const [text, kind] of seller.secrets()) secrets.push({ name: kind, text });
  expect(secrets.length).toBeGreaterThan(6);
  expect(scan(Buffer.from(answers.join("\n")), secrets)).toEqual([]);
  expect(scan(Buffer.from(worker.stderr()), secrets)).toEqual([]);
});

test("invariant 17: props that name no wallet and budget, or another's, reach nothing", async () => {
  for (const props of [
    { wallet: "", budget: "chat" },
    { wallet: walletId, budget: "" },
    { wallet: `x/${walletId}`, budget: "chat" },
    { wallet: walletId, budget: "chat", owner: "a/b" },
  ]) {
    await restart(props);
    expect((await say(`buy ${seller.url}/joke`)).tool).toMatchObject({ ok: false, status: "denied", problem: { code: "forbidden" } });
    expect((await say("balance")).tool).toMatchObject({ ok: false, code: "forbidden" });
    expect((await fetch(`${worker.chatUrl ?? ""}/fetch?url=${encodeURIComponent(`${seller.url}/free`)}`)).status).toBe(403);
    expect(await people()).toMatchObject({ ok: false, code: "forbidden" });
  }
  await restart({ wallet: walletId, budget: "chat", owner: "other" });
  // The same wallet id of another owner is another object, and it is empty.
  const { problem } = (await say(`buy ${seller.url}/joke`)).tool as { problem: { code: string } };
  expect(["unauthorized", "not_found", "forbidden"]).toContain(problem.code);
  expect((await say("balance")).tool).toMatchObject({ ok: false });
  await restart({ wallet: walletId, budget: "unknown" });
  expect((await say(`buy ${seller.url}/joke`)).tool).toMatchObject({ ok: false, problem: { code: "forbidden" } });
});
