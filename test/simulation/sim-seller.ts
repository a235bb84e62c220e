/**
 * Sellers of L402 resources with books of their own: which tokens they minted, which they have refused, and what they were shown.
 * Real macaroons and real BOLT11 invoices, unsigned for speed. Their faults are those that sellers have.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";
import type { SellerRequest, SellerResponse } from "../../worker/flow-types.ts";
import type { Weather } from "./faults.ts";
import { NEVER, ONCE } from "./policies.ts";
import { Violation, type Scheduler } from "./scheduler.ts";

export interface Token {
  readonly token: string;
  readonly invoice: string;
  readonly paymentHash: string;
  readonly preimage: string;
  readonly origin: string;
  readonly scope: string;
  readonly amountMsat: number;
  readonly validUntil: number;
  /** The invoice's. */
  readonly expiresAt: number;
  /** The macaroon names another payment hash than the invoice: nobody may pay this (invariant 8). */
  readonly unbound: boolean;
  /** No macaroon at all: nothing in it can be read. */
  readonly opaque: boolean;
  /** The seller turned it away although it was good. */
  refused: boolean;
  /** Paths where it was shown and is not for: the seller's repeated challenges name a token of another path. */
  readonly strayed: Set<string>;
  served: number;
}

export class SimSeller {
  readonly preimages = new Map<string, string>();
  readonly tokens = new Map<string, Token>();
  readonly byHash = new Map<string, Token>();
  readonly #scheduler: Scheduler;
  readonly #weather: Weather;
  #last: Token | null = null;

  constructor(scheduler: Scheduler, weather: Weather) {
    this.#scheduler = scheduler;
    this.#weather = weather;
  }

