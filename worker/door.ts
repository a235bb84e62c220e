/**
 * What the routes need of the platform and of the other rooms, for one request. The Worker's real door is put together in index.ts;
 * tests put together another. Routes never see `env`: so no route can reach an object whose name it made up itself.
 */
import type { ControlPlane } from "../lightning/control-plane.ts";
import type { Envelope, EnvelopeBinding } from "../lightning/envelope.ts";
import type { Result, WalletAdmin, WalletAgentViews, WalletApprovals } from "../lightning/wallet-admin.ts";
import type { NewCustody } from "../durable-objects/custody.ts";
import type { WalletCustody } from "../lightning/wallet-custody.ts";
import type { WalletPort } from "../lightning/wallet-api.ts";
import type { Config } from "./config.ts";
import type { FlowPorts } from "./flow-types.ts";
import type { RandomBytes } from "./keys.ts";
import type { Principal } from "./principal.ts";

/** All that a Wallet object answers to. */
export type WalletStub = WalletPort & WalletAdmin & WalletApprovals & WalletAgentViews & WalletCustody & { wake(): Promise<unknown> };

export interface Door {
  readonly config: Config;
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly uuid: () => string;
  readonly wallet: (owner: string, walletId: string) => WalletStub;
  readonly control: (owner: string) => ControlPlane;
  readonly flow: (owner: string, walletId: string) => FlowPorts;
  /** @param mnemonic null: a new one is made. The one place that ever sees it in the clear @param recipient of its age backup, or null */
  readonly makeCustody: (binding: EnvelopeBinding, mnemonic: string | null, recipient: string | null) => Promise<Result<NewCustody>>;
  /** The backup again, where the answer that carried it was lost: only for the very request that made the wallet. */
  readonly backupOf: (envelope: Envelope, binding: EnvelopeBinding, recipient: string) => Promise<Result<string>>;
  /** Versions of the key-encryption key that this deployment can read, and the one that wraps. */
  readonly keks: () => Promise<Result<{ readonly current: string; readonly versions: readonly string[] }>>;
  /** Work that may outlive the answer, and on which nothing depends. */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Structured, and never given what invariant 9 lists. */
  readonly log: (event: string, facts: Readonly<Record<string, string | number | boolean | null>>) => void;
}

/** Hono's types for this app: the door comes in where a Worker's bindings usually do. */
export interface DoorEnv {
  Bindings: { door: Door };
  Variables: { principal: Principal };
}
