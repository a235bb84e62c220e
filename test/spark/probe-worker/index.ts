/** Builds the Spark SDK in an object of its own, with no network: `GET /<object>` says who the wallet is and what the instance weighs. */
import { DurableObject } from "cloudflare:workers";
import type { Storage } from "@breeztech/breez-sdk-spark/web";
import { createBreez, type Breez } from "../../../durable-objects/spark/generated/breez.js";
import wasm from "../../../durable-objects/spark/generated/breez.wasm";

export interface ProbeReport {
  readonly identityPubkey: string;
  readonly balanceSats: number;
  readonly memoryBytes: number;
  /** How many instances this object has made: one, however often it is asked. */
  readonly built: number;
  readonly requests: number;
}

interface ProbeEnv {
  readonly PROBE: DurableObjectNamespace<SparkProbe>;
}

/** BIP-39's own first test vector: worthless. */
const MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

export class SparkProbe extends DurableObject<ProbeEnv> {
  #built = 0;
  #requests = 0;
  #wallet: Promise<{ readonly breez: Breez; readonly sdk: Awaited<ReturnType<typeof build>> }> | null = null;

  async report(): Promise<ProbeReport> {
    this.#wallet ??= this.#open();
    const { breez, sdk } = await this.#wallet;
    const { identityPubkey, balanceSats } = await sdk.getInfo({});
    return { identityPubkey, balanceSats, memoryBytes: breez.memory.buffer.byteLength, built: this.#built, requests: this.#requests };
  }

  async #open() {
    this.#built++;
    const breez = createBreez(wasm, {
      fetch: () => {
        this.#requests++;
        return Promise.reject(new Error("this probe has no network"));
      },
    });
    return { breez, sdk: await build(breez) };
  }
}

/** Server mode: nothing runs beside the calls. Storage answers nothing, which is what a new wallet's does. */
function build(breez: Breez) {
  const nothing = new Proxy({} as Storage, { get: (_target, name) => (name === "then" ? undefined : () => Promise.resolve(null)) });
  return breez.SdkBuilder.new(breez.defaultServerConfig("regtest"), { type: "mnemonic", mnemonic: MNEMONIC }).withStorage(nothing).build();
}

export default {
  async fetch(request, env) {
    return Response.json(await env.PROBE.getByName(new URL(request.url).pathname).report());
  },
} satisfies ExportedHandler<ProbeEnv>;
