import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { manualPorts } from "../manual-ports.ts";
import { bytesToHex, hexToBytes } from "./field.ts";
import * as wire from "./messages.ts";
import { updateLeaf } from "./network.ts";
import { Operators } from "./operators.ts";
import type { OperatorsOptions } from "./operators-port.ts";
import { TestWallet, type Mischief } from "./test-wallet.ts";

function setup(checks: OperatorsOptions["checks"] = "full") {
  const manual = manualPorts();
  let uuids = 0;
  const uuid = (): string => `00000000-0000-4000-8000-${(++uuids).toString(16).padStart(12, "0")}`;
  const ports = { now: manual.now, random: manual.random, uuid };
  const operators = new Operators({ ports, checks });
  const wallet = (values: readonly number[] = []): TestWallet => {
    const made = new TestWallet(operators, ports);
    if (values.length > 0) operators.mint(made.id, values);
    made.claim();
    return made;
  };
  return { manual, operators, wallet };
}

const preimage = new Uint8Array(32).fill(7);
const PREIMAGE = bytesToHex(preimage);
const HASH = bytesToHex(sha256(preimage));

/** Every row there is. Rows are immutable, so the same rows in the same places mean that nothing has changed. */
function rows({ network }: Operators): ReadonlyMap<string, unknown> {
  const { leaves, transfers, htlcs, hashes, preimageShares, nonces, challenges, sspKeys, movements } = network;
  const tables = { leaves, transfers, htlcs, hashes, preimageShares, nonces, challenges, sspKeys, movements };
  return new Map(Object.entries(tables).flatMap(([name, table]) => [...table.entries()].map(([key, row]) => [`${name} ${key}`, row])));
}

/** Tables that are listed to wallets; the others are sets. */
const ordered = (all: ReadonlyMap<string, unknown>): readonly string[] =>
  [...all.keys()].filter((key) => /^(leaves|transfers|htlcs|movements) /.test(key));

/** Runs what must be refused. The rows before it are taken after the commitments were drawn, which is a call of its own. */
function refused(operators: Operators, code: number, work: () => unknown): void {
  const call = operators.call.bind(operators);
  let before = rows(operators);
  operators.call = (method, ...rest) => {
    before = method === "get_signing_commitments" ? before : rows(operators);
    return call(method, ...rest);
  };
  expect(work).toThrow(expect.objectContaining({ name: "GrpcError", code }));
  operators.call = call;
  const after = rows(operators);
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
  expect(changed).toEqual([]);
  expect(ordered(after)).toEqual(ordered(before));
  expect(operators.check()).toEqual([]);
}

test("a wallet claims what the SSP sends it, and every refund's signature was verified", () => {
  const { operators, wallet } = setup();
  const alice = wallet([64, 32, 1]);
  expect(operators.balance(alice.id)).toBe(97);
  expect(alice.leaves().map(({ value }) => value)).toEqual([64, 32, 1]);
  expect(alice.claim()).toBe(0);
  expect(operators.counts()).toMatchObject({ user_shares: 9, aggregated_signatures: 9, feldman_shares: 9, packages: 1 });
  expect(operators.check()).toEqual([]);
});

test("an HTLC's leaves become the SSP's with the preimage, and only with it", () => {
  const { operators, wallet } = setup();
  const alice = wallet([64, 32]);
  const id = alice.lock(alice.leaves(), HASH, 90);
  expect(operators.balance(alice.id)).toBe(0);
  expect(operators.htlc(id)).toMatchObject({ paymentHash: HASH, amountSats: 90, totalSats: 96, sender: alice.id, state: "waiting" });
  refused(operators, 3, () => operators.providePreimage(id, "00".repeat(32)));
  refused(operators, 3, () => operators.providePreimage(id, "no hex"));
  operators.providePreimage(id, PREIMAGE);
  operators.providePreimage(id, PREIMAGE);
  expect(operators.transfer(id)?.status).toBe("completed");
  expect(operators.preimageOf(HASH)).toBe(PREIMAGE);
  expect(operators.balance(operators.ssp.identityPublicKey)).toBe(96);
  refused(operators, 9, () => operators.returnHtlc(id));
  expect(operators.counts()).toMatchObject({ leaf_keys: 2, leaf_signatures: 2, preimages: 2 });
  expect(operators.check()).toEqual([]);
});

