/** Invariant 6: nothing paid is lost, and nothing is bought twice. What a credential's seller says to it decides what becomes of it. */
import { afterEach, describe, expect, it } from "vitest";
import { AGENTS, checkRigs, ORIGIN, POLICY, START, WalletRig } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;
const at = (path: string) => ({ url: `${ORIGIN}${path}` });

describe("a stored credential", () => {
  it("invariant 6: is found by its path before the first request, and costs nothing", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    const { credentialId } = await rig.buy(offer);
    const id = rig.newId();
    const opened = await rig.open(id);
    expect(opened).toMatchObject({
      kind: "fetch",
      credential: { id: credentialId, status: "cached", spentMsat: 0, authorization: `L402 ${offer.token}:${offer.preimage}` },
    });
    expect(await rig.told(id)).toEqual(["cached"]);
    expect(rig.securityAsked).toBe(1);
  });

  it("invariant 6: is found by its scope where the path is new", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy(rig.offer({ service: "joke" }), at("/joke/1"));
    const second = rig.newId();
    expect(await rig.open(second, at("/joke/2"))).toMatchObject({ kind: "fetch", credential: null });
    expect(await rig.pay(second, rig.offer({ service: "joke" }).challenge)).toMatchObject({
      kind: "credential",
      credential: { id: credentialId, status: "cached" },
    });
    await rig.deliver(second, credentialId);
    // Learned: from now on before the first request.
    expect(await rig.open(rig.newId(), at("/joke/2"))).toMatchObject({ credential: { id: credentialId } });
  });

  it("invariant 6: without a services caveat its scope is the path, or the longest prefix that policy names", async () => {
    const rig = await WalletRig.make({ policy: { ...POLICY, pathPrefixes: ["/v1", "/v1/deep"] } });
    const { credentialId } = await rig.buy(rig.offer({ service: null }), at("/v1/a"));
    expect(await rig.open(rig.newId(), at("/v1/b"))).toMatchObject({ credential: { id: credentialId } });
    expect(await rig.open(rig.newId(), at("/v1"))).toMatchObject({ credential: { id: credentialId } });
    for (const path of ["/v1/deep/a", "/v10", "/v2", "/"])
      expect(await rig.open(rig.newId(), at(path))).toMatchObject({ credential: null });
  });

  it("is never handed to another origin, not even to another port of its host", async () => {
    const rig = await WalletRig.make({
      budgets: { agents: { ...POLICY, hosts: { ...POLICY.hosts, mode: "any_public" } } },
      policy: { ...POLICY, hosts: { ...POLICY.hosts, mode: "any_public" } },
    });
    await rig.buy();
    for (const url of ["https://other.example/joke", "https://seller.example:8443/joke", "https://x.seller.example/joke"])
      expect(await rig.open(rig.newId(), { url })).toMatchObject({ kind: "fetch", credential: null });
  });

  it("is not handed out at the end of its life: the last tenth, at most the last 30 s", async () => {
    const rig = await WalletRig.make();
    await rig.buy(rig.offer({ service: "long", validUntil: START + 3_600_000 }), at("/long"));
    await rig.buy(rig.offer({ service: "short", validUntil: START + 60_000 }), at("/short"));
    const has = async (path: string): Promise<boolean> => {
      const opened = await rig.open(rig.newId(), at(path));
      return opened.kind === "fetch" && opened.credential !== null;
    };
    await rig.advance(54_000 - 1);
    expect(await has("/short")).toBe(true);
    await rig.advance(1);
    expect([await has("/short"), await has("/long")]).toEqual([false, true]);
    await rig.advance(3_570_000 - 54_000 - 1);
    expect(await has("/long")).toBe(true);
    await rig.advance(1);
    expect(await has("/long")).toBe(false);
    await rig.buy(rig.offer({ service: "long" }), at("/long"));
    expect(rig.sent.length).toBe(3);
  });

  it("invariant 9: at rest neither token nor preimage nor invoice stands in any table", async () => {
    const rig = await WalletRig.make();
    const offer = rig.offer();
    await rig.buy(offer);
    const tables = rig.sql.rows<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'");
    const everything = tables
      .flatMap(({ name }) => rig.sql.rows<Record<string, unknown>>(`SELECT * FROM ${name}`))
      .flatMap((row) => Object.values(row))
      .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value)))
      .join("\n");
    expect(everything).toContain(offer.paymentHash);
    for (const secret of [offer.token, offer.invoice, offer.preimage, Buffer.from(offer.preimage, "hex").toString("latin1")])
      expect(everything).not.toContain(secret);
  });

  it("invariant 10: one that cannot be opened is not bought a second time", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy();
    rig.sql.rows("UPDATE credential SET sealed = zeroblob(60) WHERE id = ?", credentialId);
    rig.crash(); // What was open in memory is gone with it.
    const id = rig.newId();
    expect(codeOf(await rig.open(id))).toBe("envelope_unopenable");
    const other = rig.newId();
    await rig.open(other, at("/joke/2"));
    expect(codeOf(await rig.pay(other, rig.offer().challenge))).toBe("envelope_unopenable");
    expect([rig.sent.length, await rig.told(id)]).toEqual([1, ["denied envelope_unopenable"]]);
  });

  it("moved to another row or origin does not open", async () => {
    const rig = await WalletRig.make();
    await rig.buy();
    rig.sql.rows("UPDATE credential SET origin = 'https://other.example'");
    rig.sql.rows("UPDATE learned SET origin = 'https://other.example'");
    rig.crash();
    expect(codeOf(await rig.open(rig.newId(), { url: "https://other.example/joke" }))).toBe("envelope_unopenable");
  });
});

