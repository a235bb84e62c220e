/**
 * What the sandbox's SSP and front see of the three operators. One object stands for all of them, because a test needs one clock and one
 * commit; each still has its own identity key, its own shares of every leaf key and its own nonces, and nothing is signed without a threshold.
 * Every method that changes anything is atomic: if it throws, nothing has changed. Everything is synchronous, so that no request of another
 * wallet can come between a check and its write.
 */

export interface SparkPorts {
  /** Epoch milliseconds. */
  now(): number;
  random(length: number): Uint8Array;
  uuid(): string;
}

export interface OperatorsOptions {
  readonly ports: SparkPorts;
  /** `light` leaves out the dear checks (signature shares, Feldman proofs, aggregation); it still compares every transaction. */
  readonly checks: "full" | "light";
  readonly operators?: 3;
  readonly threshold?: 2;
}

/** A refusal as the operators' gRPC would say it. Codes: 3 invalid argument, 5 not found, 6 already exists, 7 permission denied, 9 failed precondition, 12 unimplemented, 16 unauthenticated. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Lies an operator may tell; each is one name, told until it is taken back. What a wallet makes of each: README. */
export type OperatorLie =
  /** A verifying key that is not the sum of the wallet's and the operators' keys. */
  | "verifying_key"
  /** One operator (number 2) tells of another refund transaction than the others. */
  | "refund_disagrees"
  /** Leaves are said to belong to somebody else. */
  | "owner"
  /** Leaves are said to be worth ten times what their transactions pay. */
  | "value"
  /** The key sealed into an incoming transfer is not the leaf's. */
  | "secret_cipher"
  /** Incoming leaves are signed by another key than the sender's. */
  | "leaf_signature"
  /** An operator's share of a swap's signature is off by one. */
  | "signature_share"
  /** An HTLC is answered without its expiry time: the SDK's list of payments sticks. */
  | "htlc_without_expiry";

/** TRANSFER_STATUS of the protocol, by name. */
export type TransferStatus = "key_tweak_pending" | "key_tweaked" | "completed" | "expired" | "returned";
export type TransferType = "preimage_swap" | "transfer" | "primary_swap" | "counter_swap";

/** A transfer as the SSP and tests see it. No key in it. */
export interface TransferView {
  /** UUID. */
  readonly id: string;
  readonly type: TransferType;
  readonly status: TransferStatus;
  /** Identity public keys, hex. */
  readonly sender: string;
  readonly receiver: string;
  readonly totalSats: number;
  readonly leafIds: readonly string[];
  /** Payment hash of an HTLC, hex; else null. */
  readonly paymentHash: string | null;
  /** Epoch ms; null where it does not expire. */
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What a wallet locked for the SSP to pay an invoice with. */
export interface HtlcView {
  readonly transferId: string;
  readonly paymentHash: string;
  /** BOLT11 the wallet named, or null. */
  readonly bolt11: string | null;
  /** What the invoice is for; the transfer's total less this is the fee offered. */
  readonly amountSats: number;
  readonly totalSats: number;
  readonly sender: string;
  readonly receiver: string;
  readonly state: "waiting" | "shared" | "returned";
  readonly expiresAt: number;
}

/** What a wallet hands the SSP with its order of a swap: for each leaf, the refund with the adaptor added to its signature. All hex. */
export interface SwapLeaf {
  readonly leafId: string;
  readonly rawUnsignedRefundTransaction: string;
  readonly adaptorAddedSignature: string;
}

export interface SparkLedger {
  /** Everything that was ever minted: what wallets and SSP hold together. */
  readonly mintedSats: number;
  /** Whole transfers only: what is locked counts to its sender until the transfer completes. */
  readonly owners: readonly {
    readonly identity: string;
    readonly ssp: boolean;
    readonly availableSats: number;
    readonly lockedSats: number;
    readonly mintedSats: number;
    readonly receivedSats: number;
    readonly sentSats: number;
  }[];
  readonly transfers: readonly TransferView[];
  readonly htlcs: readonly HtlcView[];
}

export interface OperatorsPort {
  /** `index` 0 to 2; `identifier` is the operator's number + 1 as 64 hex digits. */
  readonly identities: readonly { readonly index: number; readonly identifier: string; readonly identityPublicKey: string }[];
  readonly threshold: number;
  readonly ssp: { readonly identityPublicKey: string };
  /** The lies being told now. C's fault layer adds and deletes. */
  readonly lies: Set<OperatorLie>;

