import { describe, expect, test } from "vitest";
import type { ApprovalView } from "../lightning/approval.ts";
import type { Code } from "../lightning/errors.ts";
import { createApp } from "./app.ts";
import { writeLinkToken } from "./approve/link-token.ts";
import { APPROVAL, SECRET, WALLET, fakeDoor, type Answers } from "./door-fakes.ts";

const app = createApp();
const token = writeLinkToken({
  owner: "main",
  walletId: WALLET,
  link: { approvalId: APPROVAL.approvalId, expiresAt: 900_000, mac: "ab".repeat(32) },
});
const NO = (code: Code) => () => ({ ok: false, code, detail: code });

async function visit(path: string, init: RequestInit = {}, answers: Answers = {}) {
  const door = fakeDoor(answers);
  const response = await app(new Request(`https://worker.example${path}`, init), door);
  return { response, text: await response.text(), calls: door.calls, told: door.told };
}
const press = (decision: string, answers: Answers = {}, contentType = "application/x-www-form-urlencoded") =>
  visit(`/approve/${token}`, { method: "POST", body: `decision=${decision}`, headers: { "content-type": contentType } }, answers);
const seen = (view: Partial<ApprovalView>): Answers => ({ approvalByLink: () => ({ ok: true, value: { ...APPROVAL, ...view } }) });

