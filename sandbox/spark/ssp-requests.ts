/**
 * The SSP's rows. Everything that moves money is one row, found again by the transfer or payment hash it belongs to, so that an order that is
 * sent twice is one order. Status names are the SSP's own GraphQL enums (schema of SDK 0.19.2).
 */
export type SendStatus =
  | "CREATED"
  | "LIGHTNING_PAYMENT_INITIATED"
  | "LIGHTNING_PAYMENT_SUCCEEDED"
  | "PREIMAGE_PROVIDED"
  | "TRANSFER_COMPLETED"
  | "PREIMAGE_PROVIDING_FAILED"
  | "LIGHTNING_PAYMENT_FAILED"
  | "PENDING_USER_SWAP_RETURN"
  | "USER_SWAP_RETURNED"
  | "USER_SWAP_RETURN_FAILED";

export type ReceiveStatus =
  | "INVOICE_CREATED"
  | "HTLC_RECEIVED"
  | "TRANSFER_CREATED"
  | "TRANSFER_CREATION_FAILED"
  | "PAYMENT_PREIMAGE_PENDING"
  | "PAYMENT_PREIMAGE_RECOVERED"
  | "LIGHTNING_PAYMENT_RECEIVED"
  | "TRANSFER_COMPLETED"
  | "HTLC_FAILED";

interface Row {
  /** `SparkLightningSendRequest:<uuid>` and so on. */
  readonly id: string;
  /** Identity public key, hex, of whoever asked. */
  readonly owner: string;
  /** Epoch ms. */
  readonly createdAt: number;
  updatedAt: number;
}

export interface SendRow extends Row {
  readonly kind: "send";
  status: SendStatus;
  readonly bolt11: string;
  readonly paymentHash: string;
  readonly amountSats: number;
  readonly feeSats: number;
  readonly transferId: string;
  /** Epoch ms: the invoice's own end. */
  readonly invoiceExpiresAt: number;
  /** 64 hex digits once the node has shown it. */
  preimage: string | null;
  /** Times the Lightning node was told to pay: above 1 only after it said that it had never been told. */
  attempts: number;
}

export interface ReceiveRow extends Row {
  readonly kind: "receive";
  status: ReceiveStatus;
  readonly bolt11: string;
  readonly paymentHash: string;
  /** 0: any amount. */
  readonly amountSats: number;
  readonly memo: string | null;
  readonly receiver: string;
  /** Epoch ms. */
  readonly expiresAt: number;
  /** What came in; null before. */
  heldSats: number | null;
  transferId: string | null;
  preimage: string | null;
}

export interface SwapRow extends Row {
  readonly kind: "swap";
  readonly status: "SUCCEEDED";
  readonly totalSats: number;
  readonly targetSats: number;
  /** Wallet to SSP. */
  readonly primaryTransferId: string;
  /** SSP to wallet. */
  readonly counterTransferId: string;
}

export type RequestRow = SendRow | ReceiveRow | SwapRow;

export class SspRequests {
  readonly #byId = new Map<string, RequestRow>();
  readonly #byTransfer = new Map<string, RequestRow>();
  readonly #receives = new Map<string, ReceiveRow>();

  add(row: RequestRow): void {
    this.#byId.set(row.id, row);
    switch (row.kind) {
      case "send":
        this.#byTransfer.set(row.transferId, row);
        break;
      case "receive":
        this.#receives.set(row.paymentHash, row);
        break;
      case "swap":
        this.#byTransfer.set(row.primaryTransferId, row);
    }
  }

  /** A receive gets its transfer when it is paid. */
  linkTransfer(row: ReceiveRow, transferId: string): void {
    row.transferId = transferId;
    this.#byTransfer.set(transferId, row);
  }

  byId(id: string): RequestRow | null {
    return this.#byId.get(id) ?? null;
  }

  byTransfer(transferId: string): RequestRow | null {
    return this.#byTransfer.get(transferId) ?? null;
  }

  receiveOf(paymentHash: string): ReceiveRow | null {
    return this.#receives.get(paymentHash) ?? null;
  }

  all(): Iterable<RequestRow> {
    return this.#byId.values();
  }
}
