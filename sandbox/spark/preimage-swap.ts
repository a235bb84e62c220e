/**
 * Leaves against a preimage (HTLC): how a wallet pays a Lightning invoice through the SSP, how the SSP passes an incoming payment on, and how
 * a wallet locks money to a hash for another wallet. A receiver has at most one open request for a payment hash: the second is refused,
 * whatever its id. (Not one in all: an invoice between two wallets of the same SSP is two requests, one to the SSP and one from it.)
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { eciesDecrypt } from "./ecies.ts";
import { bytesToHex, bytesToScalar, hexToBytes, scalarToBytes } from "./field.ts";
import {
  SecretShare,
  type InitiatePreimageSwapRequest,
  type ProvidePreimageRequest,
  type StorePreimageShareV2Request,
} from "./messages.ts";
import {
  ALREADY_EXISTS,
  FAILED_PRECONDITION,
  given,
  need,
  NOT_FOUND,
  pointOf,
  transferOf,
  type HtlcRow,
  type Network,
  type TransferRow,
} from "./network.ts";
import { GrpcError } from "./operators-port.ts";
import type { Infer } from "./protobuf.ts";
import { combine, shareMatchesProofs } from "./shamir.ts";
import { giveBack, lockLeaves, sendFromSsp, signHtlc, takeOver } from "./transfers.ts";

/** REASON_SEND. Receives are started by the SSP, see {@link receive}. */
const REASON_SEND = 0;
const HEX_HASH = /^[0-9a-f]{64}$/;

/** initiate_preimage_swap_v3 of a wallet. @throws GrpcError 9 if the hash has an open request */
export function initiatePreimageSwap(network: Network, me: string, request: Infer<typeof InitiatePreimageSwapRequest>): TransferRow {
  need(request.reason === REASON_SEND, "only sends are started by wallets");
  const start = given(request.transferRequest, "transfer_request");
  const plain = given(request.transfer, "transfer");
  const paymentHash = bytesToHex(request.paymentHash);
  need(HEX_HASH.test(paymentHash), "payment_hash is not 32 bytes");
  need(plain.transferId === start.transferId, "two transfer ids");
  if (network.transfers.has(start.transferId)) throw new GrpcError(ALREADY_EXISTS, `transfer ${start.transferId} already exists`);
  const amount = given(request.invoiceAmount, "invoice_amount");
  const bolt11 = amount.invoiceAmountProof?.bolt11Invoice ?? null;
  if (bolt11 !== null) checkInvoice(bolt11, paymentHash, amount.valueSats);

  const parties = { paymentHash: request.paymentHash, receiver: request.receiverIdentityPublicKey, sender: hexToBytes(me) };
  need(bytesToHex(start.receiverIdentityPublicKey) === bytesToHex(parties.receiver), "two receivers");
  need(start.expiryTime !== undefined, "an HTLC must expire");
  const sign = signHtlc(network, parties, plain.leavesToSend);
  const transfer = lockLeaves(network, me, start, { type: "preimage_swap", paymentHash, swap: null, sign });
  need(transfer.sats >= amount.valueSats, "the leaves are worth less than the invoice");
  openHtlc(network, transfer, { paymentHash, bolt11, amountSats: amount.valueSats });
  return transfer;
}

function checkInvoice(bolt11: string, paymentHash: string, valueSats: number): void {
  const decoded = decodeBolt11(bolt11);
  if (!decoded.ok) {
    need(decoded.code === "invoice_amountless", "the invoice cannot be read");
    return;
  }
  need(decoded.invoice.paymentHash === paymentHash, "the invoice is for another payment hash");
  need(decoded.invoice.amountMsat === null || valueSats * 1000 >= decoded.invoice.amountMsat, "the amount is below the invoice's");
}

function openHtlc(
  network: Network,
  transfer: TransferRow,
  order: { readonly paymentHash: string; readonly bolt11: string | null; readonly amountSats: number },
): void {
  const place = hashKey(order.paymentHash, transfer.receiver);
  if (network.hashes.has(place)) throw new GrpcError(FAILED_PRECONDITION, "preimage request already exists");
  network.hashes.set(place, transfer.id);
  network.htlcs.set(transfer.id, { transferId: transfer.id, ...order, state: "waiting", createdAt: network.ports.now(), preimage: null });
}

export const hashKey = (paymentHash: string, receiver: string): string => `${paymentHash}:${receiver}`;

export function htlcOf(network: Network, transferId: string): HtlcRow {
  const htlc = network.htlcs.get(transferId);
  if (htlc === undefined) throw new GrpcError(NOT_FOUND, "no such preimage request");
  return htlc;
}

/** Takes a preimage: the sender's tweaks are applied, the receiver may claim. A repeated one is fine. @throws GrpcError 3, 9 */
export function sharePreimage(network: Network, transferId: string, preimage: string): TransferRow {
  const htlc = htlcOf(network, transferId);
  const transfer = transferOf(network, transferId);
  need(HEX_HASH.test(preimage) && bytesToHex(sha256(hexToBytes(preimage))) === htlc.paymentHash, "wrong preimage");
  network.checks.count("preimages");
  switch (htlc.state) {
    case "shared":
      return transfer;
    case "returned":
      throw new GrpcError(FAILED_PRECONDITION, "the leaves were returned to their sender");
    case "waiting":
      network.htlcs.set(transferId, { ...htlc, state: "shared", preimage });
      return takeOver(network, transfer);
  }
}

