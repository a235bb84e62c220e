/** Step 1 and what guards it: keys, budgets, hosts, an object that holds no wallet, keys that cannot be opened. Invariants 9, 10, 12 and 17. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { afterEach, describe, expect, it } from "vitest";
import type { Auth } from "../../lightning/wallet-api.ts";
import { AGENTS, checkRigs, ORIGIN, POLICY, WALLET_ID, WalletRig } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;
const SECRET = "a secret that an agent holds";
const key = (keyId: string, secret = SECRET): Auth => ({ kind: "agent_key", keyId, secret });

async function withKeys(): Promise<WalletRig> {
  const rig = await WalletRig.make({ budgets: { agents: POLICY, others: POLICY } });
  for (const [keyId, budget] of [
    ["aaaaaaaaaaaa", "agents"],
    ["bbbbbbbbbbbb", "agents"],
    ["cccccccccccc", "others"],
  ] as const) {
    const made = await rig.core.createKey({ keyId, budget, label: "", hash: bytesToHex(sha256(utf8ToBytes(SECRET))) });
    if (!made.ok) throw new Error(made.detail);
  }
  return rig;
}

describe("who is calling", () => {
  it("invariant 17: a right key opens, and its budget is the key's own", async () => {
    const rig = await withKeys();
    const id = rig.newId();
    expect((await rig.open(id, { auth: key("cccccccccccc") })).kind).toBe("fetch");
    expect(rig.sql.rows("SELECT budget, caller FROM purchase WHERE id = ?", id)).toEqual([
      { budget: "others", caller: "key/cccccccccccc" },
    ]);
  });

  it.each([
    ["a wrong secret", key("aaaaaaaaaaaa", "guess")],
    ["an unknown key", key("zzzzzzzzzzzz")],
    ["an empty key id", key("")],
  ] as const)("invariant 17: %s is unauthorized everywhere, and writes nothing", async (_name, auth) => {
    const rig = await withKeys();
    const id = rig.newId();
    const before = rig.one("SELECT COUNT(*) AS n FROM purchase");
    expect(codeOf(await rig.open(id, { auth }))).toBe("unauthorized");
    expect(codeOf(await rig.pay(id, rig.offer().challenge, { auth }))).toBe("unauthorized");
    expect(await rig.core.conclude(auth, id, { kind: "free", status: 200 })).toEqual({ receiptId: null });
    expect((await rig.core.ownStatus(auth)).ok).toBe(false);
    expect((await rig.core.ownPurchase(auth, id)).ok).toBe(false);
    expect((await rig.core.ownReceipts(auth, { after: 0, limit: 10 })).ok).toBe(false);
    expect([rig.one("SELECT COUNT(*) AS n FROM purchase"), rig.one("SELECT COUNT(*) AS n FROM receipt")]).toEqual([before, 0]);
  });

  it("invariant 17: a revoked key is unauthorized, also for what it has begun", async () => {
    const rig = await withKeys();
    const id = rig.newId();
    await rig.open(id, { auth: key("aaaaaaaaaaaa") });
    await rig.core.revokeKey("aaaaaaaaaaaa");
    expect(codeOf(await rig.pay(id, rig.offer().challenge, { auth: key("aaaaaaaaaaaa") }))).toBe("unauthorized");
    expect(codeOf(await rig.open(rig.newId(), { auth: key("aaaaaaaaaaaa") }))).toBe("unauthorized");
    expect((await rig.open(rig.newId(), { auth: key("bbbbbbbbbbbb") })).kind).toBe("fetch");
  });

  it.each([
    ["another key of the same budget", key("bbbbbbbbbbbb")],
    ["a key of another budget", key("cccccccccccc")],
    ["a binding of the same budget", AGENTS],
  ] as const)("invariant 17: %s may not touch a purchase", async (_name, auth) => {
    const rig = await withKeys();
    const id = rig.newId();
    await rig.open(id, { auth: key("aaaaaaaaaaaa") });
    expect(codeOf(await rig.open(id, { auth }))).toBe("forbidden");
    expect(codeOf(await rig.pay(id, rig.offer().challenge, { auth }))).toBe("forbidden");
    expect([rig.state(id), rig.sent.length]).toEqual(["opened", 0]);
  });

  it("invariant 17: a budget sees its own purchases and receipts, and no other's", async () => {
    const rig = await withKeys();
    const { id } = await rig.buy();
    expect((await rig.core.ownPurchase(key("aaaaaaaaaaaa"), id)).ok).toBe(true);
    expect(await rig.core.ownPurchase(key("cccccccccccc"), id)).toMatchObject({ ok: false, code: "not_found" });
    expect(await rig.core.ownReceipts(key("cccccccccccc"), { after: 0, limit: 10 })).toEqual({
      ok: true,
      value: { receipts: [], next: null },
    });
  });

  it("a binding to a budget that does not exist is forbidden", async () => {
    const rig = await WalletRig.make();
    expect(codeOf(await rig.open(rig.newId(), { auth: { kind: "binding", budget: "nobody" } }))).toBe("forbidden");
    expect(rig.one("SELECT COUNT(*) AS n FROM purchase")).toBe(0);
  });
});

describe("an object that holds no wallet", () => {
  it("answers unauthorized or not_found to everything, and writes nothing at all: no table, no alarm", async () => {
    const rig = WalletRig.empty();
    const id = rig.newId();
    expect(codeOf(await rig.open(id))).toBe("unauthorized");
    expect(codeOf(await rig.pay(id, rig.offer().challenge))).toBe("unauthorized");
    expect(codeOf(await rig.core.quote({ purchaseId: id, auth: AGENTS, challenge: "", refusedCredentialId: null, waitMs: 0 }))).toBe(
      "unauthorized",
    );
    expect(await rig.core.conclude(AGENTS, id, { kind: "free", status: 200 })).toEqual({ receiptId: null });
    await rig.deliver(id, null);
    for (const answer of [
      await rig.core.status(),
      await rig.core.balance(),
      await rig.core.setPolicy(POLICY),
      await rig.core.policy(),
      await rig.core.putBudget("b", POLICY, false),
      await rig.core.budgets(),
      await rig.core.keys(),
      await rig.core.revokeKey("k"),
      await rig.core.createKey({ keyId: "aaaaaaaaaaaa", budget: "b", label: "", hash: "00".repeat(32) }),
      await rig.core.disable(),
      await rig.core.enable(),
      await rig.core.purchases({ before: null, limit: 1 }),
      await rig.core.purchase(id),
      await rig.core.receipts({ after: 0, limit: 1 }),
    ])
      expect(answer).toMatchObject({ ok: false, code: "not_found" });
    for (const answer of [
      await rig.core.ownStatus(AGENTS),
      await rig.core.ownPurchase(AGENTS, id),
      await rig.core.ownReceipts(AGENTS, { after: 0, limit: 1 }),
    ])
      expect(answer).toMatchObject({ ok: false, code: "unauthorized" });
    // The cron's knock, or an alarm of a wallet that is gone.
    await rig.core.alarm();
    await rig.quiet();
    expect([rig.one("SELECT COUNT(*) AS n FROM sqlite_master"), rig.sql.writes, rig.sql.alarm]).toEqual([0, 0, null]);
  });
});

describe("keys that cannot be opened", () => {
  it.each([
    ["null", async (): Promise<null> => null],
    [
      "an exception",
      async (): Promise<null> => {
        throw new Error("no such secret");
      },
    ],
  ] as const)("invariant 10: %s denies everything that could cost money, and writes nothing", async (_name, unwrap) => {
    const rig = await WalletRig.make();
    rig.crash();
    rig.onUnwrap = unwrap;
    const before = rig.sql.writes;
    const id = rig.newId();
    expect(codeOf(await rig.open(id))).toBe("envelope_unopenable");
    expect(codeOf(await rig.pay(id, rig.offer().challenge))).toBe("envelope_unopenable");
    expect([rig.sql.writes, rig.one("SELECT COUNT(*) AS n FROM purchase")]).toEqual([before, 0]);
    // Asked again each time: a secret that comes back is found without a restart.
    rig.onUnwrap = async (wrapped) => Uint8Array.from(wrapped);
    expect((await rig.open(id)).kind).toBe("fetch");
  });

  it("are opened once, however many callers wait for it", async () => {
    const rig = await WalletRig.make();
    rig.crash();
    let opened = 0;
    rig.onUnwrap = async (wrapped) => {
      opened++;
      return Uint8Array.from(wrapped);
    };
    await Promise.all(Array.from({ length: 50 }, () => rig.open(rig.newId())));
    expect(opened).toBe(1);
  });
});

describe("hosts and policy", () => {
  it.each([
    ["https://unlisted.example/", "host_not_allowlisted"],
    ["https://seller.example:8443/", "host_not_allowlisted"],
    ["https://bad.example/", "host_blocked"],
  ])("invariant 12: %s is refused before any request, with a receipt", async (url, code) => {
    const policy = { ...POLICY, hosts: { ...POLICY.hosts, block: ["bad.example"] } };
    const rig = await WalletRig.make({ budgets: { agents: policy } });
    const id = rig.newId();
    expect(codeOf(await rig.open(id, { url }))).toBe(code);
    expect(await rig.told(id)).toEqual([`denied ${code}`]);
  });

  it("invariant 12: a host that policy would ask about may be visited, and is not paid without a person's word", async () => {
    const rig = await WalletRig.make({
      policy: { ...POLICY, hosts: { ...POLICY.hosts, unknown: "ask" } },
      budgets: { agents: { ...POLICY, hosts: { ...POLICY.hosts, unknown: "ask" } } },
    });
    const { answer } = await rig.begin(rig.offer(), { url: "https://unlisted.example/x" });
    expect([codeOf(await answer), rig.sent.length]).toEqual(["approval_required", 0]);
  });

  it("invariant 10: a policy in the journal that is not a policy denies", async () => {
    for (const table of ["wallet", "budget"]) {
      const rig = await WalletRig.make();
      const begun = rig.newId();
      await rig.open(begun);
      rig.sql.rows(`UPDATE ${table} SET policy = '{"hosts":"all of them"}'`);
      rig.crash();
      expect(codeOf(await rig.open(rig.newId()))).toBe("policy_unreadable");
      expect(codeOf(await rig.pay(begun, rig.offer().challenge))).toBe("policy_unreadable");
      expect(rig.sent.length).toBe(0);
    }
  });

  it("a policy that is no policy, or another network's, is not stored", async () => {
    const rig = await WalletRig.make();
    for (const wrong of [
      { ...POLICY, network: "mainnet" as const },
      { ...POLICY, dayMsats: 5 },
    ]) {
      expect(await rig.core.setPolicy(wrong)).toMatchObject({ ok: false, code: "invalid_request" });
      expect(await rig.core.putBudget("agents", wrong, false)).toMatchObject({ ok: false, code: "invalid_request" });
    }
    expect(await rig.core.policy()).toMatchObject({ ok: true, value: { policy: POLICY, policyVersion: 1 } });
  });

  it("creating a wallet again changes nothing, and another wallet's name is refused", async () => {
    const rig = await WalletRig.make();
    const record = {
      walletId: WALLET_ID,
      owner: "main",
      label: "",
      network: "regtest",
      backend: "http-executor",
      epoch: 1,
      walletSource: "embedded_envelope",
      createdAt: rig.now,
    } as const;
    const envelope = { walletId: WALLET_ID, owner: "main" } as Parameters<typeof rig.core.create>[1];
    expect(await rig.core.create(record, envelope, { ...POLICY, opaqueTokens: "allow" })).toEqual({ ok: true, value: { created: false } });
    expect(await rig.core.policy()).toMatchObject({ value: { policy: POLICY } });
    expect(await rig.core.create({ ...record, owner: "other" }, { ...envelope, owner: "other" }, POLICY)).toMatchObject({
      ok: false,
      code: "already_exists",
    });
    expect(await rig.core.create(record, { ...envelope, owner: "other" }, POLICY)).toMatchObject({ ok: false, code: "invalid_request" });
  });

  it("stays free of query strings in what it shows", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.buy(rig.offer(), { url: `${ORIGIN}/joke?token=hunter2` });
    expect(JSON.stringify([await rig.core.purchase(id), await rig.receipts(), rig.logged])).not.toContain("hunter2");
  });
});
