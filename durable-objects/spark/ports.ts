/** What the Spark payer needs of its object. All of it is injected: the same code runs in workerd and, against the sandbox, in Node. */
import type { Envelope } from "../../lightning/envelope.ts";
import type { KeyRing } from "../../lightning/kek.ts";
import type { Network } from "../../lightning/bolt11.ts";
import type { Cipher } from "../../lightning/seal.ts";
import type { SparkNetwork } from "../../lightning/spark-network.ts";
import type { Sql } from "../sql.ts";
import type { Sealing, WalletFacts } from "../wallet/payer-seams.ts";
import type { Timer } from "../wallet/ports.ts";
import type { Breez, BreezHost } from "./generated/breez.js";

export interface SparkSettings {
  /** The deployment's network; a wallet of another one is refused. */
  readonly network: Network;
  /** null: the operators and the SSP that the SDK knows for this network. */
  readonly operators: SparkNetwork | null;
  /** Needed on mainnet. */
  readonly apiKey: string | null;
}

export interface SparkPorts {
  readonly sql: Sql;
  readonly sealing: Sealing;
  /** null: nobody has made a wallet here. */
  readonly facts: () => WalletFacts | null;
  readonly settings: SparkSettings;
  readonly envelope: (walletId: string) => Promise<Envelope | null>;
  readonly keys: () => Promise<KeyRing | null>;
  readonly cipher: Cipher;
  readonly clock: { now(): number; timer(ms: number): Timer };
  readonly fetch: (request: Request) => Promise<Response>;
  readonly wasm: { readonly module: WebAssembly.Module; readonly create: (module: WebAssembly.Module, host: BreezHost) => Breez };
  /** Structured, and never given what invariant 9 lists. */
  readonly log: (event: string, facts: Readonly<Record<string, string | number | boolean | null>>) => void;
}

/** Milliseconds. */
export interface SparkTiming {
  /** One request to an operator or the SSP. gRPC in wasm has no deadline of its own. */
  readonly request: number;
  /** One call of the SDK; after it the instance is not trusted any more. */
  readonly call: number;
  /** A sync that takes longer goes on behind: a transfer that cannot be claimed holds it for 15 s, and payments need not wait for that. */
  readonly sync: number;
  /** `pay` and `resume` answer by then, with `pending` if nothing better. */
  readonly answer: number;
  /** An instance that nobody has used for so long leaves memory, and the key with it. */
  readonly idle: number;
  /** Life of an invoice that this wallet makes. */
  readonly invoice: number;
  /** Nobody has paid for so long before change is made: a swap that is broken off holds its leaves for minutes. */
  readonly quiet: number;
}

export const SPARK_TIMING: SparkTiming = {
  request: 8_000,
  call: 20_000,
  sync: 4_000,
  answer: 9_500,
  idle: 45_000,
  invoice: 3_600_000,
  quiet: 30_000,
};
