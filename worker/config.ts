/**
 * What the operator of this Worker has set, read once per isolate. A value that cannot be understood stops the Worker with a line
 * that names the variable and never its content: a default in its place would hide the mistake until money had moved.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Network } from "../lightning/bolt11.ts";
import { canonicalJson } from "../lightning/jcs.ts";
import type { Backend } from "../lightning/payer.ts";
import { isSparkNetwork, parseSparkNetwork, type SparkNetwork } from "../lightning/spark-network.ts";

/** Equal to package.json and wrangler.toml; a test compares them, since a Worker cannot ask for either. */
export const VERSION = "0.1.0";
export const COMPATIBILITY_DATE = "2026-10-23";

const NETWORKS: readonly Network[] = ["mainnet", "testnet", "signet", "regtest"];
const BACKENDS: readonly Backend[] = ["http-executor", "spark-wasm"];
const DEFAULT_REQUEST_MAX_BYTES = 1_048_576;
/** Above the 10 s within which a payer answers. */
const DEFAULT_EXECUTOR_TIMEOUT_MS = 12_000;

export interface ExecutorConfig {
  readonly baseUrl: string;
  readonly token: string;
  readonly timeoutMs: number;
}

export interface SparkConfig {
  /** Other operators than those the SDK knows; never on mainnet. */
  readonly operators: SparkNetwork | null;
  readonly apiKey: string | null;
}

export interface Config {
  readonly network: Network;
  readonly backend: Backend;
  /** A: the payer lives in the Wallet object. B: it is an HTTP executor. */
  readonly topology: "A" | "B";
  /** `host:port`; empty in production. */
  readonly localHosts: readonly string[];
  readonly executor: ExecutorConfig | null;
  readonly spark: SparkConfig;
  readonly requestMaxBytes: number;
  /** Where people reach this Worker, without a trailing slash; null: where the request says that it came in. */
  readonly publicUrl: string | null;
  /** Hex sha256 of the first operator key's secret; null: there is no such key. */
  readonly rootKeyHash: string | null;
  /** Hex sha256 of everything above that is no secret: two deployments that should be equal can be compared. */
  readonly configHash: string;
}

/** The variables as the platform hands them over: text, or absent. */
export interface ConfigSource {
  readonly LIGHTNING_NETWORK?: unknown;
  readonly WALLET_BACKEND?: unknown;
  readonly LIGHTNING_LOCAL_HOSTS?: unknown;
  readonly OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL?: unknown;
  readonly OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN?: unknown;
  readonly OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS?: unknown;
  readonly SPARK_NETWORK_CONFIG?: unknown;
  readonly BREEZ_API_KEY?: unknown;
  readonly REQUEST_MAX_BYTES?: unknown;
  readonly LIGHTNING_PUBLIC_URL?: unknown;
  readonly LIGHTNING_OPERATOR_KEY_SHA256?: unknown;
}

export type ConfigResult = { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly fault: string };

/** A fault found while reading; never leaves this file. */
class Fault extends Error {}

const cache = new WeakMap<object, ConfigResult>();

