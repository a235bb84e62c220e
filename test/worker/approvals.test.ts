/** Approval on the real engine (invariant 18): asked by an agent, answered by a key, a binding or a link, and used once. No backend pays here. */
import { exports } from "cloudflare:workers";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { LightningService } from "../../worker/service.ts";
import { agentOf, approverOf, call, challenge, operatorOf, policy, seller, type Agent, type Answer } from "./support.ts";

let operator = "";
let approver = "";
let agent: Agent;
const path = (): string => `/v1/wallets/${agent.walletId}/approvals`;

beforeAll(async () => {
  operator = await operatorOf("main");
  approver = (await approverOf(operator)).key;
  agent = await agentOf(operator, policy(["seller.example"], { approvalAboveMsat: 50_000 }));
});

afterEach(() => void vi.unstubAllGlobals());

let urls = 0;
/** An agent asks for something dear, anew each time. */
async function ask(): Promise<{ readonly answer: Answer; readonly approvalId: string; readonly again: () => Promise<Answer> }> {
  const seen = seller(() => challenge(60_000));
  const again = () => call("POST", "/v1/fetch", agent.key, { url });
  const url = `https://seller.example/report/${(urls += 1)}?key=private`;
  const answer = await again();
  expect(seen).toHaveLength(1);
  return { answer, approvalId: String(answer.json["approvalId"]), again };
}
const open = (url: string, init: { readonly decision?: string } = {}): Promise<Answer> => {
  const { pathname } = new URL(url);
  return init.decision === undefined
    ? call("GET", pathname, null)
    : call("POST", pathname, null, undefined, { "content-type": "application/x-www-form-urlencoded" }, `decision=${init.decision}`);
};
const linkOf = async (approvalId: string): Promise<string> =>
  String((await call("POST", `${path()}/${approvalId}/link`, approver)).json["url"]);

test("a price above the threshold is asked about once, with a quote and without an invoice or a link", async () => {
  const { answer, approvalId, again } = await ask();
  expect([answer.status, answer.headers.get("lightning-status")]).toEqual([403, "approval_required"]);
  expect(answer.json).toMatchObject({
    code: "approval_required",
    quote: { amountMsat: 60_000 },
    approvalUrl: "https://worker.example/approve",
  });
  expect((await again()).json["approvalId"]).toBe(approvalId);
  const listed = await call("GET", `${path()}?state=pending`, approver);
  expect(listed.json["approvals"]).toContainEqual(
    expect.objectContaining({ approvalId, state: "pending", path: expect.stringMatching(/^\/report\/\d+$/u) as unknown, maxMsat: 65_000 }),
  );
  expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({ approvalId, budget: "daily" });
  for (const { text } of [answer, listed]) expect(text).not.toMatch(/lnbc|macaroon|private|\/approve\/main/u);
});

test("approved by an approver's key, the same request is decided afresh and uses the grant up", async () => {
  const { approvalId, again } = await ask();
  const granted = await call("POST", `${path()}/${approvalId}/approve`, approver, { maxSats: 64 });
  expect(granted.json).toMatchObject({
    state: "granted",
    maxMsat: 64_000,
    decidedBy: expect.stringMatching(/^approver\/main\/[a-z0-9]{12}$/u) as unknown,
  });
  expect((await call("POST", `${path()}/${approvalId}/reject`, approver)).json).toMatchObject({ code: "already_exists" });
  // 65 sat with the fee reserve is more than was granted: asked anew.
  expect((await again()).json).toMatchObject({ code: "approval_required" });
});

test("a grant at the quoted price lets the payment go ahead, once", async () => {
  const { approvalId, again } = await ask();
  expect((await call("POST", `${path()}/${approvalId}/approve`, approver)).json).toMatchObject({ state: "granted", maxMsat: 65_000 });
  expect((await again()).json).toMatchObject({ code: "backend_unavailable" });
  expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({
    state: "used",
    usedBy: expect.any(String) as unknown,
  });
  expect((await again()).json).toMatchObject({ code: "approval_required" });
});

