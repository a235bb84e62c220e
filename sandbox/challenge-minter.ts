/**
 * Mints what a 402 carries: an invoice and the token bound to it, in the header lines that Aperture writes: LSAT first, then
 * L402 with the same content, no version, no `token=`. The odd routes break one thing each.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { sats } from "../lightning/msat.ts";
import { mintMacaroon } from "./mint-macaroon.ts";
import type { InvoiceOptions, SimulatedNode } from "./node.ts";
import { BRIEF_SECONDS, type Quirk } from "./odd-routes.ts";
import type { SandboxPorts } from "./ports.ts";
import type { Service } from "./services.ts";

/** lnd's default, which Aperture leaves as it is. */
const INVOICE_EXPIRY_SECONDS = 86_400;

export interface ChallengeMinter {
  /** The `WWW-Authenticate` lines of one fresh challenge. */
  challenge(service: Service, quirk: Quirk): string[];
  /** The secret under which the token of this id (hex) is minted. */
  rootKeyOf(tokenId: string): Uint8Array;
  /** The payment hash that an opaque token of ours stands for, else null. */
  openOpaque(token: string): string | null;
}

export function createChallengeMinter(node: SimulatedNode, ports: SandboxPorts): ChallengeMinter {
  const secret = ports.random(32);
  const derive = (purpose: string, text: string): Buffer => createHmac("sha256", secret).update(`${purpose}:${text}`).digest();
  const rootKeyOf = (tokenId: string): Uint8Array => new Uint8Array(derive("token", tokenId));

  function invoiceFor(service: Service, quirk: Quirk): ReturnType<SimulatedNode["createInvoice"]> {
    const usual: InvoiceOptions = {
      amountMsat: sats(service.priceSats),
      description: "L402",
      expirySeconds: INVOICE_EXPIRY_SECONDS,
      route: service.name,
    };
    const nowSeconds = Math.floor(ports.now() / 1000);
    switch (quirk) {
      case "expired_invoice":
        return node.createInvoice({ ...usual, timestamp: nowSeconds - 2 * INVOICE_EXPIRY_SECONDS });
      case "amountless_invoice":
        return node.createInvoice({ ...usual, amountMsat: null });
      case "wrong_network":
        return node.createInvoice({ ...usual, network: node.network === "mainnet" ? "testnet" : "mainnet" });
      case "brief_invoice":
        return node.createInvoice({ ...usual, expirySeconds: BRIEF_SECONDS });
      case "none":
      case "hash_mismatch":
      case "opaque_token":
      case "malformed_challenge":
      case "refuses_credentials":
      case "no_services":
      case "counts_uses":
      case "slow_always":
      case "moody":
        return node.createInvoice(usual);
    }
  }

  /** In Aperture's order: services, capabilities (always there, may be empty), constraints, timeout. */
  function caveatsOf(service: Service): { condition: string; value: string }[] {
    const caveats = [
      { condition: "services", value: `${service.name}:0` },
      { condition: `${service.name}_capabilities`, value: service.capabilities ?? "" },
      ...Object.entries(service.constraints ?? {}).map(([condition, value]) => ({ condition, value })),
    ];
    if (service.timeoutSeconds !== undefined) {
      caveats.push({ condition: `${service.name}_valid_until`, value: String(Math.floor(ports.now() / 1000) + service.timeoutSeconds) });
    }
    return caveats;
  }

  return {
    rootKeyOf,
    challenge(service, quirk) {
      const invoice = invoiceFor(service, quirk);
      if (quirk === "malformed_challenge") return [`L402 macaroon="unterminated, invoice=${invoice.bolt11}`];
      if (quirk === "opaque_token") {
        const token = Buffer.concat([Buffer.from(invoice.paymentHash, "hex"), derive("opaque", invoice.paymentHash)]).toString("base64url");
        return [`L402 version="0", token="${token}", invoice="${invoice.bolt11}"`];
      }
      const tokenId = ports.random(32);
      const macaroon = mintMacaroon({
        rootKey: rootKeyOf(Buffer.from(tokenId).toString("hex")),
        paymentHash: quirk === "hash_mismatch" ? Buffer.from(ports.random(32)).toString("hex") : invoice.paymentHash,
        tokenId,
        location: "lsat",
        caveats: quirk === "no_services" ? [] : caveatsOf(service),
      });
      const parameters = `macaroon="${macaroon}", invoice="${invoice.bolt11}"`;
      return [`LSAT ${parameters}`, `L402 ${parameters}`];
    },
    openOpaque(token) {
      const bytes = Buffer.from(token, "base64url");
      if (bytes.byteLength !== 64) return null;
      const paymentHash = bytes.subarray(0, 32).toString("hex");
      return timingSafeEqual(bytes.subarray(32), derive("opaque", paymentHash)) ? paymentHash : null;
    },
  };
}
