/** The three operators as one object (operators-port.ts): a table of RPCs over the cores, each call one transaction. */
import { getChallenge, verifyChallenge } from "./authentication.ts";
import { claimTransfer } from "./claim.ts";
import { giveCommitments } from "./cosign.ts";
import { bytesToHex, hexToBytes } from "./field.ts";
import { balanceOf, differences, ledgerOf } from "./ledger.ts";
import type { MintOptions } from "./leaves.ts";
import * as wire from "./messages.ts";
import { createNetwork, INVALID_ARGUMENT, UNIMPLEMENTED, type Network } from "./network.ts";
import {
  GrpcError,
  type HtlcView,
  type OperatorLie,
  type OperatorsOptions,
  type OperatorsPort,
  type SparkLedger,
  type SwapLeaf,
  type TransferView,
} from "./operators-port.ts";
import {
  initiatePreimageSwap,
  providePreimage,
  receive,
  receiveHeld,
  returnHtlc,
  sharePreimage,
  storePreimageShares,
} from "./preimage-swap.ts";
import type { Message } from "./protobuf.ts";
import { queryHtlc, queryNodes, queryTransfers } from "./queries.ts";
import { renewLeaf } from "./renew.ts";
import { acceptSwap, initiateSwap, returnSwap } from "./swap.ts";
import { sendFromSsp, startTransfer } from "./transfers.ts";
import { htlcView, transferMessage, transferView } from "./views.ts";

type Rpc = (network: Network, identity: string, request: Uint8Array, operator: number) => Uint8Array;

function rpc<Request, Response>(
  request: Message<Request, never>,
  response: { encode(value: Response): Uint8Array },
  handle: (network: Network, identity: string, request: Request, operator: number) => Response,
): Rpc {
  return (network, identity, bytes, operator) => response.encode(handle(network, identity, decode(request, bytes), operator));
}

function decode<Request>(type: Message<Request, never>, bytes: Uint8Array): Request {
  try {
    return type.decode(bytes);
  } catch {
    throw new GrpcError(INVALID_ARGUMENT, "the request is no protobuf of its type");
  }
}

/** Nothing on chain, no tokens, no Spark invoices: these answer as an empty database does. */
const empty: Rpc = () => new Uint8Array(0);
/** What the SDK's client mode asks and sets at its start; nothing here depends on it. */
const walletSetting: Rpc = (_, identity) =>
  wire.WalletSettingResponse.encode({ walletSetting: { ownerIdentityPublicKey: hexToBytes(identity), privateEnabled: false } });

const RPCS: Readonly<Record<string, Rpc>> = {
  query_nodes: rpc(wire.QueryNodesRequest, wire.QueryNodesResponse, (network, _, request, operator) =>
    queryNodes(network, request, operator),
  ),
  get_signing_commitments: rpc(wire.GetSigningCommitmentsRequest, wire.GetSigningCommitmentsResponse, (network, _, request) =>
    giveCommitments(network, request),
  ),
  start_transfer_v2: rpc(wire.StartTransferRequest, wire.StartTransferResponse, (network, me, request, operator) => ({
    transfer: transferMessage(network, startTransfer(network, me, request), operator),
  })),
  initiate_preimage_swap_v3: rpc(wire.InitiatePreimageSwapRequest, wire.InitiatePreimageSwapResponse, (network, me, request, operator) => ({
    transfer: transferMessage(network, initiatePreimageSwap(network, me, request), operator),
  })),
  provide_preimage: rpc(wire.ProvidePreimageRequest, wire.ProvidePreimageResponse, (network, me, request, operator) => ({
    transfer: transferMessage(network, providePreimage(network, me, request), operator),
  })),
  store_preimage_share_v2: (network, me, request) => {
    storePreimageShares(network, me, decode(wire.StorePreimageShareV2Request, request));
    return new Uint8Array(0);
  },
  initiate_swap_primary_transfer: rpc(wire.InitiateSwapPrimaryRequest, wire.StartTransferResponse, (network, me, request, operator) => {
    const { transfer, signingResults } = initiateSwap(network, me, request);
    return { transfer: transferMessage(network, transfer, operator), signingResults };
  }),
  claim_transfer: rpc(wire.ClaimTransferRequest, wire.ClaimTransferResponse, (network, me, request, operator) => ({
    transfer: transferMessage(network, claimTransfer(network, me, request), operator),
  })),
  renew_leaf: rpc(wire.RenewLeafRequest, wire.RenewLeafResponse, renewLeaf),
  query_pending_transfers: rpc(wire.TransferFilter, wire.QueryTransfersResponse, (network, me, request, operator) =>
    queryTransfers(network, me, request, operator, "pending"),
  ),
  query_all_transfers: rpc(wire.TransferFilter, wire.QueryTransfersResponse, (network, me, request, operator) =>
    queryTransfers(network, me, request, operator, "all"),
  ),
  query_htlc: rpc(wire.QueryHtlcRequest, wire.QueryHtlcResponse, queryHtlc),
  get_utxos_for_identity: empty,
  get_utxos_for_address: empty,
  query_unused_deposit_addresses: empty,
  query_static_deposit_addresses: empty,
  query_spark_invoices: empty,
  query_token_outputs: empty,
  query_token_transactions: empty,
  query_wallet_setting: walletSetting,
  update_wallet_setting: walletSetting,
};

