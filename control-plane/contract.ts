/**
 * What every control plane must do, whatever it is built on. A test file calls this with a factory; the core in Node, the object in workerd
 * and, later, Convex run the very same sentences. It counts on fresh owners, not on an empty store.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { ControlPlane, ReceiptRecord, WalletRecord, WalletSnapshot } from "../lightning/control-plane.ts";
import type { Envelope } from "../lightning/envelope.ts";
import { msat } from "../lightning/msat.ts";
import { custodyContract } from "./contract-custody.ts";
import { GENESIS, chainHash, receiptId, type Receipt } from "../lightning/receipt.ts";

/** Two owners of one deployment: they share the global pause and nothing else. */
export interface Tenants {
  readonly owner: string;
  readonly control: ControlPlane;
  readonly strangerName: string;
  readonly stranger: ControlPlane;
}

export function walletRecord(owner: string, walletId: string): WalletRecord {
  return {
    walletId,
    owner,
    label: "for the agents",
    network: "regtest",
    backend: "http-executor",
    epoch: 1,
    walletSource: "embedded_envelope",
    createdAt: 1_700_000_000_000,
  };
}

export function walletEnvelope(owner: string, walletId: string): Envelope {
  return {
    version: 1,
    walletId,
    owner,
    network: "regtest",
    purpose: "mnemonic",
    kekVersion: "v1",
    wrappedDataKey: "AAAA",
    nonce: "AAAAAAAAAAAAAAAA",
    ciphertext: "AAAA",
    createdAt: 1_700_000_000_000,
  };
}

/** A chain of `count` receipts from sequence number 1. */
export function receiptChain(owner: string, walletId: string, count: number): readonly ReceiptRecord[] {
  const records: ReceiptRecord[] = [];
  for (let sequence = 1; sequence <= count; sequence += 1) {
    const receipt: Receipt = {
      version: 1,
      kind: "denied",
      sequence,
      purchaseId: `purchase-${sequence}`,
      walletId,
      owner,
      budget: "research",
      subject: null,
      at: "2026-11-22T05:00:00.000Z",
      method: "GET",
      origin: "https://seller.example",
      path: "/prices",
      code: "amount_over_cap",
      amountMsat: null,
      feeMsat: null,
      maxFeeMsat: null,
      paymentHash: null,
      credentialId: null,
      binding: null,
      evidence: null,
      backend: "http-executor",
      epoch: 1,
      policyVersion: 1,
    };
    const id = receiptId(receipt);
    records.push({ receiptId: id, chain: chainHash(records.at(-1)?.chain ?? GENESIS, id), receipt });
  }
  return records;
}

const PAYER = {
  backend: "http-executor",
  online: true,
  spendableMsat: msat(7000),
  network: "regtest",
  lastPaymentAt: null,
  version: null,
} as const;
const HASH = "0123456789abcdef".repeat(4);
const refusal = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "answered",
    () => "refused",
  );

