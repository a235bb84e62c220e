/**
 * The same SDK in Node, to compare with: the wasm, its own Node storage in memory, sessions in a map, and nothing of ours between. What the
 * object adds (its database, sealing, journal, gate) and what its engine costs are both in the difference.
 */
import { randomUUID } from "node:crypto";
import type { BreezSdk, Session, Storage } from "@breeztech/breez-sdk-spark/web";
import { createBreez } from "../durable-objects/spark/generated/breez.js";
import { SPARK_TIMING, type SparkSettings } from "../durable-objects/spark/ports.ts";
import { sdkConfig } from "../durable-objects/spark/sdk-config.ts";
import { sparkModule } from "../test/spark/payer-rig.ts";
import { reference } from "../test/spark/storage-pair.ts";

export class NodeSdk {
  readonly #settings: SparkSettings;
  readonly #mnemonic: string;
  readonly #stored = reference();
  readonly #sessions = new Map<string, Session>();
  readonly #debug = console.debug;
  #sdk: BreezSdk | null = null;

  constructor(settings: SparkSettings, mnemonic: string) {
    this.#settings = settings;
    this.#mnemonic = mnemonic;
    // Its storage writes a line for each payment to standard output, where `--json` has its one document.
    console.debug = () => {};
  }

  /** Builds an instance, with what earlier ones have stored, and syncs. @returns the wallet's identity */
  async open(): Promise<string> {
    const breez = createBreez(sparkModule(), {
      fetch: (request, init) => fetch(request, { signal: AbortSignal.timeout(SPARK_TIMING.request), ...init }),
    });
    this.#sdk = await breez.SdkBuilder.new(sdkConfig(breez, this.#settings), { type: "mnemonic", mnemonic: this.#mnemonic })
      .withStorage(this.#stored.storage as unknown as Storage)
      .withSessionStore({
        getSession: (key) => {
          const session = this.#sessions.get(key);
          return session === undefined ? Promise.reject(new Error("not found")) : Promise.resolve(session);
        },
        setSession: (key, session) => Promise.resolve(void this.#sessions.set(key, session)),
      })
      .build();
    await this.sync();
    return (await this.#sdk.getInfo({})).identityPubkey;
  }

  async sync(): Promise<void> {
    await this.#live().syncWallet({});
  }

  /** As the payer does it: Lightning forced. @throws Error when it was not paid in time */
  async send(bolt11: string): Promise<void> {
    const sdk = this.#live();
    const prepareResponse = await sdk.prepareSendPayment({ paymentRequest: { type: "input", input: bolt11 } });
    const options = {
      type: "bolt11Invoice",
      preferSpark: false,
      completionTimeoutSecs: Math.floor(SPARK_TIMING.answer / 1000) - 1,
    } as const;
    const { payment } = await sdk.sendPayment({ prepareResponse, options, idempotencyKey: randomUUID() });
    if (payment.status !== "completed") throw new Error(`the send in Node ended as ${payment.status}`);
  }

  /** The instance ends; storage and sessions stay. */
  async drop(): Promise<void> {
    await this.#sdk?.disconnect();
    this.#sdk?.free();
    this.#sdk = null;
  }

  async close(): Promise<void> {
    await this.drop();
    this.#stored.close();
    console.debug = this.#debug;
  }

  #live(): BreezSdk {
    if (this.#sdk === null) throw new Error("this instance is closed");
    return this.#sdk;
  }
}
