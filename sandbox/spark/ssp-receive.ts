/**
 * A Lightning receive: the SSP's node makes an invoice for a hash whose preimage the operators hold in shares (or, for an invoice of the wallet's
 * own hash, only the wallet). The incoming payment is held; the SSP gives leaves for it and learns the preimage in the same step at the
 * operators, then settles. So it never takes a payment that it has not passed on. Once the preimage is known, settling is tried until it works.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { count, GraphqlError, input, optionalCount, optionalText, receiveMessage, text, type Fields } from "./graphql.ts";
import type { IncomingPayment } from "./lightning-leg.ts";
import type { OperatorsPort } from "./operators-port.ts";
import { denominations, type SspContext } from "./ssp-context.ts";
import type { ReceiveRow, ReceiveStatus } from "./ssp-requests.ts";

const DEFAULT_EXPIRY_SECONDS = 86_400;
const RETRY_MS = 500;
/** A wallet that named its own hash has this long to show the preimage, ms. */
const HELD_MS = 24 * 3_600_000;

/** What a receive needs of the operators. */
export type ReceiveContext = Omit<SspContext, "operators"> & {
  readonly operators: Pick<OperatorsPort, "holdsPreimage" | "receive" | "receiveHeld" | "preimageOf" | "transfer">;
};

export class SspReceive {
  readonly #context: ReceiveContext;
  /** Orders whose invoice is being made, by payment hash. */
  readonly #making = new Map<string, Promise<ReceiveRow>>();
  readonly #unsubscribe: () => void;

  constructor(context: ReceiveContext) {
    this.#context = context;
    this.#unsubscribe = context.leg.onHeld((payment) => this.#held(payment));
  }

  close(): void {
    this.#unsubscribe();
  }

  /** RequestLightningReceive. The same hash and amount again is the same request. @throws GraphqlError */
  async order(variables: Fields, identity: string): Promise<Fields> {
    const fields = input(variables);
    const paymentHash = text(fields, "payment_hash").toLowerCase();
    if (!/^[0-9a-f]{64}$/u.test(paymentHash)) throw new GraphqlError("payment_hash is not 64 hex digits");
    if (optionalText(fields, "description_hash") !== null) throw new GraphqlError("description hashes are not supported here");
    const amountSats = count(fields, "amount_sats");
    // No await between "is there one?" and "one is being made", or two orders at once would both make one.
    const underway = this.#making.get(paymentHash);
    const known = this.#context.requests.receiveOf(paymentHash) ?? (underway === undefined ? null : await underway);
    if (known !== null) {
      if (known.owner !== identity || known.amountSats !== amountSats)
        throw new GraphqlError("the payment hash belongs to another request");
      return answer(known);
    }
    const making = this.#make(fields, paymentHash, amountSats, identity).finally(() => this.#making.delete(paymentHash));
    this.#making.set(paymentHash, making);
    return answer(await making);
  }

  async #make(fields: Fields, paymentHash: string, amountSats: number, identity: string): Promise<ReceiveRow> {
    const { faults, leg, ports, requests } = this.#context;
    const expirySeconds = optionalCount(fields, "expiry_secs") ?? DEFAULT_EXPIRY_SECONDS;
    const memo = optionalText(fields, "memo");
    const receiver = optionalText(fields, "receiver_identity_pubkey") ?? identity;
    let bolt11: string;
    try {
      ({ bolt11 } = await leg.holdInvoice({
        paymentHash: faults.sspLies.has("receive_hash") ? bytesToHex(ports.random(32)) : paymentHash,
        amountSats: faults.sspLies.has("receive_amount") ? amountSats + 1 : amountSats,
        description: memo ?? "",
        expirySeconds,
      }));
    } catch {
      throw new GraphqlError("the Lightning node cannot make an invoice now");
    }
    const now = ports.now();
    const row: ReceiveRow = {
      kind: "receive",
      id: `SparkLightningReceiveRequest:${ports.uuid()}`,
      owner: identity,
      createdAt: now,
      updatedAt: now,
      status: "INVOICE_CREATED",
      bolt11,
      paymentHash,
      amountSats,
      memo,
      receiver,
      expiresAt: now + expirySeconds * 1000,
      heldSats: null,
      transferId: null,
      preimage: null,
    };
    requests.add(row);
    return row;
  }

  /** At least once for each payment: what was done already is not done again. */
  #held({ paymentHash, amountSats }: IncomingPayment): void {
    if (this.#context.closed()) return;
    const row = this.#context.requests.receiveOf(paymentHash);
    if (row === null || amountSats < row.amountSats || amountSats <= 0) return this.#refuse(row, paymentHash);
    if (row.heldSats !== null) return;
    row.heldSats = amountSats;
    this.#set(row, "HTLC_RECEIVED");
    const { operators, ports, requests } = this.#context;
    const order = { paymentHash, receiver: row.receiver, values: denominations(amountSats) };
    try {
      if (operators.holdsPreimage(paymentHash)) {
        const { transferId, preimage } = operators.receive(order);
        requests.linkTransfer(row, transferId);
        row.preimage = preimage;
        this.#set(row, "PAYMENT_PREIMAGE_RECOVERED");
        void this.#settle(row, preimage);
      } else {
        const { transferId } = operators.receiveHeld({ ...order, expiresAt: ports.now() + HELD_MS });
        requests.linkTransfer(row, transferId);
        this.#set(row, "PAYMENT_PREIMAGE_PENDING");
        this.#awaitPreimage(row, transferId);
      }
    } catch {
      this.#set(row, "TRANSFER_CREATION_FAILED");
      this.#refuse(row, paymentHash);
    }
  }

  /** The wallet alone knows the preimage: until it provides it, or its time is up, the payment stays held. */
  #awaitPreimage(row: ReceiveRow, transferId: string): void {
    this.#context.later(RETRY_MS, () => {
      const { operators } = this.#context;
      const preimage = operators.preimageOf(row.paymentHash);
      if (preimage !== null) {
        row.preimage = preimage;
        this.#set(row, "PAYMENT_PREIMAGE_RECOVERED");
        return void this.#settle(row, preimage);
      }
      const status = operators.transfer(transferId)?.status;
      if (status === "returned" || status === "expired") return this.#refuse(row, row.paymentHash);
      this.#awaitPreimage(row, transferId);
    });
  }

  async #settle(row: ReceiveRow, preimage: string): Promise<void> {
    try {
      await this.#context.leg.settle(preimage);
    } catch {
      return this.#context.later(RETRY_MS, () => void this.#settle(row, preimage));
    }
    this.#set(row, "LIGHTNING_PAYMENT_RECEIVED");
    this.#set(row, "TRANSFER_COMPLETED");
    this.#context.webhooks.receiveFinished(row);
  }

  /** Gives an incoming payment back to whoever sent it. */
  #refuse(row: ReceiveRow | null, paymentHash: string): void {
    if (row !== null) this.#set(row, "HTLC_FAILED");
    this.#context.leg.cancel(paymentHash).catch(() => this.#context.later(RETRY_MS, () => this.#refuse(row, paymentHash)));
  }

  #set(row: ReceiveRow, status: ReceiveStatus): void {
    row.status = status;
    row.updatedAt = this.#context.ports.now();
  }
}

const answer = (row: ReceiveRow): Fields => ({ request_lightning_receive: { request: receiveMessage(row) } });
