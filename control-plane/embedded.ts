/** The control plane's default client: one Durable Object per owner, named after the principal's owner and never after an argument (invariant 17). */
import type { ControlPlane } from "../lightning/control-plane.ts";
import { ownerObjectName } from "../lightning/control-plane-names.ts";

/** The part of a `DurableObjectNamespace` that is used: this room knows the port, not the class behind it. */
export interface ControlPlaneNamespace {
  getByName(name: string): ControlPlane;
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
    setGlobalPause: async (active, by) => object().setGlobalPause(active, by),
    setOwnerKillSwitch: async (active, by) => object().setOwnerKillSwitch(active, by),
    createWallet: async (record, envelope) => object().createWallet(record, envelope),
    wallet: async (walletId) => object().wallet(walletId),
    wallets: async () => object().wallets(),
    envelope: async (walletId) => object().envelope(walletId),
    ingestReceipts: async (walletId, records) => object().ingestReceipts(walletId, records),
    putSnapshot: async (snapshot) => object().putSnapshot(snapshot),
    snapshot: async (walletId) => object().snapshot(walletId),
    walletsWithOpenRows: async () => object().walletsWithOpenRows(),
    addOperatorKey: async (key) => object().addOperatorKey(key),
    operatorKeyHash: async (keyId) => object().operatorKeyHash(keyId),
    operatorKeys: async () => object().operatorKeys(),
    revokeOperatorKey: async (keyId, at) => object().revokeOperatorKey(keyId, at),
  };
}
