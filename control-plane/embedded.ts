/** The control plane's default client: one Durable Object per owner, named after the principal's owner and never after an argument (invariant 17). */
import type { ControlPlane, PlatformControl } from "../lightning/control-plane.ts";
import { GLOBAL_NAME, ownerObjectName } from "../lightning/control-plane-names.ts";

/** The part of a `DurableObjectNamespace` that is used: this room knows the port, not the class behind it. */
export interface ControlPlaneNamespace {
  getByName(name: string): ControlPlane & PlatformControl;
}

/** What no owner's object knows: for the cron alone. */
export function embeddedPlatform(namespace: ControlPlaneNamespace): PlatformControl {
  return { owners: async (page) => namespace.getByName(GLOBAL_NAME).owners(page) };
}

/**
 * Calls reject when the object or the network fails: callers fail closed. Every call may be sent again.
 * A stub can stay broken after an error, so each call takes a fresh one; that costs no round trip.
 */
export function embeddedControlPlane(namespace: ControlPlaneNamespace, owner: string): ControlPlane {
  const name = ownerObjectName(owner);
  const object = (): ControlPlane => namespace.getByName(name);
  return {
    security: async (walletId) => object().security(walletId),
    switches: async () => object().switches(),
    setGlobalPause: async (active, by) => object().setGlobalPause(active, by),
    setOwnerKillSwitch: async (active, by) => object().setOwnerKillSwitch(active, by),
    createWallet: async (record, envelope, request) => object().createWallet(record, envelope, request),
    wallet: async (walletId) => object().wallet(walletId),
    wallets: async () => object().wallets(),
    envelope: async (walletId) => object().envelope(walletId),
    putEnvelope: async (next, expected) => object().putEnvelope(next, expected),
    moveSpender: async (move) => object().moveSpender(move),
    fenceSpender: async (walletId, epoch) => object().fenceSpender(walletId, epoch),
    ingestReceipts: async (walletId, records) => object().ingestReceipts(walletId, records),
    receipts: async (walletId, page) => object().receipts(walletId, page),
    putSnapshot: async (snapshot) => object().putSnapshot(snapshot),
    snapshot: async (walletId) => object().snapshot(walletId),
    keepStatus: async (walletId, known) => object().keepStatus(walletId, known),
    lastStatus: async (walletId) => object().lastStatus(walletId),
    walletsWithOpenRows: async () => object().walletsWithOpenRows(),
    addOperatorKey: async (key) => object().addOperatorKey(key),
    operatorKeyHash: async (keyId) => object().operatorKeyHash(keyId),
    operatorKeys: async () => object().operatorKeys(),
    revokeOperatorKey: async (keyId, at) => object().revokeOperatorKey(keyId, at),
    addApproverKey: async (key) => object().addApproverKey(key),
    approverKeyHash: async (keyId) => object().approverKeyHash(keyId),
    approverKeys: async () => object().approverKeys(),
    revokeApproverKey: async (keyId, at) => object().revokeApproverKey(keyId, at),
  };
}
