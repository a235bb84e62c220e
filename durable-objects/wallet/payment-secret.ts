/** What block one has sealed of a payment: the token that it buys, and the invoice. In the clear only for as long as a block needs it. */
import type { PaymentRow } from "./journal.ts";
import type { Vault } from "./vault.ts";

export interface PaymentSecret {
  readonly scheme: string;
  readonly token: string;
  readonly invoice: string;
}

/** Null when it does not open with the key that it names, or is no longer kept. @throws Error when no record key is open */
export function openSecret(vault: Vault, payment: PaymentRow): PaymentSecret | null {
  const plain = vault.ports.sealer.open(vault.key(payment.sealed), `payment:${payment.purchase_id}`, payment.sealed);
  return plain === null ? null : (JSON.parse(new TextDecoder().decode(plain)) as PaymentSecret);
}

export function sealSecret(vault: Vault, purchaseId: string, secret: PaymentSecret): Uint8Array {
  const plain = new TextEncoder().encode(JSON.stringify(secret));
  return vault.ports.sealer.seal(vault.key(), vault.nonce(), `payment:${purchaseId}`, plain);
}
