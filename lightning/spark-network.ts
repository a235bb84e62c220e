/**
 * Whom a Spark wallet talks to: signing operators and the service provider (SSP) that pays out over Lightning. Mainnet and Breez's hosted
 * regtest are built into the SDK; any other network is given by configuration, and never on mainnet: whoever names the operators holds the money.
 */
import type { Network } from "./bolt11.ts";

export interface SparkOperator {
  /** 0-based; operator `id + 1` in key sharing. */
  readonly id: number;
  /** 64 hex digits. */
  readonly identifier: string;
  /** Compressed public key, 66 hex digits. */
  readonly identityPublicKey: string;
  /** Base URL of its gRPC-web service, without a trailing slash. */
  readonly address: string;
}

export interface SparkNetwork {
  /** `identifier` of the operator that coordinates. */
  readonly coordinator: string;
  readonly threshold: number;
  readonly operators: readonly SparkOperator[];
  readonly ssp: {
    readonly baseUrl: string;
    readonly identityPublicKey: string;
    /** Path of its GraphQL endpoint below `baseUrl`. */
    readonly schemaEndpoint: string;
  };
}

export type SparkNetworkResult = { readonly ok: true; readonly network: SparkNetwork } | { readonly ok: false; readonly detail: string };

const DEFAULT_ENDPOINT = "graphql/spark/rc";
const MOST_OPERATORS = 16;

/** Spark exists on these two; a wallet on any other network has no such payer. */
export const isSparkNetwork = (network: Network): network is "mainnet" | "regtest" => network === "mainnet" || network === "regtest";

/** @param text JSON of a {@link SparkNetwork}. Addresses are https, or http on loopback. @returns the network, or one line that quotes no value */
export function parseSparkNetwork(text: string): SparkNetworkResult {
  const no = (detail: string): SparkNetworkResult => ({ ok: false, detail });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return no("is not JSON");
  }
  if (!isRecord(value)) return no("must be a JSON object");
  const { coordinator, threshold, operators, ssp } = value;
  if (!Array.isArray(operators) || operators.length === 0 || operators.length > MOST_OPERATORS)
    return no(`.operators must be 1 to ${MOST_OPERATORS} operators`);
  const read: SparkOperator[] = [];
  for (const [index, operator] of (operators as unknown[]).entries()) {
    if (!isRecord(operator)) return no(`.operators[${index}] must be an object`);
    const { id, identifier, identityPublicKey, address } = operator;
    if (id !== index) return no(`.operators[${index}].id must be ${index}`);
    if (!isIdentifier(identifier)) return no(`.operators[${index}].identifier must be 64 hex digits`);
    if (!isPublicKey(identityPublicKey)) return no(`.operators[${index}].identityPublicKey must be a compressed public key, 66 hex digits`);
    if (!isBase(address)) return no(`.operators[${index}].address must be https without user info or query (http only on loopback)`);
    read.push({ id, identifier, identityPublicKey, address });
  }
  if (typeof coordinator !== "string" || !read.some((operator) => operator.identifier === coordinator))
    return no(".coordinator must be the identifier of an operator");
  if (!Number.isSafeInteger(threshold) || Number(threshold) < 1 || Number(threshold) > read.length)
    return no(".threshold must be between 1 and the number of operators");
  if (!isRecord(ssp)) return no(".ssp must be an object");
  const { baseUrl, identityPublicKey, schemaEndpoint = DEFAULT_ENDPOINT } = ssp;
  if (!isBase(baseUrl)) return no(".ssp.baseUrl must be https without user info or query (http only on loopback)");
  if (!isPublicKey(identityPublicKey)) return no(".ssp.identityPublicKey must be a compressed public key, 66 hex digits");
  if (typeof schemaEndpoint !== "string" || !/^[a-z0-9][a-z0-9/_.-]{0,99}$/iu.test(schemaEndpoint))
    return no(".ssp.schemaEndpoint must be a path without a leading slash");
  return {
    ok: true,
    network: { coordinator, threshold: Number(threshold), operators: read, ssp: { baseUrl, identityPublicKey, schemaEndpoint } },
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isIdentifier = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/u.test(value);
const isPublicKey = (value: unknown): value is string => typeof value === "string" && /^0[23][0-9a-f]{64}$/u.test(value);

function isBase(value: unknown): value is string {
  if (typeof value !== "string" || !URL.canParse(value) || value.endsWith("/")) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(value);
  const loopback = ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  return (
    username === "" && password === "" && search === "" && hash === "" && (protocol === "https:" || (protocol === "http:" && loopback))
  );
}
