/** An operator's last word: what it changes, what it must not change, and where the wallet can no longer read what it has sealed. */
import { afterEach, expect, it } from "vitest";
import { checkRigs, ORIGIN, WalletRig } from "../../test/support/wallet-rig.ts";
import { PAYER_SLOTS } from "./ports.ts";

afterEach(checkRigs);

/** A payment whose answer was lost. */
async function unknown() {
  const rig = await WalletRig.make();
  const offer = rig.offer();
  const { id } = await rig.begin(offer, { idempotencyKey: "order-1" });
  await rig.sent[0]?.lose();
  return { rig, id, preimage: offer.preimage };
}

it("invariant 5: a preimage that is not this payment's is refused, and leaves no trace: neither code nor receipt accuses the payer", async () => {
  const { rig, id } = await unknown();
  for (const wrong of ["ab".repeat(32), "not hex", ""])
    expect(await rig.core.resolve(id, "paid", "read off a screen", wrong)).toMatchObject({ ok: false, code: "invalid_request" });
  expect([rig.state(id), rig.code(id), await rig.told(id)]).toEqual(["payment_unknown", "payment_unknown", ["unknown payment_unknown"]]);
});

it("`paid` with the preimage, in either letter case, stores the credential, books the whole reserve as fee, and says who knew it", async () => {
  const { rig, id, preimage } = await unknown();
  expect(await rig.core.resolve(id, "paid", "the node's books show it", preimage.toUpperCase())).toMatchObject({
    ok: true,
    value: { state: "paid", feeMsat: 1000 },
  });
  expect(await rig.told(id)).toEqual(["unknown payment_unknown", "paid", "resolved"]);
  expect((await rig.receipts()).at(-1)?.receipt.evidence).toBe("the node's books show it");
  expect(await rig.open(rig.newId(), { idempotencyKey: "order-1" })).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
  expect(await rig.walletState()).toBe("active");
});

it("`failed` frees the money and the request, which may then pay anew", async () => {
  const { rig, id } = await unknown();
  expect(await rig.core.resolve(id, "failed", "not in the node's books", null)).toMatchObject({ ok: true, value: { state: "failed" } });
  expect([await rig.told(id), (await rig.receipts()).at(-1)?.receipt.evidence]).toEqual([
    ["unknown payment_unknown", "failed payment_failed"],
    "not in the node's books",
  ]);
  await rig.buy(rig.offer(), { idempotencyKey: "order-1" });
  expect(rig.sent.length).toBe(2);
});

it.each([
  ["nothing", " "],
  ["a preimage", "ab".repeat(32)],
  ["an invoice", `lnbcrt${"1".repeat(30)}`],
  ["a book", "x".repeat(501)],
])("invariant 9: evidence that is %s is refused, and changes nothing", async (_name, evidence) => {
  const { rig, id } = await unknown();
  expect(await rig.core.resolve(id, "failed", evidence, null)).toMatchObject({ ok: false, code: "invalid_request" });
  expect(rig.state(id)).toBe("payment_unknown");
});

it("only a payment_unknown is anybody's to resolve", async () => {
  const rig = await WalletRig.make();
  const { id } = await rig.begin();
  expect(await rig.core.resolve(id, "failed", "not in the node's books", null)).toMatchObject({ ok: false, code: "already_exists" });
  await rig.sent[0]?.settle();
  expect(await rig.core.resolve(id, "failed", "not in the node's books", null)).toMatchObject({ ok: false, code: "already_exists" });
  expect(await rig.core.resolve(rig.newId(), "failed", "not in the node's books", null)).toMatchObject({ ok: false, code: "not_found" });
  expect(rig.state(id)).toBe("paid");
});

it("nor is a payment that waits for its slot: its money stays set aside for the order that is still to leave", async () => {
  const rig = await WalletRig.make();
  for (let n = 0; n < PAYER_SLOTS; n++) await rig.begin(rig.offer({ service: `s${n}` }), { url: `${ORIGIN}/s${n}` });
  const { id } = await rig.begin(rig.offer({ service: "last" }), { url: `${ORIGIN}/last` });
  expect(await rig.core.resolve(id, "failed", "not in the node's books", null)).toMatchObject({ ok: false, code: "already_exists" });
  expect([rig.state(id), await rig.told(id)]).toEqual(["reserved", []]);
});

/** A payment that nobody can end, and whose sealed token is spoilt. */
async function spoilt() {
  const rig = await WalletRig.make();
  const offer = rig.offer();
  const { id } = await rig.begin(offer);
  await rig.sent[0]?.lose();
  rig.sql.rows("UPDATE payment SET sealed = zeroblob(40)");
  return { rig, id, preimage: offer.preimage };
}

it("invariant 6: `paid` with the preimage is `envelope_unopenable` where the token cannot be opened, and nothing changes", async () => {
  const { rig, id, preimage } = await spoilt();
  const answer = await rig.core.resolve(id, "paid", "seen in the node's books", preimage);
  expect(answer).toMatchObject({ ok: false, code: "envelope_unopenable" });
  expect([rig.state(id), await rig.told(id)]).toEqual(["payment_unknown", ["unknown payment_unknown"]]);
});

it("`paid` without it, and `failed`, need no token: the money is booked or free", async () => {
  const paid = await spoilt();
  expect(await paid.rig.core.resolve(paid.id, "paid", "seen in the node's books", null)).toMatchObject({ ok: true });
  expect(paid.rig.state(paid.id)).toBe("paid_unfulfilled");
  const failed = await spoilt();
  expect(await failed.rig.core.resolve(failed.id, "failed", "not in the node's books", null)).toMatchObject({ ok: true });
  expect(failed.rig.state(failed.id)).toBe("failed");
});
