import { afterEach, describe, expect, it } from "vitest";
import { APPROVALS_PAGE, type ApprovalLink } from "../../lightning/approval.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { OpenRequest } from "../../lightning/wallet-api.ts";
import { CustodyRig } from "../../test/support/custody-rig.ts";
import { POLICY, WalletRig, checkRigs, type RigOptions } from "../../test/support/wallet-rig.ts";
import { APPROVAL_MS } from "./approvals.ts";

afterEach(checkRigs);

const ASKING = { ...POLICY, approvalAboveMsat: 21_000 as Msat };

async function asked(options: RigOptions = {}, given: Partial<OpenRequest> = {}) {
  const rig = await WalletRig.make({ budgets: { agents: ASKING }, ...options });
  return { rig, approvalId: await ask(rig, given) };
}

/** @returns the question's id */
async function ask(rig: WalletRig, given: Partial<OpenRequest> = {}): Promise<string> {
  const answer = await (await rig.begin(rig.offer(), given)).answer;
  if (answer.kind !== "refused" || answer.approvalId === undefined) throw new Error("nobody was asked");
  return answer.approvalId;
}

const approve = (rig: WalletRig, id: string) => rig.core.decideApproval(id, "approve", "ada", null);

describe("invariant 11: a switch bites when a person approves", () => {
  it.each<[Code, (rig: WalletRig) => unknown]>([
    ["global_pause_active", (rig) => (rig.security = { ...rig.security, version: 2, globalPause: true })],
    ["owner_kill_switch_active", (rig) => (rig.security = { ...rig.security, version: 2, ownerKillSwitch: true })],
    ["spender_superseded", (rig) => (rig.security = { ...rig.security, version: 2, epoch: 2 })],
    ["control_plane_unavailable", (rig) => (rig.controlSays = "an error")],
    ["wallet_disabled", (rig) => rig.core.disable()],
    ["budget_disabled", (rig) => rig.core.putBudget("agents", ASKING, true)],
  ])("%s: nothing is granted, by key or by link, and the question stays", async (code, happens) => {
    const { rig, approvalId } = await asked();
    const link = await rig.core.approvalLink(approvalId);
    if (!link.ok) throw new Error(link.detail);
    await happens(rig);
    await rig.advance(5_000);
    expect(await approve(rig, approvalId)).toMatchObject({ ok: false, code });
    expect(await rig.core.decideByLink(link.value, "approve")).toMatchObject({ ok: false, code });
    expect(rig.one("SELECT COUNT(*) AS n FROM approval WHERE state = 'pending'")).toBe(1);
    // No is no new money: it may be said at any time.
    expect(await rig.core.decideByLink(link.value, "reject")).toMatchObject({ ok: true, value: { state: "rejected" } });
  });
});

describe("many questions", () => {
  it("are all listed, page by page, and each is shown by its id, however many came after it", async () => {
    const { rig, approvalId } = await asked();
    for (let n = 0; n < 230; n++) {
      if (n % 3 === 0) await rig.advance(1);
      await ask(rig, { url: `https://seller.example/${n}` });
    }
    const pages: (readonly string[])[] = [];
    for (let before: string | null = null; ;) {
      const page = await rig.core.approvals("pending", before);
      if (!page.ok) throw new Error(page.detail);
      pages.push(page.value.map((view) => view.approvalId));
      if (page.value.length < APPROVALS_PAGE) break;
      before = page.value.at(-1)?.approvalId ?? null;
    }
    expect(pages.map(({ length }) => length)).toEqual([200, 31]);
    expect(new Set(pages.flat()).size).toBe(231);
    expect(pages.flat().at(-1)).toBe(approvalId);
    expect(await rig.core.approval(approvalId)).toMatchObject({ ok: true, value: { approvalId, state: "pending" } });
    expect(await rig.core.approval(approvalId.replace(/.$/u, "f"))).toMatchObject({ ok: false, code: "not_found" });
    expect(await rig.core.approvals(null, approvalId.replace(/.$/u, "f"))).toMatchObject({ ok: false, code: "invalid_request" });
  });
});