  /**
   * One RPC of spark.SparkService or spark_token.SparkTokenService. Messages are protobuf, without gRPC-web framing.
   * @param method the RPC's name, e.g. `query_nodes`
   * @param operator 0 to 2: whom it was sent to
   * @param identity public key of the session, hex
   * @throws GrpcError
   */
  call(method: string, operator: number, identity: string, request: Uint8Array): Uint8Array;
  /**
   * The two RPCs without a session (spark_authn.SparkAuthnService). The front makes, keeps and expires the tokens.
   * `getChallenge` answers with the encoded response; `verifyChallenge` answers with the identity that proved itself (once per challenge).
   */
  getChallenge(operator: number, request: Uint8Array): Uint8Array;
  verifyChallenge(operator: number, request: Uint8Array): { readonly identity: string };
  /** The encoded answer of verify_challenge. `expiresAt` epoch ms. */
  encodeSession(token: string, expiresAt: number): Uint8Array;

  /**
   * The SSP sends new leaves of these values to a wallet, which claims them when it syncs. Low timelocks (blocks, 2000 each unless told) make
   * the wallet renew them. @returns the transfer's id
   */
  mint(identity: string, values: readonly number[], options?: { readonly refundSequence?: number; readonly nodeSequence?: number }): string;

  transfer(id: string): TransferView | null;

  /** HTLC of a Lightning send, by the transfer's id. */
  htlc(transferId: string): HtlcView | null;
  /** The SSP paid: it proves so, the operators apply the wallet's key tweaks, and the SSP decrypts and checks every leaf key. Repeating it is fine. @throws GrpcError 3 wrong preimage, 9 returned or expired */
  providePreimage(transferId: string, preimage: string): void;
  /** The SSP could not pay: the leaves are the wallet's again. Repeating it is fine. @throws GrpcError 9 once the preimage is shared */
  returnHtlc(transferId: string): void;

  /**
   * The SSP accepts a swap: checks every adaptor signature, sends new leaves of `values` (type counter_swap), and takes the wallet's.
   * @throws GrpcError 3 wrong adaptor signature, total or leaf; 9 not pending
   */
  acceptSwap(primaryTransferId: string, leaves: readonly SwapLeaf[], values: readonly number[]): { readonly counterTransferId: string };
  /** The SSP does not want the swap: the leaves are the wallet's again. */
  returnSwap(primaryTransferId: string): void;

  /** Whether a threshold of operators holds shares of this hash's preimage (store_preimage_share_v2). */
  holdsPreimage(paymentHash: string): boolean;
  /**
   * A Lightning receive: the SSP holds the incoming payment, sends leaves for it and gets the preimage from a threshold of operators.
   * Atomic; a second call for the same hash answers with the same transfer and preimage. @throws GrpcError 5 no shares
   */
  receive(order: { readonly paymentHash: string; readonly receiver: string; readonly values: readonly number[] }): {
    readonly transferId: string;
    /** 64 hex digits. */
    readonly preimage: string;
  };
  /**
   * A receive whose preimage only the wallet knows (it named the hash): leaves are locked to the hash until it provides the preimage.
   * @returns the transfer; {@link preimageOf} tells when it was claimed
   */
  receiveHeld(order: {
    readonly paymentHash: string;
    readonly receiver: string;
    readonly values: readonly number[];
    readonly expiresAt: number;
  }): {
    readonly transferId: string;
  };
  /** The preimage of a hash, once any HTLC for it is shared, 64 hex digits; else null. */
  preimageOf(paymentHash: string): string | null;

  /** Runs the expiry jobs: HTLCs, swaps and unclaimed held receives go back to who sent them. `now` epoch ms. */
  tick(now: number): void;

  /** Sats in leaves the wallet can spend now. */
  balance(identity: string): number;
  ledger(): SparkLedger;
  /** Differences between the leaves, the journal of transfers and the keys; empty when all is well. */
  check(): readonly string[];
  /** How often each check was made, e.g. `user_shares`, `aggregated_signatures`, `adaptor_signatures`, `feldman_shares`, `packages`. */
  counts(): Readonly<Record<string, number>>;
}
