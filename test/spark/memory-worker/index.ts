/**
 * The Spark payer in objects of its own, without the Wallet around it: `POST /<object>` with a {@link MemoryCall}. The envelope is sealed in the
 * object, because the Worker under measurement should be nothing but payers.
 */
import { DurableObject } from "cloudflare:workers";
import { nodeCipher } from "../../../durable-objects/cipher.ts";
import { webCryptoKeks } from "../../../durable-objects/kek-webcrypto.ts";
import { createBreez } from "../../../durable-objects/spark/generated/breez.js";
import wasm from "../../../durable-objects/spark/generated/breez.wasm";
import { SparkPayer } from "../../../durable-objects/spark/payer.ts";
import { SPARK_TIMING, type SparkPorts, type SparkSettings } from "../../../durable-objects/spark/ports.ts";
import type { WalletFacts } from "../../../durable-objects/wallet/payer-seams.ts";
import { durableSql } from "../../../durable-objects/sql-durable.ts";
import { migrate } from "../../../durable-objects/sql.ts";
import { MIGRATIONS } from "../../../durable-objects/wallet/schema.ts";
import { sealEnvelope } from "../../../lightning/envelope.ts";
import type { PaymentOrder } from "../../../lightning/payer.ts";
import { openRecord, sealRecord } from "../../../lightning/seal.ts";
import { timer } from "../../../durable-objects/timer.ts";

export type MemoryCall =
  | { readonly call: "open"; readonly mnemonic: string }
  | { readonly call: "status" }
  | { readonly call: "pay"; readonly order: PaymentOrder };

export interface MemoryReport {
  readonly identity: string;
  readonly spendableMsat: number | null;
  readonly outcome: string | null;
  /** Bytes of wasm memory; null while no instance is live. */
  readonly memory: number | null;
}

interface MemoryEnv {
  readonly WALLET: DurableObjectNamespace<MemoryWallet>;
  readonly SPARK: string;
}

/** Longer than any test: all instances are live when they are weighed. */
const TIMING = { ...SPARK_TIMING, idle: 3_600_000 };
const KEKS = { WALLET_KEK_V1: btoa("\u0007".repeat(32)) };
const RECORD_KEY = { id: 1, bytes: new Uint8Array(32).fill(9) };
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

export class MemoryWallet extends DurableObject<MemoryEnv> {
  #payer: SparkPayer | null = null;

  async run(name: string, asked: MemoryCall): Promise<MemoryReport> {
    if (asked.call === "open") this.#payer ??= new SparkPayer(await this.#ports(name, asked.mnemonic), TIMING);
    const payer = this.#payer;
    if (payer === null) throw new Error("this wallet has not been opened");
    let outcome: string | null = null;
    if (asked.call === "pay") {
      const ready = await payer.prepare(asked.order);
      outcome = ready.ready ? (await payer.pay(asked.order)).kind : ready.code;
    }
    const status = asked.call === "pay" ? null : await payer.status();
    const [row] = this.ctx.storage.sql.exec<{ identity: string }>("SELECT identity FROM spark_wallet").toArray();
    return { identity: row?.identity ?? "", spendableMsat: status?.spendableMsat ?? null, outcome, memory: payer.memory() };
  }

  async #ports(walletId: string, mnemonic: string): Promise<SparkPorts> {
    const sql = durableSql(this.ctx.storage);
    migrate(sql, MIGRATIONS, Date.now());
    const facts: WalletFacts = { walletId, owner: "main", network: "regtest", backend: "spark-wasm", epoch: 1, state: "active" };
    const keks = await webCryptoKeks(KEKS);
    if (!keks.ok) throw new Error("the test's key is no key");
    const sealing = { cipher: nodeCipher, kek: keks.value.current, random };
    const envelope = await sealEnvelope(sealing, facts, new TextEncoder().encode(mnemonic), Date.now());
    return {
      sql,
      sealing: {
        seal: (context, plain) => sealRecord(nodeCipher, RECORD_KEY, random(12), context, plain),
        open: (context, bytes) => openRecord(nodeCipher, RECORD_KEY, context, bytes),
        ready: () => Promise.resolve(true),
      },
      facts: () => facts,
      settings: JSON.parse(this.env.SPARK) as SparkSettings,
      envelope: () => Promise.resolve(envelope),
      keys: () => Promise.resolve(keks.value),
      cipher: nodeCipher,
      clock: { now: () => Date.now(), timer },
      fetch: (request) => fetch(request),
      wasm: { module: wasm, create: createBreez },
      log: (event) => console.warn(event),
    };
  }
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    return Response.json(await env.WALLET.getByName(name).run(name, await request.json<MemoryCall>()));
  },
} satisfies ExportedHandler<MemoryEnv>;