test("an HTLC that the SSP returns gives the leaves back, and its hash may be asked for again", () => {
  const { operators, wallet } = setup();
  const alice = wallet([64]);
  const first = alice.lock(alice.leaves(), HASH, 60);
  operators.returnHtlc(first);
  operators.returnHtlc(first);
  expect(operators.balance(alice.id)).toBe(64);
  refused(operators, 9, () => operators.providePreimage(first, PREIMAGE));
  const second = alice.lock(alice.leaves(), HASH, 60);
  operators.providePreimage(second, PREIMAGE);
  expect(operators.ledger().htlcs.map(({ state }) => state)).toEqual(["returned", "shared"]);
  expect(operators.check()).toEqual([]);
});

test("a payment hash has one open request to a receiver, and a transfer's id is used once", () => {
  const { operators, wallet } = setup();
  const [alice, bob] = [wallet([64, 32, 16]), wallet([64])];
  const [a, b] = alice.leaves();
  const id = alice.lock([a!], HASH, 60);
  refused(operators, 9, () => alice.lock([b!], HASH, 30));
  refused(operators, 9, () => bob.lock(bob.leaves(), HASH, 60));
  refused(operators, 6, () => alice.lock([b!], "11".repeat(32), 30, {}, id));
  refused(operators, 9, () => alice.lock([a!], "22".repeat(32), 60));
});

test("every wrong signature, share or transaction is refused, and changes nothing, also when the last leaf has it", () => {
  const { operators, wallet } = setup();
  const [alice, bob] = [wallet([64, 32]), wallet()];
  const last = alice.leaves()[1]!;
  const mischiefs: readonly Mischief[] = [
    { badShareFor: last.id },
    { badPackageSignature: true },
    { badTweakShare: true },
    { badLeafSignature: true },
  ];
  for (const mischief of mischiefs) {
    refused(operators, 3, () => alice.transfer(alice.leaves(), bob.key.publicKey, mischief));
    refused(operators, 3, () => alice.lock(alice.leaves(), HASH, 90, mischief));
  }
  refused(operators, 3, () => alice.transfer(alice.leaves(), bob.key.publicKey, { refundToSelf: true }));
  refused(operators, 3, () => alice.lock(alice.leaves(), HASH, 97));
  refused(operators, 7, () => bob.transfer(alice.leaves(), bob.key.publicKey));
  refused(operators, 3, () => operators.call("start_transfer_v2", 0, alice.id, Uint8Array.of(1, 2, 3)));
  refused(operators, 12, () => operators.call("toString", 0, alice.id, new Uint8Array(0)));
  alice.transfer(alice.leaves(), bob.key.publicKey);
  expect(bob.claim()).toBe(1);
  expect(operators.balance(bob.id)).toBe(96);
});

test("a nonce signs once: commitments of an earlier send are refused", () => {
  const { operators, wallet } = setup();
  const [alice, bob] = [wallet([64, 32]), wallet()];
  const [a, b] = alice.leaves();
  alice.transfer([a!], bob.key.publicKey);
  refused(operators, 3, () => alice.transfer([b!], bob.key.publicKey, { reuseNonces: true }));
});

test("a claim that fails at its last leaf can be made again", () => {
  const { operators, wallet } = setup();
  const alice = wallet();
  operators.mint(alice.id, [4, 2, 1]);
  const pending = operators.ledger().transfers[0]!;
  refused(operators, 3, () => alice.claim({ badShareFor: pending.leafIds[2]! }));
  expect(operators.transfer(pending.id)?.status).toBe("key_tweaked");
  expect(alice.claim()).toBe(1);
  expect(operators.balance(alice.id)).toBe(7);
  expect(operators.check()).toEqual([]);
});

test("a transfer is claimed by its receiver, once", () => {
  const { operators, wallet } = setup();
  const [alice, bob] = [wallet([8]), wallet()];
  const id = alice.transfer(alice.leaves(), bob.key.publicKey);
  const claim = wire.ClaimTransferRequest.encode({ transferId: id });
  refused(operators, 7, () => operators.call("claim_transfer", 0, alice.id, claim));
  bob.claim();
  refused(operators, 6, () => operators.call("claim_transfer", 0, bob.id, claim));
  expect(bob.transfer(bob.leaves(), alice.key.publicKey)).not.toBe(id);
  alice.claim();
  expect([operators.balance(alice.id), operators.balance(bob.id)]).toEqual([8, 0]);
});

