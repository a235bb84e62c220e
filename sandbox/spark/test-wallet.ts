/**
 * A wallet for this room's tests: it keeps leaf keys, signs and seals as the SDK does, and can be made to do it wrongly at one place. The real
 * SDK is the proof that the operators agree with the world (test/spark/); this one reaches what the SDK never does.
 */
import { eciesDecrypt, eciesEncrypt } from "./ecies.ts";
import { bytesToHex, bytesToScalar, hexToBytes, modulo, scalarToBytes } from "./field.ts";
import * as frost from "./frost.ts";
import { leafMessage, packageMessage } from "./keyshares.ts";
import * as wire from "./messages.ts";
import type { Operators } from "./operators.ts";
import type { SparkPorts } from "./operators-port.ts";
import { parseTransaction } from "./parse-transaction.ts";
import { encodePoint, GENERATOR, multiply, parsePoint, randomKeyPair, signEcdsa, type KeyPair, type Point } from "./points.ts";
import type { Infer, Input } from "./protobuf.ts";
import { split } from "./shamir.ts";
import { claimSequences, nextHtlcSequences, nextSequences, type RefundSequences } from "./timelocks.ts";
import { htlcScript, outputOf, payTo, serialize, sighash, spend, taproot, type Transaction } from "./transaction.ts";
import { toTimestamp } from "./views.ts";

type Node = Infer<typeof wire.TreeNode>;
type Job = Input<typeof wire.SigningJob>;
type Jobs = Record<"anchored" | "direct" | "directFromCpfp", Job[]>;

export interface Mischief {
  /** Adds one to the signature share of this leaf. */
  readonly badShareFor?: string;
  /** Signs the package with another key. */
  readonly badPackageSignature?: boolean;
  /** Gives the second operator a share that is off by one. */
  readonly badTweakShare?: boolean;
  /** Signs each sealed key with another key. */
  readonly badLeafSignature?: boolean;
  /** Pays refunds to the wallet itself. */
  readonly refundToSelf?: boolean;
  /** Uses the commitments of the call before again. */
  readonly reuseNonces?: boolean;
}

const HOUR_S = 3600;

export class TestWallet {
  readonly #operators: Operators;
  readonly #ports: SparkPorts;
  readonly key: KeyPair;
  readonly id: string;
  readonly #leafKeys = new Map<string, bigint>();
  #commitments: readonly Infer<typeof wire.RequestedCommitments>[] = [];

  constructor(operators: Operators, ports: SparkPorts) {
    this.#operators = operators;
    this.#ports = ports;
    this.key = randomKeyPair((length) => ports.random(length));
    this.id = bytesToHex(this.key.publicKey);
  }

  sign(message: Uint8Array): Uint8Array {
    return signEcdsa(message, this.key.secret);
  }

  call<Request, Response>(
    method: string,
    request: { encode(value: Request): Uint8Array },
    response: { decode(bytes: Uint8Array): Response },
    value: Request,
    operator = 0,
  ): Response {
    return response.decode(this.#operators.call(method, operator, this.id, request.encode(value)));
  }

  leaves(): readonly Node[] {
    const { nodes } = this.call("query_nodes", wire.QueryNodesRequest, wire.QueryNodesResponse, {
      ownerIdentityPublicKey: this.key.publicKey,
      statuses: [1],
      limit: 1000,
    });
    return [...nodes.values()];
  }

  #random = (length: number): Uint8Array => this.#ports.random(length);

  #commit(leaves: number, mischief: Mischief): readonly Infer<typeof wire.RequestedCommitments>[] {
    if (mischief.reuseNonces === true) return this.#commitments;
    const request = { nodeIdCount: leaves, count: 3 };
    const types = [wire.GetSigningCommitmentsRequest, wire.GetSigningCommitmentsResponse] as const;
    this.#commitments = this.call("get_signing_commitments", ...types, request).signingCommitments;
    return this.#commitments;
  }

