/**
 * The messages of spark.SparkService that the SDK sends and reads, field numbers as on the wire. Fields that neither side of the sandbox
 * reads are left out: unknown ones are skipped. Tokens, cooperative exits and on-chain deposits are not here.
 */
import {
  bool,
  bytes,
  int,
  mapOf,
  mapOfBytes,
  message,
  nested,
  optionalInt,
  repeated,
  repeatedBytes,
  repeatedInt,
  repeatedText,
  text,
  type Infer,
} from "./protobuf.ts";

export const Timestamp = message({ seconds: int(1), nanos: int(2) });
export const CommitmentMessage = message({ hiding: bytes(1), binding: bytes(2) });

// spark_authn.SparkAuthnService
export const Challenge = message({ version: int(1), timestamp: int(2), nonce: bytes(3), publicKey: bytes(4) });
export const ProtectedChallenge = message({ version: int(1), challenge: nested(2, Challenge), serverHmac: bytes(3) });
export const GetChallengeRequest = message({ publicKey: bytes(1) });
export const GetChallengeResponse = message({ protectedChallenge: nested(1, ProtectedChallenge) });
export const VerifyChallengeRequest = message({
  protectedChallenge: nested(1, ProtectedChallenge),
  signature: bytes(2),
  publicKey: bytes(3),
});
export const VerifyChallengeResponse = message({ sessionToken: text(1), expirationTimestamp: int(2) });

// Leaves
export const Keyshare = message({ ownerIdentifiers: repeatedText(1), threshold: int(2), publicKey: bytes(3), publicShares: mapOfBytes(4) });
export const TreeNode = message({
  id: text(1),
  treeId: text(2),
  value: int(3),
  parentNodeId: text(4),
  nodeTx: bytes(5),
  refundTx: bytes(6),
  vout: int(7),
  verifyingPublicKey: bytes(8),
  ownerIdentityPublicKey: bytes(9),
  signingKeyshare: nested(10, Keyshare),
  status: text(11),
  network: int(12),
  createdTime: nested(13, Timestamp),
  updatedTime: nested(14, Timestamp),
  ownerSigningPublicKey: bytes(15),
  directTx: bytes(16),
  treeNodeStatus: int(19),
});
export const TreeNodeIds = message({ nodeIds: repeatedText(1) });
export const QueryNodesRequest = message({
  ownerIdentityPublicKey: bytes(1),
  nodeIds: nested(2, TreeNodeIds),
  includeParents: bool(3),
  limit: int(4),
  offset: int(5),
  statuses: repeatedInt(7),
});
export const QueryNodesResponse = message({ nodes: mapOf(1, TreeNode), offset: int(2) });

// Signing
export const GetSigningCommitmentsRequest = message({ nodeIds: repeatedText(1), count: int(2), nodeIdCount: int(3) });
export const RequestedCommitments = message({ signingNonceCommitments: mapOf(1, CommitmentMessage) });
export const GetSigningCommitmentsResponse = message({ signingCommitments: repeated(1, RequestedCommitments) });
export const SigningCommitments = message({ signingCommitments: mapOf(1, CommitmentMessage) });
export const SigningJob = message({
  leafId: text(1),
  signingPublicKey: bytes(2),
  rawTx: bytes(3),
  signingNonceCommitment: nested(4, CommitmentMessage),
  userSignature: bytes(5),
  signingCommitments: nested(6, SigningCommitments),
});
export const SigningResult = message({
  publicKeys: mapOfBytes(1),
  signingNonceCommitments: mapOf(2, CommitmentMessage),
  signatureShares: mapOfBytes(3),
});
export const LeafSigningResult = message({ leafId: text(1), refundTxSigningResult: nested(2, SigningResult), verifyingKey: bytes(3) });

// Key tweaks, inside the ECIES packages
export const SecretShare = message({ secretShare: bytes(1), proofs: repeatedBytes(2) });
export const KeyTweak = message({
  leafId: text(1),
  secretShareTweak: nested(2, SecretShare),
  publicSharesTweak: mapOfBytes(3),
  secretCipher: bytes(4),
  signature: bytes(5),
});
export const KeyTweaks = message({ leaves: repeated(1, KeyTweak) });

// Transfers
export const TransferPackage = message({
  leavesToSend: repeated(1, SigningJob),
  keyTweakPackage: mapOfBytes(2),
  userSignature: bytes(3),
  directLeavesToSend: repeated(4, SigningJob),
  directFromCpfpLeavesToSend: repeated(5, SigningJob),
  hashVariant: int(6),
});
export const StartTransferRequest = message({
  transferId: text(1),
  ownerIdentityPublicKey: bytes(2),
  receiverIdentityPublicKey: bytes(4),
  expiryTime: nested(5, Timestamp),
  transferPackage: nested(7, TransferPackage),
  sparkInvoice: text(10),
});
export const TransferLeaf = message({
  leaf: nested(1, TreeNode),
  secretCipher: bytes(2),
  signature: bytes(3),
  intermediateRefundTx: bytes(4),
});
export const Transfer = message({
  id: text(1),
  senderIdentityPublicKey: bytes(2),
  receiverIdentityPublicKey: bytes(3),
  status: int(4),
  totalValue: int(5),
  expiryTime: nested(6, Timestamp),
  leaves: repeated(7, TransferLeaf),
  createdTime: nested(8, Timestamp),
  updatedTime: nested(9, Timestamp),
  type: int(10),
  sparkInvoice: text(11),
  network: int(12),
});
export const StartTransferResponse = message({ transfer: nested(1, Transfer), signingResults: repeated(2, LeafSigningResult) });
export const TransferFilter = message({
  receiver: bytes(1),
  sender: bytes(2),
  transferIds: repeatedText(3),
  order: int(5),
  createdAfter: nested(6, Timestamp),
  createdBefore: nested(7, Timestamp),
  limit: int(40),
  offset: int(50),
  senderOrReceiver: bytes(60),
  types: repeatedInt(70),
  statuses: repeatedInt(80),
});
export const QueryTransfersResponse = message({ transfers: repeated(1, Transfer), offset: int(2) });
export const ClaimPackage = message({
  leavesToClaim: repeated(1, SigningJob),
  keyTweakPackage: mapOfBytes(2),
  userSignature: bytes(3),
  directLeavesToClaim: repeated(4, SigningJob),
  directFromCpfpLeavesToClaim: repeated(5, SigningJob),
  hashVariant: int(6),
});
export const ClaimTransferRequest = message({
  transferId: text(1),
  ownerIdentityPublicKey: bytes(2),
  claimPackage: nested(3, ClaimPackage),
});
export const ClaimTransferResponse = message({ transfer: nested(1, Transfer) });