test("a swap gives other leaves of the same sum, once the SSP has verified every adaptor signature", () => {
  const { operators, wallet } = setup();
  const alice = wallet([64, 32]);
  const swap = alice.swap(alice.leaves());
  const touched = swap.leaves.map((leaf, at) =>
    at === 1 ? { ...leaf, adaptorAddedSignature: leaf.adaptorAddedSignature.replace(/..$/, "00") } : leaf,
  );
  refused(operators, 3, () => operators.acceptSwap(swap.id, touched, [90, 6]));
  refused(operators, 3, () => operators.acceptSwap(swap.id, swap.leaves.slice(1), [90, 6]));
  refused(operators, 3, () => operators.acceptSwap(swap.id, swap.leaves, [90, 7]));
  const accepted = operators.acceptSwap(swap.id, swap.leaves, [90, 6]);
  expect(operators.acceptSwap(swap.id, swap.leaves, [90, 6])).toEqual(accepted);
  alice.claim();
  expect(alice.leaves().map(({ value }) => value)).toEqual([90, 6]);
  expect(operators.counts()["adaptor_signatures"]).toBeGreaterThanOrEqual(2);
  expect(operators.check()).toEqual([]);
});

test("a bad operator share in a swap is found by the SSP, and the leaves come back when it declines", () => {
  const { operators, wallet } = setup();
  const alice = wallet([64]);
  operators.lies.add("signature_share");
  const swap = alice.swap(alice.leaves());
  refused(operators, 3, () => operators.acceptSwap(swap.id, swap.leaves, [64]));
  operators.returnSwap(swap.id);
  operators.returnSwap(swap.id);
  expect(operators.balance(alice.id)).toBe(64);
  refused(operators, 9, () => operators.acceptSwap(swap.id, swap.leaves, [64]));
});

test("what is not taken in time goes back: HTLCs, swaps and held receives, and nothing else", () => {
  const { manual, operators, wallet } = setup();
  const alice = wallet([64, 32, 16]);
  const [a, b, c] = alice.leaves();
  const htlc = alice.lock([a!], HASH, 60);
  const swap = alice.swap([b!]).id;
  const bob = wallet();
  const sent = alice.transfer([c!], bob.key.publicKey);
  const held = operators.receiveHeld({ paymentHash: "33".repeat(32), receiver: bob.id, values: [5], expiresAt: manual.now() + 3_600_000 });
  operators.tick(manual.now() + 3_599_999);
  expect(operators.transfer(htlc)?.status).toBe("key_tweak_pending");
  operators.tick(manual.now() + 3_600_000);
  expect([htlc, swap, held.transferId, sent].map((id) => operators.transfer(id)?.status)).toEqual([
    "expired",
    "expired",
    "expired",
    "key_tweaked",
  ]);
  expect(operators.balance(alice.id)).toBe(96);
  refused(operators, 9, () => operators.providePreimage(htlc, PREIMAGE));
  expect(operators.check()).toEqual([]);
});

test("the preimage of a receive comes from a threshold of operators, against leaves of the same order", () => {
  const { operators, wallet } = setup();
  const alice = wallet();
  const order = { paymentHash: HASH, receiver: alice.id, values: [40, 2] };
  refused(operators, 5, () => operators.receive(order));
  refused(operators, 3, () => alice.storePreimage(preimage, new Uint8Array(32)));
  alice.storePreimage(preimage, hexToBytes(HASH));
  expect(operators.holdsPreimage(HASH)).toBe(true);
  const received = operators.receive(order);
  expect(received.preimage).toBe(PREIMAGE);
  expect(operators.receive(order)).toEqual(received);
  alice.claim();
  expect(operators.balance(alice.id)).toBe(42);
  expect(operators.check()).toEqual([]);
});

test("a held receive is claimed with the preimage that only the wallet has", () => {
  const { manual, operators, wallet } = setup();
  const alice = wallet();
  const { transferId } = operators.receiveHeld({ paymentHash: HASH, receiver: alice.id, values: [5], expiresAt: manual.now() + 1000 });
  expect([alice.claim(), operators.preimageOf(HASH)]).toEqual([0, null]);
  const provide = (value: Uint8Array): Uint8Array =>
    operators.call("provide_preimage", 0, alice.id, wire.ProvidePreimageRequest.encode({ paymentHash: hexToBytes(HASH), preimage: value }));
  refused(operators, 3, () => provide(new Uint8Array(32)));
  provide(preimage);
  expect(operators.transfer(transferId)?.status).toBe("key_tweaked");
  expect(operators.preimageOf(HASH)).toBe(PREIMAGE);
  alice.claim();
  expect(operators.balance(alice.id)).toBe(5);
});