test("an operator may decide as well; what was rejected stays rejected", async () => {
  const { approvalId } = await ask();
  expect((await call("POST", `${path()}/${approvalId}/reject`, operator)).json).toMatchObject({
    state: "rejected",
    decidedBy: expect.stringMatching(/^operator\/main\//u) as unknown,
  });
  expect((await call("POST", `${path()}/${approvalId}/approve`, operator)).json).toMatchObject({ code: "already_exists" });
  expect((await call("POST", `${path()}/${approvalId}/link`, operator)).json).toMatchObject({ code: "approval_expired" });
});

test("a signed link shows the quote, decides by its button alone, and works once", async () => {
  const { approvalId } = await ask();
  const url = await linkOf(approvalId);
  const shown = await open(url);
  expect([shown.status, shown.headers.get("referrer-policy")]).toEqual([200, "no-referrer"]);
  expect(shown.text).toContain("60 sat");
  expect(shown.text).not.toMatch(/lnbc|private/u);
  expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({ state: "pending" });
  expect((await open(url, { decision: "approve" })).text).toContain("<h1>Approved</h1>");
  expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({ state: "granted", decidedBy: "signed link" });
  const late = await open(url, { decision: "reject" });
  expect([late.status, late.text.includes("<h1>Approved</h1>"), late.text.includes("<form")]).toEqual([200, true, false]);
  expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({ state: "granted" });
});

test("invariant 17: a link that was changed, or is turned to another wallet, owner or approval, shows and decides nothing", async () => {
  const [mine, other] = [await ask(), await ask()];
  const strangers = await agentOf(await operatorOf("other"), policy());
  const url = await linkOf(mine.approvalId);
  const later = url.replace(
    /\.([0-9a-z]+)\.([0-9a-f]{64})$/u,
    (_all, expiry: string, mac: string) => `.${(Number.parseInt(expiry, 36) + 3_600_000).toString(36)}.${mac}`,
  );
  for (const wrong of [
    url.slice(0, -1) + (url.endsWith("0") ? "1" : "0"),
    later,
    url.replace(mine.approvalId, other.approvalId),
    url.replace("/main.", "/other."),
    url.replace(`main.${agent.walletId}`, `other.${strangers.walletId}`),
    url.replace(agent.walletId, "w_aaaaaaaaaaaaaaaa"),
  ]) {
    for (const answer of [await open(wrong), await open(wrong, { decision: "approve" })]) {
      expect([answer.status, answer.text.includes("60 sat")]).toEqual([403, false]);
    }
  }
  for (const { approvalId } of [mine, other])
    expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({ state: "pending" });
});

test("a revoked approver's key decides nothing more", async () => {
  const { approvalId } = await ask();
  const { key, keyId } = await approverOf(operator);
  expect((await call("GET", path(), key)).status).toBe(200);
  expect((await call("DELETE", `/v1/approver-keys/${keyId}`, operator)).json).toMatchObject({ keyId });
  expect((await call("GET", "/v1/approver-keys", operator)).text).not.toContain(key.split(".").at(-1) ?? "");
  expect((await call("POST", `${path()}/${approvalId}/approve`, key)).json).toMatchObject({ code: "unauthorized" });
  expect((await call("GET", `${path()}/${approvalId}`, approver)).json).toMatchObject({ state: "pending" });
});

test("invariant 18: a person's binding lists and decides under its name; an agent's props are forbidden there, and its own entrypoint has no such method", async () => {
  const { approvalId } = await ask();
  const person = exports.LightningApprovals({ props: { wallet: agent.walletId, approver: "ada" } });
  const asAgent = exports.LightningApprovals({ props: { wallet: agent.walletId, budget: "daily" } as never });
  const asBoth = exports.LightningApprovals({ props: { wallet: agent.walletId, budget: "daily", approver: "ada" } as never });
  for (const binding of [asAgent, asBoth]) {
    for (const answer of [
      await binding.list(),
      await binding.lightning_l402_approve(approvalId),
      await binding.lightning_l402_reject(approvalId),
      await binding.link(approvalId),
    ]) {
      expect(answer).toMatchObject({ ok: false, code: "forbidden" });
    }
  }
  expect(Object.getOwnPropertyNames(LightningService.prototype).filter((name) => /approv|reject|link|list/iu.test(name))).toEqual([]);
  expect(
    await exports.LightningService({ props: { wallet: agent.walletId, budget: "daily", approver: "ada" } as never }).status(),
  ).toMatchObject({ ok: false, code: "forbidden" });
  expect(await person.list("pending")).toMatchObject({
    ok: true,
    value: expect.arrayContaining([expect.objectContaining({ approvalId })]) as unknown,
  });
  expect(await person.list("maybe")).toMatchObject({ ok: false, code: "invalid_request" });
  expect(await person.lightning_l402_approve("appr_1")).toMatchObject({ ok: false, code: "not_found" });
  expect(await person.lightning_l402_approve(approvalId, { maxSats: 0.5 })).toMatchObject({ ok: false, code: "invalid_request" });
  // Nothing as null, as JSON has it, is nothing; an exception would carry our frames over the binding.
  expect(await person.lightning_l402_approve("appr_1", null)).toMatchObject({ ok: false, code: "not_found" });
  expect(await asAgent.lightning_l402_approve(approvalId, null)).toMatchObject({ ok: false, code: "forbidden" });
  expect(await person.link(approvalId)).toMatchObject({ ok: false, code: "not_supported" });
  expect(await person.lightning_l402_approve(approvalId)).toMatchObject({
    ok: true,
    value: { state: "granted", decidedBy: "binding/main/ada" },
  });
  expect(await person.lightning_l402_reject(approvalId)).toMatchObject({ ok: false, code: "already_exists" });
});

test("a tool caller is told what HTTP callers are, and resumes by the same request", async () => {
  seller(() => challenge(60_000));
  const tools = exports.LightningService({ props: { wallet: agent.walletId, budget: "daily" } });
  const url = "https://seller.example/for-tools";
  expect(await tools.lightning_l402_fetch({ url })).toMatchObject({
    ok: false,
    status: "approval_required",
    problem: { code: "approval_required", approvalId: expect.stringMatching(/^appr_/u) as unknown },
  });
  expect(await tools.lightning_l402_fetch({ url }, { resume: crypto.randomUUID() })).toMatchObject({
    ok: false,
    problem: { code: "not_found" },
  });
  expect(await tools.lightning_l402_fetch({ url }, null)).toMatchObject({ ok: false, status: "approval_required" });
  expect(await tools.lightning_l402_quote({ url }, null)).toMatchObject({ ok: true, paymentNeeded: true });
  expect(await tools.lightning_l402_fetch({ url }, { resume: "that one" })).toMatchObject({
    ok: false,
    problem: { code: "invalid_request" },
  });
  const resumed = await call("POST", "/v1/fetch", agent.key, { url }, { "lightning-resume": crypto.randomUUID() });
  expect([resumed.status, resumed.json["code"]]).toEqual([404, "not_found"]);
});
