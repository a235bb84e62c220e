/** One owner's control plane, whole: a core over ports that runs in the object, in unit tests and in simulation alike. */
import type {
  ControlKeyView,
  ControlPlane,
  KnownStatus,
  ReceiptRecord,
  SecurityState,
  SpenderChange,
  WalletRecord,
  WalletRequest,
  WalletSnapshot,
} from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import type { Sql } from "../sql.ts";
import type { GlobalPausePort } from "./global-pause.ts";
import { RoleKeys, type OperatorKey } from "./operator-keys.ts";
import { ReceiptStore } from "./receipts.ts";
import type { RegistryPort } from "./registry.ts";
import { Security } from "./security.ts";
import { Wallets } from "./wallets.ts";

export interface OwnerPorts {
  /** Migrated with OWNER_MIGRATIONS. */
  readonly sql: Sql;
  readonly now: () => number;
  readonly global: GlobalPausePort & RegistryPort;
}

/** The switches answer with epoch 0: they are about no wallet in particular. */
export class OwnerControlPlane implements ControlPlane {
  readonly #owner: string;
  readonly #sql: Sql;
  readonly #registry: RegistryPort;
  readonly #security: Security;
  readonly #wallets: Wallets;
  readonly #receipts: ReceiptStore;
  readonly #operators: RoleKeys;
  readonly #approvers: RoleKeys;
  /** This instance has told the global object of its owner; told again after an eviction, which changes nothing. */
  #registered = false;

  constructor(owner: string, { sql, now, global }: OwnerPorts) {
    this.#owner = owner;
    this.#sql = sql;
    this.#registry = global;
    this.#security = new Security(sql, now, global);
    this.#wallets = new Wallets(sql, owner);
    this.#receipts = new ReceiptStore(sql, owner);
    this.#operators = new RoleKeys(sql, "operator");
    this.#approvers = new RoleKeys(sql, "approver");
  }

  async security(walletId: string): Promise<SecurityState> {
    this.#wallets.get(walletId);
    return this.#security.read(() => this.#wallets.get(walletId).epoch);
  }

  async switches(): Promise<SecurityState> {
    return this.#security.read(() => 0);
  }

  async setGlobalPause(active: boolean, by: string): Promise<SecurityState> {
    return this.#security.setGlobalPause(active, by);
  }

  async setOwnerKillSwitch(active: boolean, by: string): Promise<SecurityState> {
    return this.#security.setKillSwitch(active, by);
  }

  /** The owner is registered before his first wallet exists: the other way round, a crash between the two would hide it from the cron. */
  async createWallet(
    record: WalletRecord,
    envelope: Envelope,
    request?: WalletRequest,
  ): Promise<{ readonly created: boolean; readonly record: WalletRecord; readonly conflict?: boolean }> {
    await this.#register();
    return this.#sql.transaction(() => {
      const result = this.#wallets.create(record, envelope, request ?? null);
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

  async putEnvelope(next: Envelope, expected: Envelope): Promise<boolean> {
    return this.#sql.transaction(() => this.#wallets.putEnvelope(next, expected));
  }

  async moveSpender(move: SpenderChange): Promise<{ readonly moved: boolean; readonly record: WalletRecord }> {
    return this.#sql.transaction(() => {
      const result = this.#wallets.moveSpender(move);
      if (result.moved) this.#security.changed();
      return result;
    });
  }

  async fenceSpender(walletId: string, epoch: number): Promise<WalletRecord> {
    return this.#sql.transaction(() => {
      if (this.#wallets.raiseEpoch(walletId, epoch)) this.#security.changed();
      return this.#wallets.get(walletId);
    });
  }

  async ingestReceipts(walletId: string, records: readonly ReceiptRecord[]): Promise<{ readonly acknowledged: number }> {
    return this.#sql.transaction(() => {
      this.#wallets.get(walletId);
      return { acknowledged: this.#receipts.ingest(walletId, records) };
    });
  }

  async receipts(walletId: string, page: { readonly after: number; readonly limit: number }): Promise<readonly ReceiptRecord[]> {
    return this.#receipts.page(walletId, page);
  }

  async putSnapshot(snapshot: WalletSnapshot): Promise<void> {
    this.#sql.transaction(() => this.#wallets.putSnapshot(snapshot));
    // For owners of before there was a register; after the write, since the snapshot must not depend on another object.
    if (snapshot.openRows > 0) await this.#register();
  }

  async snapshot(walletId: string): Promise<WalletSnapshot | null> {
    return this.#wallets.snapshot(walletId);
  }

  async keepStatus(walletId: string, known: KnownStatus): Promise<void> {
    this.#sql.transaction(() => this.#wallets.keepStatus(walletId, known));
  }

  async lastStatus(walletId: string): Promise<KnownStatus | null> {
    return this.#wallets.lastStatus(walletId);
  }

  async walletsWithOpenRows(): Promise<readonly string[]> {
    return this.#wallets.withOpenRows();
  }

  async addOperatorKey(key: OperatorKey): Promise<void> {
    this.#sql.transaction(() => this.#operators.add(key));
  }

  async operatorKeyHash(keyId: string): Promise<string | null> {
    return this.#operators.hash(keyId);
  }

  async operatorKeys(): Promise<readonly ControlKeyView[]> {
    return this.#operators.all();
  }

  async revokeOperatorKey(keyId: string, at: number): Promise<boolean> {
    return this.#operators.revoke(keyId, at);
  }

  async addApproverKey(key: OperatorKey): Promise<void> {
    this.#sql.transaction(() => this.#approvers.add(key));
  }

  async approverKeyHash(keyId: string): Promise<string | null> {
    return this.#approvers.hash(keyId);
  }

  async approverKeys(): Promise<readonly ControlKeyView[]> {
    return this.#approvers.all();
  }

  async revokeApproverKey(keyId: string, at: number): Promise<boolean> {
    return this.#approvers.revoke(keyId, at);
  }

  async #register(): Promise<void> {
    if (this.#registered) return;
    await this.#registry.register(this.#owner);
    this.#registered = true;
  }
}