describe("a refusal", () => {
  it("invariant 6: of a credential that has served here evicts it, and the request may buy once", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy();
    const id = rig.newId();
    await rig.open(id);
    const answer = rig.pay(id, rig.offer().challenge, { refusedCredentialId: credentialId });
    await rig.quiet();
    await rig.sent[1]?.settle();
    const bought = await answer;
    expect(bought).toMatchObject({ kind: "credential", credential: { status: "paid" } });
    expect(rig.sql.rows("SELECT state FROM credential WHERE id = ?", credentialId)).toEqual([{ state: "evicted" }]);
    // Refused again: it has had its one purchase.
    const second = bought.kind === "credential" ? bought.credential.id : "";
    expect(codeOf(await rig.pay(id, rig.offer().challenge, { refusedCredentialId: second }))).toBe("paid_unfulfilled");
    expect(rig.sent.length).toBe(2);
  });

  it("invariant 6: requests that were refused together buy one credential between them", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy();
    const ids = Array.from({ length: 20 }, () => rig.newId());
    await Promise.all(ids.map((id) => rig.open(id)));
    const early = ids.slice(0, 10).map((id) => rig.pay(id, rig.offer().challenge, { refusedCredentialId: credentialId }));
    await rig.quiet();
    await rig.sent[1]?.settle();
    const late = ids.slice(10).map((id) => rig.pay(id, rig.offer().challenge, { refusedCredentialId: credentialId }));
    const answers = await Promise.all([...early, ...late]);
    expect(answers.map(({ kind }) => kind)).toEqual(Array.from({ length: 20 }, () => "credential"));
    expect(rig.sent.length).toBe(2);
  });

  it("invariant 6: of one that never served makes paid_unfulfilled, and nothing more is paid for that origin and scope", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle();
    const paid = await answer;
    const credentialId = paid.kind === "credential" ? paid.credential.id : "";
    expect(codeOf(await rig.pay(id, rig.offer().challenge, { refusedCredentialId: credentialId }))).toBe("paid_unfulfilled");
    expect([rig.state(id), await rig.told(id)]).toEqual(["paid_unfulfilled", ["paid", "unfulfilled credential_refused"]]);
    // The same path tries the same credential; a new path of the scope is told; neither pays, now or later.
    for (let day = 0; day < 3; day++) {
      const again = rig.newId();
      expect(await rig.open(again)).toMatchObject({ kind: "fetch", credential: { id: credentialId } });
      expect(codeOf(await rig.pay(again, rig.offer().challenge, { refusedCredentialId: credentialId }))).toBe("paid_unfulfilled");
      const elsewhere = rig.newId();
      await rig.open(elsewhere, at("/joke/elsewhere"));
      expect(codeOf(await rig.pay(elsewhere, rig.offer().challenge))).toBe("paid_unfulfilled");
      await rig.runAlarms(86_400_000);
    }
    expect(rig.sent.length).toBe(1);
    // Other scopes and origins are not touched by it.
    await rig.buy(rig.offer({ service: "other" }), at("/other"));
    await rig.buy(rig.offer({ service: "joke" }), { url: "https://other.example/joke" });
    // The seller relents: fulfilled, and from then on all is as if nothing had been.
    const relented = rig.newId();
    await rig.open(relented);
    await rig.deliver(relented, credentialId);
    expect(rig.state(id)).toBe("fulfilled");
    const elsewhere = rig.newId();
    await rig.open(elsewhere, at("/joke/elsewhere"));
    expect(await rig.pay(elsewhere, rig.offer().challenge)).toMatchObject({ kind: "credential", credential: { id: credentialId } });
  });

  it("invariant 6: of one that never served still counts when its secrets have had their term: only delivery or its owner ends that", async () => {
    const rig = await WalletRig.make({ timing: { keepUnpaid: 1000, keepSecrets: 60_000, retainPause: 1000 } });
    const { id, answer } = await rig.begin(rig.offer({ validUntil: START + 60_000 }));
    await rig.sent[0]?.settle();
    const paid = await answer;
    await rig.pay(id, rig.offer().challenge, { refusedCredentialId: paid.kind === "credential" ? paid.credential.id : "" });
    await rig.runAlarms(600_000);
    // Any decision sets the broom going again.
    await rig.open(rig.newId(), { url: "https://unlisted.example/" });
    await rig.runAlarms(600_000);
    const again = rig.newId();
    await rig.open(again);
    expect(codeOf(await rig.pay(again, rig.offer().challenge))).toBe("paid_unfulfilled");
    expect(rig.sent.length).toBe(1);
  });

  it("invariant 6: on a path that it never served is a new quote, and the credential is kept where it served", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy(rig.offer({ service: "joke" }), at("/joke/1"));
    const id = rig.newId();
    await rig.open(id, at("/joke/2"));
    expect(await rig.pay(id, rig.offer({ service: "joke" }).challenge)).toMatchObject({ credential: { id: credentialId } });
    const answer = rig.pay(id, rig.offer({ service: "joke" }).challenge, { refusedCredentialId: credentialId });
    await rig.quiet();
    await rig.sent[1]?.settle();
    expect(await answer).toMatchObject({ kind: "credential", credential: { status: "paid" } });
    expect(rig.sql.rows("SELECT state FROM credential WHERE id = ?", credentialId)).toEqual([{ state: "served" }]);
    expect(await rig.open(rig.newId(), at("/joke/1"))).toMatchObject({ credential: { id: credentialId } });
  });

  it("invariant 6: one bought since the refused one is tried before anything is bought, however long ago that was", async () => {
    const rig = await WalletRig.make();
    const first = await rig.buy(rig.offer(), at("/joke/1"));
    // On another path the first is refused, and a second is bought for the same scope.
    const second = rig.newId();
    await rig.open(second, at("/joke/2"));
    await rig.pay(second, rig.offer().challenge);
    const bought = rig.pay(second, rig.offer().challenge, { refusedCredentialId: first.credentialId });
    await rig.quiet();
    await rig.sent[1]?.settle();
    const newer = await bought;
    await rig.advance(60_000);
    // Now the first is refused where it once served: the second is still good.
    const third = rig.newId();
    expect(await rig.open(third, at("/joke/1"))).toMatchObject({ credential: { id: first.credentialId } });
    expect(await rig.pay(third, rig.offer().challenge, { refusedCredentialId: first.credentialId })).toMatchObject({
      kind: "credential",
      credential: { id: newer.kind === "credential" ? newer.credential.id : "", status: "cached" },
    });
    expect(rig.sent.length).toBe(2);
  });

  it("invariant 6: what is bought instead is handed out when its buyer asks again, though it settled after nobody was waiting", async () => {
    const rig = await WalletRig.make();
    const { credentialId: refusedCredentialId } = await rig.buy();
    const [id, offer] = [rig.newId(), rig.offer()];
    await rig.open(id);
    const pay = () => rig.pay(id, offer.challenge, { refusedCredentialId, waitMs: 0 });
    expect(codeOf(await pay())).toBe("payment_pending");
    await rig.sent[1]?.settle();
    const again = await pay();
    expect(again).toMatchObject({ kind: "credential", credential: { status: "paid" } });
    expect([again.kind === "credential" && again.credential.id !== refusedCredentialId, rig.sent.length]).toEqual([true, 2]);
  });

  it("invariant 14: of the second stored one is the end of a purchase, which was not served and says so", async () => {
    const rig = await WalletRig.make();
    const first = await rig.buy(rig.offer(), at("/joke/1"));
    const id = rig.newId();
    await rig.open(id, at("/joke/1"));
    // Meanwhile another request has been through the same, and has bought a newer one.
    const other = rig.newId();
    await rig.open(other, at("/joke/1"));
    const bought = rig.pay(other, rig.offer().challenge, { refusedCredentialId: first.credentialId });
    await rig.quiet();
    await rig.sent[1]?.settle();
    const newer = await bought;
    const second = newer.kind === "credential" ? newer.credential.id : "";
    await rig.deliver(other, second);
    expect(await rig.pay(id, rig.offer().challenge, { refusedCredentialId: first.credentialId })).toMatchObject({
      credential: { id: second },
    });
    await rig.core.conclude(AGENTS, id, { kind: "unfulfilled", credentialId: second, status: 402 });
    expect([rig.state(id), rig.code(id), (await rig.told(id)).at(-1)]).toEqual(["failed", "paid_unfulfilled", "failed paid_unfulfilled"]);
    // An error page is a delivery all the same.
    const page = rig.newId();
    await rig.open(page, at("/joke/1"));
    await rig.core.conclude(AGENTS, page, { kind: "unfulfilled", credentialId: second, status: 500 });
    expect([rig.state(page), await rig.told(page)]).toEqual(["served_cached", ["cached"]]);
  });

  it("of a credential that this purchase was never given is not believed", async () => {
    const rig = await WalletRig.make();
    const { credentialId } = await rig.buy();
    const id = rig.newId();
    await rig.open(id, at("/other"));
    expect(codeOf(await rig.pay(id, rig.offer({ service: "x" }).challenge, { refusedCredentialId: credentialId }))).toBe("invalid_request");
    expect(codeOf(await rig.pay(id, rig.offer({ service: "x" }).challenge, { refusedCredentialId: "cred_none" }))).toBe("invalid_request");
    expect([rig.sent.length, rig.sql.rows("SELECT state FROM credential")]).toEqual([1, [{ state: "served" }]]);
  });
});

