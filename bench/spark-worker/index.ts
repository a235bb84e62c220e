/**
 * The Spark payer in a Durable Object, driven from inside, so that what is timed is the payer: `POST /<wallet>` with a {@link BenchCall}. The
 * wallet's words are made from its name, so that an object that died comes back as the same wallet, with its database and its sessions.
 */
import { DurableObject } from "cloudflare:workers";
import { entropyToMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { webCryptoKeks } from "../../durable-objects/kek-webcrypto.ts";
import { createBreez } from "../../durable-objects/spark/generated/breez.js";
import wasm from "../../durable-objects/spark/generated/breez.wasm";
import { SparkPayer } from "../../durable-objects/spark/payer.ts";
import { SPARK_TIMING, type SparkPorts } from "../../durable-objects/spark/ports.ts";
import { durableSql } from "../../durable-objects/sql-durable.ts";
import { migrate } from "../../durable-objects/sql.ts";
import { MIGRATIONS } from "../../durable-objects/wallet/schema.ts";
import { sealEnvelope } from "../../lightning/envelope.ts";
import type { PaymentOrder } from "../../lightning/payer.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import { parseSparkNetwork } from "../../lightning/spark-network.ts";
import { timer } from "../../durable-objects/timer.ts";

export type BenchCall =
  | { readonly call: "status" }
  /** One after another. */
  | { readonly call: "sends"; readonly orders: readonly PaymentOrder[] }
  /** The object dies when the answer to this request has come, and before anybody reads it. */
  | { readonly call: "send_and_die"; readonly order: PaymentOrder; readonly after: string }
  | { readonly call: "die" }
  /** What the alarm does with an order that was interrupted, without its pauses: looks, and resumes what can be resumed, until it is settled. */
  | { readonly call: "recover"; readonly order: PaymentOrder };

export interface BenchAnswer {
  /** Of each send, prepare and pay. */
  readonly ms: readonly number[];
  readonly identity: string;
  readonly spendableMsat: number | null;
  /** Bytes of wasm memory; null while no instance is live. */
  readonly memory: number | null;
  readonly resumes: number;
}

interface BenchEnv {
  readonly PAYER: DurableObjectNamespace<BenchPayer>;
  readonly SPARK_NETWORK_CONFIG: string;
}

/** Longer than any run: what is weighed is live. */
const TIMING = { ...SPARK_TIMING, idle: 3_600_000 };
const KEKS = { WALLET_KEK_V1: btoa("\u0007".repeat(32)) };
const RECORD_KEY = { id: 1, bytes: new Uint8Array(32).fill(9) };
const MOST_LOOKS = 100;
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

export class BenchPayer extends DurableObject<BenchEnv> {
  #payer: SparkPayer | null = null;
  #dieAfter: string | null = null;

  async run(name: string, asked: BenchCall): Promise<BenchAnswer> {
    const payer = (this.#payer ??= new SparkPayer(await this.#ports(name), TIMING));
    const ms: number[] = [];
    let resumes = 0;
    let spendableMsat: number | null = null;
    switch (asked.call) {
      case "die":
        this.ctx.abort("the benchmark evicts this object");
        break;
      case "sends":
        for (const order of asked.orders) ms.push(await timed(() => send(payer, order)));
        break;
      case "send_and_die":
        this.#dieAfter = asked.after;
        await send(payer, asked.order);
        break;
      case "recover":
        resumes = await recover(payer, asked.order);
        break;
      case "status":
        ({ spendableMsat } = await payer.status());
        break;
    }
    const [row] = this.ctx.storage.sql.exec<{ identity: string }>("SELECT identity FROM spark_wallet").toArray();
    return { ms, identity: row?.identity ?? "", spendableMsat, memory: payer.memory(), resumes };
  }

  async #fetch(request: Request): Promise<Response> {
    const fatal = this.#dieAfter !== null && (await nameOf(request)) === this.#dieAfter;
    const response = await fetch(request);
    if (fatal) this.ctx.abort("the benchmark ends this object in the middle of a send");
    return response;
  }

  async #ports(walletId: string): Promise<SparkPorts> {
    const sql = durableSql(this.ctx.storage);
    migrate(sql, MIGRATIONS, Date.now());
    const network = parseSparkNetwork(this.env.SPARK_NETWORK_CONFIG);
    const keks = await webCryptoKeks(KEKS);
    if (!network.ok || !keks.ok) throw new Error("the benchmark's configuration is none");
    const binding = { walletId, owner: "main", network: "regtest" } as const;
    const entropy = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(walletId))).slice(0, 16);
    const words = new TextEncoder().encode(entropyToMnemonic(entropy, wordlist));
    const envelope = await sealEnvelope({ cipher: nodeCipher, kek: keks.value.current, random }, binding, words, Date.now());
    return {
      sql,
      sealing: {
        seal: (context, plain) => sealRecord(nodeCipher, RECORD_KEY, random(12), context, plain),
        open: (context, bytes) => openRecord(nodeCipher, RECORD_KEY, context, bytes),
        ready: () => Promise.resolve(true),
      },
      facts: () => ({ ...binding, backend: "spark-wasm", epoch: 1, state: "active" }),
      settings: { network: "regtest", apiKey: null, operators: network.network },
      envelope: () => Promise.resolve(envelope),
      keys: () => Promise.resolve(keks.value),
      cipher: nodeCipher,
      clock: { now: () => Date.now(), timer },
      fetch: (request) => this.#fetch(request),
      wasm: { module: wasm, create: createBreez },
      log: (event, facts) => console.warn(JSON.stringify({ event, ...facts })),
    };
  }
}

/** @throws Error when it did not settle: a benchmark of failures would be fast and worthless */
async function send(payer: SparkPayer, order: PaymentOrder): Promise<void> {
  const ready = await payer.prepare(order);
  if (!ready.ready) throw new Error(`not ready: ${ready.code}`);
  const outcome = await payer.pay(order);
  if (outcome.kind !== "settled") throw new Error(`the send ended as ${outcome.kind}`);
}

/** @returns how often it was resumed @throws Error when it never settled */
async function recover(payer: SparkPayer, order: PaymentOrder): Promise<number> {
  let resumes = 0;
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const seen = await payer.lookup(order);
    if (seen.kind === "settled") return resumes;
    if (seen.kind !== "pending" || seen.resumable !== true) continue;
    resumes++;
    if ((await payer.resume(order)).kind === "settled") return resumes;
  }
  throw new Error("the interrupted send never settled");
}

/** A Worker's clock stands still between two events from outside: a timer before and after brings it up to date. */
async function timed(work: () => Promise<void>): Promise<number> {
  await timer(0).done;
  const began = performance.now();
  await work();
  await timer(0).done;
  return performance.now() - began;
}

/** The RPC of an operator, or the SSP's operation. */
async function nameOf(request: Request): Promise<string> {
  const rpc = /\.[A-Za-z]+\/([a-z0-9_]+)$/u.exec(new URL(request.url).pathname)?.[1];
  if (rpc !== undefined) return rpc;
  return /"operationName"\s*:\s*"(\w+)"/u.exec(await request.clone().text())?.[1] ?? "";
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    return Response.json(await env.PAYER.getByName(name).run(name, await request.json<BenchCall>()));
  },
} satisfies ExportedHandler<BenchEnv>;