describe("retention", () => {
  it("keeps a question for as long as a request that cost nothing, however it ended, and one that was used for ever", async () => {
    const HOUR = 3_600_000;
    const { rig, approvalId } = await asked({ timing: { keepUnpaid: HOUR } });
    const at = (name: string) => ({ url: `https://seller.example/${name}` });
    const [granted, rejected] = [await ask(rig, at("granted")), await ask(rig, at("rejected"))];
    await ask(rig, at("expired"));
    for (const id of [approvalId, granted]) expect(await approve(rig, id)).toMatchObject({ ok: true });
    await rig.core.decideApproval(rejected, "reject", "ada", null);
    await rig.buy();
    await rig.runAlarms(HOUR);
    expect(rig.one("SELECT COUNT(*) AS n FROM approval")).toBe(4);
    await rig.runAlarms(HOUR);
    const left = await rig.core.approvals(null);
    expect(left).toMatchObject({ ok: true, value: [{ approvalId, state: "used" }] });
    expect(left.ok && left.value.length).toBe(1);
    expect(rig.one("SELECT COUNT(*) AS n FROM purchase")).toBe(2);
    // With nothing left to forget the object sleeps.
    expect(rig.one("SELECT COUNT(*) AS n FROM due WHERE job = 'retain'")).toBe(0);
  });
});

describe("invariant 18: a grant is for the subject that people were shown", () => {
  it("another's same request is asked about anew, and leaves the grant to whom it was given", async () => {
    const { rig, approvalId } = await asked({}, { subject: "user-7" });
    const other = await ask(rig, { subject: "user-8" });
    expect(other).not.toBe(approvalId);
    expect(await approve(rig, approvalId)).toMatchObject({ ok: true, value: { subject: "user-7" } });
    for (const subject of ["user-8", null]) {
      const { answer } = await rig.begin(rig.offer(), { subject });
      expect([await answer, rig.sent.length]).toMatchObject([{ code: "approval_required" }, 0]);
    }
    await rig.buy(rig.offer(), { subject: "user-7" });
    expect(await rig.core.approval(approvalId)).toMatchObject({ ok: true, value: { state: "used" } });
  });
});

describe("a question whose reply was lost", () => {
  it("is named again to the same call, and to one that was told of another's", async () => {
    const { rig, approvalId } = await asked();
    const [first, offer] = [approvalId.slice("appr_".length), rig.offer()];
    expect(await rig.pay(first, offer.challenge)).toMatchObject({ code: "approval_required", approvalId });
    const second = await rig.begin(offer);
    for (const answer of [await second.answer, await rig.pay(second.id, offer.challenge)])
      expect(answer).toMatchObject({ code: "approval_required", approvalId });
    expect(rig.one("SELECT COUNT(*) AS n FROM approval")).toBe(1);
  });
});

describe("a link whose wallet's keys cannot be opened", () => {
  it("is not called wrong, decides nothing, and is good again when they can", async () => {
    const { rig, approvalId } = await asked();
    const link = await rig.core.approvalLink(approvalId);
    if (!link.ok) throw new Error(link.detail);
    const { onUnwrap } = rig;
    rig.onUnwrap = async () => null;
    rig.crash();
    for (const answer of [await rig.core.approvalByLink(link.value), await rig.core.decideByLink(link.value, "approve")])
      expect(answer).toMatchObject({ ok: false, code: "envelope_unopenable" });
    rig.onUnwrap = onUnwrap;
    expect(await rig.core.decideByLink(link.value, "approve")).toMatchObject({ ok: true, value: { state: "granted" } });
    const nobody = WalletRig.empty();
    expect(await nobody.core.approvalByLink(link.value)).toMatchObject({ ok: false, code: "forbidden" });
  });
});