/** @returns the configuration, or one line that names the first variable at fault; cached per `env` object, of which an isolate has one */
export function readConfig(env: ConfigSource): ConfigResult {
  const known = cache.get(env);
  if (known !== undefined) return known;
  let result: ConfigResult;
  try {
    result = { ok: true, config: read(env) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    result = { ok: false, fault: error.message };
  }
  cache.set(env, result);
  return result;
}

function read(env: ConfigSource): Config {
  const network = oneOf("LIGHTNING_NETWORK", env.LIGHTNING_NETWORK, NETWORKS);
  const backend = oneOf("WALLET_BACKEND", env.WALLET_BACKEND, BACKENDS);
  const localHosts = hosts(env.LIGHTNING_LOCAL_HOSTS);
  if (localHosts.length > 0 && network === "mainnet")
    throw new Fault("LIGHTNING_LOCAL_HOSTS is for local development and is refused on mainnet");
  const executor = readExecutor(env);
  const spark = readSpark(env, network, backend);
  const requestMaxBytes = integer("REQUEST_MAX_BYTES", env.REQUEST_MAX_BYTES, 1024, 33_554_432, DEFAULT_REQUEST_MAX_BYTES);
  const publicUrl = readPublicUrl(env.LIGHTNING_PUBLIC_URL);
  const rootKeyHash = optional("LIGHTNING_OPERATOR_KEY_SHA256", env.LIGHTNING_OPERATOR_KEY_SHA256);
  if (rootKeyHash !== null && !/^[0-9a-f]{64}$/u.test(rootKeyHash))
    throw new Fault("LIGHTNING_OPERATOR_KEY_SHA256 must be 64 hex digits in lower case");
  const open = {
    network,
    backend,
    localHosts,
    executor: executor === null ? null : { baseUrl: executor.baseUrl, timeoutMs: executor.timeoutMs },
    spark: spark.operators === null ? null : JSON.stringify(spark.operators),
    requestMaxBytes,
    publicUrl,
    version: VERSION,
  };
  const configHash = bytesToHex(sha256(utf8ToBytes(canonicalJson(open))));
  return {
    network,
    backend,
    topology: backend === "spark-wasm" ? "A" : "B",
    localHosts,
    executor,
    spark,
    requestMaxBytes,
    publicUrl,
    rootKeyHash,
    configHash,
  };
}

/** Whoever names the operators holds the money: on mainnet only the SDK's own list will do. */
function readSpark(env: ConfigSource, network: Network, backend: Backend): SparkConfig {
  const text = optional("SPARK_NETWORK_CONFIG", env.SPARK_NETWORK_CONFIG);
  const apiKey = optional("BREEZ_API_KEY", env.BREEZ_API_KEY);
  if (text !== null && network === "mainnet") throw new Fault("SPARK_NETWORK_CONFIG is for test networks and is refused on mainnet");
  if (backend === "spark-wasm" && !isSparkNetwork(network))
    throw new Fault("WALLET_BACKEND spark-wasm needs LIGHTNING_NETWORK mainnet or regtest");
  if (text === null) return { operators: null, apiKey };
  const read = parseSparkNetwork(text);
  if (!read.ok) throw new Fault(`SPARK_NETWORK_CONFIG ${read.detail}`);
  return { operators: read.network, apiKey };
}

function readExecutor(env: ConfigSource): ExecutorConfig | null {
  const baseUrl = optional("OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL", env.OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL);
  const token = optional("OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN", env.OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN);
  const timeoutMs = integer(
    "OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS",
    env.OA_LIGHTNING_WALLET_EXECUTOR_TIMEOUT_MS,
    100,
    60_000,
    DEFAULT_EXECUTOR_TIMEOUT_MS,
  );
  if (baseUrl === null && token === null) return null;
  if (baseUrl === null) throw new Fault("OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL is missing though its token is set");
  if (token === null) throw new Fault("OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN is missing though its URL is set");
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  // Orders and preimages travel here: clear text only where it never leaves the machine.
  const loopback = url !== null && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (
    url === null ||
    url.username !== "" ||
    url.password !== "" ||
    (url.protocol !== "https:" && !(url.protocol === "http:" && loopback))
  ) {
    throw new Fault("OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL must be an https URL without user info (http only on loopback)");
  }
  return { baseUrl, token, timeoutMs };
}

/** Approval links go out under it: never to a place that could read them on the way. */
function readPublicUrl(value: unknown): string | null {
  const text = optional("LIGHTNING_PUBLIC_URL", value);
  if (text === null) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const loopback = url !== null && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  const plain = url !== null && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!plain || (url.protocol !== "https:" && !(url.protocol === "http:" && loopback))) {
    throw new Fault("LIGHTNING_PUBLIC_URL must be an https URL without user info, query or fragment (http only on loopback)");
  }
  return url.href.replace(/\/+$/u, "");
}

function oneOf<T extends string>(name: string, value: unknown, words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new Fault(`${name} must be one of ${words.join(", ")}`);
  return found;
}

function optional(name: string, value: unknown): string | null {
  if (value === undefined || value === "") return null;
  if (typeof value !== "string") throw new Fault(`${name} must be text`);
  return value;
}

function integer(name: string, value: unknown, least: number, most: number, absent: number): number {
  const text = typeof value === "number" ? String(value) : optional(name, value);
  if (text === null) return absent;
  const number = /^[0-9]{1,10}$/u.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least && number <= most)) throw new Fault(`${name} must be a whole number from ${least} to ${most}`);
  return number;
}

function hosts(value: unknown): readonly string[] {
  const text = optional("LIGHTNING_LOCAL_HOSTS", value);
  if (text === null) return [];
  const entries = text.split(",").map((entry) => entry.trim());
  const right = entries.every(
    (entry) => /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\]):[0-9]{1,5}$/u.test(entry) && Number(entry.slice(entry.lastIndexOf(":") + 1)) <= 65_535,
  );
  if (!right) throw new Fault("LIGHTNING_LOCAL_HOSTS must be a list of host:port, separated by commas, in lower case");
  return entries;
}
