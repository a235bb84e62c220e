/**
 * Wallets of the real SDK against the sandbox's Spark network, no socket between them: the SDK's wasm with its own Node storage, nothing of our
 * payer. What is proven here is the network; what our payer makes of it has tests of its own. The clock can be put forwards, for expiries.
 */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { entropyToMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import type { BreezSdk, Payment, Session, Storage } from "@breeztech/breez-sdk-spark/web";
import { createBreez } from "../../durable-objects/spark/generated/breez.js";
import { sats } from "../../lightning/msat.ts";
import { SimulatedNode } from "../../sandbox/node.ts";
import { realPorts } from "../../sandbox/ports.ts";
import { createSpark, type SparkSandbox } from "../../sandbox/spark/handler.ts";
import { SimulatedLeg } from "../../sandbox/spark/simulated-leg.ts";
import { reference } from "./storage-pair.ts";

const ORIGIN = "https://spark.sandbox.invalid";
/** No request of a wallet hangs for longer than this, ms: the SDK itself sets operators no limit. */
const REQUEST_MS = 30_000;
/** The Worker's types know no compiler at run time, as workerd forbids it; Node has one. */
const Module = WebAssembly.Module as unknown as new (bytes: Uint8Array) => WebAssembly.Module;
let compiled: WebAssembly.Module | null = null;

export interface Delivery {
  readonly url: string;
  readonly signature: string;
  readonly body: string;
}

export class NetworkRig {
  readonly node: SimulatedNode;
  readonly leg: SimulatedLeg;
  readonly spark: SparkSandbox;
  readonly deliveries: Delivery[] = [];
  #skew = 0;
  readonly #wallets: TestWallet[] = [];

  constructor(checks: "full" | "light" = "full") {
    const real = realPorts();
    const ports = { ...real, now: () => real.now() + this.#skew, uuid: () => randomUUID() };
    this.node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(10_000_000) });
    this.leg = new SimulatedLeg(this.node, ports);
    this.spark = createSpark({
      ports,
      leg: this.leg,
      checks,
      deliver: (url, headers, body) => {
        this.deliveries.push({ url, signature: headers["x-spark-signature"] ?? "", body });
        return Promise.resolve(true);
      },
    });
  }

  /** Puts the network's clock forwards; the wallets' stays. */
  advance(ms: number): void {
    this.#skew += ms;
    this.spark.tick();
  }

  invoice(amountSats: number): { readonly bolt11: string; readonly paymentHash: string } {
    return this.node.createInvoice({ amountMsat: sats(amountSats), description: "sold" });
  }

  /** How often the seller was paid for a hash. */
  paid(paymentHash: string): number {
    return this.node.ledger().payments.find((payment) => payment.paymentHash === paymentHash)?.settlements ?? 0;
  }

  /** A new wallet with these leaves. `number` makes its mnemonic: the same number is the same wallet. */
  async wallet(number: number, leaves: readonly number[] = []): Promise<TestWallet> {
    const wallet = await TestWallet.open(this.spark, number);
    this.#wallets.push(wallet);
    if (leaves.length > 0) {
      this.spark.mint(wallet.id, leaves);
      await wallet.sync();
    }
    return wallet;
  }

  async close(): Promise<void> {
    for (const wallet of this.#wallets) await wallet.close();
    this.spark.close();
  }
}

export interface Transport {
  readonly origin: string;
  fetch(request: Request, init?: RequestInit): Promise<Response>;
}

export class TestWallet {
  readonly sdk: BreezSdk;
  readonly id: string;
  readonly #spark: SparkSandbox;
  readonly #sessions: Map<string, Session>;
  readonly #closeStorage: () => void;

  private constructor(spark: SparkSandbox, sdk: BreezSdk, id: string, sessions: Map<string, Session>, closeStorage: () => void) {
    this.#spark = spark;
    this.sdk = sdk;
    this.id = id;
    this.#sessions = sessions;
    this.#closeStorage = closeStorage;
  }

  /** @param over how its requests travel; in this process when left out */
  static async open(
    spark: SparkSandbox,
    number: number,
    over: Transport = { origin: ORIGIN, fetch: spark.fetch.bind(spark) },
  ): Promise<TestWallet> {
    compiled ??= new Module(readFileSync(join(import.meta.dirname, "../../durable-objects/spark/generated/breez.wasm")));
    const breez = createBreez(compiled, {
      fetch: (request, init) => over.fetch(request, { signal: AbortSignal.timeout(REQUEST_MS), ...init }),
    });
    const config = breez.defaultServerConfig("regtest");
    const { coordinatorIdentifier, operators, ssp, threshold } = spark.config;
    if (config.sparkConfig === undefined) throw new Error("the SDK's default has no Spark configuration");
    config.sparkConfig = {
      ...config.sparkConfig,
      coordinatorIdentifier,
      threshold,
      signingOperators: operators.map(({ path, ...operator }) => ({ ...operator, address: over.origin + path })),
      sspConfig: { ...config.sparkConfig.sspConfig, baseUrl: over.origin + ssp.path, identityPublicKey: ssp.identityPublicKey },
    };
    const sessions = new Map<string, Session>();
    const { storage, close } = reference();
    const sdk = await breez.SdkBuilder.new(config, {
      type: "mnemonic",
      mnemonic: entropyToMnemonic(new Uint8Array(16).fill(number), wordlist),
    })
      .withStorage(storage as unknown as Storage)
      .withSessionStore({
        getSession: (key) => {
          const session = sessions.get(key);
          return session === undefined ? Promise.reject(new Error("not found")) : Promise.resolve(session);
        },
        setSession: (key, session) => Promise.resolve(void sessions.set(key, session)),
      })
      .build();
    return new TestWallet(spark, sdk, (await sdk.getInfo({})).identityPubkey, sessions, close);
  }

  async sync(): Promise<void> {
    await this.sdk.syncWallet({});
  }

  async balance(): Promise<number> {
    return (await this.sdk.getInfo({})).balanceSats;
  }

  /** Lightning is forced. @param waitSecs how long the SDK polls the SSP; 0 answers at once */
  async send(bolt11: string, key: string = randomUUID(), waitSecs = 10): Promise<Payment> {
    const prepareResponse = await this.sdk.prepareSendPayment({ paymentRequest: { type: "input", input: bolt11 } });
    const options = { type: "bolt11Invoice", preferSpark: false, completionTimeoutSecs: waitSecs } as const;
    return (await this.sdk.sendPayment({ prepareResponse, options, idempotencyKey: key })).payment;
  }

  async payment(paymentId: string): Promise<Payment> {
    return (await this.sdk.getPayment({ paymentId })).payment;
  }

  async invoice(amountSats: number, paymentHash?: string): Promise<string> {
    const method = {
      type: "bolt11Invoice",
      description: "received",
      amountSats,
      ...(paymentHash === undefined ? {} : { paymentHash }),
    } as const;
    return (await this.sdk.receivePayment({ paymentMethod: method })).paymentRequest;
  }

  /** Asks the SSP again for a transfer that the operators hold, with the wallet's own session: what the SDK itself never does. */
  async orderAgain(bolt11: string, transferId: string): Promise<string> {
    const { ssp } = this.#spark.config;
    const response = await this.#spark.fetch(`${ORIGIN}${ssp.path}/graphql/spark/rc`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#sessions.get(ssp.identityPublicKey)?.token ?? ""}` },
      body: JSON.stringify({
        operationName: "RequestLightningSend",
        variables: { input: { encoded_invoice: bolt11, user_outbound_transfer_external_id: transferId } },
      }),
    });
    return response.text();
  }

  async close(): Promise<void> {
    await this.sdk.disconnect();
    this.#closeStorage();
  }
}

/** The preimage of a Lightning payment, or null. */
export function preimageOf({ details }: Payment): string | null {
  return details?.type === "lightning" ? (details.htlcDetails.preimage ?? null) : null;
}

/** Whether a payment proves that this hash was paid. */
export function proves(payment: Payment, paymentHash: string): boolean {
  const preimage = preimageOf(payment);
  return preimage !== null && createHash("sha256").update(Buffer.from(preimage, "hex")).digest("hex") === paymentHash;
}