describe("invariant 18: a grant is for one request, one time, one price, one while", () => {
  const REQUEST = { method: "POST", url: "https://seller.example/order?n=1", bodySha256: "a".repeat(64) };

  it.each<[string, Partial<OpenRequest>]>([
    ["method", { method: "PUT" }],
    ["query", { url: "https://seller.example/order?n=2" }],
    ["origin", { url: "https://other.example/order?n=1" }],
    ["body", { bodySha256: "b".repeat(64) }],
    ["body left out", { bodySha256: null }],
    ["budget", { auth: { kind: "binding", budget: "others" } }],
  ])("another %s is asked about anew, and the grant stays for its own", async (_what, change) => {
    const { rig, approvalId } = await asked({ budgets: { agents: ASKING, others: ASKING } }, REQUEST);
    expect(await approve(rig, approvalId)).toMatchObject({ ok: true });
    const id = rig.newId();
    expect((await rig.open(id, { ...REQUEST, ...change })).kind).toBe("fetch");
    const { auth } = change;
    const answer = rig.pay(id, rig.offer().challenge, auth === undefined ? {} : { auth });
    await rig.quiet();
    expect(rig.sent.length).toBe(0);
    expect(await answer).toMatchObject({ code: "approval_required" });
    await rig.begin(rig.offer(), REQUEST);
    expect([rig.sent.length, await rig.core.approval(approvalId)]).toMatchObject([1, { value: { state: "used" } }]);
  });

  it.each<[string, string, (rig: WalletRig) => unknown]>([
    ["after it has run out", "approval_required", (rig) => rig.advance(15 * 60_000)],
    [
      "once its host is blocked",
      "host_blocked",
      (rig) => rig.core.setPolicy({ ...POLICY, hosts: { ...POLICY.hosts, block: ["seller.example"] } }),
    ],
    ["once the cap is lower", "amount_over_cap", (rig) => rig.core.setPolicy({ ...POLICY, perPaymentMsat: 20_000 as Msat })],
    ["once the wallet is disabled", "wallet_disabled", (rig) => rig.core.disable()],
  ])("%s it pays nothing and is not used up: %s", async (_when, code, happens) => {
    const { rig, approvalId } = await asked({}, REQUEST);
    expect(await approve(rig, approvalId)).toMatchObject({ ok: true });
    await happens(rig);
    const id = rig.newId();
    const opened = await rig.open(id, REQUEST);
    const answer = opened.kind === "refused" ? Promise.resolve(opened) : rig.pay(id, rig.offer().challenge);
    await rig.quiet();
    expect([rig.sent.length, await rig.core.approval(approvalId)]).toMatchObject([0, { value: { usedBy: null } }]);
    expect(await answer).toMatchObject({ code });
  });

  it("a person may grant what was quoted or less, and not a millisatoshi more: the question stays as it was", async () => {
    const { rig, approvalId } = await asked();
    const grant = (maxMsat: number) => rig.core.decideApproval(approvalId, "approve", "ada", maxMsat as Msat);
    expect(await grant(21_001)).toMatchObject({ ok: false, code: "invalid_request" });
    expect(await rig.core.approval(approvalId)).toMatchObject({ ok: true, value: { state: "pending", maxMsat: 21_000 } });
    expect(await grant(21_000)).toMatchObject({ ok: true, value: { state: "granted", maxMsat: 21_000 } });
  });

  it("two answers at once: the first decides; the same request twice at once: one payment; a crash gives no grant back", async () => {
    const { rig, approvalId } = await asked({}, REQUEST);
    const said = await Promise.all([approve(rig, approvalId), rig.core.decideApproval(approvalId, "reject", "bob", null)]);
    expect(said.filter(({ ok }) => ok).length).toBe(1);
    expect(said.find(({ ok }) => !ok)).toMatchObject({ code: "already_exists" });
    const again = said[0].ok ? approvalId : await ask(rig, REQUEST);
    if (again !== approvalId) expect(await approve(rig, again)).toMatchObject({ ok: true });
    // Sellers whose tokens work once let nobody wait for another's payment: only the grant stands between two of them.
    await rig.core.setPolicy({ ...POLICY, hostSettings: [{ host: "seller.example", reuse: "never" }] });
    await Promise.all([rig.begin(rig.offer(), REQUEST), rig.begin(rig.offer(), REQUEST)]);
    expect(rig.sent.length).toBe(1);
    rig.crash();
    const third = await rig.begin(rig.offer(), REQUEST);
    expect([await third.answer, rig.sent.length]).toMatchObject([{ code: "approval_required" }, 1]);
  });

  it("a record key's rotation leaves a grant as it is, and a link from before it decides nothing", async () => {
    const vault = await CustodyRig.make();
    await vault.core.putBudget("agents", ASKING, false);
    const { id, path, challenge } = await vault.begin();
    const auth = { kind: "binding", budget: "agents" } as const;
    const pay = (purchaseId: string) => vault.core.pay({ purchaseId, auth, challenge, refusedCredentialId: null, waitMs: 45_000 });
    expect(await pay(id)).toMatchObject({ code: "approval_required" });
    const link = async (): Promise<ApprovalLink> => {
      const made = await vault.core.approvalLink(`appr_${id}`);
      if (!made.ok) throw new Error(made.detail);
      return made.value;
    };
    const before = await link();
    expect(await vault.core.rotate("record-key")).toMatchObject({ ok: true });
    for (const verdict of ["approve", "reject"] as const)
      expect(await vault.core.decideByLink(before, verdict)).toMatchObject({ ok: false, code: "forbidden" });
    expect(await vault.core.decideByLink(await link(), "approve")).toMatchObject({ ok: true });
    expect(await vault.core.rotate("record-key")).toMatchObject({ ok: true });
    const again = crypto.randomUUID();
    const url = `https://seller.example${path}`;
    await vault.core.open({
      purchaseId: again,
      auth,
      method: "GET",
      url,
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 0,
    });
    expect(await pay(again)).toMatchObject({ kind: "credential" });
    expect(vault.sent.length).toBe(1);
    await vault.check();
    vault.close();
  });
});