test("transfers are listed in the order of their making, whatever becomes of them", () => {
  const { operators, wallet } = setup();
  const alice = wallet();
  const ids = [1, 2, 3, 4, 5].map((sats) => operators.mint(alice.id, [sats]));
  const list = (offset: number, order = 1): { readonly ids: readonly string[]; readonly offset: number } => {
    const filter = { senderOrReceiver: alice.key.publicKey, limit: 2, offset, order };
    const page = alice.call("query_all_transfers", wire.TransferFilter, wire.QueryTransfersResponse, filter);
    return { ids: page.transfers.map(({ id }) => id), offset: page.offset };
  };
  const before = [list(0), list(2), list(4)];
  expect(before).toEqual([
    { ids: ids.slice(0, 2), offset: 2 },
    { ids: ids.slice(2, 4), offset: 4 },
    { ids: ids.slice(4), offset: -1 },
  ]);
  alice.claim();
  expect([list(0), list(2), list(4)]).toEqual(before);
  expect(list(0, 0).ids).toEqual([ids[4], ids[3]]);
  const filter = wire.TransferFilter.encode({ senderOrReceiver: new Uint8Array(33) });
  refused(operators, 7, () => operators.call("query_all_transfers", 0, alice.id, filter));
});

test("the books show a planted loss, a planted gain, a theft and a broken key", () => {
  const plants = [
    ["holds", (operators: Operators, leaf: string) => change(operators, leaf, { sats: 63 })],
    ["holds", (operators: Operators, leaf: string) => change(operators, leaf, { status: "SPLITTED" })],
    ["holds", (operators: Operators, leaf: string) => change(operators, leaf, { owner: "02".repeat(33) })],
    ["TRANSFER_LOCKED for nobody", (operators: Operators, leaf: string) => change(operators, leaf, { status: "TRANSFER_LOCKED" })],
    ["do not give its key", (operators: Operators, leaf: string) => change(operators, leaf, { shares: [1n, 2n, 3n] })],
    ["do not add up", (operators: Operators, leaf: string) => change(operators, leaf, { userKey: operators.network.ssp.point })],
  ] as const;
  for (const [line, plant] of plants) {
    const { operators, wallet } = setup();
    const [leaf] = wallet([64]).leaves();
    expect(operators.check()).toEqual([]);
    plant(operators, leaf!.id);
    expect(operators.check().join("\n")).toContain(line);
  }

  function change(operators: Operators, id: string, to: Parameters<typeof updateLeaf>[2]): void {
    const { network } = operators;
    network.journal.atomically(() => updateLeaf(network, network.leaves.get(id)!, to));
  }
});

test("light checks leave out the dear ones and say so, and still compare every transaction", () => {
  const { operators, wallet } = setup("light");
  const [alice, bob] = [wallet([64]), wallet()];
  const counts = operators.counts();
  expect(counts).toMatchObject({ user_shares_skipped: 3, feldman_shares_skipped: 3, transactions: 3 });
  expect(counts["user_shares"]).toBeUndefined();
  operators.providePreimage(alice.lock(alice.leaves(), HASH, 60), PREIMAGE);
  // Four are left of those that a send asks for and never uses (two of its plain refunds, from two operators); the others are forgotten unsigned.
  expect(operators.network.nonces.size).toBe(4);
  const carol = wallet([8]);
  refused(operators, 3, () => carol.transfer(carol.leaves(), bob.key.publicKey, { refundToSelf: true }));
});

test("a challenge is answered once, by the key that asked", () => {
  const { operators, wallet } = setup();
  const alice = wallet();
  const request = wire.GetChallengeRequest.encode({ publicKey: alice.key.publicKey });
  const { protectedChallenge } = wire.GetChallengeResponse.decode(operators.getChallenge(1, request));
  const signature = alice.sign(wire.Challenge.encode(protectedChallenge!.challenge!));
  const answer = wire.VerifyChallengeRequest.encode({ protectedChallenge: protectedChallenge!, signature, publicKey: alice.key.publicKey });
  const forged = wire.VerifyChallengeRequest.encode({
    protectedChallenge: protectedChallenge!,
    signature,
    publicKey: wallet().key.publicKey,
  });
  refused(operators, 16, () => operators.verifyChallenge(1, forged));
  refused(operators, 16, () => operators.verifyChallenge(2, answer));
  expect(operators.verifyChallenge(1, answer)).toEqual({ identity: alice.id });
  refused(operators, 16, () => operators.verifyChallenge(1, answer));
});
