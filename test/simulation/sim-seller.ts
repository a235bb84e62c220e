/**
 * A seller of L402 resources with books of its own: which tokens it minted, which it has refused, and what it was shown.
 * Real macaroons and real BOLT11 invoices, unsigned for speed. Its faults are those that sellers have.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";
import type { SellerRequest, SellerResponse } from "../../worker/flow-types.ts";
import { Violation, type Scheduler } from "./scheduler.ts";

export interface Token {
  readonly token: string;
  readonly paymentHash: string;
  readonly preimage: string;
  readonly scope: string;
  readonly amountMsat: number;
  readonly validUntil: number;
  /** The seller turned it away although it was good. */
  refused: boolean;
  served: number;
}

export interface SellerFaults {
  readonly badInvoices: boolean;
  readonly refuse: boolean;
  readonly errors: boolean;
}

export class SimSeller {
  readonly preimages = new Map<string, string>();
  readonly tokens = new Map<string, Token>();
  readonly byHash = new Map<string, Token>();
  asked = 0;
  readonly #scheduler: Scheduler;
  readonly #faults: SellerFaults;
  #last: { readonly token: string; readonly invoice: string } | null = null;

  constructor(scheduler: Scheduler, faults: SellerFaults) {
    this.#scheduler = scheduler;
    this.#faults = faults;
  }

  handle(url: string, request: SellerRequest): SellerResponse {
    this.asked++;
    const path = new URL(url).pathname;
    if (path.startsWith("/free")) return answer(200);
    if (this.#faults.errors && this.#scheduler.choice.oneIn(40)) return answer(503);
    const scope = path.split("/")[1] ?? "";
    const shown = request.headers.find(([name]) => name.toLowerCase() === "authorization")?.[1];
    if (shown !== undefined && this.#accepts(shown, scope)) return answer(200);
    return this.#challenge(scope);
  }

  #accepts(shown: string, scope: string): boolean {
    const [, text = "", preimage = ""] = /^(?:L402|LSAT) (.*):([0-9a-f]{64})$/u.exec(shown) ?? [];
    const token = this.tokens.get(text);
    if (token === undefined) throw new Violation("invariant 6: a credential was shown that this seller never minted");
    if (bytesToHex(sha256(hexToBytes(preimage))) !== token.paymentHash) throw new Violation("invariant 5: a credential was shown whose preimage proves nothing");
    if (token.scope !== scope || token.validUntil <= this.#scheduler.now) return false;
    if (this.#faults.refuse && (token.refused || this.#scheduler.choice.oneIn(60))) {
      token.refused = true;
      return false;
    }
    token.served++;
    return true;
  }

  #challenge(scope: string): SellerResponse {
    const { choice, now } = this.#scheduler;
    const kind = this.#faults.badInvoices ? choice.below(40) : 40;
    if (kind === 0 && this.#last !== null) return challenge(this.#last.token, this.#last.invoice);
    if (kind === 1) return answer(402, `L402 macaroon="broken, invoice=`);
    const preimage = choice.bytes(32);
    const paymentHash = bytesToHex(sha256(preimage));
    const amountMsat = kind === 2 ? 90_000_000 + choice.below(1000) : 1 + choice.below(60_000);
    const validUntil = now + choice.pick([20_000, 3_600_000, 86_400_000] as [number, number, number]);
    const token = mintMacaroon({
      rootKey: choice.bytes(32), paymentHash: kind === 3 ? bytesToHex(choice.bytes(32)) : paymentHash, tokenId: choice.bytes(32),
      caveats: scope === "plain" ? [] : [{ condition: "services", value: `${scope}:0` }, { condition: `${scope}_valid_until`, value: String(Math.floor(validUntil / 1000)) }],
    });
    const invoice = mintBolt11({
      network: kind === 4 ? "mainnet" : "regtest", amountMsat: kind === 5 ? null : amountMsat, paymentHash, paymentSecret: choice.bytes(32), description: "L402",
      timestamp: Math.floor(now / 1000) - (kind === 6 ? 7200 : 0), expirySeconds: kind === 7 ? 2 : 3600, nodeSecretKey: choice.bytes(32), sign: false,
    });
    this.preimages.set(paymentHash, bytesToHex(preimage));
    const minted: Token = { token, paymentHash, preimage: bytesToHex(preimage), scope, amountMsat, validUntil: scope === "plain" ? Infinity : Math.floor(validUntil / 1000) * 1000, refused: false, served: 0 };
    this.tokens.set(token, minted);
    this.byHash.set(paymentHash, minted);
    this.#last = { token, invoice };
    return challenge(token, invoice);
  }
}

const challenge = (token: string, invoice: string): SellerResponse => answer(402, `LSAT macaroon="${token}", invoice="${invoice}", L402 macaroon="${token}", invoice="${invoice}"`);

function answer(status: number, wwwAuthenticate?: string): SellerResponse {
  return { status, headers: new Headers(wwwAuthenticate === undefined ? {} : { "www-authenticate": wwwAuthenticate }), body: null };
}
