/**
 * The embedded control plane's Durable Object: `owner:<owner>` for each owner, and one named `global`. The name decides which of the two
 * an object is, so neither can be asked for the other's part. It has no HTTP face: only the Worker and the Wallet objects hold its binding.
 */
import { DurableObject } from "cloudflare:workers";
import { GLOBAL_NAME, OWNER_PREFIX } from "../lightning/control-plane-names.ts";
import type {
  ControlKeyView,
  ControlPlane,
  KnownStatus,
  PlatformControl,
  ReceiptRecord,
  SecurityState,
  SpenderChange,
  WalletRecord,
  WalletRequest,
  WalletSnapshot,
} from "../lightning/control-plane.ts";
import type { Envelope } from "../lightning/envelope.ts";
import { GlobalPause, type GlobalState } from "./control-plane/global-pause.ts";
import type { OperatorKey } from "./control-plane/operator-keys.ts";
import { OwnerControlPlane } from "./control-plane/owner.ts";
import { Registry } from "./control-plane/registry.ts";
import { GLOBAL_MIGRATIONS, OWNER_MIGRATIONS } from "./control-plane/schema.ts";
import { durableSql } from "./sql-durable.ts";
import { migrate } from "./sql.ts";

export interface ControlPlaneEnv {
  readonly CONTROL_PLANE: DurableObjectNamespace<ControlPlaneObject>;
}

type Part =
  | { readonly kind: "global"; readonly pause: GlobalPause; readonly registry: Registry }
  | { readonly kind: "owner"; readonly core: OwnerControlPlane };

export class ControlPlaneObject extends DurableObject<ControlPlaneEnv> implements ControlPlane, PlatformControl {
  readonly #part: Part;

  constructor(ctx: DurableObjectState, env: ControlPlaneEnv) {
    super(ctx, env);
    const name = ctx.id.name;
    const sql = durableSql(ctx.storage);
    const now = (): number => Date.now();
    if (name === GLOBAL_NAME) {
      migrate(sql, GLOBAL_MIGRATIONS, now());
      this.#part = { kind: "global", pause: new GlobalPause(sql, now), registry: new Registry(sql, now) };
    } else if (name?.startsWith(OWNER_PREFIX) === true && name.length > OWNER_PREFIX.length) {
      migrate(sql, OWNER_MIGRATIONS, now());
      // A stub may be broken after an error, so each call takes a fresh one.
      const global = {
        read: async (seen: GlobalState): Promise<GlobalState> => env.CONTROL_PLANE.getByName(GLOBAL_NAME).readGlobalPause(seen),
        set: async (active: boolean, by: string, seen: GlobalState): Promise<GlobalState> =>
          env.CONTROL_PLANE.getByName(GLOBAL_NAME).writeGlobalPause(active, by, seen),
        register: async (owner: string): Promise<void> => env.CONTROL_PLANE.getByName(GLOBAL_NAME).registerOwner(owner),
      };
      this.#part = { kind: "owner", core: new OwnerControlPlane(name.slice(OWNER_PREFIX.length), { sql, now, global }) };
    } else {
      throw new Error("a control plane object is named `global` or after its owner");
    }
  }

  // The global object's own calls: for the owners' objects, and the last one for the Worker's cron.

  /** `seen` is absent where the owner's object is of an earlier release. */
  async readGlobalPause(seen: GlobalState | null = null): Promise<GlobalState> {
    return this.#global().pause.read(seen);
  }

  async writeGlobalPause(active: boolean, by: string, seen: GlobalState | null = null): Promise<GlobalState> {
    return this.#global().pause.set(active, by, seen);
  }

  async registerOwner(owner: string): Promise<void> {
    this.#global().registry.register(owner);
  }

  async owners(page: { readonly after: string | null; readonly limit: number }): Promise<readonly string[]> {
    return this.#global().registry.owners(page);
  }

  // One owner's part: the port, call by call.