/** @param make new owners in the same deployment, at each call */
export function controlPlaneContract(name: string, make: () => Promise<Tenants>): void {
  describe(`the control plane contract: ${name}`, () => {
    let used: Tenants | null = null;
    const tenants = async (): Promise<Tenants> => (used = await make());
    const withWallet = async (): Promise<Tenants> => {
      const all = await tenants();
      await all.control.createWallet(walletRecord(all.owner, "w1"), walletEnvelope(all.owner, "w1"));
      return all;
    };
    // The pause is everybody's: no test may leave it on.
    afterEach(async () => {
      await used?.control.setGlobalPause(false, "the contract suite");
      used = null;
    });

    describe("wallets", () => {
      it("a wallet and its envelope are kept as they were given", async () => {
        const { owner, control } = await tenants();
        const record = walletRecord(owner, "w1");
        expect(await control.createWallet(record, walletEnvelope(owner, "w1"))).toEqual({ created: true, record });
        expect(await control.wallet("w1")).toEqual(record);
        expect(await control.wallets()).toEqual([record]);
        expect(await control.envelope("w1")).toEqual(walletEnvelope(owner, "w1"));
      });

      it("created again, a wallet keeps its first record and its first envelope", async () => {
        const { owner, control } = await withWallet();
        const again = { ...walletRecord(owner, "w1"), label: "another label", epoch: 7 };
        const answer = await control.createWallet(again, { ...walletEnvelope(owner, "w1"), ciphertext: "BBBB" });
        expect(answer).toEqual({ created: false, record: walletRecord(owner, "w1") });
        expect(await control.envelope("w1")).toEqual(walletEnvelope(owner, "w1"));
        expect((await control.security("w1")).epoch).toBe(1);
      });

      it("a record or an envelope of somebody else is refused, and nothing is kept", async () => {
        const { owner, control, strangerName } = await tenants();
        const record = walletRecord(owner, "w1");
        expect(await refusal(control.createWallet(walletRecord(strangerName, "w1"), walletEnvelope(strangerName, "w1")))).toBe("refused");
        expect(await refusal(control.createWallet(record, walletEnvelope(owner, "w2")))).toBe("refused");
        expect(await refusal(control.createWallet(record, walletEnvelope(strangerName, "w1")))).toBe("refused");
        expect(await refusal(control.createWallet(record, { ...walletEnvelope(owner, "w1"), network: "mainnet" }))).toBe("refused");
        expect(await refusal(control.createWallet({ ...record, epoch: 0 }, walletEnvelope(owner, "w1")))).toBe("refused");
        expect(await control.wallets()).toEqual([]);
        expect(await control.envelope("w1")).toBeNull();
      });

      it("a request sent again gets the wallet it made, with its own envelope; about something else it is a conflict and makes nothing", async () => {
        const { owner, control } = await tenants();
        const request = { key: "setup-1", hash: HASH };
        const record = walletRecord(owner, "w1");
        expect(await control.createWallet(record, walletEnvelope(owner, "w1"), request)).toEqual({ created: true, record });
        const again = await control.createWallet(walletRecord(owner, "w2"), walletEnvelope(owner, "w2"), request);
        expect(again).toEqual({ created: false, record });
        const other = await control.createWallet(walletRecord(owner, "w3"), walletEnvelope(owner, "w3"), {
          ...request,
          hash: "f".repeat(64),
        });
        expect(other).toEqual({ created: false, record, conflict: true });
        expect([await control.wallets(), await control.envelope("w2"), await control.envelope("w3")]).toEqual([[record], null, null]);
      });

      it("a request key is an owner's own", async () => {
        const { owner, control, stranger, strangerName } = await tenants();
        const request = { key: "setup-1", hash: HASH };
        await control.createWallet(walletRecord(owner, "w1"), walletEnvelope(owner, "w1"), request);
        expect(await stranger.createWallet(walletRecord(strangerName, "w9"), walletEnvelope(strangerName, "w9"), request)).toMatchObject({
          created: true,
          record: { walletId: "w9" },
        });
      });

      it("invariant 17: one owner sees nothing of another's", async () => {
        const { owner, control, stranger } = await withWallet();
        await control.ingestReceipts("w1", receiptChain(owner, "w1", 1));
        await control.addOperatorKey({ keyId: "k1", hash: HASH, label: "desk", createdAt: 1 });
        await control.addApproverKey({ keyId: "a1", hash: HASH, label: "phone", createdAt: 1 });
        await control.keepStatus("w1", { at: 1, status: PAYER });
        expect([await stranger.approverKeyHash("a1"), await stranger.approverKeys(), await stranger.lastStatus("w1")]).toEqual([
          null,
          [],
          null,
        ]);
        expect(await stranger.revokeApproverKey("a1", 2)).toBe(false);
        expect([await stranger.wallet("w1"), await stranger.envelope("w1"), await stranger.operatorKeyHash("k1")]).toEqual([
          null,
          null,
          null,
        ]);
        expect([await stranger.wallets(), await stranger.operatorKeys()]).toEqual([[], []]);
        expect(await refusal(stranger.security("w1"))).toBe("refused");
        expect(await refusal(stranger.ingestReceipts("w1", receiptChain(owner, "w1", 1)))).toBe("refused");
      });
    });

    custodyContract(async () => ({ ...(await withWallet()), envelope: walletEnvelope(used?.owner ?? "", "w1") }));

    describe("switches", () => {
      it("invariant 10: nothing is said about a wallet that does not exist", async () => {
        const { control } = await tenants();
        expect(await refusal(control.security("w1"))).toBe("refused");
      });

      it("invariant 11: the owner's switch stops this owner's wallets and no other's", async () => {
        const { control, stranger, strangerName } = await withWallet();
        await stranger.createWallet(walletRecord(strangerName, "w9"), walletEnvelope(strangerName, "w9"));
        const before = await control.security("w1");
        expect(before).toMatchObject({ globalPause: false, ownerKillSwitch: false, epoch: 1 });
        await control.setOwnerKillSwitch(true, "operator");
        const during = await control.security("w1");
        expect(during).toMatchObject({ globalPause: false, ownerKillSwitch: true, epoch: 1 });
        expect(await stranger.security("w9")).toMatchObject({ ownerKillSwitch: false });
        await control.setOwnerKillSwitch(false, "operator");
        const after = await control.security("w1");
        expect(after).toMatchObject({ ownerKillSwitch: false });
        expect([during.version > before.version, after.version > during.version]).toEqual([true, true]);
      });

      it("invariant 11: the global pause reaches every owner, whoever set it", async () => {
        const { control, stranger, strangerName } = await withWallet();
        await stranger.createWallet(walletRecord(strangerName, "w9"), walletEnvelope(strangerName, "w9"));
        const before = [(await control.security("w1")).version, (await stranger.security("w9")).version];
        expect(await control.setGlobalPause(true, "operator")).toMatchObject({ globalPause: true });
        const during = [await control.security("w1"), await stranger.security("w9")];
        expect(during).toMatchObject([{ globalPause: true }, { globalPause: true }]);
        expect(during.map((state, index) => state.version > (before[index] ?? Infinity))).toEqual([true, true]);
        await stranger.setGlobalPause(false, "another operator");
        expect(await control.security("w1")).toMatchObject({ globalPause: false });
      });

      it("the switches can be asked for before there is a wallet, and are those that wallets are told", async () => {
        const { owner, control } = await tenants();
        expect(await control.switches()).toMatchObject({ globalPause: false, ownerKillSwitch: false, epoch: 0 });
        await control.setOwnerKillSwitch(true, "operator");
        await control.createWallet(walletRecord(owner, "w1"), walletEnvelope(owner, "w1"));
        expect({ ...(await control.switches()), epoch: 1 }).toEqual(await control.security("w1"));
        expect(await control.switches()).toMatchObject({ ownerKillSwitch: true });
      });

      it("a switch set to what it already is changes no version", async () => {
        const { control } = await withWallet();
        await control.setOwnerKillSwitch(true, "operator");
        const { version } = await control.security("w1");
        await control.setOwnerKillSwitch(true, "operator");
        await control.setGlobalPause(false, "operator");
        expect((await control.security("w1")).version).toBe(version);
      });

      it("invariant 11: among answers in any order, the highest version carries the last word", async () => {
        const { control } = await withWallet();
        const asked = [
          control.security("w1"),
          control.setGlobalPause(true, "a"),
          control.security("w1"),
          control.setOwnerKillSwitch(true, "b"),
          control.security("w1"),
        ];
        const states = await Promise.all(asked);
        states.push(await control.security("w1"));
        const highest = states.toSorted((a, b) => b.version - a.version)[0];
        expect(highest).toMatchObject({ globalPause: true, ownerKillSwitch: true });
        const byVersion = new Map(states.map((state) => [state.version, `${state.globalPause} ${state.ownerKillSwitch}`]));
        for (const state of states) expect(byVersion.get(state.version)).toBe(`${state.globalPause} ${state.ownerKillSwitch}`);
      });
    });

    describe("receipts", () => {
      it("invariant 14: a chain is taken in any batching, twice over, and acknowledged once", async () => {
        const { owner, control } = await withWallet();
        const chain = receiptChain(owner, "w1", 5);
        expect(await control.ingestReceipts("w1", [])).toEqual({ acknowledged: 0 });
        expect(await control.ingestReceipts("w1", chain.slice(0, 2))).toEqual({ acknowledged: 2 });
        expect(await control.ingestReceipts("w1", chain.slice(0, 4))).toEqual({ acknowledged: 4 });
        expect(await control.ingestReceipts("w1", chain.slice(1, 3))).toEqual({ acknowledged: 4 });
        expect(await control.ingestReceipts("w1", chain)).toEqual({ acknowledged: 5 });
      });

      it("invariant 14: after a gap nothing is taken, and the answer says where to go on from", async () => {
        const { owner, control } = await withWallet();
        const chain = receiptChain(owner, "w1", 5);
        expect(await control.ingestReceipts("w1", chain.slice(1))).toEqual({ acknowledged: 0 });
        await control.ingestReceipts("w1", chain.slice(0, 1));
        expect(await control.ingestReceipts("w1", [...chain.slice(1, 2), ...chain.slice(3)])).toEqual({ acknowledged: 2 });
        expect(await control.ingestReceipts("w1", chain.slice(2))).toEqual({ acknowledged: 5 });
      });

      it("invariant 14: a changed, forked or foreign receipt refuses its whole batch", async () => {
        const { owner, control, strangerName } = await withWallet();
        const chain = receiptChain(owner, "w1", 3);
        const [first, second, third] = chain;
        if (first === undefined || second === undefined || third === undefined) throw new Error("three receipts were made");
        await control.ingestReceipts("w1", [first]);
        const changed = { ...third, receipt: { ...third.receipt, path: "/other" } };
        const rehashed = { ...changed, receiptId: receiptId(changed.receipt) };
        const fork = { ...first.receipt, path: "/other" };
        expect(await refusal(control.ingestReceipts("w1", [second, changed]))).toBe("refused");
        expect(await refusal(control.ingestReceipts("w1", [second, rehashed]))).toBe("refused");
        expect(await refusal(control.ingestReceipts("w1", [{ receipt: fork, receiptId: receiptId(fork), chain: first.chain }]))).toBe(
          "refused",
        );
        expect(await refusal(control.ingestReceipts("w1", receiptChain(owner, "w2", 2)))).toBe("refused");
        expect(await refusal(control.ingestReceipts("w1", receiptChain(strangerName, "w1", 2)))).toBe("refused");
        expect(await control.ingestReceipts("w1", [])).toEqual({ acknowledged: 1 });
      });

      it("what was taken is read again as it was, page by page, by its own owner only", async () => {
        const { owner, control, stranger } = await withWallet();
        const chain = receiptChain(owner, "w1", 5);
        await control.ingestReceipts("w1", chain);
        expect(await control.receipts("w1", { after: 0, limit: 2 })).toEqual(chain.slice(0, 2));
        expect(await control.receipts("w1", { after: 2, limit: 200 })).toEqual(chain.slice(2));
        expect(await control.receipts("w1", { after: 5, limit: 10 })).toEqual([]);
        expect(await control.receipts("w2", { after: 0, limit: 10 })).toEqual([]);
        expect(await stranger.receipts("w1", { after: 0, limit: 10 })).toEqual([]);
      });
    });

    describe("snapshots", () => {
      const snapshot = (at: number, openRows: number): WalletSnapshot => ({
        walletId: "w1",
        at,
        openRows,
        status: { backend: "http-executor", online: true, spendableMsat: null, network: "regtest", lastPaymentAt: null, version: null },
      });

      it("invariant 4: wallets with open rows are known, and a late older snapshot does not hide them", async () => {
        const { control } = await withWallet();
        expect([await control.snapshot("w1"), await control.walletsWithOpenRows()]).toEqual([null, []]);
        await control.putSnapshot(snapshot(20, 2));
        await control.putSnapshot(snapshot(10, 0));
        expect(await control.snapshot("w1")).toEqual(snapshot(20, 2));
        expect(await control.walletsWithOpenRows()).toEqual(["w1"]);
        await control.putSnapshot({ ...snapshot(30, 0), status: null });
        expect(await control.snapshot("w1")).toEqual({ ...snapshot(30, 0), status: null });
        expect(await control.walletsWithOpenRows()).toEqual([]);
      });

      it("the last balance that was known stays, with its instant, whatever a payer that is away says later", async () => {
        const { control } = await withWallet();
        expect(await control.lastStatus("w1")).toBeNull();
        await control.keepStatus("w1", { at: 10, status: PAYER });
        await control.keepStatus("w1", { at: 20, status: { ...PAYER, online: false, spendableMsat: null } });
        await control.putSnapshot({ ...snapshot(30, 0), status: null });
        await control.keepStatus("w1", { at: 5, status: { ...PAYER, spendableMsat: msat(1) } });
        expect(await control.lastStatus("w1")).toEqual({ at: 10, status: PAYER });
        await control.putSnapshot({ ...snapshot(40, 0), status: { ...PAYER, spendableMsat: msat(9000) } });
        expect(await control.lastStatus("w1")).toEqual({ at: 40, status: { ...PAYER, spendableMsat: 9000 } });
        expect(await refusal(control.keepStatus("w2", { at: 1, status: PAYER }))).toBe("refused");
      });

      it("a snapshot of an unknown wallet is refused", async () => {
        const { control } = await tenants();
        expect(await refusal(control.putSnapshot(snapshot(1, 1)))).toBe("refused");
      });
    });

    describe("approver keys", () => {
      it("a key answers with its hash until it is revoked, and stays listed", async () => {
        const { control } = await tenants();
        await control.addApproverKey({ keyId: "a1", hash: HASH, label: "phone", createdAt: 5 });
        expect([await control.approverKeyHash("a1"), await control.approverKeyHash("a2")]).toEqual([HASH, null]);
        expect([await control.revokeApproverKey("a1", 9), await control.revokeApproverKey("a2", 9)]).toEqual([true, false]);
        expect(await control.approverKeyHash("a1")).toBeNull();
        expect(await control.approverKeys()).toEqual([{ keyId: "a1", label: "phone", createdAt: 5, revokedAt: 9 }]);
      });

      it("invariant 17: a key of one role is nothing under the other, and no id stands for both", async () => {
        const { control } = await tenants();
        await control.addApproverKey({ keyId: "a1", hash: HASH, label: "phone", createdAt: 5 });
        await control.addOperatorKey({ keyId: "k1", hash: HASH, label: "desk", createdAt: 5 });
        expect([await control.operatorKeyHash("a1"), await control.approverKeyHash("k1")]).toEqual([null, null]);
        expect([await control.revokeOperatorKey("a1", 9), await control.revokeApproverKey("k1", 9)]).toEqual([false, false]);
        expect(await refusal(control.addOperatorKey({ keyId: "a1", hash: HASH, label: "phone", createdAt: 5 }))).toBe("refused");
        expect((await control.operatorKeys()).map(({ keyId }) => keyId)).toEqual(["k1"]);
        expect((await control.approverKeys()).map(({ keyId }) => keyId)).toEqual(["a1"]);
      });
    });

    describe("operator keys", () => {
      it("a key answers with its hash until it is revoked, and stays listed", async () => {
        const { control } = await tenants();
        const key = { keyId: "k1", hash: HASH, label: "desk", createdAt: 5 };
        await control.addOperatorKey(key);
        await control.addOperatorKey(key);
        expect([await control.operatorKeyHash("k1"), await control.operatorKeyHash("k2")]).toEqual([HASH, null]);
        expect(await control.operatorKeys()).toEqual([{ keyId: "k1", label: "desk", createdAt: 5, revokedAt: null }]);
        expect([
          await control.revokeOperatorKey("k1", 9),
          await control.revokeOperatorKey("k1", 11),
          await control.revokeOperatorKey("k2", 9),
        ]).toEqual([true, true, false]);
        expect(await control.operatorKeyHash("k1")).toBeNull();
        expect(await control.operatorKeys()).toEqual([{ keyId: "k1", label: "desk", createdAt: 5, revokedAt: 9 }]);
      });

      it("a key id is never given to another key, not even after revocation, and only a hash is taken", async () => {
        const { control } = await tenants();
        await control.addOperatorKey({ keyId: "k1", hash: HASH, label: "desk", createdAt: 5 });
        await control.revokeOperatorKey("k1", 9);
        await control.addOperatorKey({ keyId: "k1", hash: HASH, label: "desk", createdAt: 5 });
        expect(await control.operatorKeyHash("k1")).toBeNull();
        expect(await refusal(control.addOperatorKey({ keyId: "k1", hash: "f".repeat(64), label: "desk", createdAt: 5 }))).toBe("refused");
        expect(await refusal(control.addOperatorKey({ keyId: "k2", hash: "the secret itself", label: "desk", createdAt: 5 }))).toBe(
          "refused",
        );
        expect(await refusal(control.addOperatorKey({ keyId: "k2", hash: HASH.toUpperCase(), label: "desk", createdAt: 5 }))).toBe(
          "refused",
        );
        expect((await control.operatorKeys()).map(({ keyId }) => keyId)).toEqual(["k1"]);
      });
    });
  });
}
