/**
 * The circuit of an origin and scope (invariant 6): while one of its payments is `paid_unfulfilled` nothing more is paid there, however that
 * came about and whatever has become of the credential since. Only a 2xx or its owner ends it.
 */
import { afterEach, describe, expect, it } from "vitest";
import { AGENTS, checkRigs, ORIGIN, POLICY, WalletRig, type RigOptions } from "../../test/support/wallet-rig.ts";
import { TIMING } from "./ports.ts";

afterEach(checkRigs);

const codeOf = (answer: { readonly kind: string; readonly code?: string }): string => answer.code ?? answer.kind;
const at = (path: string) => ({ url: `${ORIGIN}${path}` });
const MINUTE = 60_000;

/** Paid for a token that lives a minute; what the seller then did is told by the Worker, or by nobody. */
async function owed(status: number | null, options: RigOptions = {}) {
  const rig = await WalletRig.make(options);
  const { id, answer } = await rig.begin(rig.offer({ validUntil: rig.now + MINUTE }));
  await rig.sent[0]?.settle();
  const paid = await answer;
  const credentialId = paid.kind === "credential" ? paid.credential.id : "";
  if (status === null) await rig.runAlarms(TIMING.paidLease);
  else await rig.core.conclude(AGENTS, id, { kind: "unfulfilled", credentialId, status });
  expect(rig.state(id)).toBe("paid_unfulfilled");
  return { rig, id, credentialId };
}

/** A request that finds no credential before it asks, and brings a fresh offer of the same scope. */
async function ask(rig: WalletRig, path = "/joke") {
  const id = rig.newId();
  await rig.open(id, at(path));
  const answer = rig.pay(id, rig.offer().challenge);
  await rig.quiet();
  return { id, answer };
}

describe("invariant 6: nothing more is paid for an origin and scope that is owed", () => {
  it.each([
    ["answered 500", 500],
    ["could not be reached", 0],
    ["was never heard of again", null],
  ])("after a seller that %s, not even when the token it sold has expired", async (_, status) => {
    const { rig, id } = await owed(status);
    await rig.runAlarms(60 * MINUTE);
    for (const path of ["/joke", "/joke/elsewhere"]) {
      const again = await ask(rig, path);
      expect(rig.sent.length).toBe(1);
      expect(codeOf(await again.answer)).toBe("paid_unfulfilled");
      expect(await rig.told(again.id)).toEqual(["failed paid_unfulfilled"]);
    }
    // A quote says so too, before anybody counts on it.
    const quoted = rig.newId();
    await rig.open(quoted);
    expect(
      await rig.core.quote({
        purchaseId: quoted,
        auth: AGENTS,
        challenge: rig.offer().challenge,
        refusedCredentialId: null,
        waitMs: 0,
      }),
    ).toMatchObject({ kind: "quote", quote: { allowed: false, code: "paid_unfulfilled" } });
    // Another scope is not touched by it; and its owner may give it up.
    await rig.buy(rig.offer({ service: "other" }), at("/other"));
    expect(await rig.core.writeOff(id)).toMatchObject({ ok: true });
    await rig.buy(rig.offer());
    expect(rig.sent.length).toBe(3);
  });

  it("nor when retention has emptied what it sold", async () => {
    const { rig } = await owed(500, { timing: { keepUnpaid: 1000, keepSecrets: MINUTE } });
    await rig.runAlarms(600_000);
    // Any decision sets the broom going again.
    await rig.open(rig.newId(), { url: "https://unlisted.example/" });
    await rig.runAlarms(600_000);
    const again = await ask(rig);
    expect(rig.sent.length).toBe(1);
    expect(codeOf(await again.answer)).toBe("paid_unfulfilled");
  });

  it("nor after an operator's `paid` without proof, which sold nothing that could be shown", async () => {
    const rig = await WalletRig.make();
    const { id } = await rig.begin();
    await rig.sent[0]?.settle(1, null);
    await rig.core.resolve(id, "paid", "seen in the node's own books", null);
    const again = await ask(rig);
    expect(rig.sent.length).toBe(1);
    expect(codeOf(await again.answer)).toBe("paid_unfulfilled");
    await rig.core.writeOff(id);
    await rig.buy();
  });

  it.each([401, 402])("a credential that its seller answered with %s is tried by no request that would otherwise pay", async (status) => {
    const { rig } = await owed(status);
    const again = await ask(rig, "/joke/elsewhere");
    expect(codeOf(await again.answer)).toBe("paid_unfulfilled");
    expect(rig.sent.length).toBe(1);
  });

  it.each([500, 402])(
    "what its owner has written off after a %s is never handed out again: the next request buys its own",
    async (status) => {
      const { rig, id, credentialId } = await owed(status);
      expect(await rig.core.writeOff(id)).toMatchObject({ ok: true });
      expect(await rig.open(rig.newId())).toMatchObject({ kind: "fetch", credential: null });
      const bought = await rig.buy();
      expect([rig.sent.length, bought.credentialId === credentialId]).toEqual([2, false]);
    },
  );

  it("where every request buys its own, it uses what is owed first, though others have bought since", async () => {
    const rig = await WalletRig.make({ policy: { ...POLICY, hostSettings: [{ host: "seller.example", reuse: "never" }] } });
    const first = await rig.begin();
    const second = await rig.begin();
    await rig.sent[0]?.settle();
    await rig.advance(1);
    await rig.sent[1]?.settle();
    const [paid] = await Promise.all([first.answer, second.answer]);
    const credentialId = paid.kind === "credential" ? paid.credential.id : "";
    await rig.core.conclude(AGENTS, first.id, { kind: "unfulfilled", credentialId, status: 500 });
    const third = await ask(rig);
    expect(rig.sent.length).toBe(2);
    expect(await third.answer).toMatchObject({ kind: "credential", credential: { id: credentialId, status: "cached" } });
    await rig.deliver(third.id, credentialId);
    expect(rig.state(first.id)).toBe("fulfilled");
  });

  it("where several are owed, each of them is tried again when its request is, until all are delivered", async () => {
    const rig = await WalletRig.make({ policy: { ...POLICY, hostSettings: [{ host: "seller.example", reuse: "never" }] } });
    const buyers = [await rig.begin(), await rig.begin(), await rig.begin()];
    for (const sent of rig.sent) await sent.settle();
    for (const { id, answer } of buyers) {
      const paid = await answer;
      await rig.core.conclude(AGENTS, id, {
        kind: "unfulfilled",
        credentialId: paid.kind === "credential" ? paid.credential.id : "",
        status: 402,
      });
    }
    // The seller relents. The same request, again and again: what is owed comes, and only then is anything bought.
    for (let times = 0; times < buyers.length; times++) {
      const again = rig.newId();
      const opened = await rig.open(again);
      expect(opened).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
      await rig.deliver(again, opened.kind === "fetch" ? (opened.credential?.id ?? null) : null);
    }
    expect(buyers.map(({ id }) => rig.state(id))).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect(rig.sent.length).toBe(3);
    await rig.buy();
    expect(rig.sent.length).toBe(4);
  });

  it("until it is delivered after all", async () => {
    const { rig, id, credentialId } = await owed(500);
    const relented = rig.newId();
    expect(await rig.open(relented)).toMatchObject({ credential: { id: credentialId, hasServed: false } });
    await rig.deliver(relented, credentialId);
    expect(rig.state(id)).toBe("fulfilled");
    expect(await rig.open(rig.newId())).toMatchObject({ credential: { id: credentialId, hasServed: true } });
    await rig.advance(60 * MINUTE);
    await rig.buy(rig.offer());
    expect(rig.sent.length).toBe(2);
  });
});
