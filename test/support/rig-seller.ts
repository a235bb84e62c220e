/** A seller's offers for the wallet rig: real macaroons and real BOLT11 invoices (unsigned, for speed), and the preimages they are paid for with. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Policy } from "../../lightning/policy.ts";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";

export interface Offer {
  readonly challenge: string;
  readonly token: string;
  readonly invoice: string;
  readonly paymentHash: string;
  readonly preimage: string;
}

export interface OfferPlan {
  readonly amountMsat?: number;
  /** The services caveat; null for none. */
  readonly service?: string | null;
  /** Epoch ms, as a caveat in whole seconds. */
  readonly validUntil?: number;
  readonly expirySeconds?: number;
  readonly network?: Policy["network"];
}

export class RigSeller {
  /** By payment hash. */
  readonly preimages = new Map<string, string>();
  /** What must never be seen in a receipt or a log. */
  readonly secrets = new Set<string>();
  #minted = 0;

  offer(
    now: number,
    { amountMsat = 20_000, service = "joke", validUntil, expirySeconds = 3600, network = "regtest" }: OfferPlan = {},
  ): Offer {
    const serial = `offer ${++this.#minted}`;
    const preimage = sha256(utf8ToBytes(serial));
    const paymentHash = bytesToHex(sha256(preimage));
    const token = mintMacaroon({
      rootKey: new Uint8Array(32),
      paymentHash,
      tokenId: sha256(preimage),
      caveats: [
        ...(service === null ? [] : [{ condition: "services", value: `${service}:0` }]),
        ...(validUntil === undefined ? [] : [{ condition: "valid_until", value: String(Math.floor(validUntil / 1000)) }]),
      ],
    });
    const invoice = mintBolt11({
      network,
      amountMsat,
      paymentHash,
      paymentSecret: new Uint8Array(32),
      description: serial,
      timestamp: Math.floor(now / 1000),
      expirySeconds,
      nodeSecretKey: new Uint8Array(32).fill(1),
      sign: false,
    });
    const hex = bytesToHex(preimage);
    this.preimages.set(paymentHash, hex);
    for (const secret of [hex, token, invoice]) this.secrets.add(secret);
    return { challenge: `L402 macaroon="${token}", invoice="${invoice}"`, token, invoice, paymentHash, preimage: hex };
  }
}