  async security(walletId: string): Promise<SecurityState> {
    return this.#owner().security(walletId);
  }

  async switches(): Promise<SecurityState> {
    return this.#owner().switches();
  }

  async setGlobalPause(active: boolean, by: string): Promise<SecurityState> {
    return this.#owner().setGlobalPause(active, by);
  }

  async setOwnerKillSwitch(active: boolean, by: string): Promise<SecurityState> {
    return this.#owner().setOwnerKillSwitch(active, by);
  }

  async createWallet(
    record: WalletRecord,
    envelope: Envelope,
    request?: WalletRequest,
  ): Promise<{ readonly created: boolean; readonly record: WalletRecord; readonly conflict?: boolean }> {
    return this.#owner().createWallet(record, envelope, request);
  }

  async wallet(walletId: string): Promise<WalletRecord | null> {
    return this.#owner().wallet(walletId);
  }

  async wallets(): Promise<readonly WalletRecord[]> {
    return this.#owner().wallets();
  }

  async envelope(walletId: string): Promise<Envelope | null> {
    return this.#owner().envelope(walletId);
  }

  async putEnvelope(next: Envelope, expected: Envelope): Promise<boolean> {
    return this.#owner().putEnvelope(next, expected);
  }

  async moveSpender(move: SpenderChange): Promise<{ readonly moved: boolean; readonly record: WalletRecord }> {
    return this.#owner().moveSpender(move);
  }

  async fenceSpender(walletId: string, epoch: number): Promise<WalletRecord> {
    return this.#owner().fenceSpender(walletId, epoch);
  }

  async ingestReceipts(walletId: string, records: readonly ReceiptRecord[]): Promise<{ readonly acknowledged: number }> {
    return this.#owner().ingestReceipts(walletId, records);
  }

  async receipts(walletId: string, page: { readonly after: number; readonly limit: number }): Promise<readonly ReceiptRecord[]> {
    return this.#owner().receipts(walletId, page);
  }

  async putSnapshot(snapshot: WalletSnapshot): Promise<void> {
    return this.#owner().putSnapshot(snapshot);
  }

  async snapshot(walletId: string): Promise<WalletSnapshot | null> {
    return this.#owner().snapshot(walletId);
  }

  async keepStatus(walletId: string, known: KnownStatus): Promise<void> {
    return this.#owner().keepStatus(walletId, known);
  }

  async lastStatus(walletId: string): Promise<KnownStatus | null> {
    return this.#owner().lastStatus(walletId);
  }

  async walletsWithOpenRows(): Promise<readonly string[]> {
    return this.#owner().walletsWithOpenRows();
  }

  async addOperatorKey(key: OperatorKey): Promise<void> {
    return this.#owner().addOperatorKey(key);
  }

  async operatorKeyHash(keyId: string): Promise<string | null> {
    return this.#owner().operatorKeyHash(keyId);
  }

  async operatorKeys(): Promise<readonly ControlKeyView[]> {
    return this.#owner().operatorKeys();
  }

  async revokeOperatorKey(keyId: string, at: number): Promise<boolean> {
    return this.#owner().revokeOperatorKey(keyId, at);
  }

  async addApproverKey(key: OperatorKey): Promise<void> {
    return this.#owner().addApproverKey(key);
  }

  async approverKeyHash(keyId: string): Promise<string | null> {
    return this.#owner().approverKeyHash(keyId);
  }

  async approverKeys(): Promise<readonly ControlKeyView[]> {
    return this.#owner().approverKeys();
  }

  async revokeApproverKey(keyId: string, at: number): Promise<boolean> {
    return this.#owner().revokeApproverKey(keyId, at);
  }

  #owner(): OwnerControlPlane {
    if (this.#part.kind !== "owner") throw new Error("the global object has no owner");
    return this.#part.core;
  }

  #global(): Extract<Part, { kind: "global" }> {
    if (this.#part.kind !== "global") throw new Error("only the global object keeps what is everybody's");
    return this.#part;
  }
}