/** provide_preimage: the receiver's wallet has (or was told) the preimage. @throws GrpcError 5 no open request to the caller */
export function providePreimage(network: Network, me: string, request: Infer<typeof ProvidePreimageRequest>): TransferRow {
  const transferId = network.hashes.get(hashKey(bytesToHex(request.paymentHash), me));
  if (transferId === undefined) throw new GrpcError(NOT_FOUND, "no open preimage request for this hash");
  return sharePreimage(network, transferId, bytesToHex(request.preimage));
}

/** Gives an HTLC's leaves back; its hash may be asked for again. Repeating it is fine. @throws GrpcError 9 once the preimage is shared */
export function returnHtlc(network: Network, transferId: string, status: "returned" | "expired"): void {
  const htlc = htlcOf(network, transferId);
  if (htlc.state === "returned") return;
  if (htlc.state === "shared") throw new GrpcError(FAILED_PRECONDITION, "the preimage is shared");
  const { receiver } = giveBack(network, transferOf(network, transferId), status);
  network.htlcs.set(transferId, { ...htlc, state: "returned" });
  network.hashes.delete(hashKey(htlc.paymentHash, receiver));
}

/**
 * store_preimage_share_v2: a wallet that is about to receive splits the preimage among the operators. Each opens its own share and checks it
 * against the proofs; the first proof must be the preimage's point, which is how all know that the shares are of one secret.
 */
export function storePreimageShares(network: Network, me: string, request: Infer<typeof StorePreimageShareV2Request>): void {
  const paymentHash = bytesToHex(request.paymentHash);
  need(HEX_HASH.test(paymentHash), "payment_hash is not 32 bytes");
  need(request.threshold === network.threshold, "the threshold is not the operators'");
  let proofs: string | null = null;
  const shares = network.operators.map((operator) => {
    const message = openShare(operator.key.secret, given(request.encryptedPreimageShares.get(operator.identifier), "an operator's share"));
    const share = bytesToScalar(message.secretShare);
    need(message.proofs.length === network.threshold, "the number of proofs is not the threshold");
    if (network.checks.dear("feldman_shares")) {
      need(
        shareMatchesProofs(
          share,
          operator.number,
          message.proofs.map((proof) => pointOf(proof, "a proof")),
        ),
        "a preimage share does not match its proofs",
      );
      network.checks.count("feldman_shares");
    }
    const same = message.proofs.map(bytesToHex).join();
    need(proofs === null || proofs === same, "operators were given different proofs");
    proofs = same;
    return share;
  });
  const row = { owner: me, shares };
  need(bytesToHex(sha256(hexToBytes(preimageFrom(network, row)))) === paymentHash, "the shares are not of this hash's preimage");
  network.preimageShares.set(paymentHash, row);
}

function openShare(secret: bigint, sealed: Uint8Array): Infer<typeof SecretShare> {
  try {
    return SecretShare.decode(eciesDecrypt(secret, sealed));
  } catch {
    need(false, "an operator cannot open its preimage share");
  }
}

/** Puts a preimage together from as many shares as the threshold asks, of the last operators, so that the first alone never suffices. */
function preimageFrom(network: Network, { shares }: { readonly shares: readonly bigint[] }): string {
  const members = network.operators.slice(-network.threshold);
  return bytesToHex(scalarToBytes(combine(new Map(members.map(({ number, index }) => [number, shares[index] ?? 0n])))));
}

const HTLC_LIFE_MS = 16 * 86_400_000;

/** The SSP passes an incoming Lightning payment on and gets the preimage for it, in one step: neither side can lose. */
export function receive(
  network: Network,
  order: { readonly paymentHash: string; readonly receiver: string; readonly values: readonly number[] },
): { readonly transferId: string; readonly preimage: string } {
  const known = network.hashes.get(hashKey(order.paymentHash, order.receiver));
  const before = known === undefined ? undefined : network.htlcs.get(known);
  if (before?.preimage != null) return { transferId: before.transferId, preimage: before.preimage };
  const shares = network.preimageShares.get(order.paymentHash);
  if (shares === undefined) throw new GrpcError(NOT_FOUND, "no operator holds a share of this preimage");
  const preimage = preimageFrom(network, shares);
  const transfer = sendAgainstHash(network, order, network.ports.now() + HTLC_LIFE_MS);
  sharePreimage(network, transfer.id, preimage);
  return { transferId: transfer.id, preimage };
}

/** The SSP passes on a payment whose preimage only the wallet has. */
export function receiveHeld(
  network: Network,
  order: { readonly paymentHash: string; readonly receiver: string; readonly values: readonly number[]; readonly expiresAt: number },
): TransferRow {
  return sendAgainstHash(network, order, order.expiresAt);
}

function sendAgainstHash(
  network: Network,
  { paymentHash, receiver, values }: { readonly paymentHash: string; readonly receiver: string; readonly values: readonly number[] },
  expiresAt: number,
): TransferRow {
  const transfer = sendFromSsp(network, { receiver, values, type: "preimage_swap", expiresAt, paymentHash, held: true });
  openHtlc(network, transfer, { paymentHash, bolt11: null, amountSats: transfer.sats });
  return transfer;
}
