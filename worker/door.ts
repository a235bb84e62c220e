/**
 * What the routes need of the platform and of the other rooms, for one request. The Worker's real door is put together in index.ts;
 * tests put together another. Routes never see `env`: so no route can reach an object whose name it made up itself.
 */
import type { ControlPlane } from "../lightning/control-plane.ts";
import type { Envelope, EnvelopeBinding } from "../lightning/envelope.ts";
import type { Result, WalletAdmin, WalletAgentViews } from "../lightning/wallet-admin.ts";
import type { WalletPort } from "../lightning/wallet-api.ts";
import type { Config } from "./config.ts";
import type { FlowPorts } from "./flow-types.ts";
import type { RandomBytes } from "./keys.ts";
import type { Principal } from "./principal.ts";

/** All that a Wallet object answers to. */
export type WalletStub = WalletPort & WalletAdmin & WalletAgentViews & { wake(): Promise<unknown> };

export interface Door {
  readonly config: Config;
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly wallet: (owner: string, walletId: string) => WalletStub;
  readonly control: (owner: string) => ControlPlane;
  readonly flow: (owner: string, walletId: string) => FlowPorts;
  /** @param mnemonic null: a new one is made. The one place that ever sees it in the clear */
  readonly makeEnvelope: (binding: EnvelopeBinding, mnemonic: string | null) => Promise<Result<Envelope>>;
  /** Structured, and never given what invariant 9 lists. */
  readonly log: (event: string, facts: Readonly<Record<string, string | number | boolean | null>>) => void;
}

/** Hono's types for this app: the door comes in where a Worker's bindings usually do. */
export interface DoorEnv {
  Bindings: { door: Door };
  Variables: { principal: Principal };
}
