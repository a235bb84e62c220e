/**
 * The front door's script: HTTP routes, the entrypoints that other Workers bind, the cron, and the embedded control plane. The Wallet
 * objects live in the vault's script (vault.ts), bound by `script_name`; the rest of worker/ sees all of it through ports.
 */
import { embeddedControlPlane, embeddedPlatform } from "../control-plane/embedded.ts";
import { nodeCipher } from "../durable-objects/cipher.ts";
import { ControlPlaneObject } from "../durable-objects/control-plane-object.ts";
import { agePorts } from "../durable-objects/age-x25519.ts";
import { backupOf, makeCustody } from "../durable-objects/custody.ts";
import { webCryptoKeks } from "../durable-objects/kek-webcrypto.ts";
import { problemResponse } from "./answers.ts";
import { createApp } from "./app.ts";
import { readConfig, type Config } from "./config.ts";
import { wakeOpenWallets } from "./cron.ts";
import type { Door } from "./door.ts";
import { log } from "./log.ts";
import { clock, flowPorts, walletStub } from "./ports.ts";

export { LightningApprovals } from "./approvals-service.ts";
export { LightningService } from "./service.ts";
export { ControlPlaneObject as ControlPlane };

const app = createApp();
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

function openDoor(env: Env, config: Config, ctx: ExecutionContext): Door {
  return {
    config,
    now: clock.now,
    random,
    uuid: () => crypto.randomUUID(),
    wallet: (owner, walletId) => walletStub(env.WALLET, owner, walletId),
    control: (owner) => embeddedControlPlane(env.CONTROL_PLANE, owner),
    flow: (owner, walletId) => flowPorts(env.WALLET, config, (work) => ctx.waitUntil(work), owner, walletId),
    makeCustody: async (binding, mnemonic, recipient) => {
      const keks = await webCryptoKeks(env);
      if (!keks.ok) return keks;
      const ports = { cipher: nodeCipher, kek: keks.value.current, random, age: agePorts };
      return makeCustody(
        ports,
        binding,
        mnemonic === null ? { kind: "create", words: 12 } : { kind: "import", mnemonic },
        clock.now(),
        recipient,
      );
    },
    backupOf: async (envelope, binding, recipient) => {
      const keks = await webCryptoKeks(env);
      return keks.ok ? backupOf({ cipher: nodeCipher, keks: keks.value, age: agePorts }, envelope, binding, recipient) : keks;
    },
    keks: async () => {
      const keks = await webCryptoKeks(env);
      return keks.ok ? { ok: true, value: { current: keks.value.current.version, versions: keks.value.versions } } : keks;
    },
    waitUntil: (work) => ctx.waitUntil(work),
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

  async scheduled(_controller, env) {
    const round = await wakeOpenWallets({
      platform: embeddedPlatform(env.CONTROL_PLANE),
      control: (owner) => embeddedControlPlane(env.CONTROL_PLANE, owner),
      wake: (owner, walletId) => walletStub(env.WALLET, owner, walletId).wake(),
      clock,
    });
    log("cron", { ...round });
  },
} satisfies ExportedHandler<Env>;
