/**
 * What a payer that lives in the object needs of the vault. Whatever it keeps in the object's database is sealed with the wallet's record
 * key, never with the mnemonic's; whose wallet it is it hears from here and from nobody else.
 */
import type { Network } from "../../lightning/bolt11.ts";
import type { Backend } from "../../lightning/payer.ts";
import type { Vault } from "./vault.ts";

export interface Sealing {
  /** @throws Error when the record key is not open: ask {@link ready} first */
  seal(context: string, plain: Uint8Array): Uint8Array;
  /** Null when it was changed, is another row's, or its key does not open. @throws Error when the record key is not open */
  open(context: string, sealed: Uint8Array): Uint8Array | null;
  /** Opens the record keys; false when there is no wallet, or they cannot be opened. */
  ready(): Promise<boolean>;
}

export interface WalletFacts {
  readonly walletId: string;
  readonly owner: string;
  readonly network: Network;
  readonly backend: Backend;
  readonly epoch: number;
  readonly state: "active" | "disabled" | "paused";
}

export function sealing(vault: Vault): Sealing {
  const { sealer } = vault.ports;
  return {
    seal: (context, plain) => sealer.seal(vault.key(), vault.nonce(), context, plain),
    open: (context, sealed) => sealer.open(vault.key(sealed), context, sealed),
    ready: async () => (await vault.ready()) === null,
  };
}

/** Null: nobody has made a wallet here. */
export function facts(vault: Vault): WalletFacts | null {
  const wallet = vault.wallet();
  if (wallet === null) return null;
  const { wallet_id: walletId, owner, network, backend, epoch, state } = wallet;
  return { walletId, owner, network: network as Network, backend: backend as Backend, epoch, state };
}