export class Operators implements OperatorsPort {
  readonly #network: Network;
  readonly identities: OperatorsPort["identities"];
  readonly threshold: number;
  readonly ssp: OperatorsPort["ssp"];
  readonly lies: Set<OperatorLie>;

  constructor(options: OperatorsOptions) {
    this.#network = createNetwork(options);
    this.identities = this.#network.operators.map(({ index, identifier, key }) => ({
      index,
      identifier,
      identityPublicKey: bytesToHex(key.publicKey),
    }));
    this.threshold = this.#network.threshold;
    this.ssp = { identityPublicKey: this.#network.ssp.identity };
    this.lies = this.#network.lies;
  }

  /** For this room's tests, which plant losses and look at rows. */
  get network(): Network {
    return this.#network;
  }

  #commit<T>(work: () => T): T {
    return this.#network.journal.atomically(work);
  }

  call(method: string, operator: number, identity: string, request: Uint8Array): Uint8Array {
    const handler = Object.hasOwn(RPCS, method) ? RPCS[method] : undefined;
    if (handler === undefined) throw new GrpcError(UNIMPLEMENTED, `unimplemented ${method}`);
    return this.#commit(() => handler(this.#network, identity, request, operator));
  }

  getChallenge(operator: number, request: Uint8Array): Uint8Array {
    return this.#commit(() =>
      wire.GetChallengeResponse.encode(getChallenge(this.#network, operator, decode(wire.GetChallengeRequest, request))),
    );
  }

  verifyChallenge(operator: number, request: Uint8Array): { readonly identity: string } {
    return { identity: this.#commit(() => verifyChallenge(this.#network, operator, decode(wire.VerifyChallengeRequest, request))) };
  }

  encodeSession(token: string, expiresAt: number): Uint8Array {
    return wire.VerifyChallengeResponse.encode({ sessionToken: token, expirationTimestamp: Math.floor(expiresAt / 1000) });
  }

  mint(identity: string, values: readonly number[], options: MintOptions = {}): string {
    const order = { ...options, receiver: identity, values, type: "transfer", expiresAt: null, paymentHash: null } as const;
    return this.#commit(() => sendFromSsp(this.#network, order).id);
  }

  transfer(id: string): TransferView | null {
    const row = this.#network.transfers.get(id);
    return row === undefined ? null : transferView(row);
  }

  htlc(transferId: string): HtlcView | null {
    const htlc = this.#network.htlcs.get(transferId);
    const transfer = this.#network.transfers.get(transferId);
    return htlc === undefined || transfer === undefined ? null : htlcView(htlc, transfer);
  }

  providePreimage(transferId: string, preimage: string): void {
    this.#commit(() => sharePreimage(this.#network, transferId, preimage));
  }

  returnHtlc(transferId: string): void {
    this.#commit(() => returnHtlc(this.#network, transferId, "returned"));
  }

  acceptSwap(primaryTransferId: string, leaves: readonly SwapLeaf[], values: readonly number[]): { readonly counterTransferId: string } {
    return this.#commit(() => acceptSwap(this.#network, primaryTransferId, leaves, values));
  }

  returnSwap(primaryTransferId: string): void {
    this.#commit(() => returnSwap(this.#network, primaryTransferId, "returned"));
  }

  holdsPreimage(paymentHash: string): boolean {
    return this.#network.preimageShares.has(paymentHash);
  }

  receive(order: Parameters<OperatorsPort["receive"]>[0]): { readonly transferId: string; readonly preimage: string } {
    return this.#commit(() => receive(this.#network, order));
  }

  receiveHeld(order: Parameters<OperatorsPort["receiveHeld"]>[0]): { readonly transferId: string } {
    return { transferId: this.#commit(() => receiveHeld(this.#network, order)).id };
  }

  preimageOf(paymentHash: string): string | null {
    return this.#network.htlcs.values().find((htlc) => htlc.paymentHash === paymentHash && htlc.preimage !== null)?.preimage ?? null;
  }

  tick(now: number): void {
    const due = [...this.#network.transfers.values()].filter(
      ({ status, expiresAt }) => status === "key_tweak_pending" && expiresAt !== null && expiresAt <= now,
    );
    for (const { id, paymentHash } of due) {
      this.#commit(() => (paymentHash === null ? returnSwap(this.#network, id, "expired") : returnHtlc(this.#network, id, "expired")));
    }
  }

  balance(identity: string): number {
    return balanceOf(this.#network, identity);
  }

  ledger(): SparkLedger {
    return ledgerOf(this.#network);
  }

  check(): readonly string[] {
    return differences(this.#network);
  }

  counts(): Readonly<Record<string, number>> {
    return this.#network.checks.counts();
  }
}
