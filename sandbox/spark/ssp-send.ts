/**
 * A Lightning send: the wallet has locked leaves to the payment hash (an HTLC at the operators), and asks the SSP to pay. The order of events is
 * what keeps both whole: the SSP pays only against a waiting HTLC, takes the leaves only with the preimage, gives them back only once its node
 * says that nothing left, and holds them for as long as its node does not know. What the real SSP does beside that (retries, fees, timing) is
 * not public; README says what is assumed.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { decodeBolt11 } from "../../lightning/bolt11.ts";
import { msat } from "../../lightning/msat.ts";
import type { NodePayment } from "../lightning-node.ts";
import { GraphqlError, input, optionalCount, optionalText, sats, sendMessage, text, type Fields } from "./graphql.ts";
import type { OperatorsPort } from "./operators-port.ts";
import type { SspContext } from "./ssp-context.ts";
import type { SendRow, SendStatus } from "./ssp-requests.ts";

/** How long RequestLightningSend waits for the node, ms: the SDK asks again only a second later, so a short wait is faster than a quick answer. */
const ANSWER_WITHIN_MS = 1_000;
const POLL_MS = 250;
const MAX_POLL_MS = 5_000;

/** What a send needs of the operators. */
export type SendContext = Omit<SspContext, "operators"> & {
  readonly operators: Pick<OperatorsPort, "htlc" | "providePreimage" | "returnHtlc">;
};

export class SspSend {
  readonly #context: SendContext;

  constructor(context: SendContext) {
    this.#context = context;
  }