// Preimage swaps
export const UserSignedTransfer = message({
  transferId: text(1),
  ownerIdentityPublicKey: bytes(2),
  leavesToSend: repeated(3, SigningJob),
  receiverIdentityPublicKey: bytes(4),
  expiryTime: nested(5, Timestamp),
});
export const InvoiceAmountProof = message({ bolt11Invoice: text(1) });
export const InvoiceAmount = message({ valueSats: int(1), invoiceAmountProof: nested(2, InvoiceAmountProof) });
export const InitiatePreimageSwapRequest = message({
  paymentHash: bytes(1),
  invoiceAmount: nested(2, InvoiceAmount),
  reason: int(3),
  transfer: nested(4, UserSignedTransfer),
  receiverIdentityPublicKey: bytes(5),
  feeSats: int(6),
  transferRequest: nested(7, StartTransferRequest),
});
export const InitiatePreimageSwapResponse = message({ preimage: bytes(1), transfer: nested(2, Transfer) });
export const ProvidePreimageRequest = message({ paymentHash: bytes(1), preimage: bytes(2), identityPublicKey: bytes(3) });
export const ProvidePreimageResponse = message({ transfer: nested(1, Transfer) });
export const PreimageRequest = message({
  paymentHash: bytes(1),
  receiverIdentityPublicKey: bytes(2),
  status: int(3),
  createdTime: nested(4, Timestamp),
  transfer: nested(5, Transfer),
  preimage: bytes(6),
  senderIdentityPublicKey: bytes(7),
});
export const QueryHtlcRequest = message({
  paymentHashes: repeatedBytes(1),
  identityPublicKey: bytes(2),
  status: optionalInt(3),
  limit: int(4),
  offset: int(5),
  transferIds: repeatedText(6),
  matchRole: int(7),
});
export const QueryHtlcResponse = message({ preimageRequests: repeated(1, PreimageRequest), offset: int(2) });
export const StorePreimageShareV2Request = message({
  paymentHash: bytes(1),
  encryptedPreimageShares: mapOfBytes(2),
  threshold: int(3),
  invoiceString: text(4),
  userIdentityPublicKey: bytes(5),
});

// Swaps
export const AdaptorPublicKeys = message({ adaptorPublicKey: bytes(1) });
export const InitiateSwapPrimaryRequest = message({
  transfer: nested(1, StartTransferRequest),
  adaptorPublicKeys: nested(2, AdaptorPublicKeys),
});

// Renewal of timelocks
export const RenewNodeJob = message({
  splitNode: nested(1, SigningJob),
  splitNodeDirect: nested(2, SigningJob),
  node: nested(3, SigningJob),
  refund: nested(4, SigningJob),
  nodeDirect: nested(5, SigningJob),
  refundDirect: nested(6, SigningJob),
  refundDirectFromCpfp: nested(7, SigningJob),
});
export const RenewRefundJob = message({
  node: nested(1, SigningJob),
  refund: nested(2, SigningJob),
  nodeDirect: nested(3, SigningJob),
  refundDirect: nested(4, SigningJob),
  refundDirectFromCpfp: nested(5, SigningJob),
});
export const RenewZeroJob = message({
  node: nested(1, SigningJob),
  refund: nested(2, SigningJob),
  nodeDirect: nested(3, SigningJob),
  refundDirectFromCpfp: nested(5, SigningJob),
});
export const RenewLeafRequest = message({
  leafId: text(1),
  node: nested(2, RenewNodeJob),
  refund: nested(3, RenewRefundJob),
  zero: nested(4, RenewZeroJob),
});
export const SplitResult = message({ splitNode: nested(1, TreeNode), node: nested(2, TreeNode) });
export const RefundResult = message({ node: nested(1, TreeNode) });
export const RenewLeafResponse = message({ node: nested(1, SplitResult), refund: nested(2, RefundResult), zero: nested(3, SplitResult) });

// Settings of a wallet (client mode only)
export const WalletSetting = message({ ownerIdentityPublicKey: bytes(1), privateEnabled: bool(2) });
export const WalletSettingResponse = message({ walletSetting: nested(1, WalletSetting) });

export type SigningJobMessage = Infer<typeof SigningJob>;
export type KeyTweakMessage = Infer<typeof KeyTweak>;
export type StartTransferMessage = Infer<typeof StartTransferRequest>;
export type TransferPackageMessage = Infer<typeof TransferPackage>;