  #job(
    node: Node,
    secret: bigint,
    transaction: Transaction,
    parent: Transaction,
    commitments: ReadonlyMap<string, frost.Commitment>,
    mischief: Mischief,
    adaptor?: Point,
  ): Job {
    const own = frost.newNonce(this.#random);
    const verifying = parsePoint(node.verifyingPublicKey);
    const all = new Map([...commitments, [frost.USER, own.commitment]]);
    const round = frost.round({ verifying, taproot: taproot(verifying) }, sighash(transaction, outputOf(parent)), all, adaptor);
    const share = frost.userShare(round, own.nonce, secret);
    return {
      leafId: node.id,
      signingPublicKey: encodePoint(multiply(GENERATOR, secret)),
      rawTx: serialize(transaction),
      signingNonceCommitment: own.commitment,
      userSignature: scalarToBytes(mischief.badShareFor === node.id ? share + 1n : share),
      signingCommitments: { signingCommitments: commitments },
    };
  }

  /** The three refunds of each leaf, as the SDK orders the commitments for them: all with an anchor, all direct, all direct from the node. */
  #refunds(
    nodes: readonly Node[],
    secretOf: (node: Node) => bigint,
    of: (node: Node) => { sequences: RefundSequences; script: Uint8Array },
    mischief: Mischief,
  ): Jobs {
    const commitments = this.#commit(nodes.length, mischief).map(({ signingNonceCommitments }) => signingNonceCommitments);
    const jobs: Jobs = { anchored: [], direct: [], directFromCpfp: [] };
    for (const [at, node] of nodes.entries()) {
      const { sequences, script } = of(node);
      const [nodeTx, directTx] = [parseTransaction(node.nodeTx), parseTransaction(node.directTx)];
      const sign = (transaction: Transaction, parent: Transaction, variant: number): Job =>
        this.#job(
          node,
          secretOf(node),
          transaction,
          parent,
          commitments[variant * nodes.length + at] as ReadonlyMap<string, frost.Commitment>,
          mischief,
        );
      jobs.anchored.push(sign(spend(nodeTx, sequences.anchored, script, "anchored"), nodeTx, 0));
      jobs.direct.push(sign(spend(directTx, sequences.direct, script, "direct"), directTx, 1));
      jobs.directFromCpfp.push(sign(spend(nodeTx, sequences.direct, script, "direct"), nodeTx, 2));
    }
    return jobs;
  }

  #tweaks(
    kind: "transfer" | "claim",
    transferId: string,
    changes: readonly { readonly leafId: string; readonly before: bigint; readonly after: bigint }[],
    receiver: Point | null,
    mischief: Mischief,
  ): { readonly keyTweakPackage: ReadonlyMap<string, Uint8Array>; readonly userSignature: Uint8Array } {
    const { identities, threshold } = this.#operators;
    const perOperator: Input<typeof wire.KeyTweak>[][] = identities.map(() => []);
    for (const { leafId, before, after } of changes) {
      const { shares, proofs } = this.#feldman(modulo(before - after), threshold, identities.length);
      const cipher = receiver === null ? new Uint8Array(0) : eciesEncrypt(receiver, scalarToBytes(after), this.#random);
      const signer = mischief.badLeafSignature === true ? after : this.key.secret;
      const publicSharesTweak = new Map(
        identities.map(({ identifier, index }) => [identifier, encodePoint(multiply(GENERATOR, shares[index] ?? 0n))]),
      );
      for (const { index } of identities) {
        const off = mischief.badTweakShare === true && index === 1 ? 1n : 0n;
        perOperator[index]?.push({
          leafId,
          secretShareTweak: { secretShare: scalarToBytes((shares[index] ?? 0n) + off), proofs },
          publicSharesTweak,
          secretCipher: cipher,
          signature: signEcdsa(leafMessage(leafId, transferId, cipher), signer),
        });
      }
    }
    const keyTweakPackage = new Map(
      identities.map(({ identifier, identityPublicKey, index }) => {
        const tweaks = wire.KeyTweaks.encode({ leaves: perOperator[index] });
        return [identifier, eciesEncrypt(parsePoint(hexToBytes(identityPublicKey)), tweaks, this.#random)];
      }),
    );
    const signer = mischief.badPackageSignature === true ? randomKeyPair(this.#random).secret : this.key.secret;
    return { keyTweakPackage, userSignature: signEcdsa(packageMessage(kind, transferId, keyTweakPackage), signer) };
  }

  /** Shares and proofs of a polynomial of degree 1, from its two first shares. */
  #feldman(
    secret: bigint,
    threshold: number,
    count: number,
  ): { readonly shares: readonly bigint[]; readonly proofs: readonly Uint8Array[] } {
    const shares = split(secret, threshold, count, this.#random);
    const slope = modulo((shares[1] ?? 0n) - (shares[0] ?? 0n));
    return { shares, proofs: [modulo(secret), slope].map((coefficient) => encodePoint(multiply(GENERATOR, coefficient))) };
  }

  #keyOf = (node: Node): bigint => this.#leafKeys.get(node.id) ?? 1n;

  /** Claims everything that waits for this wallet. @returns how many transfers */
  claim(mischief: Mischief = {}): number {
    const filter = { receiver: this.key.publicKey };
    const { transfers } = this.call("query_pending_transfers", wire.TransferFilter, wire.QueryTransfersResponse, filter);
    for (const transfer of transfers) {
      const nodes = transfer.leaves.map(({ leaf }) => leaf as Node);
      const changes = transfer.leaves.map(({ secretCipher }, at) => ({
        leafId: nodes[at]?.id ?? "",
        before: bytesToScalar(eciesDecrypt(this.key.secret, secretCipher)),
        after: randomKeyPair(this.#random).secret,
      }));
      const newKey = (node: Node): bigint => changes.find(({ leafId }) => leafId === node.id)?.after ?? 0n;
      const refund = (node: Node): { sequences: RefundSequences; script: Uint8Array } => {
        const leaf = transfer.leaves.find((each) => each.leaf?.id === node.id);
        const sequence = parseTransaction(leaf?.intermediateRefundTx ?? new Uint8Array(0)).input.sequence;
        return { sequences: claimSequences(sequence), script: payTo(multiply(GENERATOR, newKey(node))) };
      };
      const jobs = this.#refunds(nodes, newKey, refund, mischief);
      const claimPackage = {
        ...this.#tweaks("claim", transfer.id, changes, null, mischief),
        leavesToClaim: jobs.anchored,
        directLeavesToClaim: jobs.direct,
        directFromCpfpLeavesToClaim: jobs.directFromCpfp,
      };
      const request = { transferId: transfer.id, ownerIdentityPublicKey: this.key.publicKey, claimPackage };
      this.call("claim_transfer", wire.ClaimTransferRequest, wire.ClaimTransferResponse, request);
      for (const { leafId, after } of changes) this.#leafKeys.set(leafId, after);
    }
    return transfers.length;
  }

  #start(
    id: string,
    nodes: readonly Node[],
    receiver: Uint8Array,
    of: (node: Node) => { sequences: RefundSequences; script: Uint8Array },
    mischief: Mischief,
    expiresAt?: number,
  ): Input<typeof wire.StartTransferRequest> {
    const jobs = this.#refunds(nodes, this.#keyOf, of, mischief);
    const changes = nodes.map((node) => ({ leafId: node.id, before: this.#keyOf(node), after: randomKeyPair(this.#random).secret }));
    return {
      transferId: id,
      ownerIdentityPublicKey: this.key.publicKey,
      receiverIdentityPublicKey: receiver,
      expiryTime: expiresAt === undefined ? undefined : toTimestamp(expiresAt),
      transferPackage: {
        ...this.#tweaks("transfer", id, changes, parsePoint(receiver), mischief),
        leavesToSend: jobs.anchored,
        directLeavesToSend: jobs.direct,
        directFromCpfpLeavesToSend: jobs.directFromCpfp,
      },
    };
  }

  /** start_transfer_v2. @returns the transfer's id */
  transfer(nodes: readonly Node[], receiver: Uint8Array, mischief: Mischief = {}, id = this.#ports.uuid()): string {
    const to = mischief.refundToSelf === true ? this.key.publicKey : receiver;
    const refund = (node: Node): { sequences: RefundSequences; script: Uint8Array } => ({
      sequences: next(node, nextSequences),
      script: payTo(parsePoint(to)),
    });
    this.call(
      "start_transfer_v2",
      wire.StartTransferRequest,
      wire.StartTransferResponse,
      this.#start(id, nodes, receiver, refund, mischief),
    );
    return id;
  }

  /** initiate_preimage_swap_v3 to the SSP. @returns the transfer's id */
  lock(nodes: readonly Node[], paymentHash: string, amountSats: number, mischief: Mischief = {}, id = this.#ports.uuid()): string {
    const receiver = hexToBytes(this.#operators.ssp.identityPublicKey);
    const script = htlcScript(hexToBytes(paymentHash), parsePoint(receiver), this.key.point);
    const expiresAt = this.#ports.now() + HOUR_S * 1000;
    const htlc = (node: Node): { sequences: RefundSequences; script: Uint8Array } => ({ sequences: next(node, nextHtlcSequences), script });
    const transferRequest = this.#start(id, nodes, receiver, htlc, mischief, expiresAt);
    const plain = this.#refunds(
      nodes,
      this.#keyOf,
      (node) => ({ sequences: next(node, nextSequences), script: payTo(parsePoint(receiver)) }),
      mischief,
    );
    this.call("initiate_preimage_swap_v3", wire.InitiatePreimageSwapRequest, wire.InitiatePreimageSwapResponse, {
      paymentHash: hexToBytes(paymentHash),
      invoiceAmount: { valueSats: amountSats },
      receiverIdentityPublicKey: receiver,
      transfer: { transferId: id, ownerIdentityPublicKey: this.key.publicKey, leavesToSend: plain.anchored },
      transferRequest,
    });
    return id;
  }

  /** initiate_swap_primary_transfer, and the aggregation that the SSP is then shown. The adaptor is the generator times 7. */
  swap(nodes: readonly Node[], id = this.#ports.uuid()): { readonly id: string; readonly leaves: readonly SwapSignature[] } {
    const adaptor = multiply(GENERATOR, 7n);
    const receiver = hexToBytes(this.#operators.ssp.identityPublicKey);
    const commitments = this.#commit(nodes.length, {}).map(({ signingNonceCommitments }) => signingNonceCommitments);
    const signed = nodes.map((node, at) => {
      const nodeTx = parseTransaction(node.nodeTx);
      const transaction = spend(nodeTx, next(node, nextSequences).anchored, payTo(parsePoint(receiver)), "anchored");
      const operators = commitments[at] as ReadonlyMap<string, frost.Commitment>;
      return { node, nodeTx, transaction, operators, job: this.#job(node, this.#keyOf(node), transaction, nodeTx, operators, {}, adaptor) };
    });
    const changes = nodes.map((node) => ({ leafId: node.id, before: this.#keyOf(node), after: randomKeyPair(this.#random).secret }));
    const { signingResults } = this.call("initiate_swap_primary_transfer", wire.InitiateSwapPrimaryRequest, wire.StartTransferResponse, {
      adaptorPublicKeys: { adaptorPublicKey: encodePoint(adaptor) },
      transfer: {
        transferId: id,
        ownerIdentityPublicKey: this.key.publicKey,
        receiverIdentityPublicKey: receiver,
        expiryTime: toTimestamp(this.#ports.now() + HOUR_S * 1000),
        transferPackage: { ...this.#tweaks("transfer", id, changes, parsePoint(receiver), {}), leavesToSend: signed.map(({ job }) => job) },
      },
    });
    const leaves = signed.map(({ node, nodeTx, transaction, operators, job }): SwapSignature => {
      const shares = signingResults.find(({ leafId }) => leafId === node.id)?.refundTxSigningResult?.signatureShares ?? new Map();
      const verifying = parsePoint(node.verifyingPublicKey);
      const all = new Map([...operators, [frost.USER, job.signingNonceCommitment as frost.Commitment]]);
      const round = frost.round({ verifying, taproot: taproot(verifying) }, sighash(transaction, outputOf(nodeTx)), all, adaptor);
      const parts = [...shares.values(), job.userSignature as Uint8Array].map(bytesToScalar);
      return {
        leafId: node.id,
        rawUnsignedRefundTransaction: bytesToHex(serialize(transaction)),
        adaptorAddedSignature: bytesToHex(frost.aggregate(round, parts)),
      };
    });
    return { id, leaves };
  }

  /** store_preimage_share_v2. */
  storePreimage(preimage: Uint8Array, paymentHash: Uint8Array): void {
    const { identities, threshold } = this.#operators;
    const { shares, proofs } = this.#feldman(bytesToScalar(preimage), threshold, identities.length);
    const encryptedPreimageShares = new Map(
      identities.map(({ identifier, identityPublicKey, index }) => {
        const share = wire.SecretShare.encode({ secretShare: scalarToBytes(shares[index] ?? 0n), proofs });
        return [identifier, eciesEncrypt(parsePoint(hexToBytes(identityPublicKey)), share, this.#random)];
      }),
    );
    const request = { paymentHash, encryptedPreimageShares, threshold };
    this.#operators.call("store_preimage_share_v2", 0, this.id, wire.StorePreimageShareV2Request.encode(request));
  }
}

export interface SwapSignature {
  readonly leafId: string;
  readonly rawUnsignedRefundTransaction: string;
  readonly adaptorAddedSignature: string;
}

function next(node: Node, of: typeof nextSequences): RefundSequences {
  const sequences = of(parseTransaction(node.refundTx).input.sequence);
  if (sequences === null) throw new Error("the leaf must be renewed");
  return sequences;
}
