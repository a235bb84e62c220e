/**
 * The Spark payer with everything real but the object around it and the network: the SDK's wasm, its storage on `node:sqlite`, a sealed
 * envelope, and the sandbox's operators and SSP in the same process. `restart` is an eviction: what is in memory is gone, what was sent is sent.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { webCryptoKeks } from "../../durable-objects/kek-webcrypto.ts";
import { createBreez } from "../../durable-objects/spark/generated/breez.js";
import { SparkPayer } from "../../durable-objects/spark/payer.ts";
import { SPARK_TIMING, type SparkPorts, type SparkSettings, type SparkTiming } from "../../durable-objects/spark/ports.ts";
import type { WalletFacts } from "../../durable-objects/wallet/payer-seams.ts";
import { migrate } from "../../durable-objects/sql.ts";
import { MIGRATIONS } from "../../durable-objects/wallet/schema.ts";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { sealEnvelope, type Envelope } from "../../lightning/envelope.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOrder } from "../../lightning/payer.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import { NodeSql } from "../support/sql-node.ts";
import { timer } from "../../durable-objects/timer.ts";

export const MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
const KEKS = { WALLET_KEK_V1: Buffer.alloc(32, 7).toString("base64") };
const RECORD_KEY = { id: 1, bytes: new Uint8Array(32).fill(9) };
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
let compiled: WebAssembly.Module | null = null;

/** Compiled once a process, as an isolate does. */
export function sparkModule(): WebAssembly.Module {
  // Workers' types know no constructor, since their runtime forbids it; this is Node.
  const { Module } = WebAssembly as unknown as { readonly Module: new (bytes: Uint8Array) => WebAssembly.Module };
  return (compiled ??= new Module(readFileSync(join(import.meta.dirname, "../../durable-objects/spark/generated/breez.wasm"))));
}

export interface PayerRigOptions {
  readonly fetch: (request: Request) => Promise<Response>;
  readonly settings: SparkSettings;
  readonly timing?: Partial<SparkTiming>;
  readonly facts?: Partial<WalletFacts>;
  readonly mnemonic?: string;
  readonly sql?: NodeSql;
  readonly envelope?: Envelope | null;
  readonly now?: () => number;
}

export interface LogLine {
  readonly event: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export class PayerRig {
  readonly sql: NodeSql;
  readonly log: LogLine[] = [];
  payer: SparkPayer;
  /** What the next life of the payer is made of; change it before `restart`. */
  ports: SparkPorts;
  readonly #timing: SparkTiming;

  private constructor(sql: NodeSql, ports: (log: LogLine[]) => SparkPorts, timing: SparkTiming) {
    this.sql = sql;
    this.ports = ports(this.log);
    this.#timing = timing;
    this.payer = new SparkPayer(this.ports, timing);
  }

  static async open(options: PayerRigOptions): Promise<PayerRig> {
    const sql = options.sql ?? new NodeSql();
    const now = options.now ?? Date.now;
    migrate(sql, MIGRATIONS, now());
    const facts: WalletFacts = {
      walletId: "w_0123456789abcdef",
      owner: "main",
      network: "regtest",
      backend: "spark-wasm",
      epoch: 1,
      state: "active",
      ...options.facts,
    };
    const keks = await webCryptoKeks(KEKS);
    if (!keks.ok) throw new Error("the test's key is no key");
    const binding = { walletId: facts.walletId, owner: facts.owner, network: facts.network };
    const mnemonic = new TextEncoder().encode(options.mnemonic ?? MNEMONIC);
    const sealed = await sealEnvelope({ cipher: nodeCipher, kek: keks.value.current, random }, binding, mnemonic, now());
    const envelope = options.envelope === undefined ? sealed : options.envelope;
    return new PayerRig(
      sql,
      (log) => ({
        sql,
        sealing: {
          seal: (context, plain) => sealRecord(nodeCipher, RECORD_KEY, random(12), context, plain),
          open: (context, bytes) => openRecord(nodeCipher, RECORD_KEY, context, bytes),
          ready: () => Promise.resolve(true),
        },
        facts: () => facts,
        settings: options.settings,
        envelope: () => Promise.resolve(envelope),
        keys: () => Promise.resolve(keks.value),
        cipher: nodeCipher,
        clock: { now, timer },
        fetch: options.fetch,
        wasm: { module: sparkModule(), create: createBreez },
        log: (event, about) => void log.push({ event, facts: about }),
      }),
      { ...SPARK_TIMING, quiet: 1, ...options.timing },
    );
  }

  /** An eviction: the instance is cut off in the middle of whatever it does, and a new payer starts from the database. */
  restart(): SparkPayer {
    this.payer.forget();
    this.payer = new SparkPayer(this.ports, this.#timing);
    return this.payer;
  }

  order(bolt11: string, changes: Partial<PaymentOrder> = {}): PaymentOrder {
    const read = decodeBolt11(bolt11);
    if (!read.ok || read.invoice.amountMsat === null) throw new Error("the test's invoice is none");
    return {
      walletId: this.ports.facts()?.walletId ?? "",
      epoch: 1,
      operationId: crypto.randomUUID(),
      bolt11,
      paymentHash: read.invoice.paymentHash,
      amountMsat: read.invoice.amountMsat,
      maxFeeMsat: 10_000 as Msat,
      deadline: this.ports.clock.now() + 30_000,
      ...changes,
    };
  }

  close(): void {
    this.payer.forget();
    this.sql.close();
  }
}
