/**
 * The Worker's script: where the rooms meet. It alone names both the objects' classes and what they are wired with (payer, control
 * plane, custody); the rest of worker/ sees them through ports.
 */
import { embeddedControlPlane } from "../control-plane/embedded.ts";
import { nodeCipher } from "../durable-objects/cipher.ts";
import { ControlPlaneObject } from "../durable-objects/control-plane-object.ts";
import { makeEnvelope } from "../durable-objects/custody.ts";
import { httpExecutor } from "../durable-objects/http-executor.ts";
import { webCryptoKeks } from "../durable-objects/kek-webcrypto.ts";
import { walletObject } from "../durable-objects/wallet-object.ts";
import type { Payer } from "../lightning/payer.ts";
import { problemResponse } from "./answers.ts";
import { createApp } from "./app.ts";
import { readConfig, type Config } from "./config.ts";
import type { Door } from "./door.ts";
import { log } from "./log.ts";
import { absentPayer } from "./payer-absent.ts";
import { clock, flowPorts, walletStub } from "./ports.ts";
import { MAIN_OWNER } from "./principal.ts";

export { LightningService } from "./service.ts";
export { ControlPlaneObject as ControlPlane };

/** A configuration that is wrong or incomplete must not stop an object from being made: its alarm still has open rows to look after. */
function payerOf(env: Env): Payer {
  const read = readConfig(env);
  if (!read.ok || read.config.executor === null || read.config.backend !== "http-executor") return absentPayer;
  const { executor, network } = read.config;
  return httpExecutor({ ...executor, network, fetch: (url, init) => fetch(url, init) });
}

export class Wallet extends walletObject<Env>((env, owner) => ({ payer: payerOf(env), control: embeddedControlPlane(env.CONTROL_PLANE, owner) })) {}

const app = createApp();
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

function openDoor(env: Env, config: Config, ctx: ExecutionContext): Door {
  return {
    config,
    now: clock.now,
    random,
    wallet: (owner, walletId) => walletStub(env.WALLET, owner, walletId),
    control: (owner) => embeddedControlPlane(env.CONTROL_PLANE, owner),
    flow: (owner, walletId) => flowPorts(env.WALLET, config, (work) => ctx.waitUntil(work), owner, walletId),
    makeEnvelope: async (binding, mnemonic) => {
      const keks = await webCryptoKeks(env);
      if (!keks.ok) return keks;
      return makeEnvelope({ cipher: nodeCipher, kek: keks.value.current, random }, binding, mnemonic === null ? { kind: "create", words: 12 } : { kind: "import", mnemonic }, clock.now());
    },
    log,
  };
}

export default {
  fetch(request, env, ctx) {
    const read = readConfig(env);
    if (!read.ok) {
      log("misconfigured", { fault: read.fault });
      return problemResponse("internal", `this Worker is misconfigured: ${read.fault}`);
    }
    return app(request, openDoor(env, read.config, ctx));
  },

  /** Their alarms should have woken them; this is for one that was dropped after its sixth failure (invariant 4). */
  async scheduled(_controller, env) {
    const open = await embeddedControlPlane(env.CONTROL_PLANE, MAIN_OWNER).walletsWithOpenRows();
    const woken = await Promise.allSettled(open.map((walletId) => walletStub(env.WALLET, MAIN_OWNER, walletId).wake()));
    log("cron", { open: open.length, failed: woken.filter(({ status }) => status === "rejected").length });
  },
} satisfies ExportedHandler<Env>;
