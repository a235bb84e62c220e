/** One owner's control plane, whole: a core over ports that runs in the object, in unit tests and in simulation alike. */
import type { ControlPlane, ReceiptRecord, SecurityState, WalletRecord, WalletSnapshot } from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import type { Sql } from "../sql.ts";
import type { GlobalPausePort } from "./global-pause.ts";
import { OperatorKeys, type OperatorKey, type OperatorKeyView } from "./operator-keys.ts";
import { ReceiptStore } from "./receipts.ts";
import { Security } from "./security.ts";
import { Wallets } from "./wallets.ts";

export interface OwnerPorts {
  /** Migrated with OWNER_MIGRATIONS. */
  readonly sql: Sql;
  readonly now: () => number;
  readonly global: GlobalPausePort;
}

/** The switches answer with epoch 0: they are about no wallet in particular. */
export class OwnerControlPlane implements ControlPlane {
  readonly #sql: Sql;
  readonly #security: Security;
  readonly #wallets: Wallets;
  readonly #receipts: ReceiptStore;
  readonly #keys: OperatorKeys;

  constructor(owner: string, { sql, now, global }: OwnerPorts) {
    this.#sql = sql;
    this.#security = new Security(sql, now, global);
    this.#wallets = new Wallets(sql, owner);
    this.#receipts = new ReceiptStore(sql, owner);
    this.#keys = new OperatorKeys(sql);
  }

  async security(walletId: string): Promise<SecurityState> {
    this.#wallets.get(walletId);
    return this.#security.read(() => this.#wallets.get(walletId).epoch);
  }

  async setGlobalPause(active: boolean, by: string): Promise<SecurityState> {
    return this.#security.setGlobalPause(active, by);
  }

  async setOwnerKillSwitch(active: boolean, by: string): Promise<SecurityState> {
    return this.#security.setKillSwitch(active, by);
  }

  async createWallet(record: WalletRecord, envelope: Envelope): Promise<{ readonly created: boolean; readonly record: WalletRecord }> {
    return this.#sql.transaction(() => {
      const result = this.#wallets.create(record, envelope);
      if (result.created) this.#security.changed();
      return result;
    });
  }

  async wallet(walletId: string): Promise<WalletRecord | null> {
    return this.#wallets.find(walletId);
  }

  async wallets(): Promise<readonly WalletRecord[]> {
    return this.#wallets.all();
  }

  async envelope(walletId: string): Promise<Envelope | null> {
    return this.#wallets.envelope(walletId);
  }

  async ingestReceipts(walletId: string, records: readonly ReceiptRecord[]): Promise<{ readonly acknowledged: number }> {
    return this.#sql.transaction(() => {
      this.#wallets.get(walletId);
      return { acknowledged: this.#receipts.ingest(walletId, records) };
    });
  }

  async putSnapshot(snapshot: WalletSnapshot): Promise<void> {
    this.#sql.transaction(() => this.#wallets.putSnapshot(snapshot));
  }

  async snapshot(walletId: string): Promise<WalletSnapshot | null> {
    return this.#wallets.snapshot(walletId);
  }

  async walletsWithOpenRows(): Promise<readonly string[]> {
    return this.#wallets.withOpenRows();
  }

  async addOperatorKey(key: OperatorKey): Promise<void> {
    this.#sql.transaction(() => this.#keys.add(key));
  }

  async operatorKeyHash(keyId: string): Promise<string | null> {
    return this.#keys.hash(keyId);
  }

  async operatorKeys(): Promise<readonly OperatorKeyView[]> {
    return this.#keys.all();
  }

  async revokeOperatorKey(keyId: string, at: number): Promise<boolean> {
    return this.#keys.revoke(keyId, at);
  }
}
