/**
 * Sellers for networks that are not ours. The toll seller stands on this machine and lets another wallet of the same Worker make its
 * invoices, since only a node of that network can: a macaroon bound to the invoice's payment hash, and anybody who shows the preimage may
 * pass. It needs no node of its own, and no preimage.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { acceptCredential, readCredential } from "../../sandbox/credential.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";
import type { Secret } from "../../test/support/canary.ts";
import type { Buyer, Seller, Stage } from "./stage.ts";

/** @param template an https URL with `{n}` in it */
export function sellerElsewhere(template: string): Seller {
  const resource = (n: number): string => template.replaceAll("{n}", String(n));
  return { resource, host: new URL(resource(0)).host, ours: false, secrets: () => [], close: () => Promise.resolve() };
}

/** @param stage asked at the first request, when the Worker runs */
export async function tollSeller(priceSats: number, stage: () => Pick<Stage, "buyer" | "operate">): Promise<Seller> {
  const secret = randomBytes(32);
  const rootKeyOf = (tokenId: string): Uint8Array => createHash("sha256").update(secret).update(tokenId).digest();
  const secrets: Secret[] = [];
  let till: Promise<Buyer> | null = null;

  async function challenge(service: string): Promise<string> {
    till ??= stage().buyer();
    const { walletId } = await till;
    const invoice = await stage().operate("POST", `/v1/wallets/${walletId}/invoices`, { amountSats: priceSats });
    const [bolt11, paymentHash] = [String(invoice["bolt11"]), String(invoice["paymentHash"])];
    const tokenId = randomBytes(32);
    const macaroon = mintMacaroon({
      rootKey: rootKeyOf(tokenId.toString("hex")),
      paymentHash,
      tokenId,
      caveats: [{ condition: "services", value: `${service}:0` }],
    });
    secrets.push({ name: "macaroon", text: macaroon }, { name: "invoice", text: bolt11 });
    return `L402 macaroon="${macaroon}", invoice="${bolt11}"`;
  }

  const server = createServer((request, response) => {
    const service = /^\/toll\/(\d+)$/u.exec(request.url ?? "")?.[1];
    if (service === undefined) return void response.writeHead(404).end();
    const name = `toll_${service}`;
    const credential = readCredential([["authorization", request.headers.authorization ?? ""]]);
    if (credential !== null) secrets.push({ name: "preimage", text: credential.preimage });
    if (credential !== null && acceptCredential(credential, name, rootKeyOf, Date.now()) !== null)
      return void response.writeHead(200, { "content-type": "text/plain" }).end("passed\n");
    challenge(name).then(
      (line) => response.writeHead(402, { "www-authenticate": line }).end("pay the toll\n"),
      () => response.writeHead(503).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    resource: (n) => `http://${host}/toll/${n}`,
    host,
    ours: true,
    secrets: () => secrets,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