  handle(url: string, request: SellerRequest): SellerResponse {
    const { origin, pathname } = new URL(url);
    if (pathname.startsWith("/free")) return answer(200);
    if (this.#weather.strikes("errors", 40)) return answer(503);
    const scope = scopeOf(pathname);
    const shown = request.headers.find(([name]) => name.toLowerCase() === "authorization")?.[1];
    if (shown !== undefined && this.#accepts(shown, origin, pathname)) return answer(200);
    return this.#challenge(origin, scope);
  }

  #accepts(shown: string, origin: string, pathname: string): boolean {
    const scope = scopeOf(pathname);
    const [, text = "", preimage = ""] = /^(?:L402|LSAT) (.*):([0-9a-f]{64})$/u.exec(shown) ?? [];
    const token = this.tokens.get(text);
    if (token === undefined) throw new Violation("invariant 6: a credential was shown that this seller never minted");
    if (token.origin !== origin) throw new Violation("invariant 6: a credential was shown to another origin than it was bought from");
    if (bytesToHex(sha256(hexToBytes(preimage))) !== token.paymentHash)
      throw new Violation("invariant 5: a credential was shown whose preimage proves nothing");
    if (token.scope !== scope) token.strayed.add(pathname);
    if (token.scope !== scope || token.validUntil <= this.#scheduler.now) return false;
    if (token.served > 0 && (origin === NEVER || (origin === ONCE && this.#weather.on("oneShot")))) return false;
    if (this.#weather.strikes("refuse", 25) || (token.refused && this.#weather.on("refuse"))) {
      token.refused = true;
      return false;
    }
    token.served++;
    return true;
  }

  #challenge(origin: string, scope: string): SellerResponse {
    const odd = this.#scheduler.choice.below(44);
    const kind = this.#weather.on("badInvoices") ? odd : 40;
    if ((kind === 0 || kind === 10) && this.#last?.origin === origin) return challenge(this.#last.token, this.#last.invoice);
    if (kind === 1) return answer(402, `L402 macaroon="broken, invoice=`);
    // Another seller passes on an offer of somebody else's, which has been bought long ago.
    const bought = kind === 11 ? [...this.tokens.values()].filter((token) => token.served > 0 && token.origin !== origin) : [];
    const passedOn = bought[this.#scheduler.choice.below(Math.max(1, bought.length))];
    if (passedOn !== undefined) return challenge(passedOn.token, passedOn.invoice);
    const { minted, invoice } = this.#mint(origin, scope, kind);
    return challenge(minted.token, invoice);
  }

  /** An offer in good order, for whoever needs one without asking. */
  sell(origin: string, scope: string): { readonly minted: Token; readonly invoice: string } {
    return this.#mint(origin, scope, 40);
  }

  #mint(origin: string, scope: string, kind: number): { readonly minted: Token; readonly invoice: string } {
    const { choice, now } = this.#scheduler;
    const preimage = choice.bytes(32);
    const paymentHash = bytesToHex(sha256(preimage));
    const amountMsat = kind === 2 ? 90_000_000 + choice.below(1000) : 1 + choice.below(60_000);
    const validUntil = now + choice.pick([20_000, 3_600_000, 86_400_000] as [number, number, number]);
    const opaque = kind === 8 || kind === 9;
    const unbound = kind === 3;
    const token = opaque
      ? bytesToHex(choice.bytes(24))
      : mintMacaroon({
          rootKey: choice.bytes(32),
          paymentHash: unbound ? bytesToHex(choice.bytes(32)) : paymentHash,
          tokenId: choice.bytes(32),
          caveats:
            scope === "plain"
              ? []
              : [
                  { condition: "services", value: `${scope}:0` },
                  { condition: `${scope}_valid_until`, value: String(Math.floor(validUntil / 1000)) },
                ],
        });
    const timestamp = Math.floor(now / 1000) - (kind === 6 ? 7200 : 0);
    const expirySeconds = kind === 7 || kind === 12 ? 1 + choice.below(5) : 3600;
    const invoice = mintBolt11({
      network: kind === 4 ? "mainnet" : "regtest",
      amountMsat: kind === 5 ? null : amountMsat,
      paymentHash,
      paymentSecret: choice.bytes(32),
      description: "L402",
      timestamp,
      expirySeconds,
      nodeSecretKey: choice.bytes(32),
      sign: false,
    });
    const endless = scope === "plain" || opaque;
    const minted: Token = {
      token,
      invoice,
      paymentHash,
      preimage: bytesToHex(preimage),
      origin,
      scope,
      amountMsat,
      validUntil: endless ? Infinity : Math.floor(validUntil / 1000) * 1000,
      expiresAt: (timestamp + expirySeconds) * 1000,
      unbound,
      opaque,
      refused: false,
      strayed: new Set(),
      served: 0,
    };
    this.preimages.set(paymentHash, minted.preimage);
    this.tokens.set(token, minted);
    this.byHash.set(paymentHash, minted);
    this.#last = minted;
    return { minted, invoice };
  }

  /** An invoice of somebody else's, to withdraw to. */
  invoice(amountMsat: number): { readonly bolt11: string; readonly paymentHash: string; readonly expiresAt: number } {
    const { choice, now } = this.#scheduler;
    const preimage = choice.bytes(32);
    const paymentHash = bytesToHex(sha256(preimage));
    this.preimages.set(paymentHash, bytesToHex(preimage));
    const bolt11 = mintBolt11({
      network: "regtest",
      amountMsat,
      paymentHash,
      paymentSecret: choice.bytes(32),
      description: "out",
      timestamp: Math.floor(now / 1000),
      expirySeconds: 3600,
      nodeSecretKey: choice.bytes(32),
      sign: false,
    });
    return { bolt11, paymentHash, expiresAt: (Math.floor(now / 1000) + 3600) * 1000 };
  }
}

const scopeOf = (pathname: string): string => pathname.split("/")[1] ?? "";

const challenge = (token: string, invoice: string): SellerResponse =>
  answer(402, `LSAT macaroon="${token}", invoice="${invoice}", L402 macaroon="${token}", invoice="${invoice}"`);

function answer(status: number, wwwAuthenticate?: string): SellerResponse {
  return { status, headers: new Headers(wwwAuthenticate === undefined ? {} : { "www-authenticate": wwwAuthenticate }), body: null };
}