describe("the page behind an approval link", () => {
  test("shows the quote in words and two buttons that post to the page itself", async () => {
    const { response, text, told } = await visit(`/approve/${token}`, {}, seen({ description: "Market report", subject: "user-7" }));
    expect(response.status).toBe(200);
    for (const words of [
      "GET https://seller.example/report",
      "60 sat, at most 65 sat",
      "daily, for user-7",
      "“Market report”",
      "at or above the limit",
      "1970-01-01 00:15 UTC",
    ])
      expect(text).toContain(words);
    // Also where a proxy serves it under a path of its own, as LIGHTNING_PUBLIC_URL may name one.
    for (const shown of [`https://worker.example/approve/${token}`, `https://pay.example/x/approve/${token}`]) {
      const posts = [...text.matchAll(/<form method="post" action="([^"]+)">/gu)].map((match) => new URL(match[1] ?? "", shown).href);
      expect(posts).toEqual([shown, shown]);
    }
    expect([...text.matchAll(/name="decision" value="([a-z]+)"/gu)].map((match) => match[1])).toEqual(["approve", "reject"]);
    expect(told).toEqual([[{ approvalId: APPROVAL.approvalId, expiresAt: 900_000, mac: "ab".repeat(32) }]]);
  });

  test("a GET and a HEAD decide nothing, whatever they say", async () => {
    for (const [path, init] of [
      [`/approve/${token}`, {}],
      [`/approve/${token}`, { method: "HEAD" }],
      [`/approve/${token}?decision=approve`, {}],
    ] as const) {
      expect((await visit(path, init)).calls).toEqual([`main/${WALLET}.approvalByLink`]);
    }
  });

  test.each([
    ["approve", "Approved"],
    ["reject", "Rejected"],
  ])("a button's %s decides once, and says so", async (decision, title) => {
    const { response, text, calls, told } = await press(decision);
    expect([response.status, calls, told[0]?.[1]]).toEqual([200, [`main/${WALLET}.decideByLink`], decision]);
    expect(text).toContain(`<h1>${title}</h1>`);
    expect(text).not.toContain("<form");
  });

  test("whoever comes second is shown what was decided", async () => {
    const { response, text } = await press("reject", { decideByLink: NO("already_exists"), ...seen({ state: "used" }) });
    expect(response.status).toBe(200);
    expect(text).toContain("Approved and paid");
    expect(text).not.toContain("<form");
  });

  test.each(["granted", "rejected", "used", "expired"] as const)("an approval that is %s has no buttons any more", async (state) => {
    const { response, text } = await visit(`/approve/${token}`, {}, seen({ state }));
    expect([response.status, text.includes("<form"), text.includes("<button")]).toEqual([200, false, false]);
  });

  test.each<[Code, number, string]>([
    ["forbidden", 403, "not valid"],
    ["not_found", 403, "not valid"],
    ["approval_expired", 410, "expired"],
    ["envelope_unopenable", 503, "cannot be asked"],
  ])("what the object calls %s is a page of status %i", async (code, status, words) => {
    for (const { response, text } of [
      await visit(`/approve/${token}`, {}, { approvalByLink: NO(code) }),
      await press("approve", { decideByLink: NO(code) }),
    ]) {
      expect([response.status, text.includes(words), text.includes("<form")]).toEqual([status, true, false]);
    }
  });

  test.each<[Code, number]>([
    ["global_pause_active", 403],
    ["owner_kill_switch_active", 403],
    ["spender_superseded", 403],
    ["wallet_disabled", 403],
    ["wallet_paused", 403],
    ["budget_disabled", 403],
    ["control_plane_unavailable", 503],
  ])("invariant 11: a yes that %s refuses does not pass for a wrong link", async (code, status) => {
    const { response, text } = await press("approve", { decideByLink: NO(code) });
    expect([response.status, text.includes("Nothing can be approved now"), text.includes("not valid")]).toEqual([status, true, false]);
  });

  test.each(["x", `${token}x`, token.replace("main", "../main"), token.replace(".w_", ".W_"), "a".repeat(2000)])(
    "a link that cannot be one, %j, reaches no object",
    async (wrong) => {
      const { response, calls } = await visit(`/approve/${encodeURIComponent(wrong)}`);
      expect([response.status, calls]).toEqual([403, []]);
    },
  );

  test.each([
    ["", undefined],
    ["perhaps", undefined],
    ["approve&decision=reject", undefined],
    ["approve", "text/plain"],
    ["approve", "application/json"],
    [`approve&x=${"y".repeat(2000)}`, undefined],
  ])("a form that says %j (%j) decides nothing", async (said, type) => {
    const { response, calls } = await press(said, {}, type);
    expect([response.status, calls]).toEqual([400, []]);
  });

  test("escapes whatever a seller or an agent may have written", async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;`;
    const { text } = await visit(
      `/approve/${token}`,
      {},
      seen({ description: evil, subject: evil, path: evil, origin: evil, budget: evil, method: evil }),
    );
    expect(text).not.toMatch(/<script|<img/u);
    expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  test("allows no script, frame, referrer or cache, and its style by a nonce of its own", async () => {
    for (const { response, text } of [
      await visit(`/approve/${token}`),
      await press("approve"),
      await visit("/approve/x"),
      await visit("/approve"),
    ]) {
      const { headers } = response;
      const nonce = /'nonce-([A-Za-z0-9+/=]+)'/u.exec(headers.get("content-security-policy") ?? "")?.[1];
      expect(headers.get("content-security-policy")).toBe(
        `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      );
      expect(text).toContain(`<style nonce="${nonce}">`);
      expect(text).not.toMatch(/<script|javascript:|\son[a-z]+=|style="|https?:\/\/(?!seller\.example)/u);
      expect(["referrer-policy", "cache-control", "x-frame-options", "x-content-type-options"].map((name) => headers.get(name))).toEqual([
        "no-referrer",
        "no-store",
        "DENY",
        "nosniff",
      ]);
    }
  });

  test("every page's nonce is another", async () => {
    let turn = 0;
    const door = { ...fakeDoor(), random: (length: number) => new Uint8Array(length).fill((turn += 1)) };
    const policies = await Promise.all(
      [1, 2].map(async () => (await app(new Request("https://worker.example/approve"), door)).headers.get("content-security-policy")),
    );
    expect(policies[0]).not.toBe(policies[1]);
  });
});

test("invariant 18: where an agent's approvalUrl leads there is nothing to press, and nobody's data", async () => {
  const { response, text, calls } = await visit(`/approve?approval=${APPROVAL.approvalId}`);
  expect([response.status, calls]).toEqual([200, []]);
  expect(text).not.toContain("<form");
  expect(text).not.toContain(APPROVAL.approvalId);
  expect(text).not.toContain(SECRET);
});
