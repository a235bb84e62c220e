/**
 * What the operators know: leaves, transfers, preimages, nonces. The tables are shared by all three, as their database would be after they
 * have agreed; what is each one's own (identity key, share of a leaf's key, nonces) is kept by its number and used only where it acts.
 */
import { Checks } from "./checks.ts";
import { bytesToHex, scalarToBytes } from "./field.ts";
import type { Nonce } from "./frost.ts";
import {
  GrpcError,
  type OperatorLie,
  type OperatorsOptions,
  type SparkPorts,
  type TransferStatus,
  type TransferType,
} from "./operators-port.ts";
import { parsePoint, randomKeyPair, type KeyPair, type Point } from "./points.ts";
import { Journal, Table } from "./tables.ts";
import type { TaprootKey, Transaction } from "./transaction.ts";

export interface Operator {
  /** 0 to 2, in URLs. */
  readonly index: number;
  /** 1 to 3, in Shamir's polynomial. */
  readonly number: number;
  /** The number as 64 hex digits: FROST's identifier. */
  readonly identifier: string;
  readonly key: KeyPair;
}

export interface Leaf {
  readonly id: string;
  readonly treeId: string;
  readonly parentId: string | null;
  readonly sats: number;
  /** Identity public key, hex. Stays the sender's until a transfer is complete. */
  readonly owner: string;
  /** SPLITTED: an inner node of the tree, money of nobody. */
  readonly status: "AVAILABLE" | "TRANSFER_LOCKED" | "SPLITTED";
  /** The transfer that holds it. */
  readonly lockedBy: string | null;
  /** Never changes: the sum of the two keys below. */
  readonly verifyingKey: Point;
  readonly taproot: TaprootKey;
  readonly operatorKey: Point;
  readonly userKey: Point;
  /** Shares of the operators' key, operator number 1 first. */
  readonly shares: readonly bigint[];
  readonly nodeTx: Transaction;
  readonly directTx: Transaction;
  readonly refundTx: Transaction;
  readonly refundSignature: Uint8Array | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What a change of owner adds to the operators' key and takes from the wallet's. */
export interface Tweak {
  readonly point: Point;
  /** Operator number 1 first. */
  readonly shares: readonly bigint[];
}

export interface TransferLeafRow {
  readonly leafId: string;
  readonly sats: number;
  /** The leaf's next key, sealed for the receiver, and the sender's signature over it. */
  readonly cipher: Uint8Array;
  readonly signature: Uint8Array;
  readonly tweak: Tweak;
  /** What the receiver derives its claim's timelock from. */
  readonly intermediateRefund: Transaction;
  /** Refund that pays the receiver's identity key, where the sender signed one. */
  readonly receiverRefund: { readonly transaction: Transaction; readonly signature: Uint8Array | null } | null;
}

export interface TransferRow {
  readonly id: string;
  readonly type: TransferType;
  readonly status: TransferStatus;
  readonly sender: string;
  readonly receiver: string;
  readonly sats: number;
  readonly leaves: readonly TransferLeafRow[];
  readonly paymentHash: string | null;
  readonly sparkInvoice: string;
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Of a primary swap: the adaptor, and the counter transfer once the SSP accepted. */
  readonly swap: { readonly adaptor: Point; readonly counterTransferId: string | null } | null;
}

export interface HtlcRow {
  readonly transferId: string;
  readonly paymentHash: string;
  readonly state: "waiting" | "shared" | "returned";
  readonly bolt11: string | null;
  readonly amountSats: number;
  readonly createdAt: number;
  readonly preimage: string | null;
}

/** Shares of a receive's preimage, operator number 1 first; no operator can tell the preimage alone. */
export interface PreimageShares {
  readonly owner: string;
  readonly shares: readonly bigint[];
}

/** One line per change of ownership: the second book that ledger.ts compares the leaves with. */
export interface Movement {
  readonly from: string | null;
  readonly to: string;
  readonly sats: number;
  readonly transferId: string;
}

export interface Network {
  readonly ports: SparkPorts;
  readonly threshold: number;
  readonly operators: readonly Operator[];
  readonly ssp: KeyPair & { readonly identity: string };
  readonly checks: Checks;
  readonly lies: Set<OperatorLie>;
  readonly journal: Journal;
  readonly leaves: Table<Leaf>;
  readonly transfers: Table<TransferRow>;
  /** By transfer. */
  readonly htlcs: Table<HtlcRow>;
  /** Payment hash and receiver to the transfer whose HTLC is open or shared: at most one. */
  readonly hashes: Table<string>;
  readonly preimageShares: Table<PreimageShares>;
  /** By operator and hiding commitment; a nonce is used once. */
  readonly nonces: Table<Nonce>;
  /** Challenges given out and not yet answered, by nonce. */
  readonly challenges: Table<true>;
  /** The SSP's half of the keys of the leaves it owns. */
  readonly sspKeys: Table<bigint>;
  readonly movements: Table<Movement>;
}

export function createNetwork({ ports, checks, operators = 3, threshold = 2 }: OperatorsOptions): Network {
  const journal = new Journal();
  const random = (length: number): Uint8Array => ports.random(length);
  const ssp = randomKeyPair(random);
  return {
    ports,
    threshold,
    operators: Array.from({ length: operators }, (_, index) => ({
      index,
      number: index + 1,
      identifier: bytesToHex(scalarToBytes(BigInt(index + 1))),
      key: randomKeyPair(random),
    })),
    ssp: { ...ssp, identity: bytesToHex(ssp.publicKey) },
    checks: new Checks(checks),
    lies: new Set(),
    journal,
    leaves: new Table(journal),
    transfers: new Table(journal),
    htlcs: new Table(journal),
    hashes: new Table(journal),
    preimageShares: new Table(journal),
    nonces: new Table(journal),
    challenges: new Table(journal),
    sspKeys: new Table(journal),
    movements: new Table(journal),
  };
}

export const INVALID_ARGUMENT = 3;
export const NOT_FOUND = 5;
export const ALREADY_EXISTS = 6;
export const PERMISSION_DENIED = 7;
export const FAILED_PRECONDITION = 9;
export const UNIMPLEMENTED = 12;
export const UNAUTHENTICATED = 16;

/** Refuses with INVALID_ARGUMENT unless `condition`. */
export function need(condition: boolean, message: string): asserts condition {
  if (!condition) throw new GrpcError(INVALID_ARGUMENT, message);
}

/** The value, or a refusal with INVALID_ARGUMENT where a message lacks it. */
export function given<T>(value: T | undefined, name: string): T {
  need(value !== undefined, `missing ${name}`);
  return value;
}

/** A public key of a request. */
export function pointOf(bytes: Uint8Array, name: string): Point {
  try {
    return parsePoint(bytes);
  } catch {
    need(false, `${name} is no public key`);
  }
}

export function leafOf(network: Network, id: string): Leaf {
  const leaf = network.leaves.get(id);
  if (leaf === undefined) throw new GrpcError(NOT_FOUND, `no such leaf ${id}`);
  return leaf;
}

export function transferOf(network: Network, id: string): TransferRow {
  const transfer = network.transfers.get(id);
  if (transfer === undefined) throw new GrpcError(NOT_FOUND, `no such transfer ${id}`);
  return transfer;
}

export function updateLeaf(network: Network, leaf: Leaf, change: Partial<Leaf>): Leaf {
  const next = { ...leaf, ...change, updatedAt: network.ports.now() };
  network.leaves.set(leaf.id, next);
  return next;
}

export function updateTransfer(network: Network, transfer: TransferRow, change: Partial<TransferRow>): TransferRow {
  const next = { ...transfer, ...change, updatedAt: network.ports.now() };
  network.transfers.set(transfer.id, next);
  return next;
}