it("a person has as long as the wallet or the budget says; where both do, the shorter, and the default only where neither does", async () => {
  const HOUR = 3_600_000;
  for (const [wallet, budget, expected] of [
    [HOUR, undefined, HOUR],
    [undefined, HOUR, HOUR],
    [HOUR, 2 * HOUR, HOUR],
    [undefined, undefined, HOUR / 4],
  ] as const) {
    const patience = (approvalMs: number | undefined) => (approvalMs === undefined ? {} : { approvalMs });
    const { rig, approvalId } = await asked({
      policy: { ...POLICY, ...patience(wallet) },
      budgets: { agents: { ...ASKING, ...patience(budget) } },
    });
    expect(await rig.core.approval(approvalId)).toMatchObject({ ok: true, value: { expiresAt: rig.now + expected } });
  }
});

describe("invariant 18: a question", () => {
  it.each(["approve", "reject"] as const)("can be answered until it expires, and not from then on: %s", async (verdict) => {
    const early = await asked();
    await early.rig.advance(APPROVAL_MS - 1);
    expect((await early.rig.core.decideApproval(early.approvalId, verdict, "somebody", null)).ok).toBe(true);

    // No alarm has fired: the row still says that it is pending.
    const { rig, approvalId } = await asked();
    await rig.advance(APPROVAL_MS);
    expect(await rig.core.decideApproval(approvalId, verdict, "somebody", null)).toMatchObject({ ok: false, code: "approval_expired" });
    expect(rig.one("SELECT COUNT(*) AS n FROM approval WHERE state = 'pending'")).toBe(1);
  });
});