  /** LightningSendFeeEstimate. */
  estimate(variables: Fields): Fields {
    const fields = input(variables);
    const { amountSats } = this.#price(text(fields, "encoded_invoice"), optionalCount(fields, "amount_sats"));
    return { lightning_send_fee_estimate: { fee_estimate: sats(this.#context.fee(amountSats)) } };
  }

  /** RequestLightningSend. The same transfer again is the same request, whatever became of it. @throws GraphqlError */
  async order(variables: Fields, identity: string): Promise<Fields> {
    const fields = input(variables);
    const transferId = text(fields, "user_outbound_transfer_external_id");
    const bolt11 = text(fields, "encoded_invoice");
    optionalText(fields, "idempotency_key");
    const known = this.#context.requests.byTransfer(transferId);
    if (known !== null) {
      if (known.kind !== "send" || known.owner !== identity || known.bolt11 !== bolt11)
        throw new GraphqlError("the transfer belongs to another request");
      return this.#answer(known);
    }
    const row = this.#accept(bolt11, optionalCount(fields, "amount_sats"), transferId, identity);
    await this.#begin(row);
    return this.#answer(row);
  }

  message(row: SendRow): Fields {
    const { sspLies } = this.#context.faults;
    return sendMessage(row, { fee: sspLies.has("fee") ? 999 : null, preimage: sspLies.has("preimage") ? "11".repeat(32) : null });
  }

  #answer(row: SendRow): Fields {
    return { request_lightning_send: { request: this.message(row) } };
  }

  #price(bolt11: string, amountSats: number | null): { amountSats: number; paymentHash: string; expiresAt: number } {
    const decoded = decodeBolt11(bolt11);
    if (!decoded.ok) throw new GraphqlError("the invoice cannot be read");
    const { amountMsat, paymentHash, expiresAt, network } = decoded.invoice;
    if (network !== this.#context.leg.network) throw new GraphqlError("the invoice is for another network");
    if (amountMsat !== null) return { amountSats: Math.ceil(amountMsat / 1000), paymentHash, expiresAt };
    // The leg's contract has no amount beside the invoice's: what a wallet could not be held to is not taken.
    if (amountSats === null) throw new GraphqlError("an invoice without an amount needs amount_sats");
    throw new GraphqlError("invoices without an amount are not paid here");
  }

  /** Everything is checked before the first coin moves, and the row is written in the same turn. */
  #accept(bolt11: string, amount: number | null, transferId: string, identity: string): SendRow {
    const { operators, ports, requests } = this.#context;
    const { amountSats, paymentHash, expiresAt } = this.#price(bolt11, amount);
    const htlc = operators.htlc(transferId);
    if (htlc === null || htlc.sender !== identity || htlc.paymentHash !== paymentHash)
      throw new GraphqlError("no matching outbound transfer");
    if (htlc.state !== "waiting" || ports.now() >= htlc.expiresAt) throw new GraphqlError("the outbound transfer is over");
    if (htlc.totalSats < amountSats + this.#context.fee(amountSats)) throw new GraphqlError("the transfer does not cover amount and fee");
    const now = ports.now();
    const row: SendRow = {
      kind: "send",
      id: `SparkLightningSendRequest:${ports.uuid()}`,
      owner: identity,
      createdAt: now,
      updatedAt: now,
      status: "CREATED",
      bolt11,
      paymentHash,
      amountSats,
      feeSats: htlc.totalSats - amountSats,
      transferId,
      invoiceExpiresAt: expiresAt,
      preimage: null,
      attempts: 0,
    };
    requests.add(row);
    return row;
  }

  async #begin(row: SendRow): Promise<void> {
    this.#set(row, "LIGHTNING_PAYMENT_INITIATED");
    const { faults } = this.#context;
    switch (faults.payMode) {
      case "ok":
        await this.#pay(row, ANSWER_WITHIN_MS);
        return;
      case "fail":
        this.#giveBack(row);
        return;
      case "slow":
        this.#context.later(faults.slowMs, () => void this.#pay(row, 0));
        return;
      case "hang":
        this.#awaitMode(row);
    }
  }

  /** While the SSP is told to hang it begins nothing; afterwards it goes on as if it had only been slow. */
  #awaitMode(row: SendRow): void {
    this.#context.later(POLL_MS, () => {
      if (this.#context.faults.payMode === "hang") this.#awaitMode(row);
      else void this.#pay(row, 0);
    });
  }

  async #pay(row: SendRow, waitMs: number): Promise<void> {
    const { leg, operators, ports } = this.#context;
    // Between the order and now the wallet's HTLC may have run out: nothing may leave without it.
    const htlc = operators.htlc(row.transferId);
    if (htlc?.state !== "waiting" || ports.now() >= htlc.expiresAt) return this.#giveBack(row);
    row.attempts += 1;
    let payment: NodePayment | null = null;
    try {
      // What routing costs is the SSP's own affair: it may lose a little, as a real one may.
      const maxFeeMsat = msat(10_000 + row.amountSats * 10 + row.feeSats * 1000);
      payment = await leg.pay({ bolt11: row.bolt11, paymentHash: row.paymentHash, maxFeeMsat, waitMs });
    } catch {
      // The node may or may not have been told: only a look-up knows.
    }
    this.#conclude(row, payment, POLL_MS);
  }

  async #look(row: SendRow, interval: number): Promise<void> {
    let payment: NodePayment | null = null;
    try {
      payment = await this.#context.leg.lookup(row.paymentHash);
    } catch {
      // Unreachable: the leaves stay where they are, and the question is asked again.
    }
    this.#conclude(row, payment, interval);
  }

  /** @param payment null when the node could not be asked */
  #conclude(row: SendRow, payment: NodePayment | null, interval: number): void {
    if (this.#context.closed()) return;
    const again = (): void => this.#context.later(interval, () => void this.#look(row, Math.min(interval * 2, MAX_POLL_MS)));
    switch (payment?.kind) {
      case "settled":
        // Paid, but not proven yet (or wrongly): the leaves can only be taken with the right preimage, and must not go back.
        if (payment.preimage === null || !opens(payment.preimage, row.paymentHash)) return again();
        return this.#take(row, payment.preimage);
      case "failed":
        return this.#giveBack(row);
      case "never_initiated":
        // Nothing was sent, so it may be tried again, as long as somebody still waits for it.
        if (this.#context.ports.now() >= row.invoiceExpiresAt) return this.#giveBack(row);
        return this.#context.later(interval, () => void this.#pay(row, 0));
      case "in_flight":
      case undefined:
        return again();
    }
  }

  #take(row: SendRow, preimage: string): void {
    row.preimage = preimage;
    this.#set(row, "LIGHTNING_PAYMENT_SUCCEEDED");
    try {
      this.#context.operators.providePreimage(row.transferId, preimage);
      this.#set(row, "PREIMAGE_PROVIDED");
      this.#set(row, "TRANSFER_COMPLETED");
    } catch {
      // The HTLC ran out while the payment was on its way: the wallet has both, and the SSP has paid for it.
      this.#set(row, "PREIMAGE_PROVIDING_FAILED");
    }
    this.#context.webhooks.sendFinished(row);
  }

  #giveBack(row: SendRow): void {
    this.#set(row, "LIGHTNING_PAYMENT_FAILED");
    this.#set(row, "PENDING_USER_SWAP_RETURN");
    try {
      this.#context.operators.returnHtlc(row.transferId);
      this.#set(row, "USER_SWAP_RETURNED");
    } catch {
      this.#set(row, "USER_SWAP_RETURN_FAILED");
    }
    this.#context.webhooks.sendFinished(row);
  }

  #set(row: SendRow, status: SendStatus): void {
    row.status = status;
    row.updatedAt = this.#context.ports.now();
  }
}

const opens = (preimage: string, paymentHash: string): boolean =>
  /^[0-9a-f]{64}$/u.test(preimage) && bytesToHex(sha256(hexToBytes(preimage))) === paymentHash;