describe("delivery", () => {
  it("a 2xx fulfils, and the record of it may come twice, late, or after the lease", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle();
    const paid = await answer;
    const credentialId = paid.kind === "credential" ? paid.credential.id : "";
    await rig.runAlarms(TIMING.paidLease);
    expect([rig.state(id), await rig.told(id)]).toEqual(["paid_unfulfilled", ["paid", "unfulfilled paid_unfulfilled"]]);
    await rig.deliver(id, credentialId);
    await rig.deliver(id, credentialId);
    expect(rig.state(id)).toBe("fulfilled");
  });

  it.each([
    [false, ["paid", "unfulfilled paid_unfulfilled", "fulfilled"]],
    [true, ["paid", "unfulfilled paid_unfulfilled", "written_off paid_unfulfilled", "fulfilled"]],
  ])("invariant 14: what a receipt called undelivered and comes after all leaves a receipt, once (written off: %s)", async (off, told) => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle();
    const paid = await answer;
    const credentialId = paid.kind === "credential" ? paid.credential.id : "";
    await rig.runAlarms(TIMING.paidLease);
    if (off) expect((await rig.core.writeOff(id)).ok).toBe(true);
    await rig.deliver(id, credentialId);
    await rig.deliver(id, credentialId);
    expect([rig.state(id), await rig.told(id)]).toEqual(["fulfilled", told]);
  });

  it("anything but a 2xx fulfils nothing, and a record for another credential is dropped", async () => {
    const rig = await WalletRig.make();
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle();
    await answer;
    await rig.deliver(id, "cred_other");
    await rig.deliver(id, null);
    await rig.deliver(id, `cred_${rig.sent[0]?.order.operationId ?? ""}`, 500);
    expect(rig.state(id)).toBe("paid");
  });

  it("another key or budget cannot speak for a purchase", async () => {
    const rig = await WalletRig.make({ budgets: { agents: POLICY, others: POLICY } });
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle();
    const paid = await answer;
    const credentialId = paid.kind === "credential" ? paid.credential.id : "";
    const stranger = { kind: "binding", budget: "others" } as const;
    await rig.core.delivered(stranger, [{ purchaseId: id, credentialId, status: 200, bytes: 1, sha256: null, complete: true }]);
    expect(await rig.core.conclude(stranger, id, { kind: "unfulfilled", credentialId, status: 402 })).toEqual({ receiptId: null });
    expect([rig.state(id), rig.sql.rows("SELECT state FROM credential")]).toEqual(["paid", [{ state: "fresh" }]]);
  });

  it("invariant 14: a free answer and a seller that could not be reached leave receipts", async () => {
    const rig = await WalletRig.make();
    const [free, failed] = [rig.newId(), rig.newId()];
    await rig.open(free);
    await rig.open(failed);
    const told = await rig.core.conclude(AGENTS, free, { kind: "free", status: 200 });
    await rig.core.conclude(AGENTS, failed, { kind: "failed", code: "seller_unreachable" });
    expect([rig.state(free), await rig.told(free), rig.state(failed), await rig.told(failed)]).toEqual([
      "served_free",
      ["free"],
      "failed",
      ["failed seller_unreachable"],
    ]);
    // A lost reply: the same again, and no second receipt.
    expect(await rig.core.conclude(AGENTS, free, { kind: "free", status: 200 })).toEqual(told);
    expect(await rig.told(free)).toEqual(["free"]);
  });

  it("a purchase whose Worker never comes back is abandoned, and cannot be paid for afterwards", async () => {
    const rig = await WalletRig.make();
    const id = rig.newId();
    await rig.open(id);
    await rig.runAlarms(TIMING.openLease);
    expect(rig.state(id)).toBe("abandoned");
    expect(codeOf(await rig.pay(id, rig.offer().challenge))).toBe("purchase_cancelled");
    expect(rig.sent.length).toBe(0);
  });
});
